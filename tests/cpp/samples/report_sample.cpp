// Writes a sample report to argv[1]. Two photographs may follow: colours are then moved from the
// first to the second; without them two painted landscapes are used.
#include "monge/report.h"

#include <ATen/ATen.h>

#include <fmt/format.h>
#include <vips/vips8>

#include <cmath>
#include <cstdlib>
#include <numbers>
#include <string>
#include <vector>

namespace {

using at::Tensor;

std::string jpeg(const Tensor& picture) {
  const Tensor bytes = picture.clamp(0, 1).mul(255).round().to(at::kByte).contiguous();
  auto image = vips::VImage::new_from_memory(
      bytes.data_ptr(), static_cast<std::size_t>(bytes.numel()), static_cast<int>(bytes.size(1)),
      static_cast<int>(bytes.size(0)), 3, VIPS_FORMAT_UCHAR);
  image = image.copy(vips::VImage::option()->set("interpretation", VIPS_INTERPRETATION_sRGB));
  VipsBlob* blob = image.jpegsave_buffer(vips::VImage::option()->set("Q", 85));
  std::size_t size = 0;
  const auto* start = static_cast<const char*>(vips_blob_get(blob, &size));
  std::string result(start, size);
  vips_area_unref(VIPS_AREA(blob));
  return result;
}

Tensor photograph(const char* path) {
  auto image = vips::VImage::thumbnail(path, 900).colourspace(VIPS_INTERPRETATION_sRGB);
  if (image.bands() > 3) image = image.flatten();
  std::size_t size = 0;
  void* memory = image.write_to_memory(&size);
  const Tensor bytes = at::from_blob(memory, {image.height(), image.width(), 3}, at::kByte).clone();
  g_free(memory);
  return bytes.to(at::kDouble) / 255;
}

/// A landscape in [h, w, 3]: a sky over hills over a field, each a gradient with some grain.
Tensor landscape(const Tensor& sky, const Tensor& hills, const Tensor& field) {
  const std::int64_t h = 360, w = 540;
  const Tensor x = at::linspace(0, 1, w, at::kDouble).unsqueeze(0);
  const Tensor y = at::linspace(0, 1, h, at::kDouble).unsqueeze(1);
  const Tensor ridge = 0.45 + 0.06 * (9 * x).sin() + 0.03 * (23 * x + 1).sin();
  const Tensor meadow = 0.68 + 0.04 * (5 * x + 2).sin();
  Tensor picture = (sky * (0.55 + 0.75 * y).unsqueeze(2)).expand({h, w, 3});
  picture = at::where((y > ridge).unsqueeze(2), hills * (0.6 + y - ridge).unsqueeze(2), picture);
  picture = at::where((y > meadow).unsqueeze(2), field * (0.7 + y - meadow).unsqueeze(2), picture);
  return (picture + 0.02 * at::randn({h, w, 3}, at::kDouble)).clamp(0, 1);
}

Tensor root(const Tensor& matrix, double power) {
  const auto [values, vectors] = at::linalg_eigh(matrix);
  return at::matmul(vectors * values.clamp_min(1e-12).pow(power), vectors.t());
}

/// The optimal map between the normal measures with the moments of the two: A (x - m) + n.
Tensor moved(const Tensor& source, const Tensor& target) {
  const auto covariance = [](const Tensor& points) { return at::cov(points.t()); };
  const Tensor half = root(covariance(source), 0.5), inverse = root(covariance(source), -0.5);
  const Tensor middle = root(at::matmul(at::matmul(half, covariance(target)), half), 0.5);
  const Tensor map = at::matmul(at::matmul(inverse, middle), inverse);
  return at::matmul(source - source.mean(0), map) + target.mean(0);
}

monge::Scatter rings() {
  const Tensor source = at::randn({3000, 2}, at::kDouble);
  const Tensor radius = source.norm(2, 1, true);
  // Rotation-symmetric measures: the map is monotone in the radius (Villani 2003, section 2.2).
  const Tensor quantile = 1 - (-radius * radius / 2).exp();
  const Tensor mapped = source / radius * (2.2 + 1.1 * quantile).sqrt() * 1.5;
  const Tensor angle = at::rand({3000, 1}, at::kDouble) * 2 * std::numbers::pi;
  const Tensor target = at::cat({angle.cos(), angle.sin()}, 1) *
                        (2.2 + 1.1 * at::rand({3000, 1}, at::kDouble)).sqrt() * 1.5;
  return {
      .title = "Normal source, ring target",
      .clouds = {{"source P", source, {}}, {"mapped T(x)", mapped, {}}, {"target Q", target, {}}}};
}

monge::Curve falling(std::string name, double from, double to, double grain) {
  monge::Curve curve{.name = std::move(name), .steps = {}, .values = {}, .logarithmic = true};
  const Tensor noise = at::randn({200}, at::kDouble);
  for (int i = 0; i < 200; ++i) {
    const double decay = std::exp(-i / 28.0);
    curve.steps.push_back(25 * (i + 1));
    curve.values.push_back((to + (from - to) * decay) * std::exp(grain * noise[i].item<double>()));
  }
  return curve;
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 2 && count != 4) return 2;
  if (VIPS_INIT(arguments[0])) return 1;
  at::manual_seed(7);
  const auto rgb = [](double r, double g, double b) { return at::tensor({r, g, b}, at::kDouble); };
  const Tensor before =
      count == 4 ? photograph(arguments[2])
                 : landscape(rgb(0.45, 0.66, 0.92), rgb(0.38, 0.47, 0.56), rgb(0.45, 0.68, 0.28));
  const Tensor style =
      count == 4 ? photograph(arguments[3])
                 : landscape(rgb(0.97, 0.60, 0.36), rgb(0.42, 0.26, 0.40), rgb(0.72, 0.50, 0.25));
  const Tensor source = before.reshape({-1, 3}), target = style.reshape({-1, 3});
  const Tensor mapped = moved(source, target).clamp(0, 1);
  const double untrained = (source.mean(0) - target.mean(0)).square().sum().item<double>();
  const double left = (mapped.mean(0) - target.mean(0)).square().sum().item<double>();

