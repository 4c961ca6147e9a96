#include "kernels/cholesky.h"

// Fortran's interface: column by column, every argument by address.
extern "C" {
void spotrf_(const char*, const int*, float*, const int*, int*);
void spotrs_(const char*, const int*, const int*, const float*, const int*, float*, const int*,
             int*);
}

namespace monge::kernels {

bool solve_positive_definite(std::int64_t n, float* a, float* right) {
  const int size = static_cast<int>(n), one = 1;
  int failed = 0;
  spotrf_("L", &size, a, &size, &failed);
  if (failed == 0) spotrs_("L", &size, &one, a, &size, right, &size, &failed);
  return failed == 0;
}

}  // namespace monge::kernels
