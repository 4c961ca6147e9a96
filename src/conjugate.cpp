#include "monge/conjugate.h"

#include "monge/error.h"

#include "conjugate_search.h"
#include "solvers/passes.h"

#include <ATen/Parallel.h>

#include <numeric>

namespace monge {
namespace {

constexpr std::int64_t slots = 256;  // searches of one block of gradients

template <class T>
Box<T> box_of(const ConjugateOptions& options, at::ScalarType dtype) {
  if (!options.low.defined()) return {};
  const auto numbers = [dtype](const Tensor& side) {
    const Tensor values = side.to(dtype).contiguous();
    return std::vector<T>(values.const_data_ptr<T>(), values.const_data_ptr<T>() + values.numel());
  };
  return {numbers(options.low), numbers(options.high)};
}

ConjugateLimits limits_of(const ConjugateOptions& options, std::int64_t d) {
  return {options.tolerance, options.evaluations, std::sqrt(static_cast<double>(d))};
}

/// The points that a search has, finds and ends with.
template <class T>
struct Points {
  const T* y;
  T* x;
  T* residual;
  bool* bent;
};

template <class T>
Points<T> points_of(const Tensor& y, Conjugate& found) {
  return {y.const_data_ptr<T>(), found.argmax.data_ptr<T>(), found.residual.data_ptr<T>(),
          found.not_convex.data_ptr<bool>()};
}

/// Of any potential, which has its own threads.
template <class T>
ConjugateCounts search(const Potential& psi, const Tensor& y, const ConjugateOptions& options,
                       Conjugate& found) {
  const std::int64_t n = y.size(0), d = y.size(1);
  const Points<T> points = points_of<T>(y, found);
  ConjugateSearch<T> searches(d, std::min(slots * at::get_num_threads(), n));
  const auto gradient = [&](const T* x, std::int64_t rows, T* out) {
    const Tensor held = at::from_blob(const_cast<T*>(x), {rows, d}, y.options());
    const Tensor slopes = psi.gradient(held, Graph::none).contiguous();
    std::copy_n(slopes.const_data_ptr<T>(), rows * d, out);
  };
  return searches.run(gradient, limits_of(options, d), box_of<T>(options, y.scalar_type()), n,
                      points.y, points.x, points.residual, points.bent);
}

/// Of an input-convex network in float32: each thread has blocks and searches of its own.
ConjugateCounts search(const DenseIcnn& psi, const Tensor& y, const ConjugateOptions& options,
                       Conjugate& found) {
  const std::int64_t n = y.size(0), d = y.size(1);
  const Points<float> points = points_of<float>(y, found);
  const Box<float> box = box_of<float>(options, at::kFloat);
  const PotentialPasses passes = passes_of(psi);
  const std::int64_t threads = std::clamp<std::int64_t>(n / 32, 1, at::get_num_threads());
  std::vector<ConjugateCounts> counts(static_cast<std::size_t>(threads));
  at::parallel_for(0, threads, 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t thread = first; thread < last; ++thread) {
      const std::int64_t from = n * thread / threads, count = n * (thread + 1) / threads - from;
      const std::int64_t rows = std::min(slots, count);
      const auto pass = passes.make(rows);
      std::vector<float> values(static_cast<std::size_t>(rows));
      const auto gradient = [&](const float* x, std::int64_t block, float* out) {
        pass->forward(x, block, values.data());
        pass->gradient(out);
      };
      counts[thread] = ConjugateSearch<float>(d, rows).run(
          gradient, limits_of(options, d), box, count, points.y + from * d, points.x + from * d,
          points.residual + from, points.bent + from);
    }
  });
  return std::accumulate(
      counts.begin(), counts.end(), ConjugateCounts(),
      [](ConjugateCounts sum, const ConjugateCounts& part) { return sum += part; });
}

/// Of the points [n, d] that the searches left at `x`, [n] bool: whether <x, y> - psi(x) still
/// rises a million times as far from 0 on the ray through x. Along a ray it is concave, so that it
/// rises all the way there.
Tensor rises_without_end(const Potential& psi, const Tensor& y, const Tensor& x) {
  constexpr double far = 1e6;
  const Tensor direction = x / x.norm(2, 1, true);
  return ((y - psi.gradient(far * x, Graph::none)) * direction).sum(1) > 0;
}

/// Sorts the searches that ended above the tolerance by what the potential did to them.
void name_failures(const Potential& psi, const Tensor& y, const ConjugateOptions& options,
                   Conjugate& found) {
  const Tensor failed = found.residual.le(options.tolerance).logical_not();
  found.not_convex.logical_and_(failed);
  found.unbounded = at::zeros_like(found.not_convex);
  if (options.low.defined()) return;  // a maximum over a box is finite
  const Tensor which = failed.logical_and(found.not_convex.logical_not()).nonzero().squeeze(1);
  if (which.numel() == 0) return;
  found.unbounded.index_copy_(
      0, which,
      rises_without_end(psi, y.index_select(0, which), found.argmax.index_select(0, which)));
}

