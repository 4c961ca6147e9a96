// The loops of random_loops.h for AVX-512.
#define MONGE_REGISTER_BYTES 64
#include "kernels/random_loops_body.h"

namespace monge::kernels {

const RandomLoops random_loops_avx512 = loops;

}  // namespace monge::kernels
