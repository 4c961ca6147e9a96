#include "monge/measures/shapes.h"

#include "monge/error.h"

#include "measures/numbers.h"

#include <numbers>

namespace monge {
namespace {

using std::numbers::pi;

Moments plane_moments(double mean_x, double mean_y, double var_x, double var_y, double cov) {
  return {at::tensor({mean_x, mean_y}, at::kDouble),
          at::tensor({var_x, cov, cov, var_y}, at::kDouble).view({2, 2})};
}

/// A law in the plane given by its points and moments, with noise of standard deviation `noise`
/// added and the sum multiplied by `scale`.
class PlaneMeasure final : public Measure {
 public:
  using Draw = std::function<void(std::span<float>, Random&)>;

  PlaneMeasure(Draw draw, const Moments& clean, double noise, double scale)
      : draw_(std::move(draw)),
        moments_{clean.mean * scale,
                 (clean.covariance + noise * noise * at::eye(2, at::kDouble)) * (scale * scale)},
        noise_(static_cast<float>(noise)),
        scale_(static_cast<float>(scale)) {}

  std::int64_t dimension() const override { return 2; }
  void sample_into(std::span<float> points, Random& random) const override {
    draw_(points, random);
    if (noise_ > 0) add_noise(points, random);
    for (float& number : points) number *= scale_;
  }
  std::optional<Moments> moments() const override { return moments_; }

 private:
  void add_noise(std::span<float> points, Random& random) const {
    in_pieces(points, 2, [&](std::span<float> piece) {
      std::array<float, 2 * piece_points> memory;
      const auto noise = std::span(memory).first(piece.size());
      random.fill_normal(noise);
      for (std::size_t i = 0; i < piece.size(); ++i) piece[i] += noise_ * noise[i];
    });
  }

