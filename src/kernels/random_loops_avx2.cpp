// The loops of random_loops.h for AVX2 with FMA.
#define MONGE_REGISTER_BYTES 32
#include "kernels/random_loops_body.h"

namespace monge::kernels {

const RandomLoops random_loops_avx2 = loops;

}  // namespace monge::kernels
