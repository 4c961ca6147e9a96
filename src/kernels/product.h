#pragma once

#include <cstdint>

namespace monge::kernels {

enum class Transposed { no, yes };

/// out = a b + keep out, row by row: a is [m, k] ([k, m] stored where `Transposed::yes`), b [k, n],
/// out [m, n], each with the distance of its rows. The loops of product_loops.h do the work where b
/// is small enough for them and not transposed, elsewhere the BLAS that ATen brings. Agreement as
/// stated there.
void product(std::int64_t m, std::int64_t n, std::int64_t k, const float* a, std::int64_t a_ld,
             Transposed a_transposed, const float* b, std::int64_t b_ld, Transposed b_transposed,
             float keep, float* out, std::int64_t out_ld);
void product(std::int64_t m, std::int64_t n, std::int64_t k, const double* a, std::int64_t a_ld,
             Transposed a_transposed, const double* b, std::int64_t b_ld, Transposed b_transposed,
             double keep, double* out, std::int64_t out_ld);

}  // namespace monge::kernels
