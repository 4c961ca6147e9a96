"""The sample report in a browser: the plots are drawn, nothing is complained about or loaded."""

import re
import shutil
import subprocess

import pytest

# Advice on speed from the canvas and the software renderer, not errors.
ADVICE = ("willReadFrequently", "GL Driver Message (OpenGL, Performance")


@pytest.fixture(scope="module")
def browser():
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    pytest.skip("no chromium")


@pytest.fixture(scope="module")
def opened(browser, sample, tmp_path_factory):
    """The page's elements after its scripts have run, and the console's lines."""
    folder = tmp_path_factory.mktemp("report")
    page = folder / "report.html"
    subprocess.run([sample("report"), str(page)], check=True)
    run = subprocess.run(
        [browser, "--headless", "--no-sandbox", "--disable-gpu", "--use-gl=angle",
         "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--enable-logging=stderr",
         "--v=0", f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=8000",
         "--dump-dom", page.as_uri()],
        check=True, capture_output=True, text=True, timeout=180)
    elements = re.sub(r"<script.*?</script>", "", run.stdout, flags=re.S)
    return elements, [line for line in run.stderr.splitlines() if ":CONSOLE" in line]


def test_every_plot_is_drawn(opened):
    elements, _ = opened
    assert 'data-drawn="10"' in elements
    plots = re.findall(r'class="plot js-plotly-plot"', elements)
    assert len(plots) == 10
    # 3000 points in each of three planes, four curves of which one has a gap, three spaces.
    assert len(re.findall(r'<path class="point"', elements)) == 9000
    assert len(re.findall(r'<path class="js-line"', elements)) == 5
    assert len(re.findall(r'<div id="scene"', elements)) == 3
    assert "WebGL is not supported" not in elements


def test_pictures_can_be_compared(opened):
    elements, _ = opened
    stage = re.search(r'<figure class="compare"[^>]*>.*?</figure>', elements.split("<template")[0], re.S)
    assert stage and stage.group().count('src="data:image/jpeg;base64,') == 2
    assert elements.count('<figure class="compared" hidden') == 2


def test_the_console_is_silent(opened):
    _, console = opened
    assert [line for line in console if not any(advice in line for advice in ADVICE)] == []
