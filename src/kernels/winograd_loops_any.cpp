// The transforms for any processor.
#define MONGE_REGISTER_BYTES 16
#include "kernels/winograd_loops_body.h"

namespace monge::kernels {

const WinogradLoops winograd_loops_any = loops;

}  // namespace monge::kernels
