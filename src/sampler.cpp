#include "monge/sampler.h"

#include "monge/affine.h"
#include "monge/error.h"
#include "monge/measures/prefetching.h"
#include "monge/networks/autoencoder.h"

#include "measures/numbers.h"

namespace monge {
namespace {

/// Tells a measure that fetches its points which ones of this pass come in the next batches.
void announce(const FiniteMeasure& measure, std::span<const std::int64_t> rest, std::size_t batch) {
  constexpr std::size_t batches = 4;
  if (const auto* prefetching = dynamic_cast<const PrefetchingMeasure*>(&measure))
    prefetching->prefetch(rest.first(std::min(rest.size(), batches * batch)));
}

/// True where no other tensor, view or graph sees the memory.
bool held_alone(const Tensor& tensor) {
  return tensor.use_count() == 1 && tensor.storage().use_count() == 1;
}

}  // namespace

Sampler::Sampler(std::shared_ptr<const Measure> measure, const Random& random)
    : measure_(std::move(measure)), random_(random), pass_start_(random_) {}

Sampler::Sampler(std::shared_ptr<const Measure> measure, const Random& random,
                 const Smoothing& smoothing, const Random& noise)
    : Sampler(std::move(measure), random) {
  noisy_.emplace(Noisy{smoothing, SmoothedMeasure(measure_, smoothing.first()),
                       SmoothedMeasure(measure_, smoothing.last()), noise});
}

void Sampler::advance() {
  if (noisy_) ++noisy_->step;
}

std::optional<Noise> Sampler::noise() const {
  if (!noisy_) return std::nullopt;
  return noisy_->smoothing.last();
}

void Sampler::begin_pass(std::int64_t size) {
  pass_start_ = random_;
  order_.resize(static_cast<std::size_t>(size));
  random_.fill_permutation(order_);
  position_ = 0;
}

/// The next `n` of shuffled passes.
void Sampler::draw_indices(std::int64_t size, std::int64_t n) {
  while (std::ssize(indices_) < n) {
    if (order_.empty() || position_ == size) begin_pass(size);
    const std::int64_t taken = std::min(n - std::ssize(indices_), size - position_);
    const auto piece = std::span(order_).subspan(position_, taken);
    indices_.insert(indices_.end(), piece.begin(), piece.end());
    position_ += taken;
  }
}

/// Of a finite measure only the rows that are asked for are gathered; of any other all points are
/// drawn, since one stream has them.
Tensor Sampler::draw(std::int64_t n, const Rows& own) {
  const auto* finite = dynamic_cast<const FiniteMeasure*>(measure_.get());
  const std::int64_t held = finite ? own.count : n;
  if (!batch_.defined() || batch_.size(0) != held || !held_alone(batch_))
    batch_ = at::empty({held, measure_->dimension()}, at::kFloat);
  indices_.clear();
  if (finite) {
    draw_indices(finite->size(), n);
    announce(*finite, std::span(order_).subspan(position_), indices_.size());
    finite->gather(std::span(indices_).subspan(own.begin, own.count), numbers_of(batch_));
  } else {
    measure_->sample_into(numbers_of(batch_), random_);
  }
  Tensor points = held == own.count ? batch_ : batch_.narrow(0, own.begin, own.count);
  if (noisy_) {
    const Tensor noise = noisy_->random.normal({n, measure_->dimension()});
    noisy_->smoothing.at(noisy_->step).add_to(points, noise.narrow(0, own.begin, own.count));
    indices_.clear();
  }
  return points;
}

State Sampler::state() const {
  const bool in_pass = !order_.empty();
  State state{{"random", (in_pass ? pass_start_ : random_).state()},
              {"position", at::scalar_tensor(in_pass ? position_ : -1, at::kLong)}};
  if (noisy_) {
    state["noise"] = noisy_->random.state();
    state["noise step"] = at::scalar_tensor(noisy_->step, at::kLong);
  }
  return state;
}

void Sampler::restore(const State& state) {
  random_.set_state(require_tensor(state, "random", "data stream"));
  const auto position = require_tensor(state, "position", "data stream").item<std::int64_t>();
  if (noisy_) {
    noisy_->random.set_state(require_tensor(state, "noise", "data stream"));
    noisy_->step = require_tensor(state, "noise step", "data stream").item<std::int64_t>();
  }
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
  if (span) insert_state(whole, "span", span->target.state());
  if (latent) whole["autoencoder"] = latent->autoencoder->fingerprint();
  return whole;
}

void Problem::restore(const State& state) {
  if (span) {
    const AffineSpan before =
        span_from_state(extract_state(state, "span"), span->target.dimension());
    constexpr double rounding = 1e-6;
    if (!before.basis.sizes().equals(span->target.basis.sizes()) ||
        !at::allclose(before.basis, span->target.basis, 0, rounding))
      fail("data streams", "the coordinates of the target's span that the run began with",
           "others; fit it anew");
  }
  if (latent) {
    const Tensor& before = require_tensor(state, "autoencoder", "data streams");
    if (!at::equal(before, latent->autoencoder->fingerprint()))
      fail("data streams", "the autoencoder that the run began with", "another; fit it anew");
  }
  source.restore(extract_state(state, "source"));
  target.restore(extract_state(state, "target"));
}

std::optional<ProblemSpan> ProblemSpan::of(const Measure& source, const Measure& target,
                                           std::uint64_t seed) {
  Random random(seed, "span");
  const auto moments = [&](const Measure& measure) {
    const auto known = measure.moments();
    return known ? *known : sampled_moments(measure, random);
  };
  auto span = lower_span(moments(target));
  if (!span) return std::nullopt;
  auto shifted = shifted_to(*span, moments(source));
  return ProblemSpan{std::move(*span), std::move(shifted)};
}

Problem make_problem(std::shared_ptr<const Measure> source, std::shared_ptr<const Measure> target,
                     std::uint64_t seed, const ProblemOptions& options) {
  if (source->dimension() != target->dimension())
    fail("source and target", "points of the same dimension",
         fmt::format("{} and {}", source->dimension(), target->dimension()));
  if (options.span) {
    source = projected(source, options.span->target);
    target = projected(target, options.span->target);
  }
  const Random points(seed, "source");
  Problem problem{options.smoothing ? Sampler(std::move(source), points, *options.smoothing,
                                              Random(seed, "smoothing"))
                                    : Sampler(std::move(source), points),
                  Sampler(std::move(target), Random(seed, "target")), options.span, options.latent,
                  options.group};
  problem.source.join(options.group);
  problem.target.join(options.group);
  return problem;
}

}  // namespace monge
