#include "kernels/dense_icnn.h"

#include "kernels/product.h"

#include <numeric>

namespace monge::kernels {

std::int64_t IcnnShape::units() const {
  return std::accumulate(hidden.begin(), hidden.end(), std::int64_t{0});
}

template <class T>
IcnnInput<T>::IcnnInput(const IcnnShape& shape)
    : shape_(shape), copies_(shape.small() || shape.rank > 1) {
  if (copies_) copy_.resize(static_cast<std::size_t>(shape.columns() * shape.dimension));
}

template <class T>
std::int64_t IcnnInput<T>::place(std::int64_t row, std::int64_t column) const {
  const std::int64_t units = shape_.units(), rank = shape_.rank;
  if (row < rank * units) row = row % rank * units + row / rank;
  return shape_.small() ? column * shape_.columns() + row : row * shape_.dimension + column;
}

template <class T>
void IcnnInput<T>::load(const T* input_weight) {
  weight_ = copies_ ? copy_.data() : input_weight;
  if (!copies_) return;
  for (std::int64_t row = 0; row < shape_.columns(); ++row)
    for (std::int64_t column = 0; column < shape_.dimension; ++column)
      copy_[place(row, column)] = input_weight[row * shape_.dimension + column];
}

template <class T>
void IcnnInput<T>::add_back(const T* derivative, T* input_weight) const {
  for (std::int64_t row = 0; row < shape_.columns(); ++row)
    for (std::int64_t column = 0; column < shape_.dimension; ++column)
      input_weight[row * shape_.dimension + column] +=
          derivative[copies_ ? place(row, column) : row * shape_.dimension + column];
}

template <class T>
IcnnBlock<T>::IcnnBlock(const IcnnShape& shape, std::int64_t rows, const IcnnLoops<T>& loops)
    : shape_(shape),
      loops_(loops),
      rows_(rows),
      units_(shape.units()),
      columns_(shape.columns()),
      first_(shape.rank * shape.units()),
      offsets_{0},
      states_(static_cast<std::size_t>(2 * rows * columns_)),
      adjoints_(states_.size()),
      slope_(static_cast<std::size_t>(rows * units_)),
      bend_(slope_.size()) {
  for (const std::int64_t width : shape.hidden) offsets_.push_back(offsets_.back() + width);
}

template <class T>
void IcnnBlock<T>::forward(const IcnnTensors<const T>& weights, const IcnnInput<T>& input,
                           const T* x, std::int64_t n) {
  weights_ = weights;
  input_ = input.weight();
  x_ = x;
  v_ = c_ = nullptr;
  n_ = n;
  project(x, states_.data());
  loops_.square_forms(n, shape_.rank, units_, weights.input_bias, states_.data(), columns_);
  for (std::size_t k = 1; k < shape_.hidden.size(); ++k) {
    climb(k, states_.data());
    loops_.celu(n, shape_.hidden[k], T(shape_.celu_alpha), layer(states_, k), columns_, slope(k),
                units_);
  }
}

/// Rows [u, q] of the input's products.
template <class T>
void IcnnBlock<T>::project(const T* x, T* rows) {
  const std::int64_t d = shape_.dimension;
  if (shape_.small())
    loops_.project(n_, d, columns_, x, input_, rows, columns_);
  else
    product(n_, columns_, d, x, d, Transposed::no, input_, d, Transposed::yes, 0, rows, columns_);
}

template <class T>
void IcnnBlock<T>::project_back(const T* rows, T* out) {
  const std::int64_t d = shape_.dimension;
  if (shape_.small())
    loops_.project_back(n_, d, columns_, rows, columns_, input_, out);
  else
    product(n_, d, columns_, rows, columns_, Transposed::no, input_, d, Transposed::no, 0, out, d);
}

/// Layer k of the rows gains C_k times the layer below.
template <class T>
void IcnnBlock<T>::climb(std::size_t k, T* rows) {
  const std::int64_t above = shape_.hidden[k], below = shape_.hidden[k - 1];
  product(n_, above, below, rows + first_ + offsets_[k - 1], columns_, Transposed::no,
          weights_.convex[k - 1], below, Transposed::yes, 1, rows + first_ + offsets_[k], columns_);
}

/// Layer k - 1 of the rows becomes C_kᵀ times the layer above.
template <class T>
void IcnnBlock<T>::descend(std::size_t k, T* rows) {
  const std::int64_t above = shape_.hidden[k], below = shape_.hidden[k - 1];
  product(n_, below, above, rows + first_ + offsets_[k], columns_, Transposed::no,
          weights_.convex[k - 1], below, Transposed::no, 0, rows + first_ + offsets_[k - 1],
          columns_);
}

template <class T>
void IcnnBlock<T>::value(T* out) const {
  const std::size_t last = shape_.hidden.size() - 1;
  const std::int64_t d = shape_.dimension;
  loops_.row_products(n_, shape_.hidden[last], states_.data() + first_ + offsets_[last], columns_,
                      weights_.final, out);
  for (std::int64_t i = 0; i < n_; ++i)
    for (std::int64_t j = 0; j < d; ++j) {
      const T x = x_[i * d + j];
      out[i] += x * (x * T(0.5) * quadratic(j) + linear(j));
    }
}

template <class T>
void IcnnBlock<T>::delta() {
  const std::size_t last = shape_.hidden.size() - 1;
  T* rows = adjoints_.data() + n_ * columns_;
  loops_.spread(n_, shape_.hidden[last], weights_.final, last > 0 ? slope(last) : nullptr, units_,
                rows + first_ + offsets_[last], columns_);
  for (std::size_t k = last; k > 0; --k) {
    descend(k, rows);
    if (k > 1)
      loops_.times(n_, shape_.hidden[k - 1], rows + first_ + offsets_[k - 1], columns_,
                   slope(k - 1), units_);
  }
  loops_.square_forms_delta(n_, shape_.rank, units_, states_.data(), rows, columns_);
}

template <class T>
void IcnnBlock<T>::gradient(T* out) {
  const std::int64_t d = shape_.dimension;
  project_back(adjoints_.data() + n_ * columns_, out);
  for (std::int64_t i = 0; i < n_; ++i)
    for (std::int64_t j = 0; j < d; ++j) out[i * d + j] += x_[i * d + j] * quadratic(j) + linear(j);
}

template <class T>
void IcnnBlock<T>::tangent(const T* v) {
  v_ = v;
  T* rows = states_.data() + n_ * columns_;
  const T* deltas = adjoints_.data() + n_ * columns_;
  project(v, rows);
  loops_.square_forms_tangent(n_, shape_.rank, units_, states_.data(), rows, columns_);
  for (std::size_t k = 1; k < shape_.hidden.size(); ++k) {
    climb(k, rows);
    const std::int64_t at = first_ + offsets_[k];
    loops_.celu_tangent(n_, shape_.hidden[k], T(shape_.celu_alpha), states_.data() + at, slope(k),
                        units_, deltas + at, rows + at, columns_, bend(k));
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
                     units_, rows + first_ + offsets_[last], columns_);
  for (std::size_t k = last; k > 0; --k) {
    descend(k, rows);
    if (k == 1) break;
    T* below = rows + first_ + offsets_[k - 1];
    const std::int64_t width = shape_.hidden[k - 1];
    if (v_)
      loops_.times_plus(n_, width, below, columns_, slope(k - 1), bend(k - 1), units_);
    else
      loops_.times(n_, width, below, columns_, slope(k - 1), units_);
  }
  if (v_)
    loops_.square_forms_adjoint(n_, shape_.rank, units_, states_.data(),
                                states_.data() + n_ * columns_, rows, rows + n_ * columns_,
                                columns_);
  else
    loops_.square_forms_delta(n_, shape_.rank, units_, states_.data(), rows, columns_);
}

template <class T>
void IcnnBlock<T>::accumulate(const IcnnTensors<T>& derivatives, T* input) {
  const std::int64_t d = shape_.dimension;
  const std::size_t last = shape_.hidden.size() - 1;
  const std::int64_t stacked = v_ ? 2 * n_ : n_;
  const T* below = adjoints_.data() + n_ * columns_;
  if (shape_.small()) {
    loops_.outer(n_, d, columns_, adjoints_.data(), columns_, x_, input);
    if (v_) loops_.outer(n_, d, columns_, below, columns_, v_, input);
  } else {
    product(columns_, d, n_, adjoints_.data(), columns_, Transposed::yes, x_, d, Transposed::no, 1,
            input, d);
    if (v_)
      product(columns_, d, n_, below, columns_, Transposed::yes, v_, d, Transposed::no, 1, input,
              d);
  }
  loops_.column_sums(n_, units_, nullptr, adjoints_.data() + first_, columns_,
                     derivatives.input_bias);
  for (std::size_t k = 1; k <= last; ++k)
    product(shape_.hidden[k], shape_.hidden[k - 1], stacked, layer(adjoints_, k), columns_,
            Transposed::yes, layer(states_, k - 1), columns_, Transposed::no, 1,
            derivatives.convex[k - 1], shape_.hidden[k - 1]);
  T* top = layer(states_, last);
  if (c_) loops_.column_sums(n_, shape_.hidden[last], c_, top, columns_, derivatives.final);
  if (v_)
    loops_.column_sums(n_, shape_.hidden[last], nullptr, top + n_ * columns_, columns_,
                       derivatives.final);
  if (shape_.skip) accumulate_skip(derivatives);
}

template <class T>
void IcnnBlock<T>::accumulate_skip(const IcnnTensors<T>& derivatives) const {
  const std::int64_t d = shape_.dimension;
  for (std::int64_t i = 0; i < n_; ++i)
    for (std::int64_t j = 0; j < d; ++j) {
      const T x = x_[i * d + j], v = v_ ? v_[i * d + j] : T(0), c = c_ ? c_[i] : T(0);
      derivatives.skip_quadratic[j] += x * (T(0.5) * c * x + v);
      derivatives.skip_linear[j] += c * x + v;
    }
}

template <class T>
void IcnnBlock<T>::point_adjoint(T* out) {
  const std::int64_t d = shape_.dimension;
  project_back(adjoints_.data(), out);
  for (std::int64_t i = 0; i < n_; ++i)
    for (std::int64_t j = 0; j < d; ++j) {
      const T x = x_[i * d + j], v = v_ ? v_[i * d + j] : T(0), c = c_ ? c_[i] : T(0);
      out[i * d + j] += quadratic(j) * (v + c * x) + c * linear(j);
    }
}

template <class T>
std::int64_t IcnnBlock<T>::bytes() const {
  return static_cast<std::int64_t>(
      (states_.size() + adjoints_.size() + slope_.size() + bend_.size() + zeros_.size()) *
      sizeof(T));
}

template class IcnnInput<float>;
template class IcnnInput<double>;
template class IcnnBlock<float>;
template class IcnnBlock<double>;

}  // namespace monge::kernels
