#include "monge/measures/sheet.h"

#include "monge/error.h"

#include "measures/rotation.h"

#include <numbers>

namespace monge {

const Declaration<SheetOptions>& sheet_declaration() {
  using O = SheetOptions;
  static const auto declaration =
      Declaration<O>("measure", "sheet",
                     "Uniform on a sheet of lower dimension: some coordinates uniform, the others "
                     "fixed; the exact cases of fake solutions.",
                     "Choi et al. 2025")
          .option("dimension", &O::dimension, "d.", between(1, 65536))
          .option("free", &O::free, "k, the number of uniform coordinates; 0: half of them.",
                  between(0, 65536))
          .option("side", &O::side, "Which coordinates are uniform.", one_of({"first", "last"}))
          .option("low", &O::low, "Where they begin.")
          .option("high", &O::high, "Where they end.")
          .option("offset", &O::offset, "The value of the other coordinates.")
          .option("mirrored", &O::mirrored,
                  "Whether that value has a random sign, the same for all of them.")
          .option("rotation", &O::rotation,
                  "Seed of a rotation of all points, the same for measures of one dimension; -1: "
                  "none.",
                  at_least(-1));
  return declaration;
}

SheetMeasure::SheetMeasure(const SheetOptions& options, std::string_view where)
    : options_(options) {
  const auto place = [&](const char* key) { return fmt::format("{}.{}", where, key); };
  const std::int64_t d = options_.dimension;
  if (options_.free == 0) options_.free = d / 2;
  if (options_.free < 1 || options_.free > d)
    fail(place("free"), fmt::format("1 to dimension = {}", d), fmt::format("{}", options_.free));
  if (!(options_.low <= options_.high) || !std::isfinite(options_.high - options_.low))
    fail(place("high"), fmt::format("a finite number of at least low = {:g}", options_.low),
         fmt::format("{:g}", options_.high));
  if (!std::isfinite(options_.offset))
    fail(place("offset"), "a finite number", fmt::format("{:g}", options_.offset));
  if (options_.rotation < 0) return;
  rotation_ = random_basis(d, d, options_.rotation).to(at::kFloat);
}

void SheetMeasure::sample_into(std::span<float> points, Random& random) const {
  const std::int64_t d = dimension(), n = std::ssize(points) / d;
  Tensor flat = at::full({n, d}, options_.offset, at::kFloat);
  flat.narrow(1, first_free(), options_.free)
      .copy_(random.uniform({n, options_.free}) * (options_.high - options_.low) + options_.low);
  if (options_.mirrored)
    flat.narrow(1, first_fixed(), fixed())
        .mul_(2 * random.integers(2, n).unsqueeze(1).to(at::kFloat) - 1);
  at::from_blob(points.data(), {n, d}, at::kFloat)
      .copy_(rotation_.defined() ? flat.mm(rotation_.t()) : flat);
}

Tensor SheetMeasure::flat(const Tensor& x) const {
  const Tensor points = x.to(at::kDouble);
  return rotation_.defined() ? points.mm(rotation_.to(at::kDouble)) : points;
}

Tensor SheetMeasure::turned(const Tensor& flat) const {
  return rotation_.defined() ? flat.mm(rotation_.to(at::kDouble).t()) : flat;
}

Tensor SheetMeasure::is_free() const {
  Tensor free = at::zeros({dimension()}, at::kBool);
  free.narrow(0, first_free(), options_.free).fill_(true);
  return free;
}

std::optional<Tensor> smoothed_sheet_transport(const SheetMeasure& source,
                                               const SheetMeasure& target, const Noise& noise,
                                               const Tensor& x) {
  const SheetOptions &from = source.options(), &to = target.options();
  if (from.dimension != to.dimension || from.rotation != to.rotation || from.mirrored)
    return std::nullopt;
  const double std = std::sqrt(noise.variance);
  const double low = noise.keep * from.low, high = noise.keep * from.high;
  const Tensor flat = source.flat(x), t = (flat - noise.keep * from.offset) / std;
  // The distribution function of U(low, high) + N(0, std²), from ∫ Φ(t) = t Φ(t) + φ(t).
  const auto share = [](const Tensor& u) { return 0.5 * at::erfc(-u / std::sqrt(2.0)); };
  const auto integral = [&](const Tensor& u) {
    return u * share(u) + (-0.5 * u.square()).exp() / std::sqrt(2 * std::numbers::pi);
  };
  const Tensor spread =
      high > low
          ? (integral((flat - low) / std) - integral((flat - high) / std)) * (std / (high - low))
          : share((flat - low) / std);
  const Tensor ranks = at::where(source.is_free(), spread, share(t));
  Tensor side = at::full({x.size(0), 1}, to.offset, at::kDouble);
  if (to.mirrored) {
    const Tensor mean = at::where(source.is_free(), 0.5 * (low + high), noise.keep * from.offset);
    const Tensor along = ((flat - mean) * target.is_free().logical_not()).sum(1, true);
    side = at::where(along > 0, std::abs(to.offset), -std::abs(to.offset));
  }
  return target.turned(
      at::where(target.is_free(), to.low + (to.high - to.low) * ranks, side.to(at::kDouble)));
}

std::optional<Moments> SheetMeasure::moments() const {
  const std::int64_t d = dimension();
  const double side = options_.high - options_.low, offset = options_.offset;
  Moments moments{at::full({d}, options_.mirrored ? 0 : offset, at::kDouble),
                  at::zeros({d, d}, at::kDouble)};
  moments.mean.narrow(0, first_free(), options_.free).fill_(0.5 * (options_.low + options_.high));
  moments.covariance.diagonal().narrow(0, first_free(), options_.free).fill_(side * side / 12);
  if (options_.mirrored)
    moments.covariance.narrow(0, first_fixed(), fixed())
        .narrow(1, first_fixed(), fixed())
        .fill_(offset * offset);
  if (!rotation_.defined()) return moments;
  const Tensor turn = rotation_.to(at::kDouble);
  return Moments{turn.mv(moments.mean), at::linalg_multi_dot({turn, moments.covariance, turn.t()})};
}

std::shared_ptr<const Measure> make_sheet(const SheetOptions& options, std::string_view where) {
  return std::make_shared<SheetMeasure>(options, where);
}

}  // namespace monge
