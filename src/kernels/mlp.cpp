#include "kernels/mlp.h"

#include "kernels/product.h"
#include "kernels/product_loops.h"

#include <algorithm>
#include <numeric>

namespace monge::kernels {

std::int64_t MlpShape::units() const {
  return std::accumulate(hidden.begin(), hidden.end(), std::int64_t{0});
}

template <class T>
MlpWeights<T>::MlpWeights(const MlpShape& shape) : shape_(shape) {
  std::int64_t below = shape.inputs;
  for (const std::int64_t width : shape.hidden) {
    up_.emplace_back(static_cast<std::size_t>(width * below));
    below = width;
  }
}

template <class T>
void MlpWeights<T>::load(const MlpTensors<const T>& parameters) {
  parameters_ = parameters;
  std::int64_t below = shape_.inputs;
  for (std::size_t layer = 0; layer < up_.size(); ++layer) {
    product_loops<T>().transpose(shape_.hidden[layer], below, parameters.weight[layer],
                                 up_[layer].data());
    below = shape_.hidden[layer];
  }
}

template <class T>
MlpBlock<T>::MlpBlock(const MlpShape& shape, std::int64_t rows, Order order,
                      const IcnnLoops<T>& loops)
    : shape_(shape), loops_(loops), rows_(rows), units_(shape.units()), offsets_{0} {
  for (const std::int64_t width : shape.hidden) offsets_.push_back(offsets_.back() + width);
  const auto block = static_cast<std::size_t>(rows * units_);
  const bool second = order == Order::second;
  states_.resize(second ? 2 * block : block);
  adjoints_.resize(2 * block);
  if (!shape.masks()) slope_.resize(block);
  if (second && shape.bends())
    for (auto* numbers : {&curve_, &upstream_, &bend_}) numbers->resize(block);
  if (shape.thin_input())
    input_derivative_.resize(static_cast<std::size_t>(shape.inputs * shape.hidden.front()));
  ones_.assign(static_cast<std::size_t>(rows), T(1));
}

/// Rows of `layer` become its weight times the rows below, those of the first layer times `x`.
template <class T>
void MlpBlock<T>::climb(std::size_t layer, const T* x, T* rows) {
  const std::int64_t width = shape_.hidden[layer];
  const std::int64_t below = layer > 0 ? shape_.hidden[layer - 1] : shape_.inputs;
  T* out = rows + offsets_[layer];
  if (layer == 0 && shape_.thin_input())
    loops_.thin({below, width, weights_->up(0)}, n_, x, out, units_);
  else
    product(n_, width, below, layer > 0 ? rows + offsets_[layer - 1] : x,
            layer > 0 ? units_ : below, Transposed::no, weights_->up(layer), width, Transposed::no,
            0, out, units_);
}

template <class T>
void MlpBlock<T>::forward(const MlpWeights<T>& weights, const T* x, std::int64_t n, T* out) {
  weights_ = &weights;
  x_ = x;
  v_ = c_ = nullptr;
  n_ = n;
  for (std::size_t layer = 0; layer < shape_.hidden.size(); ++layer) {
    const std::int64_t offset = offsets_[layer];
    climb(layer, x, states_.data());
    loops_.activate(shape_.activation, n, shape_.hidden[layer], T(shape_.alpha),
                    weights.parameters().bias[layer], states_.data() + offset, units_,
                    slope_.empty() ? nullptr : slope_.data() + offset,
                    curve_.empty() ? nullptr : curve_.data() + offset, units_);
  }
  const std::size_t last = shape_.hidden.size() - 1;
  const std::int64_t width = shape_.hidden[last], outputs = shape_.outputs;
  const T* top = at(states_, last);
  if (shape_.thin_output())
    loops_.thin_back({outputs, width, weight(last + 1)}, n, top, units_, out);
  else
    product(n, outputs, width, top, units_, Transposed::no, weight(last + 1), width,
            Transposed::yes, 0, out, outputs);
  const T* bias = weights.parameters().bias.back();
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j < outputs; ++j) out[i * outputs + j] += bias[j];
}

/// The adjoints of all layers from those of the output.
template <class T>
void MlpBlock<T>::descend_from(const T* c, T* rows, T* upstream, const T* bend) {
  for (std::size_t layer = shape_.hidden.size(); layer-- > 0;) {
    const std::int64_t width = shape_.hidden[layer], offset = offsets_[layer];
    T* out = rows + offset;
    const bool top = layer + 1 == shape_.hidden.size();
    const T* above = top ? c : rows + offsets_[layer + 1];
    const std::int64_t above_width = top ? shape_.outputs : shape_.hidden[layer + 1];
    if (top && shape_.thin_output())
      loops_.thin({above_width, width, weight(layer + 1)}, n_, c, out, units_);
    else
      product(n_, width, above_width, above, top ? above_width : units_, Transposed::no,
              weight(layer + 1), width, Transposed::no, 0, out, units_);
    if (upstream)
      for (std::int64_t i = 0; i < n_; ++i)
        std::copy_n(out + i * units_, width, upstream + i * units_ + offset);
    if (bend)
      loops_.times_plus(n_, width, out, units_, slope_.data() + offset, bend + offset, units_);
    else
      times_slope(layer, out);
  }
}

/// Rows of `layer` are multiplied by the activation's derivative; that of ReLU is 1 where z > 0.
template <class T>
void MlpBlock<T>::times_slope(std::size_t layer, T* rows) {
  const std::int64_t width = shape_.hidden[layer], offset = offsets_[layer];
  if (shape_.masks())
    loops_.where_positive(n_, width, rows, units_, states_.data() + offset, units_);
  else
    loops_.times(n_, width, rows, units_, slope_.data() + offset, units_);
}

