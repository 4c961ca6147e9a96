#include "kernels/product.h"

#include "kernels/product_loops.h"

// Fortran's interface: column by column, every argument by address.
extern "C" {
void sgemm_(const char*, const char*, const int*, const int*, const int*, const float*,
            const float*, const int*, const float*, const int*, const float*, float*, const int*);
void dgemm_(const char*, const char*, const int*, const int*, const int*, const double*,
            const double*, const int*, const double*, const int*, const double*, double*,
            const int*);
}

namespace monge::kernels {
namespace {

template <class T>
bool by_loops(std::int64_t m, std::int64_t n, std::int64_t k, const T* a, std::int64_t a_ld,
              Transposed a_transposed, const T* b, std::int64_t b_ld, Transposed b_transposed,
              T keep, T* out, std::int64_t out_ld) {
  const ProductLoops<T>& loops = product_loops<T>();
  if (b_transposed == Transposed::yes || n * k > loops.largest) return false;
  const bool across = a_transposed == Transposed::yes;
  loops.multiply(m, n, k, a, across ? 1 : a_ld, across ? a_ld : 1, b, b_ld, keep, out, out_ld);
  return true;
}

/// Rows read as columns are the transposed matrices: outᵀ = bᵀ aᵀ.
template <class T, class Gemm>
void by_columns(Gemm gemm, std::int64_t m, std::int64_t n, std::int64_t k, const T* a,
                std::int64_t a_ld, Transposed a_transposed, const T* b, std::int64_t b_ld,
                Transposed b_transposed, T keep, T* out, std::int64_t out_ld) {
  if (m == 0 || n == 0) return;
  const auto flag = [](Transposed transposed) { return transposed == Transposed::yes ? "T" : "N"; };
  const int rows = static_cast<int>(n), columns = static_cast<int>(m), inner = static_cast<int>(k);
  const int lda = static_cast<int>(a_ld), ldb = static_cast<int>(b_ld);
  const int ldc = static_cast<int>(out_ld);
  const T one = 1;
  gemm(flag(b_transposed), flag(a_transposed), &rows, &columns, &inner, &one, b, &ldb, a, &lda,
       &keep, out, &ldc);
}

}  // namespace

void product(std::int64_t m, std::int64_t n, std::int64_t k, const float* a, std::int64_t a_ld,
             Transposed a_transposed, const float* b, std::int64_t b_ld, Transposed b_transposed,
             float keep, float* out, std::int64_t out_ld) {
  if (by_loops(m, n, k, a, a_ld, a_transposed, b, b_ld, b_transposed, keep, out, out_ld)) return;
  by_columns(sgemm_, m, n, k, a, a_ld, a_transposed, b, b_ld, b_transposed, keep, out, out_ld);
}

void product(std::int64_t m, std::int64_t n, std::int64_t k, const double* a, std::int64_t a_ld,
             Transposed a_transposed, const double* b, std::int64_t b_ld, Transposed b_transposed,
             double keep, double* out, std::int64_t out_ld) {
  if (by_loops(m, n, k, a, a_ld, a_transposed, b, b_ld, b_transposed, keep, out, out_ld)) return;
  by_columns(dgemm_, m, n, k, a, a_ld, a_transposed, b, b_ld, b_transposed, keep, out, out_ld);
}

}  // namespace monge::kernels
