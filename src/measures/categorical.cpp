#include "measures/categorical.h"

#include "monge/error.h"

namespace monge {
namespace {

__extension__ typedef unsigned __int128 Product;

Tensor checked_probabilities(const Tensor& weights, std::int64_t k, std::string_view where) {
  if (weights.sizes() != at::IntArrayRef{k})
    fail(where, fmt::format("weights [{}]", k), shape_text(weights));
  const Tensor exact = weights.to(at::kDouble);
  const auto total = exact.sum().item<double>();
  if (!std::isfinite(total) || !(total > 0) || exact.lt(0).any().item<bool>())
    fail(where, "finite weights of at least 0 with a positive sum",
         fmt::format("a sum of {} and a smallest weight of {}", total, exact.min().item<double>()));
  return (exact / total).contiguous();
}

}  // namespace

Categorical::Categorical(const Tensor& weights, std::int64_t k, std::string_view where)
    : probabilities_(checked_probabilities(weights, k, where)) {
  fill_columns();
}

/// Each index with less than its share k p = 1 is filled up by one with more.
void Categorical::fill_columns() {
  const std::int64_t k = probabilities_.numel();
  const double* p = probabilities_.const_data_ptr<double>();
  std::vector<double> share(p, p + k);
  std::vector<std::int64_t> small, large;
  for (std::int64_t i = 0; i < k; ++i) {
    share[i] *= static_cast<double>(k);
    (share[i] < 1 ? small : large).push_back(i);
  }
  constexpr auto full = ~std::uint64_t{0};
  columns_.resize(static_cast<std::size_t>(k));
  for (std::int64_t i = 0; i < k; ++i) columns_[i] = {full, i};
  while (!small.empty() && !large.empty()) {
    const std::int64_t i = small.back(), j = large.back();
    small.pop_back();
    columns_[i] = {static_cast<std::uint64_t>(share[i] * 0x1p64), j};
    share[j] -= 1 - share[i];
    if (share[j] >= 1) continue;
    large.pop_back();
    small.push_back(j);
  }
  // Rounding alone leaves some in `small`; those of weight 0 still may not be drawn.
  const auto heaviest = std::max_element(p, p + k) - p;
  for (const std::int64_t i : small)
    if (p[i] == 0) columns_[i] = {0, heaviest};
}

void Categorical::draw(std::span<std::int64_t> indices, Random& random) const {
  std::array<std::uint64_t, 64> words;
  for (std::size_t from = 0; from < indices.size(); from += words.size()) {
    const std::size_t count = std::min(words.size(), indices.size() - from);
    random.fill_bits(std::span(words).first(count));
    for (std::size_t i = 0; i < count; ++i) {
      // The upper half is the column, the lower half a level that is uniform within it.
      const Product product = Product{words[i]} * columns_.size();
      const auto index = static_cast<std::int64_t>(product >> 64);
      const Column& column = columns_[index];
      indices[from + i] = static_cast<std::uint64_t>(product) < column.level ? index : column.other;
    }
  }
}

}  // namespace monge
