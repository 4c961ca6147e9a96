#include "monge/measures/shapes.h"

#include "measures/numbers.h"
#include "measures/rotation.h"

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

/// A law in the plane, in a plane through the origin of R^d.
class EmbeddedMeasure final : public Measure {
 public:
  /// `basis` [d, 2] float64, with orthonormal columns.
  EmbeddedMeasure(std::shared_ptr<const Measure> plane, const Tensor& basis)
      : plane_(std::move(plane)), basis_(basis) {}

  std::int64_t dimension() const override { return basis_.size(0); }
  void sample_into(std::span<float> points, Random& random) const override {
    const std::int64_t d = dimension(), n = std::ssize(points) / d;
    at::from_blob(points.data(), {n, d}, at::kFloat)
        .copy_(plane_->sample(n, random).mm(basis_.to(at::kFloat).t()));
  }
  std::optional<Moments> moments() const override {
    const auto plane = plane_->moments();
    return Moments{basis_.mv(plane->mean),
                   at::linalg_multi_dot({basis_, plane->covariance, basis_.t()})};
  }

 private:
  std::shared_ptr<const Measure> plane_;
  Tensor basis_;
};

std::shared_ptr<const Measure> embedded(std::shared_ptr<const Measure> plane,
                                        std::int64_t dimension, std::int64_t rotation) {
  if (dimension == 2 && rotation < 0) return plane;
  const Tensor basis =
      rotation < 0 ? at::eye(dimension, 2, at::kDouble) : random_basis(dimension, 2, rotation);
  return std::make_shared<EmbeddedMeasure>(std::move(plane), basis);
}

/// The declaration with the options that say where in space the plane lies.
template <class Options>
Declaration<Options> with_embedding(Declaration<Options> declaration) {
  return declaration
      .option("dimension", &Options::dimension, "d of the space that holds the plane.",
              between(2, 65536))
      .option("rotation", &Options::rotation,
              "Seed of an orthonormal basis of the plane, the same for measures of one dimension; "
              "-1: the first two coordinates.",
              at_least(-1));
}

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

/// Every second cell of a board, in units of its width around 0.
struct Cells {
  std::int64_t count;   // on a side
  std::int64_t parity;  // of i + j

  std::int64_t number() const {
    return count % 2 == 0 ? count * (count / 2) : (count * count + 1) / 2 - parity;
  }
  /// Row i and column j of one of them. With an odd count the parity alternates through all rows.
  std::pair<std::int64_t, std::int64_t> place(std::int64_t cell) const {
    if (count % 2 != 0) return {(2 * cell + parity) / count, (2 * cell + parity) % count};
    const std::int64_t i = cell / (count / 2);
    return {i, 2 * (cell % (count / 2)) + (i + parity) % 2};
  }
  double centre(std::int64_t line) const {
    return (static_cast<double>(line) + 0.5) / static_cast<double>(count) - 0.5;
  }
  /// Means over the cells of f(i) g(j) are those over the board plus those of (-1)^(i + j) f g,
  /// with the sign of the parity; each of the four sums is a product of sums over a line.
  Moments moments() const {
    double square = 0, sign_sum = 0, signed_centre = 0, signed_square = 0;
    for (std::int64_t line = 0; line < count; ++line) {
      const double sign = line % 2 == 0 ? 1 : -1, at = centre(line);
      square += at * at;
      sign_sum += sign;
      signed_centre += sign * at;
      signed_square += sign * at * at;
    }
    const double side = parity == 0 ? 1 : -1, twice = 2 * static_cast<double>(number());
    const auto cells = static_cast<double>(count);
    const double variance =
        (cells * square + side * sign_sum * signed_square) / twice + 1 / (12 * cells * cells);
    return plane_moments(0, 0, variance, variance, side * signed_centre * signed_centre / twice);
  }
};

