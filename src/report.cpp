#include "monge/report.h"

#include "report/embedded.h"
#include "report/html.h"
#include "report/plots.h"

namespace monge {
namespace {

using html::escape;

std::string section(std::string_view heading, std::string_view content) {
  return fmt::format("<section>\n<h2>{}</h2>\n{}</section>", heading, content);
}

std::string figures_section(std::string_view title, const std::vector<Figure>& figures) {
  if (figures.empty()) return "";
  std::string rows;
  for (const Figure& figure : figures)
    rows += fmt::format(
        "<tr><th scope=\"row\">{}</th><td class=\"value\">{}</td><td "
        "class=\"meaning\">{}</td></tr>\n",
        escape(figure.name), escape(figure.value), escape(figure.meaning));
  return section(
      title,
      "<div class=\"table\"><table>\n<thead><tr><th scope=\"col\">Figure</th>"
      "<th scope=\"col\">Value</th><th scope=\"col\">Meaning</th></tr></thead>\n<tbody>\n" +
          rows + "</tbody></table></div>\n");
}

/// The first column heads the rows.
std::string table_section(const ReportTable& table) {
  std::string text;
  if (!table.note.empty()) text += fmt::format("<p class=\"note\">{}</p>\n", escape(table.note));
  text += "<div class=\"table\"><table>\n<thead><tr>";
  for (const std::string& name : table.header)
    text += fmt::format("<th scope=\"col\">{}</th>", escape(name));
  text += "</tr></thead>\n<tbody>\n";
  for (const std::vector<std::string>& row : table.rows) {
    text += fmt::format("<tr><th scope=\"row\">{}</th>", escape(row.front()));
    for (std::size_t i = 1; i < row.size(); ++i) text += fmt::format("<td>{}</td>", escape(row[i]));
    text += "</tr>\n";
  }
  return section(escape(table.title), text + "</tbody></table></div>\n");
}

std::string tables_sections(const std::vector<ReportTable>& tables) {
  std::string text;
  for (const ReportTable& table : tables) text += table_section(table);
  return text;
}

/// The first two pictures are a pair that the page lays one over the other.
bool compared(const std::vector<Picture>& pictures) {
  return pictures.size() >= 2 && pictures[0].caption == "before" && pictures[1].caption == "after";
}

std::string pictures_section(const std::vector<Picture>& pictures) {
  if (pictures.empty()) return "";
  std::string panels;
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    const Picture& picture = pictures[i];
    const std::string caption = escape(picture.caption);
    panels += fmt::format(
        "<figure{}><img alt=\"{}\" "
        "src=\"data:{};base64,{}\"><figcaption>{}</figcaption></figure>\n",
        i < 2 && compared(pictures) ? " class=\"compared\"" : "", caption, escape(picture.mime),
        html::base64(picture.bytes), caption);
  }
  return section("Pictures", "<div class=\"panels pictures\">\n" + panels + "</div>\n");
}

std::string plot_panel(std::string_view name, std::string_view note, std::string_view key) {
  return fmt::format(
      "<figure><figcaption>{0}<span class=\"note\">{1}</span></figcaption>"
      "<div class=\"plot\" role=\"img\" aria-label=\"plot of {0}: {1}\" {2}></div></figure>\n",
      escape(name), escape(note), key);
}

std::string scatters_section(const Report& report, const Plots& plots) {
  if (report.scatters.empty()) return "";
  std::string content;
  for (std::size_t s = 0; s < report.scatters.size(); ++s) {
    const Scatter& scatter = report.scatters[s];
    content += fmt::format("<h3>{}</h3>\n<div class=\"panels clouds\">\n", escape(scatter.title));
    for (std::size_t c = 0; c < scatter.clouds.size(); ++c)
      content += plot_panel(scatter.clouds[c].name, plots.notes[s][c],
                            fmt::format("data-scatter=\"{}\"", s));
    content += "</div>\n";
  }
  return section("Measures", content);
}

std::string curves_section(const Report& report, const Plots& plots) {
  if (report.curves.empty()) return "";
  std::string content = "<div class=\"panels curves\">\n";
  for (std::size_t c = 0; c < report.curves.size(); ++c)
    content += plot_panel(report.curves[c].name, plots.curve_notes[c],
                          fmt::format("data-curve=\"{}\"", c));
  return section("Curves", content + "</div>\n");
}

std::string configuration_section(const std::string& configuration) {
  if (configuration.empty()) return "";
  return section("Configuration",
                 fmt::format("<details><summary>config.toml</summary><pre><code>{}</code></pre>"
                             "</details>\n",
                             escape(configuration)));
}

/// JSON that an HTML parser cannot leave: no "</script>" and no "<!--" without "<".
std::string script_json(const nlohmann::json& data) {
  const std::string text = data.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  std::string safe;
  safe.reserve(text.size());
  for (const char c : text) c == '<' ? safe += "\\u003c" : safe += c;
  return safe;
}

/// A page without plots needs the small script only.
std::string scripts(const Report& report, const Plots& plots) {
  std::string text =
      "<script type=\"application/json\" id=\"data\">" + script_json(plots.data) + "</script>\n";
  if (!report.scatters.empty() || !report.curves.empty()) {
    text += "<noscript><p>The plots need JavaScript.</p></noscript>\n<script>";
    text += embedded::plotly_js();
    text += "</script>\n";
  }
  text += "<script>\n";
  text += embedded::page_js();
  return text + "</script>";
}

std::string report_page(const Report& report) {
  const Plots plots = plots_of(report);
  const std::string title = escape(report.title);
  const std::string summary =
      report.summary.empty() ? "" : "<p class=\"summary\">" + escape(report.summary) + "</p>";
  return html::fill(embedded::page_html(),
                    {{"title", title},
                     {"version", MONGE_VERSION},
                     {"style", embedded::page_css()},
                     {"summary", summary},
                     {"figures", figures_section("Figures", report.figures)},
                     {"plan_figures", figures_section("Plan check", report.plan_figures)},
                     {"tables", tables_sections(report.tables)},
                     {"pictures", pictures_section(report.pictures)},
                     {"scatters", scatters_section(report, plots)},
                     {"curves", curves_section(report, plots)},
                     {"configuration", configuration_section(report.configuration)},
                     {"scripts", scripts(report, plots)}});
}

}  // namespace

void write_report(const std::filesystem::path& path, const Report& report, Existing existing) {
  require_writable(path, existing);  // before the work, not after it
  write_text(path, report_page(report), existing);
}

}  // namespace monge
