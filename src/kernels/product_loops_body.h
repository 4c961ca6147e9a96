// The loops of product_loops.h for the instruction set that the including file is compiled for; it
// defines MONGE_REGISTER_BYTES, the size of that set's registers, MONGE_TILE_VECTORS and
// MONGE_TILE_ROWS, the columns in registers (at most 3) and the rows of a tile that they hold, and
// MONGE_LARGEST_BYTES of b.
#include "kernels/lanes.h"
#include "kernels/product_loops.h"

#include <cstddef>
#include <type_traits>
#include <utility>

namespace monge::kernels {
namespace {

using Size = std::int64_t;

constexpr Size depth = 128;  // rows of b that stay in the first-level cache with a tile's columns
constexpr Size group = 2 * MONGE_TILE_ROWS;  // rows of a that are copied side by side
constexpr Size part = 8 * group;             // rows of a that are copied at a time
constexpr Size far = 512;                    // distance at which they are copied

/// Numbers of a shorter register, for what whole ones of N leave over.
template <int N>
constexpr int few_lanes = N >= 8 ? 4 : 1;

/// The left matrix: rows lie together in groups, which are what a copy is made of.
template <class T>
struct Left {
  const T* at;
  Size row, column, next_group;  // distances

  MONGE_INLINE Left from_row(Size i) const {
    return {at + i / group * next_group + i % group * row, row, column, next_group};
  }
};

/// `Rows` rows and `Vectors` registers of columns of the result, which stay in registers.
template <class L, int Rows, int Vectors, class T>
MONGE_INLINE void tile(Size k, Left<T> a, const T* b, Size b_ld, T keep, T* out, Size out_ld) {
  constexpr int N = L::count;
  typename L::Vector sum[Rows][Vectors] = {};
  for (Size p = 0; p < k; ++p) {
    typename L::Vector weight[Vectors];
    for (int v = 0; v < Vectors; ++v) weight[v] = L::load(b + p * b_ld + v * N);
#pragma GCC unroll 16
    for (int i = 0; i < Rows; ++i) {
      const T value = a.at[i * a.row + p * a.column];
      for (int v = 0; v < Vectors; ++v) sum[i][v] = sum[i][v] + weight[v] * value;
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < Rows; ++i)
    for (int v = 0; v < Vectors; ++v) {
      T* to = out + i * out_ld + v * N;
      L::store(to, keep == 0 ? sum[i][v] : L::load(to) * keep + sum[i][v]);
    }
}

/// All rows of `Vectors` registers of columns, for a `k` of at most `depth`.
template <class L, int Vectors, class T>
MONGE_INLINE void panel(Size n, Size k, Left<T> a, const T* b, Size b_ld, T keep, T* out,
                        Size out_ld) {
  constexpr int rows = Vectors == 1 ? group : MONGE_TILE_ROWS;
  Size i = 0;
  const auto tiles_of = [&](auto height) MONGE_INLINED {
    constexpr int R = decltype(height)::value;
    for (; i + R <= n; i += R)
      tile<L, R, Vectors>(k, a.from_row(i), b, b_ld, keep, out + i * out_ld, out_ld);
  };
  tiles_of(std::integral_constant<int, rows>{});
  if constexpr (rows > 4) tiles_of(std::integral_constant<int, 4>{});  // a tile of 2 takes as long
  tiles_of(std::integral_constant<int, 2>{});
  tiles_of(std::integral_constant<int, 1>{});
}

/// The product for a `k` of at most `depth`.
template <class T>
void panels(Size n, Size m, Size k, Left<T> a, const T* b, Size b_ld, T keep, T* out, Size out_ld) {
  constexpr int N = MONGE_REGISTER_BYTES / sizeof(T), few = few_lanes<N>;
  Size j = 0;
  if constexpr (MONGE_TILE_VECTORS == 3)
    for (; j + 3 * N <= m; j += 3 * N)
      panel<Lanes<T, N>, 3>(n, k, a, b + j, b_ld, keep, out + j, out_ld);
  for (; j + 2 * N <= m; j += 2 * N)
    panel<Lanes<T, N>, 2>(n, k, a, b + j, b_ld, keep, out + j, out_ld);
  for (; j + N <= m; j += N) panel<Lanes<T, N>, 1>(n, k, a, b + j, b_ld, keep, out + j, out_ld);
  for (; j + few <= m; j += few)
    panel<Lanes<T, few>, 1>(n, k, a, b + j, b_ld, keep, out + j, out_ld);
  for (; j < m; ++j) panel<Lanes<T, 1>, 1>(n, k, a, b + j, b_ld, keep, out + j, out_ld);
}

/// Whole groups of a transposed matrix, whose rows lie far apart, one after the other; `copy` has
/// room for a part.
template <class T>
Left<T> copied(Size n, Size k, const T* a, Size a_column, T* copy) {
  const Size next_group = depth * group + 64 / Size(sizeof(T));  // not all in one set of the cache
  for (Size p = 0; p < k; ++p)
    for (Size i = 0; i < n; i += group)
      __builtin_memcpy(copy + i / group * next_group + p * group, a + p * a_column + i,
                       group * sizeof(T));
  return {copy, 1, group, next_group};
}

template <class T>
void multiply(Size n, Size m, Size k, const T* a, Size a_row, Size a_column, const T* b, Size b_ld,
              T keep, T* out, Size out_ld) {
  constexpr Size wide = 2 * MONGE_REGISTER_BYTES / Size(sizeof(T));  // repays a copy
  const Size whole = a_row == 1 && a_column >= far && m > wide ? n / part * part : 0;
  alignas(64) T copy[part * depth + 8 * 64 / sizeof(T)];
  for (Size p = 0; p < k; p += depth) {
    const Size deep = k - p < depth ? k - p : depth;
    const T kept = p == 0 ? keep : T(1);
    const T* from = a + p * a_column;
    for (Size i = 0; i < whole; i += part)
      panels(part, m, deep, copied(part, deep, from + i, a_column, copy), b + p * b_ld, b_ld, kept,
             out + i * out_ld, out_ld);
    const Left<T> rest{from + whole * a_row, a_row, a_column, group * a_row};
    panels(n - whole, m, deep, rest, b + p * b_ld, b_ld, kept, out + whole * out_ld, out_ld);
  }
}

/// Of two rows of a square, the lanes whose number lacks the bit W, and those that have it, brought
/// together: one of the exchanges that transpose the square.
template <int W, class Vector, std::size_t... Lane>
MONGE_INLINE void exchange(Vector& low, Vector& high, std::index_sequence<Lane...>) {
  constexpr std::size_t N = sizeof...(Lane), bit = W;
  const Vector kept = low;
  low = __builtin_shufflevector(kept, high, (Lane & bit ? N + Lane - bit : Lane)...);
  high = __builtin_shufflevector(kept, high, (Lane & bit ? N + Lane : Lane + bit)...);
}

/// The square of N rows and columns at `a` in registers, transposed, to `out`.
template <class T, int N>
MONGE_INLINE void transpose_square(const T* a, Size a_ld, T* out, Size out_ld) {
  using L = Lanes<T, N>;
  typename L::Vector row[N];
  for (int i = 0; i < N; ++i) row[i] = L::load(a + i * a_ld);
  const auto exchange_all = [&](auto bit) MONGE_INLINED {
    constexpr int W = decltype(bit)::value;
    if constexpr (W < N)
      for (int i = 0; i < N; ++i)
        if (!(i & W)) exchange<W>(row[i], row[i + W], std::make_index_sequence<N>());
  };
  exchange_all(std::integral_constant<int, 1>{});
  exchange_all(std::integral_constant<int, 2>{});
  exchange_all(std::integral_constant<int, 4>{});
  exchange_all(std::integral_constant<int, 8>{});
  for (int i = 0; i < N; ++i) L::store(out + i * out_ld, row[i]);
}

template <class T>
void transpose(Size rows, Size columns, const T* a, T* out) {
  constexpr int N = MONGE_REGISTER_BYTES / sizeof(T), few = few_lanes<N>;
  const auto one_by_one = [&](Size row, Size last_row, Size column) MONGE_INLINED {
    for (; row < last_row; ++row)
      for (Size j = column; j < columns; ++j) out[j * rows + row] = a[row * columns + j];
  };
  const auto squares = [&](auto side, Size row, Size column) MONGE_INLINED {
    constexpr int S = decltype(side)::value;
    for (; column + S <= columns; column += S)
      transpose_square<T, S>(a + row * columns + column, columns, out + column * rows + row, rows);
    return column;
  };
  Size row = 0;
  for (; row + N <= rows; row += N) {
    const Size column = squares(std::integral_constant<int, N>{}, row, 0);
    Size rest = column;
    for (Size i = 0; i < N; i += few)
      rest = squares(std::integral_constant<int, few>{}, row + i, column);
    one_by_one(row, row + N, rest);
  }
  for (; row + few <= rows; row += few)
    one_by_one(row, row + few, squares(std::integral_constant<int, few>{}, row, 0));
  one_by_one(row, rows, 0);
}

template <class T>
constexpr ProductLoops<T> loops{.largest = MONGE_LARGEST_BYTES / Size(sizeof(T)),
                                .multiply = multiply<T>,
                                .transpose = transpose<T>};

}  // namespace
}  // namespace monge::kernels
