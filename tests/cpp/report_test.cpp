#include "monge/report.h"

#include "monge/error.h"

#include "report/embedded.h"
#include "report/html.h"
#include "report/plots.h"
#include "temporary_folder.h"

#include <nlohmann/json.hpp>

#include <fstream>
#include <limits>
#include <regex>

namespace monge {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

class ReportPage : public testing::Test {
 protected:
  std::string page(const Report& report) const {
    write_report(folder_ / "report.html", report);
    return read_text(folder_ / "report.html");
  }

  /// The page without Plotly's script, which is not ours to judge.
  std::string own(const Report& report) const {
    std::string text = page(report);
    const std::size_t start = text.find(embedded::plotly_js());
    if (start != std::string::npos) text.erase(start, embedded::plotly_js().size());
    return text;
  }

  const TemporaryFolder temporary_;
  const fs::path folder_ = temporary_.path();
};

Report sample() {
  at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(3u);
  const Tensor plane = at::randn({200, 2}, generator, at::kFloat);
  const Tensor colours = at::rand({200, 3}, generator, at::kFloat);
  return {.title = "Title",
          .summary = "Summary.",
          .figures = {{"L2-UVP", "0.74 %", "share unexplained"}, {"steps", "5000", "done"}},
          .tables = {{"Cells", "On two days.", {"", "cells"}, {{"day <2>", "150"}}}},
          .pictures = {{"before", "image/png", "abc"}, {"after", "image/png", "defg"}},
          .scatters = {{"plane", {{"P", plane}, {"Q", plane + 3}}},
                       {"space", {{"S", colours, colours}}}},
          .curves = {{"loss", {1, 2, 3}, {0.5, 0.25, 0.125}, true}},
          .configuration = "seed = 7\n"};
}

std::size_t occurrences(std::string_view text, std::string_view what) {
  std::size_t count = 0;
  for (std::size_t at = text.find(what); at != std::string_view::npos; at = text.find(what, at + 1))
    ++count;
  return count;
}

TEST(ReportHtml, EscapesWhatAParserWouldRead) {
  EXPECT_EQ(html::escape("<a href=\"x\">'&amp;'</a>"),
            "&lt;a href=&quot;x&quot;&gt;&#39;&amp;amp;&#39;&lt;/a&gt;");
  EXPECT_EQ(html::escape("Wasserstein-2 δ → 0"), "Wasserstein-2 δ → 0");
}

// RFC 4648, section 10.
TEST(ReportHtml, Base64AgreesWithThePublishedVectors) {
  const std::pair<const char*, const char*> vectors[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"}};
  for (const auto& [bytes, text] : vectors) EXPECT_EQ(html::base64(bytes), text);
  EXPECT_EQ(html::base64(std::string_view("\0\xff\0", 3)), "AP8A");
}

TEST(ReportHtml, FillReplacesOnceAndKnowsEveryName) {
  EXPECT_EQ(html::fill("<{{a}}|{{b}}|{{a}}>", {{"a", "{{b}}"}, {"b", "2"}}), "<{{b}}|2|{{b}}>");
  EXPECT_THROW(html::fill("{{c}}", {{"a", ""}}), Error);
  EXPECT_THROW(html::fill("{{a", {{"a", ""}}), Error);
}

TEST_F(ReportPage, ShowsEveryPart) {
  const std::string text = own(sample());
  for (const char* part :
       {"<title>Title</title>", "<h1>Title</h1>", "Summary.", "L2-UVP", "0.74 %",
        "share unexplained", "data:image/png;base64,YWJj", "alt=\"before\"",
        "data:image/png;base64,ZGVmZw==", "<h3>plane</h3>", "<h3>space</h3>", "<h2>Cells</h2>",
        "On two days.", "<th scope=\"row\">day &lt;2&gt;</th><td>150</td>", "seed = 7"})
    EXPECT_NE(text.find(part), std::string::npos) << part;
  EXPECT_EQ(occurrences(text, "data-scatter=\"0\""), 2u);
  EXPECT_EQ(occurrences(text, "data-scatter=\"1\""), 1u);
  EXPECT_EQ(occurrences(text, "data-curve=\"0\""), 1u);
  EXPECT_EQ(occurrences(text, "class=\"compared\""), 2u);
  EXPECT_NE(page(sample()).find(embedded::plotly_js()), std::string::npos);
}

TEST_F(ReportPage, AnEmptyReportIsAPageWithoutSectionsAndWithoutPlotly) {
  const std::string text = page({.title = "Nothing"});
  EXPECT_EQ(text.find("<section>"), std::string::npos);
  EXPECT_LT(text.size(), 40000u);
  EXPECT_EQ(text.find("{{"), std::string::npos);
}

TEST_F(ReportPage, EveryTextIsEscaped) {
  const std::string evil = "</script></title><!--<script>alert(\"1\")</script>'&{{style}}";
  Report report = sample();
  report.title = report.summary = report.configuration = evil;
  report.figures = {{evil, evil, evil}};
  report.pictures = {{evil, "image/png\" onload=\"alert(1)", "abc"}};
  report.scatters[0].title = report.scatters[0].clouds[0].name = evil;
  report.curves[0].name = evil;
  const std::string text = own(report), plain = own(sample());
  for (const char* tag : {"<script", "</script>", "</title>", "<!--"})
    EXPECT_EQ(occurrences(text, tag), occurrences(plain, tag)) << tag;
  EXPECT_EQ(text.find("\" onload"), std::string::npos);
  // Title twice, summary, three cells, configuration, picture twice, the title of a scatter, and
  // the names of a cloud and of a curve, each twice.
  EXPECT_EQ(occurrences(text, html::escape(evil)), 14u);
}

TEST(ReportScripts, HoldNothingThatEndsThem) {
  for (const std::string_view script : {embedded::plotly_js(), embedded::page_js()}) {
    EXPECT_GT(script.size(), 1000u);
    const auto none = [&](std::string_view what) {
      return std::ranges::search(
                 script, what,
                 [](char a, char b) { return std::tolower(static_cast<unsigned char>(a)) == b; })
          .empty();
    };
    EXPECT_TRUE(none("</script"));
    EXPECT_TRUE(none("<!--"));
  }
}

TEST_F(ReportPage, LoadsNothingFromANetwork) {
  const std::string text = own(sample());
  const std::regex loads(
      R"re((src|href|srcset|action|poster)=["']?(?!["']?data:)|url\(|@import|fetch\()re",
      std::regex::icase);
  std::smatch found;
  EXPECT_FALSE(std::regex_search(text, found, loads)) << found.str();
  EXPECT_EQ(text.find("http://"), std::string::npos);
  EXPECT_EQ(text.find("https://"), std::string::npos);
  // Even what Plotly might ask for is refused by the browser.
  EXPECT_NE(text.find("Content-Security-Policy\" content=\"default-src 'none'"), std::string::npos);
}

TEST_F(ReportPage, SameReportSameBytes) {
  EXPECT_EQ(page(sample()), page(sample()));
  Report other = sample();
  other.curves[0].values[1] = 0.26;
  EXPECT_NE(page(sample()), page(other));
}

TEST_F(ReportPage, AnExistingFileIsKeptWhereAsked) {
  const fs::path path = folder_ / "kept.html";
  write_text(path, "mine");
  EXPECT_THROW(write_report(path, sample(), Existing::keep), Error);
  EXPECT_EQ(read_text(path), "mine");
  write_report(path, sample(), Existing::replace);
  EXPECT_NE(read_text(path), "mine");
}

TEST_F(ReportPage, ABadReportLeavesTheFileThatWasThere) {
  const fs::path path = folder_ / "kept.html";
  write_text(path, "mine");
  Report report = sample();
  report.curves[0].values.pop_back();
  EXPECT_THROW(write_report(path, report), Error);
  EXPECT_EQ(read_text(path), "mine");
}

TEST_F(ReportPage, ManyPointsMakeASmallFile) {
  Report report{.title = "Large"};
  const Tensor points = at::rand({300000, 3});
  report.scatters = {
      {"palettes", {{"P", points, points}, {"T", points, points}, {"Q", points, points}}}};
  report.curves = {
      {"loss", std::vector<double>(200000, 0.123456789), std::vector<double>(200000, 1e-7 / 3)}};
  // Three clouds of 5000 points of three numbers of at most 8 bytes and a colour of 6, and a curve.
  EXPECT_LT(own(report).size(), 3u * 5000 * (3 * 9 + 6) + 4000 * 30 + 40000);
}

TEST(ReportPlots, WhatIsNotFiniteBecomesAGapOfACurve) {
  const Report report{.title = "t",
                      .curves = {{"c", {0, 1, 2, 3}, {1.5, nan, infinity, 0.25}, false}}};
  const json curve = plots_of(report).data["curves"][0];
  EXPECT_EQ(curve["values"], json::parse("[1.5, null, null, 0.25]"));
  EXPECT_EQ(curve["steps"], json::parse("[0, 1, 2, 3]"));
}

TEST(ReportPlots, ALogarithmicAxisLeavesOutWhatIsNotPositiveAndSaysSo) {
  const Plots plots = plots_of(
      {.title = "t",
       .curves = {{"some", {0, 1, 2, 3}, {0, -1, 0.5, 2}, true}, {"none", {0, 1}, {0, -1}, true}}});
  EXPECT_EQ(plots.data["curves"][0]["values"], json::parse("[null, null, 0.5, 2]"));
  EXPECT_EQ(plots.curve_notes[0], "2 at step 3, 2 not positive left out");
  EXPECT_EQ(plots.data["curves"][1]["logarithmic"], false);
  EXPECT_EQ(plots.data["curves"][1]["values"], json::parse("[0, -1]"));
}

TEST(ReportPlots, ALongCurveKeepsItsExtremesAndItsGaps) {
  Curve curve{.name = "c", .steps = {}, .values = {}};
  for (int i = 0; i < 100000; ++i) {
    curve.steps.push_back(i);
    curve.values.push_back(std::sin(i * 0.01));
  }
  curve.values[31415] = 50;
  curve.values[27182] = -50;
  curve.values[70000] = nan;
  const Plots plots = plots_of({.title = "t", .curves = {curve}});
  const json values = plots.data["curves"][0]["values"], steps = plots.data["curves"][0]["steps"];
  EXPECT_LE(values.size(), most_curve_points + 1);
  EXPECT_TRUE(std::is_sorted(steps.begin(), steps.end()));
  for (const int step : {31415, 27182, 70000}) {
    const auto found = std::find(steps.begin(), steps.end(), step);
    ASSERT_NE(found, steps.end()) << step;
    const json expected = step == 70000 ? json() : json(step == 31415 ? 50 : -50);
    EXPECT_EQ(values[static_cast<std::size_t>(found - steps.begin())], expected);
  }
}

TEST(ReportPlots, ThinsALargeCloudEvenlyAndSaysSo) {
  const Tensor line = at::arange(12000, at::kDouble);
  const Plots plots =
      plots_of({.title = "t", .scatters = {{"s", {{"c", at::stack({line, line}, 1)}}}}});
  const json& xs = plots.data["scatters"][0]["clouds"][0]["points"][0];
  ASSERT_EQ(xs.size(), static_cast<std::size_t>(most_cloud_points));
  EXPECT_EQ(plots.notes[0][0], "5000 of 12000 points");
  for (std::size_t i = 1; i < xs.size(); ++i) {
    const double gap = xs[i].get<double>() - xs[i - 1].get<double>();
    ASSERT_TRUE(gap == 2 || gap == 3) << i;
  }
}

TEST(ReportPlots, CloudsOfOneScatterShareLimitsWithEqualSides) {
  const Tensor small = at::tensor({0.0, 0.0, 1.0, 1.0}).reshape({2, 2});
  const Tensor wide = at::tensor({-9.0, 2.0, 11.0, 3.0}).reshape({2, 2});
  const json scatter = plots_of({.title = "t", .scatters = {{"s", {{"a", small}, {"b", wide}}}}})
                           .data["scatters"][0];
  // The box of all points is [-9, 11] x [0, 3]; the longer side is 20, with a margin of a
  // twentieth.
  EXPECT_EQ(scatter["low"], json::parse("[-9.5, -9]"));
  EXPECT_EQ(scatter["high"], json::parse("[11.5, 12]"));
}

TEST(ReportPlots, PointsThatAreNotFiniteAreLeftOutAndCounted) {
  const Tensor points = at::tensor({0.0, 0.0, nan, 1.0, 2.0, infinity, 4.0, 4.0}).reshape({4, 2});
  const Plots plots = plots_of({.title = "t", .scatters = {{"s", {{"c", points}}}}});
  EXPECT_EQ(plots.data["scatters"][0]["clouds"][0]["points"], json::parse("[[0, 4], [0, 4]]"));
  EXPECT_EQ(plots.notes[0][0], "2 points, 2 not finite left out");
}

TEST(ReportPlots, AnEmptyCloudAndACloudOfOnePlaceHaveLimits) {
  for (const Tensor& points : {at::empty({0, 2}), at::full({5, 2}, 3.0)}) {
    const json scatter =
        plots_of({.title = "t", .scatters = {{"s", {{"c", points}}}}}).data["scatters"][0];
    EXPECT_LT(scatter["low"][0].get<double>(), scatter["high"][0].get<double>());
  }
}

TEST(ReportPlots, NumbersHaveFiveDigitsAndColoursSix) {
  const Tensor points = at::tensor({0.123456789, 1.0, 2.0 / 3}).reshape({1, 3});
  const Tensor colours = at::tensor({1.0, 0.5, -3.0}).reshape({1, 3});
  const json cloud = plots_of({.title = "t", .scatters = {{"s", {{"c", points, colours}}}}})
                         .data["scatters"][0]["clouds"][0];
  EXPECT_EQ(cloud["points"].dump(), "[[0.12346],[1],[0.66667]]");
  EXPECT_EQ(cloud["colours"], "ff8000");
}

TEST(ReportPlots, APaletteHasColoursForAxes) {
  const Tensor colours = at::rand({10, 3}), elsewhere = at::rand({10, 3}) + 1;
  const json scatters = plots_of({.title = "t",
                                  .scatters = {{"palette", {{"c", colours, colours}}},
                                               {"space", {{"c", elsewhere, colours}}}}})
                            .data["scatters"];
  EXPECT_EQ(scatters[0]["axes"], json::parse(R"(["red", "green", "blue"])"));
  EXPECT_EQ(scatters[1]["axes"], json::parse(R"(["x₁", "x₂", "x₃"])"));
}

TEST(ReportPlots, AWrongShapeIsNamedWithItsCloud) {
  const auto message = [](std::vector<Cloud> clouds) -> std::string {
    try {
      plots_of({.title = "t", .scatters = {{"pair", std::move(clouds)}}});
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  };
  EXPECT_EQ(message({{"P", at::zeros({4, 5})}}),
            "report: scatter 'pair', cloud 'P': expected points [n, 2] or [n, 3], got [4, 5]");
  EXPECT_EQ(message({{"P", at::zeros({4, 2})}, {"Q", at::zeros({4, 3})}}),
            "report: scatter 'pair', cloud 'Q': expected points [n, 2], got [4, 3]");
  EXPECT_EQ(message({{"P", at::zeros({4, 2}), at::zeros({3, 3})}}),
            "report: scatter 'pair', cloud 'P': expected colours [4, 3], got [3, 3]");
  EXPECT_NE(message({{"P", Tensor()}}).find("got none"), std::string::npos);
  EXPECT_NE(message({}).find("at least one cloud"), std::string::npos);
}

}  // namespace
}  // namespace monge
