// The loops for AVX-512.
#define MONGE_REGISTER_BYTES 64
#include "kernels/transport_loops_body.h"

namespace monge::kernels {

const TransportLoops transport_loops_avx512 = loops;

}  // namespace monge::kernels