template <class T>
void MlpBlock<T>::delta() {
  descend_from(ones_.data(), adjoints_.data() + n_ * units_,
               upstream_.empty() ? nullptr : upstream_.data(), nullptr);
}

template <class T>
void MlpBlock<T>::back_to_input(const T* rows, T* out) {
  const std::int64_t width = shape_.hidden.front(), inputs = shape_.inputs;
  if (shape_.thin_input())
    loops_.thin_back({inputs, width, weights_->up(0)}, n_, rows, units_, out);
  else
    product(n_, inputs, width, rows, units_, Transposed::no, weight(0), inputs, Transposed::no, 0,
            out, inputs);
}

template <class T>
void MlpBlock<T>::gradient(T* out) {
  back_to_input(adjoints_.data() + n_ * units_, out);
}

template <class T>
void MlpBlock<T>::tangent(const T* v) {
  v_ = v;
  T* rows = states_.data() + n_ * units_;
  for (std::size_t layer = 0; layer < shape_.hidden.size(); ++layer) {
    const std::int64_t width = shape_.hidden[layer], offset = offsets_[layer];
    climb(layer, v, rows);
    if (bend_.empty())
      times_slope(layer, rows + offset);
    else
      loops_.activation_tangent(n_, width, slope_.data() + offset, curve_.data() + offset,
                                upstream_.data() + offset, units_, rows + offset, units_,
                                bend_.data() + offset);
  }
}

template <class T>
void MlpBlock<T>::adjoint(const T* c) {
  c_ = c;
  descend_from(c, adjoints_.data(), nullptr, v_ && !bend_.empty() ? bend_.data() : nullptr);
}

/// What is summed by loops begins with 0.
template <class T>
void MlpBlock<T>::begin_sums(const MlpTensors<T>& derivatives) const {
  for (std::size_t layer = 0; layer < shape_.hidden.size(); ++layer)
    std::fill_n(derivatives.bias[layer], shape_.hidden[layer], T(0));
  std::fill_n(derivatives.bias.back(), shape_.outputs, T(0));
  if (shape_.thin_input())
    std::fill_n(derivatives.weight[0], shape_.inputs * shape_.hidden.front(), T(0));
  if (shape_.thin_output())
    std::fill_n(derivatives.weight.back(), shape_.outputs * shape_.hidden.back(), T(0));
}

template <class T>
void MlpBlock<T>::accumulate_input(T* derivative, Sums sums) {
  const std::int64_t width = shape_.hidden.front(), inputs = shape_.inputs;
  const T* below = adjoints_.data() + n_ * units_;
  if (!shape_.thin_input()) {
    product(width, inputs, n_, adjoints_.data(), units_, Transposed::yes, x_, inputs,
            Transposed::no, sums == Sums::add ? T(1) : T(0), derivative, inputs);
    if (v_)
      product(width, inputs, n_, below, units_, Transposed::yes, v_, inputs, Transposed::no, 1,
              derivative, inputs);
    return;
  }
  std::ranges::fill(input_derivative_, T(0));
  loops_.thin_outer(inputs, width, n_, x_, adjoints_.data(), units_, input_derivative_.data());
  if (v_) loops_.thin_outer(inputs, width, n_, v_, below, units_, input_derivative_.data());
  for (std::int64_t m = 0; m < width; ++m)
    for (std::int64_t j = 0; j < inputs; ++j)
      derivative[m * inputs + j] += input_derivative_[j * width + m];
}

template <class T>
void MlpBlock<T>::accumulate(const MlpTensors<T>& derivatives, Sums sums) {
  const std::size_t last = shape_.hidden.size() - 1;
  const std::int64_t stacked = v_ ? 2 * n_ : n_, outputs = shape_.outputs;
  const T keep = sums == Sums::add ? T(1) : T(0);
  if (sums == Sums::begin) begin_sums(derivatives);
  accumulate_input(derivatives.weight[0], sums);
  for (std::size_t layer = 0; layer <= last; ++layer)
    loops_.column_sums(n_, shape_.hidden[layer], nullptr, at(adjoints_, layer), units_,
                       derivatives.bias[layer]);
  for (std::size_t layer = 1; layer <= last; ++layer)
    product(shape_.hidden[layer], shape_.hidden[layer - 1], stacked, at(adjoints_, layer), units_,
            Transposed::yes, at(states_, layer - 1), units_, Transposed::no, keep,
            derivatives.weight[layer], shape_.hidden[layer - 1]);
  const std::int64_t width = shape_.hidden[last];
  const T* top = at(states_, last);
  if (shape_.thin_output())
    loops_.thin_outer(outputs, width, n_, c_, top, units_, derivatives.weight.back());
  else
    product(outputs, width, n_, c_, outputs, Transposed::yes, top, units_, Transposed::no, keep,
            derivatives.weight.back(), width);
  if (v_)
    loops_.column_sums(n_, width, nullptr, top + n_ * units_, units_, derivatives.weight.back());
  loops_.column_sums(n_, outputs, nullptr, c_, outputs, derivatives.bias.back());
}

template <class T>
void MlpBlock<T>::point_adjoint(T* out) {
  back_to_input(adjoints_.data(), out);
}

template class MlpWeights<float>;
template class MlpWeights<double>;
template class MlpBlock<float>;
template class MlpBlock<double>;

}  // namespace monge::kernels
