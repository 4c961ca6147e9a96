#include "monge/sampler.h"

#include "monge/error.h"

namespace monge {

Tensor FiniteMeasure::sample(std::int64_t n, Random& random) const {
  return points(random.integers(size(), n));
}

Sampler::Sampler(std::shared_ptr<const Measure> measure, Random random)
    : measure_(std::move(measure)), random_(std::move(random)), pass_start_(random_.state()) {}

void Sampler::begin_pass(std::int64_t size) {
  pass_start_ = random_.state();
  order_ = random_.permutation(size);
  position_ = 0;
}

Tensor Sampler::next_of_pass(const FiniteMeasure& measure, std::int64_t n) {
  const std::int64_t size = measure.size();
  std::vector<Tensor> pieces;
  for (std::int64_t missing = n; missing > 0;) {
    if (!order_.defined() || position_ == size) begin_pass(size);
    const std::int64_t taken = std::min(missing, size - position_);
    pieces.push_back(order_.narrow(0, position_, taken));
    position_ += taken;
    missing -= taken;
  }
  return measure.points(pieces.size() == 1 ? pieces.front() : at::cat(pieces));
}

Tensor Sampler::next(std::int64_t n) {
  if (const auto* finite = dynamic_cast<const FiniteMeasure*>(measure_.get()))
    return next_of_pass(*finite, n);
  return measure_->sample(n, random_);
}

State Sampler::state() const {
  return {{"random", order_.defined() ? pass_start_ : random_.state()},
          {"position", at::scalar_tensor(order_.defined() ? position_ : -1, at::kLong)}};
}

void Sampler::restore(const State& state) {
  random_.set_state(require_tensor(state, "random", "data stream"));
  const auto position = require_tensor(state, "position", "data stream").item<std::int64_t>();
  order_ = Tensor();
  if (position < 0) return;
  const auto* finite = dynamic_cast<const FiniteMeasure*>(measure_.get());
  if (!finite || position > finite->size())
    fail("data stream",
         finite ? fmt::format("a position of at most {}", finite->size())
                : std::string("a position of a measure that is not finite"),
         fmt::format("{}", position));
  begin_pass(finite->size());
  position_ = position;
}

State Problem::state() const {
  State whole;
  insert_state(whole, "source", source.state());
  insert_state(whole, "target", target.state());
  return whole;
}

void Problem::restore(const State& state) {
  source.restore(extract_state(state, "source"));
  target.restore(extract_state(state, "target"));
}

Problem make_problem(std::shared_ptr<const Measure> source, std::shared_ptr<const Measure> target,
                     std::uint64_t seed) {
  if (source->dimension() != target->dimension())
    fail("source and target", "points of the same dimension",
         fmt::format("{} and {}", source->dimension(), target->dimension()));
  return {Sampler(std::move(source), Random(seed, "source")),
          Sampler(std::move(target), Random(seed, "target"))};
}

}  // namespace monge
