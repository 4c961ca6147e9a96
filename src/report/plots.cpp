#include "report/plots.h"

#include "monge/error.h"

#include <charconv>
#include <limits>

namespace monge {
namespace {

using nlohmann::json;

/// `value` with that many significant digits, in the shortest JSON; what is not finite is null.
json number(double value, int digits) {
  if (!std::isfinite(value)) return nullptr;
  const std::string text = fmt::format("{:.{}g}", value, digits);
  double rounded = 0;
  std::from_chars(text.data(), text.data() + text.size(), rounded);
  constexpr double exact = 9007199254740992.0;  // 2^53: integers up to here need no ".0"
  if (rounded == std::trunc(rounded) && std::abs(rounded) < exact)
    return static_cast<std::int64_t>(rounded);
  return rounded;
}

/// A cloud's points as they are drawn: finite, not too many, float64 on the CPU.
struct Drawn {
  Tensor points;   // [n, d]
  Tensor colours;  // [n, 3] or undefined
  std::string note;
};

/// Every cloud of a scatter has the dimension of its first one.
void require_cloud(const Cloud& cloud, const Cloud& first, const std::string& where) {
  const Tensor& points = cloud.points;
  if (!points.defined() || points.dim() != 2 || (points.size(1) != 2 && points.size(1) != 3))
    fail(where, "points [n, 2] or [n, 3]", points.defined() ? shape_text(points) : "none");
  if (points.size(1) != first.points.size(1))
    fail(where, fmt::format("points [n, {}]", first.points.size(1)), shape_text(points));
  const std::int64_t n = cloud.points.size(0);
  if (cloud.colours.defined() && cloud.colours.sizes() != at::IntArrayRef({n, 3}))
    fail(where, fmt::format("colours [{}, 3]", n), shape_text(cloud.colours));
}

Drawn drawn(const Cloud& cloud) {
  const auto plain = [](const Tensor& t) { return t.detach().to(at::kCPU, at::kDouble); };
  Drawn result{.points = plain(cloud.points), .colours = {}, .note = {}};
  if (cloud.colours.defined()) result.colours = plain(cloud.colours);
  const std::int64_t total = result.points.size(0);
  Tensor keep = at::isfinite(result.points).all(1).nonzero().squeeze(1);
  const std::int64_t finite = keep.size(0);
  const std::int64_t shown = std::min(finite, most_cloud_points);
  if (shown < finite)
    keep = keep.index_select(0, at::arange(shown, at::kLong).mul(finite).floor_divide(shown));
  result.points = result.points.index_select(0, keep);
  if (result.colours.defined()) result.colours = result.colours.index_select(0, keep);
  result.note = shown < finite ? fmt::format("{} of {} points", shown, finite)
                               : fmt::format("{} points", shown);
  if (finite < total) result.note += fmt::format(", {} not finite left out", total - finite);
  return result;
}

json coordinates(const Tensor& points) {
  json columns = json::array();
  const auto value = points.accessor<double, 2>();
  for (std::int64_t k = 0; k < points.size(1); ++k) {
    json column = json::array();
    for (std::int64_t i = 0; i < points.size(0); ++i) column.push_back(number(value[i][k], 5));
    columns.push_back(std::move(column));
  }
  return columns;
}

/// Six hexadecimal digits a point, all in one text: a third of the size of a list.
std::string hex_colours(const Tensor& colours) {
  const Tensor bytes =
      colours.nan_to_num(0.0).clamp(0.0, 1.0).mul(255.0).round().to(at::kByte).contiguous();
  const std::span values(bytes.const_data_ptr<std::uint8_t>(),
                         static_cast<std::size_t>(bytes.numel()));
  return fmt::format("{:02x}", fmt::join(values, ""));
}

/// Sides of equal length, so that one unit is one length in every direction and every cloud.
void set_limits(json& scatter, const std::vector<Drawn>& clouds, std::int64_t dimension) {
  Tensor low = at::full({dimension}, std::numeric_limits<double>::infinity(), at::kDouble);
  Tensor high = -low;
  for (const Drawn& cloud : clouds) {
    if (cloud.points.size(0) == 0) continue;
    low = at::minimum(low, cloud.points.amin(0));
    high = at::maximum(high, cloud.points.amax(0));
  }
  for (std::int64_t k = 0; k < dimension; ++k) {
    const bool empty = !low[k].isfinite().item<bool>();
    if (empty) low[k] = 0.0, high[k] = 1.0;
  }
  const Tensor centre = low + (high - low) / 2;
  double half = (high - low).max().item<double>() / 2 * 1.05;
  // All points at one place, or a spread that the axis labels could not tell apart.
  if (half <= 1e-9 * (1 + centre.abs().max().item<double>())) half = 1;
  for (std::int64_t k = 0; k < dimension; ++k) {
    const double middle = centre[k].item<double>();
    scatter["low"].push_back(number(middle - half, 7));
    scatter["high"].push_back(number(middle + half, 7));
  }
}

/// Points whose coordinates are their own colours: a palette.
bool is_palette(const std::vector<Drawn>& clouds) {
  return std::ranges::all_of(clouds, [](const Drawn& cloud) {
    return cloud.colours.defined() && cloud.points.size(1) == 3 &&
           at::allclose(cloud.points.clamp(0.0, 1.0), cloud.colours.clamp(0.0, 1.0), 0, 1e-3);
  });
}

json scatter_json(const Scatter& scatter, std::vector<std::string>& notes) {
  json result{{"clouds", json::array()}, {"low", json::array()}, {"high", json::array()}};
  const std::string title = fmt::format("report: scatter '{}'", scatter.title);
  if (scatter.clouds.empty()) fail(title, "at least one cloud", "none");
  std::vector<Drawn> clouds;
  for (const Cloud& cloud : scatter.clouds) {
    require_cloud(cloud, scatter.clouds[0], fmt::format("{}, cloud '{}'", title, cloud.name));
    clouds.push_back(drawn(cloud));
  }
  for (const Drawn& cloud : clouds) {
    json entry{{"points", coordinates(cloud.points)}};
    if (cloud.colours.defined()) entry["colours"] = hex_colours(cloud.colours);
    result["clouds"].push_back(std::move(entry));
    notes.push_back(cloud.note);
  }
  set_limits(result, clouds, clouds[0].points.size(1));
  if (clouds[0].points.size(1) == 2)
    result["axes"] = {"x₁", "x₂"};
  else if (is_palette(clouds))
    result["axes"] = {"red", "green", "blue"};
  else
    result["axes"] = {"x₁", "x₂", "x₃"};
  return result;
}

/// The indices of the points that are drawn: of each stretch its ends in value, and a gap if any.
std::vector<std::size_t> thinned(const std::vector<double>& values) {
  std::vector<std::size_t> kept;
  const std::size_t n = values.size();
  if (n <= most_curve_points) {
    for (std::size_t i = 0; i < n; ++i) kept.push_back(i);
    return kept;
  }
  const std::size_t stretches = most_curve_points / 2;
  for (std::size_t s = 0; s < stretches; ++s) {
    const std::size_t begin = s * n / stretches, end = (s + 1) * n / stretches;
    std::optional<std::size_t> least, most, gap;
    for (std::size_t i = begin; i < end; ++i) {
      if (!std::isfinite(values[i])) {
        gap = i;
        continue;
      }
      if (!least || values[i] < values[*least]) least = i;
      if (!most || values[i] > values[*most]) most = i;
    }
    const std::size_t start = kept.size();
    for (const auto& index : {least, most, gap})
      if (index) kept.push_back(*index);
    std::sort(kept.begin() + static_cast<std::ptrdiff_t>(start), kept.end());
    kept.erase(std::unique(kept.begin() + static_cast<std::ptrdiff_t>(start), kept.end()),
               kept.end());
  }
  return kept;
}

json curve_json(const Curve& curve, std::string& note) {
  if (curve.steps.size() != curve.values.size())
    fail(fmt::format("report: curve '{}'", curve.name),
         fmt::format("{} values, one a step", curve.steps.size()),
         fmt::format("{}", curve.values.size()));
  std::vector<double> values = curve.values;
  const auto positive = [](double value) { return std::isfinite(value) && value > 0; };
  const bool logarithmic = curve.logarithmic && std::ranges::any_of(values, positive);
  std::size_t hidden = 0;
  if (logarithmic)
    for (double& value : values)
      if (value <= 0) value = std::numeric_limits<double>::quiet_NaN(), ++hidden;

  const std::vector<std::size_t> kept = thinned(values);
  json result{{"logarithmic", logarithmic}, {"steps", json::array()}, {"values", json::array()}};
  for (const std::size_t i : kept) {
    result["steps"].push_back(number(curve.steps[i], 10));
    result["values"].push_back(number(values[i], 6));
  }
  if (!curve.values.empty())
    note = fmt::format("{:.4g} at step {:.10g}", curve.values.back(), curve.steps.back());
  if (hidden > 0) note += fmt::format(", {} not positive left out", hidden);
  if (kept.size() < values.size()) note += fmt::format(", extremes of {} values", values.size());
  return result;
}

}  // namespace

Plots plots_of(const Report& report) {
  Plots plots{.data = {{"scatters", json::array()}, {"curves", json::array()}},
              .notes = {},
              .curve_notes = {}};
  for (const Scatter& scatter : report.scatters)
    plots.data["scatters"].push_back(scatter_json(scatter, plots.notes.emplace_back()));
  for (const Curve& curve : report.curves)
    plots.data["curves"].push_back(curve_json(curve, plots.curve_notes.emplace_back()));
  return plots;
}

}  // namespace monge
