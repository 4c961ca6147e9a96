#include "discrete/cost_rows.h"

#include "discrete/large_matrix.h"
#include "kernels/transport_loops.h"

namespace monge {
namespace {

// Costs of up to 8 coordinates are computed faster than 8 bytes each are read from memory.
constexpr std::int64_t few_coordinates = 8;
constexpr std::int64_t block_numbers = std::int64_t{1} << 16;

}  // namespace

CostRows::CostRows(const Tensor& x, const Tensor& y, const Cost& cost, std::int64_t most_stored)
    : cost_(cost),
      quadratic_(dynamic_cast<const QuadraticCost*>(&cost) != nullptr),
      sources_(x.size(0)),
      targets_(y.size(0)),
      block_(std::clamp<std::int64_t>(block_numbers / y.size(0) / 8 * 8, 8, 64)) {
  center(x, y);
  const bool cheap = quadratic_ && x.size(1) <= few_coordinates;
  if (!cheap && sources_ <= most_stored / targets_) store();
  measure();
}

void CostRows::center(const Tensor& x, const Tensor& y) {
  x_ = x, y_ = y;
  source_shift_ = at::zeros({sources_}, at::kDouble);
  target_shift_ = at::zeros({targets_}, at::kDouble);
  if (!quadratic_) return;
  const Tensor x_mean = x.mean(0), y_mean = y.mean(0), apart = x_mean - y_mean;
  x_ = (x - x_mean).contiguous();
  y_ = y - y_mean;
  y_transposed_ = y_.t().contiguous();
  source_shift_ = (x_ * apart).sum(1) + 0.5 * apart.square().sum();
  target_shift_ = -(y_ * apart).sum(1);
}

void CostRows::store() {
  const Tensor matrix = large_matrix(sources_, targets_);
  double* out = matrix.data_ptr<double>();
  for_each_block([&](std::int64_t first, std::int64_t count, Buffer&) {
    compute(first, count, out + first * targets_);
  });
  matrix_ = matrix;
}

void CostRows::measure() {
  if (quadratic_) {
    const Tensor x_squares = x_.square().sum(1), y_squares = y_.square().sum(1);
    const double reach =
        x_squares.max().sqrt().item<double>() + y_squares.max().sqrt().item<double>();
    largest_ = 0.5 * reach * reach;
    mean_ = 0.5 * (x_squares.mean() + y_squares.mean()).item<double>();
    return;
  }
  Buffer buffer;
  least_ = std::numeric_limits<double>::infinity(), largest_ = -least_;
  for (std::int64_t first = 0; first < sources_; first += block_) {
    const std::int64_t count = std::min(block_, sources_ - first);
    const Tensor part = at::from_blob(const_cast<double*>(rows(first, count, buffer)),
                                      {count, targets_}, at::kDouble);
    const auto [least, largest] = at::aminmax(part);
    least_ = std::fmin(least_, least.item<double>());
    largest_ = std::fmax(largest_, largest.item<double>());
    mean_ += part.sum().item<double>() / static_cast<double>(sources_ * targets_);
  }
}

void CostRows::compute(std::int64_t first, std::int64_t count, double* out) const {
  if (quadratic_) {
    kernels::transport_loops().half_squares(count, x_.size(1), targets_,
                                            x_.const_data_ptr<double>() + first * x_.size(1),
                                            y_transposed_.const_data_ptr<double>(), out);
    return;
  }
  const at::NoGradGuard no_graph;
  at::from_blob(out, {count, targets_}, at::kDouble)
      .copy_(cost_.matrix(x_.narrow(0, first, count), y_));
}

const double* CostRows::rows(std::int64_t first, std::int64_t count, Buffer& buffer) const {
  if (stored()) return matrix_.const_data_ptr<double>() + first * targets_;
  buffer.resize(static_cast<std::size_t>(block_ * targets_));
  compute(first, count, buffer.data());
  return buffer.data();
}

}  // namespace monge
