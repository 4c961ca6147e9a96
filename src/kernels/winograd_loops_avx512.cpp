// The transforms for AVX-512.
#define MONGE_REGISTER_BYTES 64
#include "kernels/winograd_loops_body.h"

namespace monge::kernels {

const WinogradLoops winograd_loops_avx512 = loops;

}  // namespace monge::kernels
