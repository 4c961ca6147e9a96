// The loops of random_loops.h for any processor.
#define MONGE_REGISTER_BYTES 16
#include "kernels/random_loops_body.h"

namespace monge::kernels {

const RandomLoops random_loops_any = loops;

}  // namespace monge::kernels
