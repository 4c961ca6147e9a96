// The loops for AVX2 with FMA.
#define MONGE_REGISTER_BYTES 32
#include "kernels/transport_loops_body.h"

namespace monge::kernels {

const TransportLoops transport_loops_avx2 = loops;

}  // namespace monge::kernels
