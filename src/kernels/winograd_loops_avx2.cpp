// The transforms for AVX2 with FMA.
#define MONGE_REGISTER_BYTES 32
#include "kernels/winograd_loops_body.h"

namespace monge::kernels {

const WinogradLoops winograd_loops_avx2 = loops;

}  // namespace monge::kernels
