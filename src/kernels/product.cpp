#include "kernels/product.h"

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
  by_columns(sgemm_, m, n, k, a, a_ld, a_transposed, b, b_ld, b_transposed, keep, out, out_ld);
}

void product(std::int64_t m, std::int64_t n, std::int64_t k, const double* a, std::int64_t a_ld,
             Transposed a_transposed, const double* b, std::int64_t b_ld, Transposed b_transposed,
             double keep, double* out, std::int64_t out_ld) {
  by_columns(dgemm_, m, n, k, a, a_ld, a_transposed, b, b_ld, b_transposed, keep, out, out_ld);
}

}  // namespace monge::kernels
