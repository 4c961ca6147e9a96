"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const print = matchMedia("print");

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const seriesColour = (index) => colour(`--series-${(index % 5) + 1}`);
  const font = () => ({
    family: getComputedStyle(document.body).fontFamily,
    size: 12,
    color: colour("--soft"),
  });
  const axis = (more) => ({
    gridcolor: colour("--grid"),
    linecolor: colour("--line"),
    zerolinecolor: colour("--line"),
    tickcolor: colour("--line"),
    color: colour("--soft"),
    ...more,
  });
  const hoverlabel = () => ({
    bgcolor: colour("--card"),
    bordercolor: colour("--line"),
    font: { ...font(), color: colour("--ink") },
  });
  const frame = (more) => ({
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: font(),
    hoverlabel: hoverlabel(),
    modebar: { bgcolor: "rgba(0,0,0,0)", color: colour("--line"), activecolor: colour("--soft") },
    showlegend: false,
    ...more,
  });
  const config = {
    displaylogo: false,
    responsive: true,
    modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d", "hoverClosestCartesian",
      "hoverCompareCartesian", "toggleSpikelines", "resetCameraLastSave3d", "hoverClosest3d",
      "tableRotation"],
  };

  // "ff8800004488…", six digits a point.
  const hexColours = (digits) =>
    Array.from({ length: digits.length / 6 }, (_, i) => "#" + digits.slice(6 * i, 6 * i + 6));

  const flatCloud = (scatter, index) => {
    const cloud = scatter.clouds[index];
    const own = cloud.colours ? hexColours(cloud.colours) : null;
    const side = (k) => [scatter.low[k], scatter.high[k]];
    return () => ({
      traces: [{
        type: "scatter", mode: "markers", x: cloud.points[0], y: cloud.points[1],
        marker: {
          size: cloud.points[0].length > 1500 ? 3 : 4.5,
          opacity: 0.65,
          color: own || seriesColour(index),
        },
        hovertemplate: "(%{x:.4g}, %{y:.4g})<extra></extra>",
      }],
      layout: frame({
        margin: { l: 40, r: 14, t: 6, b: 32 },
        dragmode: "pan",
        xaxis: axis({ range: side(0), constrain: "domain", zeroline: false, nticks: 7 }),
        yaxis: axis({ range: side(1), scaleanchor: "x", constrain: "domain", zeroline: false, nticks: 7 }),
      }),
    });
  };

  const solidCloud = (scatter, index) => {
    const cloud = scatter.clouds[index];
    const own = cloud.colours ? hexColours(cloud.colours) : null;
    const side = (k) => axis({
      range: [scatter.low[k], scatter.high[k]],
      title: { text: scatter.axes[k], font: font() },
      nticks: 5,
      showbackground: false,
      showspikes: false,
    });
    return () => ({
      traces: [{
        type: "scatter3d", mode: "markers",
        x: cloud.points[0], y: cloud.points[1], z: cloud.points[2],
        marker: {
          size: 2.6,
          opacity: own ? 1 : 0.7,
          color: own || seriesColour(index),
          line: { width: 0 },
        },
        hovertemplate: "(%{x:.3g}, %{y:.3g}, %{z:.3g})<extra></extra>",
      }],
      layout: frame({
        margin: { l: 0, r: 0, t: 0, b: 0 },
        scene: {
          aspectmode: "cube",
          camera: { eye: { x: 1.95, y: -1.95, z: 1.1 }, center: { x: 0, y: 0, z: -0.12 } },
          xaxis: side(0), yaxis: side(1), zaxis: side(2),
        },
      }),
    });
  };

  const curve = (line, index) => () => ({
    traces: [{
      type: "scatter",
      mode: line.steps.length <= 30 ? "lines+markers" : "lines",
      x: line.steps, y: line.values, connectgaps: false,
      line: { color: seriesColour(index), width: 1.8 },
      hovertemplate: "step %{x}<br><b>%{y:.4g}</b><extra></extra>",
    }],
    layout: frame({
      margin: { l: 58, r: 26, t: 10, b: 48 },
      hovermode: "x",
      dragmode: "zoom",
      xaxis: axis({ title: { text: "step", standoff: 6 }, zeroline: false, showline: true, nticks: 6 }),
      yaxis: axis({
        type: line.logarithmic ? "log" : "linear",
        zeroline: false, nticks: 6, exponentformat: "power",
      }),
    }),
  });

  const plots = [];
  const draw = (place, make) => {
    const { traces, layout } = make();
    plots.push({ place, make });
    return Plotly.newPlot(place, traces, layout, config);
  };

  // What one plot of a group shows, the others show: zoom in the plane, camera in space.
  const link = (places) => {
    let passing = false;
    const pass = (from) => async (change) => {
      if (passing) return;
      const keys = Object.keys(change).filter((key) => /^([xy]axis\.|scene\.camera)/.test(key));
      if (keys.length === 0) return;
      const part = Object.fromEntries(keys.map((key) => [key, change[key]]));
      passing = true;
      try {
        await Promise.all(places.filter((place) => place !== from)
          .map((place) => Plotly.relayout(place, structuredClone(part))));
      } finally {
        passing = false;
      }
    };
    for (const place of places) {
      place.on("plotly_relayout", pass(place));
      place.on("plotly_relayouting", pass(place));
    }
  };

  // Colours only: zoom and camera stay as they are.
  const recolour = () => {
    for (const { place, make } of plots) {
      const { traces, layout } = make();
      const change = { font: layout.font, hoverlabel: layout.hoverlabel, modebar: layout.modebar };
      for (const name of ["xaxis", "yaxis", "scene.xaxis", "scene.yaxis", "scene.zaxis"]) {
        const [first, second] = name.split(".");
        const part = second ? layout[first]?.[second] : layout[first];
        if (!part) continue;
        for (const key of ["gridcolor", "linecolor", "zerolinecolor", "tickcolor", "color"])
          change[`${name}.${key}`] = part[key];
      }
      const { marker, line } = traces[0];
      const paint = line ? { "line.color": line.color }
        : typeof marker.color === "string" ? { "marker.color": marker.color } : {};
      Plotly.update(place, paint, change);
    }
  };

  // Two pictures, one over the other, and an edge that a pointer or the arrow keys move.
  const compare = async () => {
    const figures = [...document.querySelectorAll("figure.compared")];
    if (figures.length !== 2) return;
    const [before, after] = figures.map((figure) => figure.querySelector("img"));
    await Promise.all([before.decode(), after.decode()]);
    const ratio = (before.naturalWidth * after.naturalHeight) / (before.naturalHeight * after.naturalWidth);
    if (!(Math.abs(ratio - 1) < 0.01)) return;
    const stage = document.getElementById("compare").content.firstElementChild.cloneNode(true);
    stage.style.setProperty("--ratio", after.naturalWidth / after.naturalHeight);
    const [under, over] = stage.querySelectorAll("img");
    under.src = after.src;
    over.src = before.src;
    const slider = stage.querySelector("input");
    const move = () => stage.style.setProperty("--cut", `${slider.value}%`);
    slider.addEventListener("input", move);
    move();
    for (const figure of figures) figure.hidden = true;
    figures[0].parentElement.before(stage);
  };

  const start = async () => {
    const drawn = [];
    data.scatters.forEach((scatter, s) => {
      const places = [...document.querySelectorAll(`[data-scatter="${s}"]`)];
      const make = scatter.axes.length === 3 ? solidCloud : flatCloud;
      drawn.push(...places.map((place, c) => draw(place, make(scatter, c))));
      drawn.push(Promise.all(drawn).then(() => link(places)));
    });
    const lines = [...document.querySelectorAll("[data-curve]")];
    drawn.push(...lines.map((place, c) => draw(place, curve(data.curves[c], c))));
    await Promise.all(drawn);
    dark.addEventListener("change", recolour);
    print.addEventListener("change", recolour);
    document.documentElement.dataset.drawn = plots.length;
  };

  // Paper has another width, and there is no time to draw again: the drawings are scaled to it.
  addEventListener("beforeprint", () => {
    for (const details of document.querySelectorAll("details")) details.open = true;
    for (const { place } of plots) {
      for (const svg of place.querySelectorAll(".main-svg")) {
        const [width, height] = [svg.getAttribute("width"), svg.getAttribute("height")];
        place.style.setProperty("--shape", width / height);
        svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
      }
    }
  });
  addEventListener("afterprint", () => {
    for (const svg of document.querySelectorAll(".main-svg")) svg.removeAttribute("viewBox");
  });
  compare().catch(() => {});  // a picture that cannot be decoded stays beside the other
  start();
})();
