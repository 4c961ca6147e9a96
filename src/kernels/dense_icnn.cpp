#include "kernels/dense_icnn.h"

#include "kernels/product.h"
#include "kernels/product_loops.h"

#include <numeric>

namespace monge::kernels {

std::int64_t IcnnShape::units() const {
  return std::accumulate(hidden.begin(), hidden.end(), std::int64_t{0});
}

std::int64_t IcnnShape::weights() const {
  std::int64_t count = columns() * dimension;
  for (std::size_t k = 1; k < hidden.size(); ++k) count += hidden[k] * hidden[k - 1];
  return count;
}

template <class T>
IcnnWeights<T>::IcnnWeights(const IcnnShape& shape) : shape_(shape) {
  if (shape_.small() || shape_.rank > 1)
    copy_.resize(static_cast<std::size_t>(shape_.columns() * shape_.dimension));
}

template <class T>
std::int64_t IcnnWeights<T>::place(std::int64_t row, std::int64_t column) const {
  const std::int64_t units = shape_.units(), rank = shape_.rank;
  if (row < rank * units) row = row % rank * units + row / rank;
  return shape_.small() ? column * shape_.columns() + row : row * shape_.dimension + column;
}

template <class T>
void IcnnWeights<T>::load(const IcnnTensors<const T>& parameters, std::int64_t points) {
  constexpr std::int64_t few = 64;
  const std::int64_t d = shape_.dimension, columns = shape_.columns();
  const auto transpose = product_loops<T>().transpose;
  parameters_ = parameters;
  input_ = input_copied() ? copy_.data() : parameters.input_weight;
  if (input_copied())
    for (std::int64_t row = 0; row < columns; ++row)
      for (std::int64_t column = 0; column < d; ++column)
        copy_[place(row, column)] = parameters.input_weight[row * d + column];
  upward_ = points >= few;
  if (!upward_) return;
  if (!shape_.small()) {
    input_up_.resize(static_cast<std::size_t>(columns * d));
    transpose(columns, d, input_, input_up_.data());
  }
  convex_up_.resize(shape_.hidden.size() - 1);
  for (std::size_t k = 1; k < shape_.hidden.size(); ++k) {
    const std::int64_t above = shape_.hidden[k], below = shape_.hidden[k - 1];
    convex_up_[k - 1].resize(static_cast<std::size_t>(above * below));
    transpose(above, below, parameters.convex[k - 1], convex_up_[k - 1].data());
  }
}

template <class T>
void IcnnWeights<T>::project(std::int64_t n, const T* x, T* rows) const {
  const std::int64_t d = shape_.dimension, columns = shape_.columns();
  if (upward_)
    product(n, columns, d, x, d, Transposed::no, input_up_.data(), columns, Transposed::no, 0, rows,
            columns);
  else
    product(n, columns, d, x, d, Transposed::no, input_, d, Transposed::yes, 0, rows, columns);
}

template <class T>
void IcnnWeights<T>::climb(std::size_t k, std::int64_t n, const T* below, T* above,
                           std::int64_t ld) const {
  const std::int64_t wide = shape_.hidden[k], deep = shape_.hidden[k - 1];
  if (upward_)
    product(n, wide, deep, below, ld, Transposed::no, convex_up_[k - 1].data(), wide,
            Transposed::no, 1, above, ld);
  else
    product(n, wide, deep, below, ld, Transposed::no, parameters_.convex[k - 1], deep,
            Transposed::yes, 1, above, ld);
}

template <class T>
void IcnnWeights<T>::put_back(const T* derivative, T* input_weight) const {
  for (std::int64_t row = 0; row < shape_.columns(); ++row)
    for (std::int64_t column = 0; column < shape_.dimension; ++column)
      input_weight[row * shape_.dimension + column] =
          derivative[input_copied() ? place(row, column) : row * shape_.dimension + column];
}

template <class T>
IcnnBlock<T>::IcnnBlock(const IcnnShape& shape, std::int64_t rows, const IcnnLoops<T>& loops)
    : shape_(shape),
      loops_(loops),
      rows_(rows),
      units_(shape.units()),
      columns_(shape.columns()),
      first_(shape.rank * shape.units()),
      adjoint_columns_(shape.adjoint_columns()),
      adjoint_first_(shape.small() ? 0 : first_),
      offsets_{0},
      states_(static_cast<std::size_t>(2 * rows * columns_)),
      adjoints_(static_cast<std::size_t>(2 * rows * adjoint_columns_)),
      slope_(static_cast<std::size_t>(rows * units_)),
      bend_(slope_.size()),
      points_(static_cast<std::size_t>(2 * rows * shape.dimension)),
      quadratic_(static_cast<std::size_t>(shape.dimension), T(shape.strong_convexity)),
      linear_(quadratic_.size()) {
  for (const std::int64_t width : shape.hidden) offsets_.push_back(offsets_.back() + width);
}

template <class T>
void IcnnBlock<T>::forward(const IcnnWeights<T>& weights, const T* x, std::int64_t n) {
  layout_ = &weights;
  weights_ = weights.parameters();
  x_ = points_.data();
  v_ = c_ = nullptr;
  n_ = n;
  std::copy_n(x, n * shape_.dimension, points_.data());
  for (std::int64_t j = 0; shape_.skip && j < shape_.dimension; ++j) {
    quadratic_[j] = T(shape_.strong_convexity) + weights_.skip_quadratic[j];
    linear_[j] = weights_.skip_linear[j];
  }
  if (shape_.small()) {
    loops_.form(forms(), n, x_, weights_.input_bias, nullptr, states_.data(), columns_);
  } else {
    weights.project(n, x_, states_.data());
    loops_.square_forms(n, shape_.rank, units_, weights_.input_bias, states_.data(), columns_);
  }
  for (std::size_t k = 1; k < shape_.hidden.size(); ++k) {
    climb(k, states_.data());
    loops_.celu(n, shape_.hidden[k], T(shape_.celu_alpha), state(k), columns_, slope(k), units_);
  }
}

/// Of a small dimension.
template <class T>
ThinForms<T> IcnnBlock<T>::forms() const {
  return {shape_.dimension, shape_.rank, units_, layout_->input()};
}

/// E over delta, with the directions if there are some.
template <class T>
FormAdjoints<T> IcnnBlock<T>::form_adjoints() const {
  return {states_.data(),   v_ ? states_.data() + n_ * columns_ : nullptr, columns_,
          adjoints_.data(), adjoints_.data() + n_ * adjoint_columns_,      adjoint_columns_};
}

/// Layer k of the rows gains C_k times the layer below.
template <class T>
void IcnnBlock<T>::climb(std::size_t k, T* rows) {
  layout_->climb(k, n_, rows + first_ + offsets_[k - 1], rows + first_ + offsets_[k], columns_);
}

/// Layer k - 1 of the adjoints' rows becomes C_kᵀ times the layer above.
template <class T>
void IcnnBlock<T>::descend(std::size_t k, T* rows) {
  const std::int64_t above = shape_.hidden[k], below = shape_.hidden[k - 1];
  product(n_, below, above, rows + adjoint_first_ + offsets_[k], adjoint_columns_, Transposed::no,
          weights_.convex[k - 1], below, Transposed::no, 0, rows + adjoint_first_ + offsets_[k - 1],
          adjoint_columns_);
}

template <class T>
void IcnnBlock<T>::value(T* out) const {
  const std::size_t last = shape_.hidden.size() - 1;
  loops_.row_products(n_, shape_.hidden[last], states_.data() + first_ + offsets_[last], columns_,
                      weights_.final, out);
  loops_.skip_value(n_, shape_.dimension, x_, quadratic_.data(), linear_.data(), out);
}

template <class T>
void IcnnBlock<T>::delta() {
  const std::size_t last = shape_.hidden.size() - 1;
  T* rows = adjoints_.data() + n_ * adjoint_columns_;
  T* layers = rows + adjoint_first_;
  loops_.spread(n_, shape_.hidden[last], weights_.final, last > 0 ? slope(last) : nullptr, units_,
                layers + offsets_[last], adjoint_columns_);
  for (std::size_t k = last; k > 0; --k) {
    descend(k, rows);
    if (k > 1)
      loops_.times(n_, shape_.hidden[k - 1], layers + offsets_[k - 1], adjoint_columns_,
                   slope(k - 1), units_);
  }
  if (!shape_.small())
    loops_.square_forms_delta(n_, shape_.rank, units_, states_.data(), rows, columns_);
}

template <class T>
void IcnnBlock<T>::gradient(T* out) {
  const std::int64_t d = shape_.dimension;
  const T* deltas = adjoints_.data() + n_ * adjoint_columns_;
  if (shape_.small())
    loops_.form_back(forms(), n_,
                     {states_.data(), nullptr, columns_, deltas, nullptr, adjoint_columns_}, out);
  else
    product(n_, d, columns_, deltas, columns_, Transposed::no, layout_->input(), d, Transposed::no,
            0, out, d);
  loops_.skip_back(n_, d, x_, nullptr, nullptr, 1, quadratic_.data(), linear_.data(), out);
}

template <class T>
void IcnnBlock<T>::tangent(const T* v) {
  const std::int64_t numbers = n_ * shape_.dimension;
  std::copy_n(v, numbers, points_.data() + numbers);
  v_ = points_.data() + numbers;
  T* rows = states_.data() + n_ * columns_;
  const T* deltas = adjoints_.data() + n_ * adjoint_columns_ + adjoint_first_;
  if (shape_.small()) {
    loops_.form(forms(), n_, v_, nullptr, states_.data(), rows, columns_);
  } else {
    layout_->project(n_, v_, rows);
    loops_.square_forms_tangent(n_, shape_.rank, units_, states_.data(), rows, columns_);
  }
  for (std::size_t k = 1; k < shape_.hidden.size(); ++k) {
    climb(k, rows);
    const std::int64_t at = first_ + offsets_[k];
    loops_.celu_tangent(n_, shape_.hidden[k], T(shape_.celu_alpha), states_.data() + at, columns_,
                        slope(k), units_, deltas + offsets_[k], adjoint_columns_, rows + at,
                        bend(k));
  }
}

template <class T>
void IcnnBlock<T>::adjoint(const T* c) {
  c_ = c;
  const std::size_t last = shape_.hidden.size() - 1;
  if (!c) zeros_.resize(static_cast<std::size_t>(rows_));
  T* rows = adjoints_.data();
  loops_.spread_plus(n_, shape_.hidden[last], c ? c : zeros_.data(), weights_.final,
                     last > 0 ? slope(last) : nullptr, v_ && last > 0 ? bend(last) : nullptr,
                     units_, adjoint_of(last), adjoint_columns_);
  for (std::size_t k = last; k > 0; --k) {
    descend(k, rows);
    if (k == 1) break;
    const std::int64_t width = shape_.hidden[k - 1];
    if (v_)
      loops_.times_plus(n_, width, adjoint_of(k - 1), adjoint_columns_, slope(k - 1), bend(k - 1),
                        units_);
    else
      loops_.times(n_, width, adjoint_of(k - 1), adjoint_columns_, slope(k - 1), units_);
  }
  if (shape_.small()) return;
  if (v_)
    loops_.square_forms_adjoint(n_, shape_.rank, units_, states_.data(),
                                states_.data() + n_ * columns_, rows, rows + n_ * columns_,
                                columns_);
  else
    loops_.square_forms_delta(n_, shape_.rank, units_, states_.data(), rows, columns_);
}

/// What is summed by loops begins with 0.
template <class T>
void IcnnBlock<T>::begin_sums(const IcnnTensors<T>& derivatives, T* input) const {
  const std::int64_t d = shape_.dimension;
  if (shape_.small()) std::fill_n(input, columns_ * d, T(0));
  std::fill_n(derivatives.input_bias, units_, T(0));
  std::fill_n(derivatives.final, shape_.hidden.back(), T(0));
  if (!shape_.skip) return;
  std::fill_n(derivatives.skip_quadratic, d, T(0));
  std::fill_n(derivatives.skip_linear, d, T(0));
}

template <class T>
void IcnnBlock<T>::accumulate(const IcnnTensors<T>& derivatives, T* input, Sums sums) {
  const std::int64_t d = shape_.dimension;
  const std::size_t last = shape_.hidden.size() - 1;
  const std::int64_t stacked = v_ ? 2 * n_ : n_;
  const T keep = sums == Sums::add ? T(1) : T(0);
  if (sums == Sums::begin) begin_sums(derivatives, input);
  if (shape_.small())
    loops_.form_outer(forms(), n_, form_adjoints(), x_, v_, input);
  else
    product(columns_, d, stacked, adjoints_.data(), columns_, Transposed::yes, x_, d,
            Transposed::no, keep, input, d);
  loops_.column_sums(n_, units_, nullptr, adjoint_of(0), adjoint_columns_, derivatives.input_bias);
  for (std::size_t k = 1; k <= last; ++k)
    product(shape_.hidden[k], shape_.hidden[k - 1], stacked, adjoint_of(k), adjoint_columns_,
            Transposed::yes, state(k - 1), columns_, Transposed::no, keep,
            derivatives.convex[k - 1], shape_.hidden[k - 1]);
  T* top = state(last);
  if (c_) loops_.column_sums(n_, shape_.hidden[last], c_, top, columns_, derivatives.final);
  if (v_)
    loops_.column_sums(n_, shape_.hidden[last], nullptr, top + n_ * columns_, columns_,
                       derivatives.final);
  if (shape_.skip)
    loops_.skip_outer(n_, d, x_, v_, c_, derivatives.skip_quadratic, derivatives.skip_linear);
}

template <class T>
void IcnnBlock<T>::point_adjoint(T* out) {
  const std::int64_t d = shape_.dimension;
  if (shape_.small())
    loops_.form_back(forms(), n_, form_adjoints(), out);
  else
    product(n_, d, columns_, adjoints_.data(), columns_, Transposed::no, layout_->input(), d,
            Transposed::no, 0, out, d);
  loops_.skip_back(n_, d, x_, v_, c_, 0, quadratic_.data(), linear_.data(), out);
}

template class IcnnWeights<float>;
template class IcnnWeights<double>;
template class IcnnBlock<float>;
template class IcnnBlock<double>;

}  // namespace monge::kernels
