#include "kernels/dense_icnn.h"

#include "kernels/product.h"
#include "kernels/product_loops.h"

#include <numeric>

namespace monge::kernels {

namespace {

/// body(place, j, k, times) for every monomial x_j x_k, which is there `times` times in a square.
template <class Body>
void over_squares(std::int64_t d, Body body) {
  std::int64_t place = 0;
  for (std::int64_t j = 0; j < d; ++j)
    for (std::int64_t k = j; k < d; ++k) body(place++, j, k, j == k ? 1 : 2);
}

}  // namespace

std::int64_t IcnnShape::units() const {
  return std::accumulate(hidden.begin(), hidden.end(), std::int64_t{0});
}

std::int64_t IcnnShape::weights() const {
  std::int64_t count = columns() * dimension;
  for (std::size_t k = 1; k < hidden.size(); ++k) count += hidden[k] * hidden[k - 1];
  return count;
}

std::int64_t IcnnShape::input_numbers() const {
  return lifted() ? (monomials() + 1) * units() : columns() * dimension;
}

template <class T>
IcnnWeights<T>::IcnnWeights(const IcnnShape& shape) : shape_(shape) {
  if (shape_.lifted() || shape_.thin() || shape_.rank > 1)
    copy_.resize(static_cast<std::size_t>(shape_.input_numbers()));
}

template <class T>
std::int64_t IcnnWeights<T>::place(std::int64_t row, std::int64_t column) const {
  const std::int64_t units = shape_.units(), rank = shape_.rank;
  if (row < rank * units) row = row % rank * units + row / rank;
  return shape_.thin() ? column * shape_.columns() + row : row * shape_.dimension + column;
}

/// Σ_s <x, w_s>² = Σ_jk x_j x_k Σ_s w_sj w_sk.
template <class T>
void IcnnWeights<T>::lift() {
  const std::int64_t d = shape_.dimension, units = shape_.units(), rank = shape_.rank;
  const std::int64_t squares = shape_.monomials() - d;
  for (std::int64_t m = 0; m < units; ++m) {
    const T* forms = parameters_.input_weight + m * rank * d;
    const T* linear = parameters_.input_weight + (rank * units + m) * d;
    over_squares(d, [&](std::int64_t at, std::int64_t j, std::int64_t k, int times) {
      T sum = 0;
      for (std::int64_t s = 0; s < rank; ++s) sum += forms[s * d + j] * forms[s * d + k];
      copy_[at * units + m] = T(times) * sum;
    });
    for (std::int64_t j = 0; j < d; ++j) copy_[(squares + j) * units + m] = linear[j];
    copy_[shape_.monomials() * units + m] = parameters_.input_bias[m];
  }
}

template <class T>
void IcnnWeights<T>::put_back_lifted(const T* derivative, const IcnnTensors<T>& derivatives) const {
  const std::int64_t d = shape_.dimension, units = shape_.units(), rank = shape_.rank;
  const std::int64_t squares = shape_.monomials() - d;
  std::fill_n(derivatives.input_weight, rank * units * d, T(0));
  for (std::int64_t m = 0; m < units; ++m) {
    const std::int64_t forms = m * rank * d, linear = (rank * units + m) * d;
    over_squares(d, [&](std::int64_t at, std::int64_t j, std::int64_t k, int times) {
      const T whole = T(times) * derivative[at * units + m];
      for (std::int64_t s = 0; s < rank; ++s) {
        const T* w = parameters_.input_weight + forms + s * d;
        T* out = derivatives.input_weight + forms + s * d;
        out[j] += whole * w[k];
        out[k] += whole * w[j];
      }
    });
    for (std::int64_t j = 0; j < d; ++j)
      derivatives.input_weight[linear + j] = derivative[(squares + j) * units + m];
    derivatives.input_bias[m] = derivative[shape_.monomials() * units + m];
  }
}

template <class T>
void IcnnWeights<T>::load(const IcnnTensors<const T>& parameters, std::int64_t points) {
  constexpr std::int64_t few = 64;
  const std::int64_t d = shape_.dimension, columns = shape_.columns();
  const auto transpose = product_loops<T>().transpose;
  parameters_ = parameters;
  input_ = input_copied() ? copy_.data() : parameters.input_weight;
  if (shape_.lifted())
    lift();
  else if (input_copied())
    for (std::int64_t row = 0; row < columns; ++row)
      for (std::int64_t column = 0; column < d; ++column)
        copy_[place(row, column)] = parameters.input_weight[row * d + column];
  upward_ = points >= few;
  if (!upward_) return;
  if (!shape_.lifted() && !shape_.thin()) {
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
void IcnnWeights<T>::put_back(const T* derivative, const IcnnTensors<T>& derivatives) const {
  if (shape_.lifted()) return put_back_lifted(derivative, derivatives);
  for (std::int64_t row = 0; row < shape_.columns(); ++row)
    for (std::int64_t column = 0; column < shape_.dimension; ++column)
      derivatives.input_weight[row * shape_.dimension + column] =
          derivative[input_copied() ? place(row, column) : row * shape_.dimension + column];
}

template <class T>
IcnnBlock<T>::IcnnBlock(const IcnnShape& shape, std::int64_t rows, const IcnnLoops<T>& loops)
    : shape_(shape),
      loops_(loops),
      rows_(rows),
      units_(shape.units()),
      columns_(shape.row_columns()),
      first_(columns_ - units_),
      offsets_{0},
      states_(static_cast<std::size_t>(2 * rows * columns_)),
      adjoints_(states_.size()),
      slope_(static_cast<std::size_t>(rows * units_)),
      bend_(slope_.size()),
      points_(static_cast<std::size_t>(2 * rows * shape.dimension)),
      lifted_(shape.lifted() ? static_cast<std::size_t>(2 * rows * (shape.monomials() + 1)) : 0),
      lowered_(shape.lifted() ? static_cast<std::size_t>(2 * rows * shape.monomials()) : 0),
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
  project(x_, states_.data());
  if (!shape_.lifted())
    loops_.square_forms(n, shape_.rank, units_, weights_.input_bias, states_.data(), columns_);
  for (std::size_t k = 1; k < shape_.hidden.size(); ++k) {
    climb(k, states_.data());
    loops_.celu(n, shape_.hidden[k], T(shape_.celu_alpha), state(k), columns_, slope(k), units_);
  }
}

/// The monomials of the points, or their derivatives along v.
template <class T>
void IcnnBlock<T>::lift(const T* v) {
  const std::int64_t d = shape_.dimension, numbers = shape_.monomials() + 1;
  T* out = lifted_.data() + (v ? n_ * numbers : 0);
  for (std::int64_t i = 0; i < n_; ++i, out += numbers) {
    const T *x = x_ + i * d, *along = v ? v + i * d : nullptr;
    over_squares(d, [&](std::int64_t at, std::int64_t j, std::int64_t k, int) {
      out[at] = along ? x[j] * along[k] + x[k] * along[j] : x[j] * x[k];
    });
    std::copy_n(along ? along : x, d, out + numbers - 1 - d);
    out[numbers - 1] = along ? T(0) : T(1);
  }
}

/// The adjoints of the points from those of their monomials, and from those of the monomials'
/// derivatives along v where there are some.
template <class T>
void IcnnBlock<T>::lower(const T* tops, const T* bottoms, T* out) const {
  const std::int64_t d = shape_.dimension, numbers = shape_.monomials();
  for (std::int64_t i = 0; i < n_; ++i) {
    const T *x = x_ + i * d, *top = tops + i * numbers;
    T* to = out + i * d;
    std::copy_n(top + numbers - d, d, to);
    const auto add = [&](const T* adjoint, const T* at_point) {
      over_squares(d, [&](std::int64_t at, std::int64_t j, std::int64_t k, int) {
        to[j] += adjoint[at] * at_point[k];
        to[k] += adjoint[at] * at_point[j];
      });
    };
    add(top, x);
    if (bottoms) add(bottoms + i * numbers, v_ + i * d);
  }
}

/// The input's layer without the squares of forms: rows [u_1 ... u_r, q] of points or directions,
/// and of a lifted dimension all of q.
template <class T>
void IcnnBlock<T>::project(const T* x, T* rows) {
  const std::int64_t numbers = shape_.monomials() + 1;
  if (shape_.lifted()) {
    lift(x == x_ ? nullptr : x);
    product(n_, units_, numbers, lifted_.data() + (x == x_ ? 0 : n_ * numbers), numbers,
            Transposed::no, layout_->input(), units_, Transposed::no, 0, rows, columns_);
  } else if (shape_.thin()) {
    loops_.thin({shape_.dimension, columns_, layout_->input()}, n_, x, rows, columns_);
  } else {
    layout_->project(n_, x, rows);
  }
}

/// The input's layer from the adjoints of its rows to those of the points; `stacked`: with the
/// adjoints of the directions' rows under them.
template <class T>
void IcnnBlock<T>::back_to_input(const T* rows, bool stacked, T* out) {
  const std::int64_t d = shape_.dimension, monomials = shape_.monomials();
  if (shape_.lifted()) {
    loops_.thin_back({monomials, units_, layout_->input()}, stacked ? 2 * n_ : n_, rows, columns_,
                     lowered_.data());
    lower(lowered_.data(), stacked ? lowered_.data() + n_ * monomials : nullptr, out);
  } else if (shape_.thin()) {
    loops_.thin_back({d, columns_, layout_->input()}, n_, rows, columns_, out);
  } else {
    product(n_, d, columns_, rows, columns_, Transposed::no, layout_->input(), d, Transposed::no, 0,
            out, d);
  }
}

/// The derivative in the input's weights, of a lifted dimension in the bias too.
template <class T>
void IcnnBlock<T>::accumulate_input(T* input, T keep) {
  const std::int64_t d = shape_.dimension, numbers = shape_.monomials() + 1;
  const std::int64_t stacked = v_ ? 2 * n_ : n_;
  if (shape_.lifted())
    for (std::size_t k = 0; k < shape_.hidden.size(); ++k)
      product(numbers, shape_.hidden[k], stacked, lifted_.data(), numbers, Transposed::yes,
              adjoint_of(k), columns_, Transposed::no, keep, input + offsets_[k], units_);
  else if (shape_.thin())
    loops_.thin_outer(d, columns_, stacked, x_, adjoints_.data(), columns_, input);
  else
    product(columns_, d, stacked, adjoints_.data(), columns_, Transposed::yes, x_, d,
            Transposed::no, keep, input, d);
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
  product(n_, below, above, rows + first_ + offsets_[k], columns_, Transposed::no,
          weights_.convex[k - 1], below, Transposed::no, 0, rows + first_ + offsets_[k - 1],
          columns_);
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
  T* rows = adjoints_.data() + n_ * columns_;
  T* layers = rows + first_;
  loops_.spread(n_, shape_.hidden[last], weights_.final, last > 0 ? slope(last) : nullptr, units_,
                layers + offsets_[last], columns_);
  for (std::size_t k = last; k > 0; --k) {
    descend(k, rows);
    if (k > 1)
      loops_.times(n_, shape_.hidden[k - 1], layers + offsets_[k - 1], columns_, slope(k - 1),
                   units_);
  }
  if (!shape_.lifted())
    loops_.square_forms_delta(n_, shape_.rank, units_, states_.data(), rows, columns_);
}

template <class T>
void IcnnBlock<T>::gradient(T* out) {
  const std::int64_t d = shape_.dimension;
  back_to_input(adjoints_.data() + n_ * columns_, false, out);
  loops_.skip_back(n_, d, x_, nullptr, nullptr, 1, quadratic_.data(), linear_.data(), out);
}

template <class T>
void IcnnBlock<T>::tangent(const T* v) {
  const std::int64_t numbers = n_ * shape_.dimension;
  std::copy_n(v, numbers, points_.data() + numbers);
  v_ = points_.data() + numbers;
  T* rows = states_.data() + n_ * columns_;
  const T* deltas = adjoints_.data() + n_ * columns_ + first_;
  project(v_, rows);
  if (!shape_.lifted())
    loops_.square_forms_tangent(n_, shape_.rank, units_, states_.data(), rows, columns_);
  for (std::size_t k = 1; k < shape_.hidden.size(); ++k) {
    climb(k, rows);
    const std::int64_t at = first_ + offsets_[k];
    loops_.celu_tangent(n_, shape_.hidden[k], T(shape_.celu_alpha), states_.data() + at, columns_,
                        slope(k), units_, deltas + offsets_[k], columns_, rows + at, bend(k));
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
                     units_, adjoint_of(last), columns_);
  for (std::size_t k = last; k > 0; --k) {
    descend(k, rows);
    if (k == 1) break;
    const std::int64_t width = shape_.hidden[k - 1];
    if (v_)
      loops_.times_plus(n_, width, adjoint_of(k - 1), columns_, slope(k - 1), bend(k - 1), units_);
    else
      loops_.times(n_, width, adjoint_of(k - 1), columns_, slope(k - 1), units_);
  }
  if (shape_.lifted()) return;
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
  if (shape_.thin()) std::fill_n(input, columns_ * d, T(0));
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
  accumulate_input(input, keep);
  if (!shape_.lifted())
    loops_.column_sums(n_, units_, nullptr, adjoint_of(0), columns_, derivatives.input_bias);
  for (std::size_t k = 1; k <= last; ++k)
    product(shape_.hidden[k], shape_.hidden[k - 1], stacked, adjoint_of(k), columns_,
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
  back_to_input(adjoints_.data(), v_ != nullptr, out);
  loops_.skip_back(n_, d, x_, v_, c_, 0, quadratic_.data(), linear_.data(), out);
}

template class IcnnWeights<float>;
template class IcnnWeights<double>;
template class IcnnBlock<float>;
template class IcnnBlock<double>;

}  // namespace monge::kernels
