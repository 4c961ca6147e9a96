#include "solvers/coupled_batches.h"

#include "monge/error.h"

#include <limits>
#include <numeric>

namespace monge {
namespace {

using Indices = std::span<std::int64_t>;

/// Rows of a matrix of d columns.
struct Cloud {
  const float* numbers;
  std::int64_t d;
  float at(std::int64_t row, std::int64_t column) const { return numbers[row * d + column]; }
};

/// The coordinate in which the rows vary most, by up to `looked` of them.
std::int64_t widest(const Cloud& cloud, Indices rows, std::vector<double>& sums) {
  constexpr std::int64_t looked = 64;
  const std::int64_t stride = std::max<std::int64_t>(std::ssize(rows) / looked, 1);
  const std::int64_t d = cloud.d;
  std::ranges::fill(sums, 0.0);
  double count = 0;
  for (std::int64_t i = 0; i < std::ssize(rows); i += stride, ++count)
    for (std::int64_t j = 0; j < d; ++j) {
      const double value = cloud.at(rows[i], j);
      sums[j] += value;
      sums[d + j] += value * value;
    }
  std::int64_t best = 0;
  double most = -1;
  for (std::int64_t j = 0; j < d; ++j) {
    const double spread = sums[d + j] - sums[j] * sums[j] / count;
    if (spread > most) {
      most = spread;
      best = j;
    }
  }
  return best;
}

/// Those below the median in that coordinate come first, and those that are no number before them.
void halve(const Cloud& cloud, Indices rows, std::int64_t column) {
  const auto place = [&](std::int64_t row) {
    const float value = cloud.at(row, column);
    return value == value ? value : -std::numeric_limits<float>::infinity();
  };
  std::ranges::nth_element(rows, rows.begin() + std::ssize(rows) / 2, {}, place);
}

void order_cells(const Cloud& first, const Cloud& second, Indices rows, Indices others,
                 std::vector<double>& sums) {
  if (rows.size() < 2 || others.size() < 2) return;
  const std::int64_t column = widest(first, rows, sums);
  halve(first, rows, column);
  halve(second, others, column);
  const std::size_t middle = rows.size() / 2, other_middle = others.size() / 2;
  order_cells(first, second, rows.first(middle), others.first(other_middle), sums);
  order_cells(first, second, rows.subspan(middle), others.subspan(other_middle), sums);
}

void put_in_order(std::vector<std::int64_t>& rows, std::int64_t n) {
  rows.resize(static_cast<std::size_t>(n));
  std::iota(rows.begin(), rows.end(), std::int64_t{0});
}

}  // namespace

void CoupledBatches::order(const Tensor& x, const Tensor& other) {
  put_in_order(order_, x.size(0));
  put_in_order(other_order_, other.size(0));
  std::vector<double> sums(static_cast<std::size_t>(2 * x.size(1)));
  order_cells({x.const_data_ptr<float>(), x.size(1)}, {other.const_data_ptr<float>(), x.size(1)},
              order_, other_order_, sums);
  drawn_ = 0;
}

void CoupledBatches::draw(std::int64_t n) {
  float offset = 0;
  random_.fill_uniform({&offset, 1});
  const auto places = [&](const std::vector<std::int64_t>& order, std::vector<std::int64_t>& rows) {
    rows.resize(static_cast<std::size_t>(n));
    const double share = static_cast<double>(order.size()) / static_cast<double>(n);
    for (std::int64_t k = 0; k < n; ++k) {
      const auto place = static_cast<std::int64_t>((static_cast<double>(k) + offset) * share);
      rows[k] = order[std::min(place, std::ssize(order) - 1)];
    }
  };
  places(order_, rows_);
  places(other_order_, other_rows_);
  ++drawn_;
}

State CoupledBatches::state() const {
  const auto tensor = [](const std::vector<std::int64_t>& rows) {
    return at::tensor(at::IntArrayRef(rows), at::kLong);
  };
  return {{"random", random_.state()},
          {"drawn", at::scalar_tensor(drawn_, at::kLong)},
          {"order", tensor(order_)},
          {"other_order", tensor(other_order_)}};
}

void CoupledBatches::restore(const State& state) {
  constexpr const char* where = "coupled batches";
  const auto rows = [&](const char* name) {
    const Tensor& tensor = require_tensor(state, name, where);
    if (tensor.dim() != 1 || tensor.scalar_type() != at::kLong)
      fail(fmt::format("{}: {}", where, name), "int64 [n]", shape_text(tensor));
    const std::int64_t* numbers = tensor.const_data_ptr<std::int64_t>();
    std::vector<std::int64_t> order(numbers, numbers + tensor.numel()), sorted = order;
    std::ranges::sort(sorted);
    for (std::int64_t i = 0; i < std::ssize(sorted); ++i)
      if (sorted[i] != i)
        fail(fmt::format("{}: {}", where, name), "each row once", fmt::format("{}", sorted[i]));
    return order;
  };
  random_.set_state(require_tensor(state, "random", where));
  drawn_ = require_tensor(state, "drawn", where).item<std::int64_t>();
  order_ = rows("order");
  other_order_ = rows("other_order");
}

}  // namespace monge
