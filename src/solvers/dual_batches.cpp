#include "solvers/dual_batches.h"

#include "monge/error.h"

#include "measures/numbers.h"
#include "solvers/search_starts.h"

namespace monge {
namespace {

std::uint64_t drawn_seed(Random& random) {
  std::uint64_t seed = 0;
  random.fill_bits({&seed, 1});
  return seed;
}

Moments moments_in(const AffineFrame& frame, const Moments& moments) {
  const Tensor mean = frame.enter(moments.mean.unsqueeze(0)).squeeze(0);
  const Tensor covariance = frame.matrix.matmul(moments.covariance).matmul(frame.matrix.t());
  return {mean, covariance / (frame.scale * frame.scale)};
}

}  // namespace

DualBatches::DualBatches(std::int64_t dimension, std::string how, std::int64_t batch)
    : d_(dimension), how_(std::move(how)), batch_(batch) {
  set_frame(identity_frame(dimension));
  const Moments standard{at::zeros({dimension}, at::kDouble), at::eye(dimension, at::kDouble)};
  set_moments(standard, standard);
}

void DualBatches::set_frame(const AffineFrame& frame) {
  frame_ = frame;
  enter_source_.emplace(frame.to_dtype(at::kFloat));
  enter_target_.emplace(frame.inverse().to_dtype(at::kFloat));
}

void DualBatches::set_moments(const Moments& source, const Moments& target) {
  source_moments_ = source;
  target_moments_ = target;
  source_weights_.emplace(source);
  target_weights_.emplace(target);
}

void DualBatches::start(const Moments& source, const Moments& target, Random& random) {
  set_moments(moments_in(frame_, source), moments_in(frame_.inverse(), target));
  coupled_ = CoupledBatches(drawn_seed(random));
}

DualBatches::Drawing DualBatches::drawing(const FiniteMeasure* source, const FiniteMeasure* target,
                                          const Tensor& table) const {
  if (how_ == "independent") return Drawing::independent;
  if (how_ == "calibrated") return Drawing::calibrated;
  const bool possible = source && target && table.size(0) > 0;
  if (how_ == "coupled") {
    if (possible) return Drawing::coupled;
    fail("dual: batches = coupled",
         fmt::format("two finite measures, the target of at most {} points and not amortised",
                     SearchStarts::largest_table / d_),
         "others");
  }
  // The cells of coupled batches halve each coordinate twice.
  const auto halvings = [](const FiniteMeasure* m) { return std::log2(double(m->size())); };
  if (possible && std::min(halvings(source), halvings(target)) >= 2 * double(d_))
    return Drawing::coupled;
  return Calibration::serves(batch_, d_) ? Drawing::calibrated : Drawing::independent;
}

DualBatch DualBatches::draw(Problem& problem, const Tensor& table) {
  const auto* source = dynamic_cast<const FiniteMeasure*>(&problem.source.measure());
  const auto* target = dynamic_cast<const FiniteMeasure*>(&problem.target.measure());
  const Drawing how = drawing(source, target, table);
  if (how != Drawing::coupled) {
    const Tensor x = enter_source_->enter(problem.source.next(batch_));
    const Tensor y = enter_target_->enter(problem.target.next(batch_));
    const std::span<const std::int64_t> targets = problem.target.indices();
    if (how == Drawing::independent) return {x, y, targets, {}, {}};
    const SideWeights weights =
        calibrated(*source_weights_, x, *target_weights_, y, batch_, *problem.group);
    return {x, y, targets, weights.x, weights.y};
  }
  constexpr std::int64_t passes = 2;  // of the target between two orders
  if (!coupled_.orders(source->size(), target->size()) ||
      coupled_.drawn() * batch_ >= passes * target->size()) {
    const Tensor all = source->points(at::arange(source->size(), at::kLong));
    coupled_.order(frame_.to_dtype(at::kFloat).enter(all), table);
  }
  coupled_.draw(batch_);
  const Rows own = problem.group->rows_of(batch_);
  if (!x_.defined() || x_.size(0) != own.count) {
    x_ = at::empty({own.count, d_});
    y_ = at::empty_like(x_);
  }
  source->gather(coupled_.first().subspan(own.begin, own.count), numbers_of(x_));
  target->gather(coupled_.second().subspan(own.begin, own.count), numbers_of(y_));
  return {enter_source_->enter(x_), enter_target_->enter(y_), coupled_.second(), {}, {}};
}

State DualBatches::state() const {
  State state{{"source.mean", source_moments_.mean},
              {"source.covariance", source_moments_.covariance},
              {"target.mean", target_moments_.mean},
              {"target.covariance", target_moments_.covariance}};
  insert_state(state, "coupled", coupled_.state());
  return state;
}

void DualBatches::restore(const State& state) {
  const auto part = [&](const std::string& name, at::IntArrayRef sizes) {
    const Tensor& stored = require_tensor(state, name, "dual");
    if (stored.sizes() != sizes || stored.scalar_type() != at::kDouble)
      fail(fmt::format("dual: tensor '{}'", name),
           fmt::format("Double [{}]", fmt::join(sizes, ", ")),
           fmt::format("{} {}", c10::toString(stored.scalar_type()), shape_text(stored)));
    return stored.clone();
  };
  const auto moments = [&](const std::string& side) {
    return Moments{part(side + ".mean", {d_}), part(side + ".covariance", {d_, d_})};
  };
  set_moments(moments("source"), moments("target"));
  coupled_.restore(extract_state(state, "coupled"));
}

}  // namespace monge
