// The loops for any processor.
#define MONGE_REGISTER_BYTES 16
#include "kernels/transport_loops_body.h"

namespace monge::kernels {

const TransportLoops transport_loops_any = loops;

}  // namespace monge::kernels