  monge::Curve dual = falling("dual value", 0.9, 0.21, 0.02);
  dual.logarithmic = false;
  dual.values[60] = std::nan("");
  monge::write_report(
      arguments[1],
      {.title = "Colours of one picture moved to another",
       .summary =
           "The optimal map between the normal measures that have the moments of the two "
           "palettes, applied to every pixel. \"Before\" becomes \"after\" & keeps its shapes.",
       .figures = {{"squared distance of means", fmt::format("{:.2e}", left),
                    fmt::format(
                        "|mean T#P - mean Q|^2 in sRGB; it was {:.3f} before. 0 is best; what "
                        "is left comes from clipping to the cube.",
                        untrained)},
                   {"L2-UVP", "0.74 %",
                    "100 E|T(x) - T*(x)|^2 / Var Q: the share of the target's "
                    "variance that the map leaves unexplained. 0 is best."},
                   {"energy distance", "0.0031",
                    "2 E|X - Y| - E|X - X'| - E|Y - Y'| between the mapped "
                    "source and the target. 0 only where they are equal."},
                   {"steps", "5000 of 5000", "Stopped because all steps were done, after 16 s."}},
       .pictures = {{"before", "image/jpeg", jpeg(before)},
                    {"after", "image/jpeg", jpeg(mapped.reshape(before.sizes()))},
                    {"target: where the colours come from", "image/jpeg", jpeg(style)}},
       .scatters = {{.title = "Palettes",
                     .clouds = {{"source P", source, source},
                                {"mapped T(x)", mapped, mapped},
                                {"target Q", target, target}}},
                    rings()},
       .curves = {falling("L2-UVP, %", 85, 0.7, 0.06), falling("energy distance", 0.4, 0.003, 0.12),
                  dual, falling("cycle penalty", 2.0, 0.004, 0.25)},
       .configuration =
           "recipe = \"w2gn\"\nseed = 7\n\n[source]\nfile = \"before.jpg\"\n\n[target]\nfile "
           "= \"after.jpg\"\n\n[train]\nsteps = 5000\nbatch = 1024\n# </script> stays text\n"});
  vips_shutdown();
}