void draw_cells(std::span<float> points, const Cells& board, Random& random) {
  random.fill_uniform(points);
  in_pieces(points, 2, [&](std::span<float> piece) {
    std::array<std::int64_t, piece_points> memory;
    const auto cells = std::span(memory).first(piece.size() / 2);
    random.fill_integers(board.number(), cells);
    const auto placed = [&](std::int64_t line, float within) {
      return static_cast<float>(
          (static_cast<double>(line) + within) / static_cast<double>(board.count) - 0.5);
    };
    float* point = piece.data();
    for (const std::int64_t cell : cells) {
      const auto [i, j] = board.place(cell);
      point[0] = placed(i, point[0]);
      point[1] = placed(j, point[1]);
      point += 2;
    }
  });
}

}  // namespace

const Declaration<SwissRollOptions>& swiss_roll_declaration() {
  using O = SwissRollOptions;
  static const auto declaration = with_embedding(
      Declaration<O>("measure", "swiss_roll",
                     "A spiral in the plane: scale (t cos t, t sin t) with t uniform on "
                     "[1.5 pi, 4.5 pi], plus noise.",
                     "Gulrajani et al. 2017, figure 1; Korotin et al. 2021 (W2GN), appendix C.3")
          .option("noise", &O::noise, "Standard deviation of the noise, before scaling.",
                  at_least(0))
          .option("scale", &O::scale, "What the points are multiplied by.", above(0)));
  return declaration;
}

std::shared_ptr<const Measure> make_swiss_roll(const SwissRollOptions& options) {
  return embedded(
      std::make_shared<PlaneMeasure>(draw_roll, roll_moments(), options.noise, options.scale),
      options.dimension, options.rotation);
}

const Declaration<MoonsOptions>& moons_declaration() {
  using O = MoonsOptions;
  static const auto declaration = with_embedding(
      Declaration<O>("measure", "moons", "Two interleaved half circles of radius 1 with noise.", "")
          .option("noise", &O::noise, "Standard deviation of the noise, before scaling.",
                  at_least(0))
          .option("scale", &O::scale, "What the points are multiplied by.", above(0)));
  return declaration;
}

std::shared_ptr<const Measure> make_moons(const MoonsOptions& options) {
  // E sin t = 2 / pi on [0, pi]; the lower moon is (1 - cos t, 1/2 - sin t).
  const Moments clean = plane_moments(0.5, 0.25, 0.75, 0.5625 - 1 / pi, 0.125 - 1 / pi);
  return embedded(std::make_shared<PlaneMeasure>(draw_moons, clean, options.noise, options.scale),
                  options.dimension, options.rotation);
}

const Declaration<CirclesOptions>& circles_declaration() {
  using O = CirclesOptions;
  static const auto declaration = with_embedding(
      Declaration<O>("measure", "circles",
                     "Two circles around 0 with noise, half of the mass each.", "")
          .option("factor", &O::factor, "The inner radius; the outer one is 1.", between(0, 1))
          .option("noise", &O::noise, "Standard deviation of the noise, before scaling.",
                  at_least(0))
          .option("scale", &O::scale, "What the points are multiplied by.", above(0)));
  return declaration;
}

std::shared_ptr<const Measure> make_circles(const CirclesOptions& options) {
  const double factor = options.factor, variance = (1 + factor * factor) / 4;
  return embedded(std::make_shared<PlaneMeasure>(
                      [factor](std::span<float> points, Random& random) {
                        draw_circles(points, static_cast<float>(factor), random);
                      },
                      plane_moments(0, 0, variance, variance, 0), options.noise, options.scale),
                  options.dimension, options.rotation);
}

const Declaration<CheckerboardOptions>& checkerboard_declaration() {
  using O = CheckerboardOptions;
  static const auto declaration =
      Declaration<O>("measure", "checkerboard",
                     "Uniform on every second cell of a square board around 0 in the plane.", "")
          .option("count", &O::count, "Cells on a side.", between(2, 10000))
          .option("width", &O::width, "The side of the board.", above(0))
          .option("cells", &O::cells, "The cells (i, j) with i + j even, or odd.",
                  one_of({"even", "odd"}));
  return declaration;
}

std::shared_ptr<const Measure> make_checkerboard(const CheckerboardOptions& options) {
  const Cells board{options.count, options.cells == "odd" ? 1 : 0};
  return std::make_shared<PlaneMeasure>(
      [board](std::span<float> points, Random& random) { draw_cells(points, board, random); },
      board.moments(), 0, options.width);
}

}  // namespace monge
