#include "monge/sampler.h"

#include "monge/error.h"

#include "measures/numbers.h"

namespace monge {
namespace {

/// True where no other tensor, view or graph sees the memory.
bool held_alone(const Tensor& tensor) {
  return tensor.use_count() == 1 && tensor.storage().use_count() == 1;
}

}  // namespace

Sampler::Sampler(std::shared_ptr<const Measure> measure, const Random& random)
    : measure_(std::move(measure)), random_(random), pass_start_(random_) {}

void Sampler::begin_pass(std::int64_t size) {
  pass_start_ = random_;
  order_.resize(static_cast<std::size_t>(size));
  random_.fill_permutation(order_);
  position_ = 0;
}

void Sampler::next_of_pass(const FiniteMeasure& measure, std::span<float> points) {
  const std::int64_t size = measure.size(), d = measure.dimension();
  indices_.clear();
  while (!points.empty()) {
    if (order_.empty() || position_ == size) begin_pass(size);
    const std::int64_t taken = std::min(std::ssize(points) / d, size - position_);
    const auto piece = points.first(static_cast<std::size_t>(taken * d));
    const auto taken_indices = std::span(order_).subspan(position_, taken);
    measure.gather(taken_indices, piece);
    indices_.insert(indices_.end(), taken_indices.begin(), taken_indices.end());
    position_ += taken;
    points = points.subspan(piece.size());
  }
}

Tensor Sampler::next(std::int64_t n) {
  if (!batch_.defined() || batch_.size(0) != n || !held_alone(batch_))
    batch_ = at::empty({n, measure_->dimension()}, at::kFloat);
  const std::span<float> points = numbers_of(batch_);
  if (const auto* finite = dynamic_cast<const FiniteMeasure*>(measure_.get()))
    next_of_pass(*finite, points);
  else
    measure_->sample_into(points, random_);
  return batch_;
}

State Sampler::state() const {
  const bool in_pass = !order_.empty();
  return {{"random", (in_pass ? pass_start_ : random_).state()},
          {"position", at::scalar_tensor(in_pass ? position_ : -1, at::kLong)}};
}

void Sampler::restore(const State& state) {
  random_.set_state(require_tensor(state, "random", "data stream"));
  const auto position = require_tensor(state, "position", "data stream").item<std::int64_t>();
  order_.clear();
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