  Draw draw_;
  Moments moments_;
  float noise_, scale_;
};

constexpr double kRollStart = 1.5 * pi, kRollEnd = 4.5 * pi;

/// The antiderivatives of t cos t, t sin t, t² cos 2t and t² sin 2t between the ends of the roll.
Moments roll_moments() {
  const auto mean_of = [](auto antiderivative) {
    return (antiderivative(kRollEnd) - antiderivative(kRollStart)) / (kRollEnd - kRollStart);
  };
  const double x = mean_of([](double t) { return t * std::sin(t) + std::cos(t); });
  const double y = mean_of([](double t) { return std::sin(t) - t * std::cos(t); });
  const double square = mean_of([](double t) { return t * t * t / 3; });
  const double even = mean_of(
      [](double t) { return (t * t / 2 - 0.25) * std::sin(2 * t) + t / 2 * std::cos(2 * t); });
  const double odd = mean_of(
      [](double t) { return (0.25 - t * t / 2) * std::cos(2 * t) + t / 2 * std::sin(2 * t); });
  return plane_moments(x, y, (square + even) / 2 - x * x, (square - even) / 2 - y * y,
                       odd / 2 - x * y);
}

struct Point {
  float x, y;
};

/// curve(u) for independent u, uniform on [0, 1).
template <class Curve>
void draw_curve(std::span<float> points, Random& random, Curve curve) {
  in_pieces(points, 2, [&](std::span<float> piece) {
    std::array<float, piece_points> memory;
    const auto levels = std::span(memory).first(piece.size() / 2);
    random.fill_uniform(levels);
    float* numbers = piece.data();
    for (const float level : levels) {
      const Point point = curve(level);
      *numbers++ = point.x;
      *numbers++ = point.y;
    }
  });
}

void draw_roll(std::span<float> points, Random& random) {
  draw_curve(points, random, [](float u) {
    const float t = u * static_cast<float>(kRollEnd - kRollStart) + static_cast<float>(kRollStart);
    return Point{t * std::cos(t), t * std::sin(t)};
  });
}

/// A fair coin out of a uniform number, and the uniform number that is left.
struct Coin {
  explicit Coin(float u) : heads(u >= 0.5f), rest(2 * u - (heads ? 1.0f : 0.0f)) {}
  bool heads;
  float rest;
};

void draw_moons(std::span<float> points, Random& random) {
  draw_curve(points, random, [](float u) {
    const Coin lower(u);
    const float t = lower.rest * static_cast<float>(pi), x = std::cos(t), y = std::sin(t);
    return lower.heads ? Point{1 - x, 0.5f - y} : Point{x, y};
  });
}

void draw_circles(std::span<float> points, float factor, Random& random) {
  draw_curve(points, random, [factor](float u) {
    const Coin inner(u);
    const float t = inner.rest * static_cast<float>(2 * pi), radius = inner.heads ? factor : 1.0f;
    return Point{radius * std::cos(t), radius * std::sin(t)};
  });
}

/// Cells (i, j) with i + j even, in units of the board's width around 0.
void draw_cells(std::span<float> points, std::int64_t count, Random& random) {
  random.fill_uniform(points);
  in_pieces(points, 2, [&](std::span<float> piece) {
    std::array<std::int64_t, piece_points> memory;
    const auto cells = std::span(memory).first(piece.size() / 2);
    random.fill_integers(count * (count / 2), cells);
    const auto placed = [&](std::int64_t line, float within) {
      return static_cast<float>((static_cast<double>(line) + within) / static_cast<double>(count) -
                                0.5);
    };
    float* point = piece.data();
    for (const std::int64_t cell : cells) {
      const std::int64_t i = cell / (count / 2), j = 2 * (cell % (count / 2)) + i % 2;
      point[0] = placed(i, point[0]);
      point[1] = placed(j, point[1]);
      point += 2;
    }
  });
}

}  // namespace

const Declaration<SwissRollOptions>& swiss_roll_declaration() {
  using O = SwissRollOptions;
  static const auto declaration =
      Declaration<O>("measure", "swiss_roll",
                     "A spiral in the plane: scale (t cos t, t sin t) with t uniform on "
                     "[1.5 pi, 4.5 pi], plus noise.",
                     "Gulrajani et al. 2017, figure 1; Korotin et al. 2021 (W2GN), appendix C.3")
          .option("noise", &O::noise, "Standard deviation of the noise, before scaling.",
                  at_least(0))
          .option("scale", &O::scale, "What the points are multiplied by.", above(0));
  return declaration;
}

std::shared_ptr<const Measure> make_swiss_roll(const SwissRollOptions& options) {
  return std::make_shared<PlaneMeasure>(draw_roll, roll_moments(), options.noise, options.scale);
}

const Declaration<MoonsOptions>& moons_declaration() {
  using O = MoonsOptions;
  static const auto declaration =
      Declaration<O>("measure", "moons", "Two interleaved half circles of radius 1 with noise.", "")
          .option("noise", &O::noise, "Standard deviation of the noise, before scaling.",
                  at_least(0))
          .option("scale", &O::scale, "What the points are multiplied by.", above(0));
  return declaration;
}

std::shared_ptr<const Measure> make_moons(const MoonsOptions& options) {
  // E sin t = 2 / pi on [0, pi]; the lower moon is (1 - cos t, 1/2 - sin t).
  const Moments clean = plane_moments(0.5, 0.25, 0.75, 0.5625 - 1 / pi, 0.125 - 1 / pi);
  return std::make_shared<PlaneMeasure>(draw_moons, clean, options.noise, options.scale);
}

const Declaration<CirclesOptions>& circles_declaration() {
  using O = CirclesOptions;
  static const auto declaration =
      Declaration<O>("measure", "circles",
                     "Two circles around 0 with noise, half of the mass each.", "")
          .option("factor", &O::factor, "The inner radius; the outer one is 1.", between(0, 1))
          .option("noise", &O::noise, "Standard deviation of the noise, before scaling.",
                  at_least(0))
          .option("scale", &O::scale, "What the points are multiplied by.", above(0));
  return declaration;
}

std::shared_ptr<const Measure> make_circles(const CirclesOptions& options) {
  const double factor = options.factor, variance = (1 + factor * factor) / 4;
  return std::make_shared<PlaneMeasure>(
      [factor](std::span<float> points, Random& random) {
        draw_circles(points, static_cast<float>(factor), random);
      },
      plane_moments(0, 0, variance, variance, 0), options.noise, options.scale);
}

const Declaration<CheckerboardOptions>& checkerboard_declaration() {
  using O = CheckerboardOptions;
  static const auto declaration =
      Declaration<O>("measure", "checkerboard",
                     "Uniform on every second cell of a square board around 0 in the plane.", "")
          .option("count", &O::count, "Cells on a side, an even number.", between(2, 10000))
          .option("width", &O::width, "The side of the board.", above(0));
  return declaration;
}

std::shared_ptr<const Measure> make_checkerboard(const CheckerboardOptions& options,
                                                 std::string_view where) {
  const std::int64_t count = options.count;
  if (count % 2 != 0)
    fail(fmt::format("{}.count", where), "an even number", fmt::format("{}", count));
  // With an even count every row has the same mass, so both marginals are uniform; the covariance
  // is half the square of the alternating sum of the cells' centres, -1/2, over count² / 2 cells.
  const double covariance = 0.25 / static_cast<double>(count * count);
  return std::make_shared<PlaneMeasure>(
      [count](std::span<float> points, Random& random) { draw_cells(points, count, random); },
      plane_moments(0, 0, 1.0 / 12, 1.0 / 12, covariance), 0, options.width);
}

}  // namespace monge
