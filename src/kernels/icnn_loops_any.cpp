// The loops for any processor.
#define MONGE_REGISTER_BYTES 16
#include "kernels/icnn_loops_body.h"

namespace monge::kernels {

const IcnnLoops<float> icnn_loops_float_any = loops<float>;
const IcnnLoops<double> icnn_loops_double_any = loops<double>;

}  // namespace monge::kernels