void require_sound(const ConjugateOptions& options, std::int64_t d) {
  if (!(options.tolerance > 0))
    fail("conjugate: tolerance", "a positive number", fmt::format("{}", options.tolerance));
  if (options.evaluations < 1)
    fail("conjugate: evaluations", "at least 1", fmt::format("{}", options.evaluations));
  if (options.low.defined() != options.high.defined())
    fail("conjugate", "both sides of a box or none", "one");
  for (const Tensor& side : {options.low, options.high})
    if (side.defined() && side.sizes() != at::IntArrayRef{d})
      fail("conjugate", fmt::format("a box [{}]", d), shape_text(side));
  if (options.low.defined() && !(options.low <= options.high).all().item<bool>())
    fail("conjugate", "a box whose low side is below the high one", "another");
}

/// The searches are on the processor, in the potential's dtype.
void require_numbers(const Potential& psi, const Tensor& y) {
  if (!y.is_cpu()) fail("conjugate", "points on the processor", y.device().str());
  const State parameters = psi.parameters();
  const at::ScalarType dtype =
      parameters.empty() ? y.scalar_type() : parameters.begin()->second.scalar_type();
  if (y.scalar_type() != dtype || (dtype != at::kFloat && dtype != at::kDouble))
    fail("conjugate", "points in the potential's dtype, float32 or float64",
         c10::toString(y.scalar_type()));
}

}  // namespace

Conjugate conjugate(const Potential& psi, const Tensor& y, const ConjugateOptions& options,
                    const Tensor& start) {
  const std::int64_t d = psi.dimension();
  if (y.dim() != 2 || y.size(1) != d)
    fail("conjugate", fmt::format("points [n, {}]", d), shape_text(y));
  require_numbers(psi, y);
  if (start.defined() && start.sizes() != y.sizes())
    fail("conjugate", fmt::format("starts {}", shape_text(y)), shape_text(start));
  require_sound(options, d);
  const at::NoGradGuard no_graph;
  const Tensor goals = y.contiguous();
  Conjugate found;
  found.argmax = start.defined() ? start.to(y.scalar_type()).clone(at::MemoryFormat::Contiguous)
                                 : goals.clone();
  found.residual = at::empty({y.size(0)}, y.options());
  found.not_convex = at::zeros({y.size(0)}, at::kBool);
  if (y.size(0) == 0) {
    found.value = at::empty({0}, y.options());
    found.unbounded = found.not_convex.clone();
    return found;
  }
  ConjugateCounts counts;
  const auto* icnn = dynamic_cast<const DenseIcnn*>(&psi);
  if (icnn && y.scalar_type() == at::kFloat)
    counts = search(*icnn, goals, options, found);
  else
    AT_DISPATCH_FLOATING_TYPES(y.scalar_type(), "conjugate",
                               [&] { counts = search<scalar_t>(psi, goals, options, found); });
  found.evaluations = static_cast<double>(counts.evaluations) / static_cast<double>(y.size(0));
  found.value = (found.argmax * goals).sum(1) - psi.value(found.argmax, Graph::none);
  name_failures(psi, goals, options, found);
  return found;
}

ConjugateMap::ConjugateMap(std::shared_ptr<const Potential> psi, AffineFrame frame,
                           ConjugateOptions options)
    : psi_(std::move(psi)), frame_(std::move(frame)), options_(std::move(options)) {
  require_sound(options_, psi_->dimension());
}

Tensor ConjugateMap::transport(const Tensor& y) const {
  constexpr std::int64_t block = 1 << 14;
  const at::NoGradGuard no_graph;
  Tensor mapped = at::empty_like(y);
  for (std::int64_t from = 0; from < y.size(0); from += block) {
    const std::int64_t count = std::min(block, y.size(0) - from);
    const Tensor entered = frame_.enter(y.narrow(0, from, count));
    mapped.narrow(0, from, count).copy_(frame_.leave(conjugate(*psi_, entered, options_).argmax));
  }
  return mapped;
}

ConjugateMap::Unfinished ConjugateMap::unfinished(const Tensor& y) const {
  const at::NoGradGuard no_graph;
  const Conjugate found = conjugate(*psi_, frame_.enter(y), options_);
  const auto share = [](const Tensor& points) {
    return points.to(at::kDouble).mean().item<double>();
  };
  return {1 - share(found.residual <= options_.tolerance), share(found.not_convex),
          share(found.unbounded)};
}

}  // namespace monge
