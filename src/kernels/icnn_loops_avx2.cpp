// The loops for AVX2 with FMA.
#define MONGE_REGISTER_BYTES 32
#include "kernels/icnn_loops_body.h"

namespace monge::kernels {

const IcnnLoops<float> icnn_loops_float_avx2 = loops<float>;
const IcnnLoops<double> icnn_loops_double_avx2 = loops<double>;

}  // namespace monge::kernels
