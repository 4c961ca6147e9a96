// The loops for AVX-512.
#define MONGE_REGISTER_BYTES 64
#include "kernels/icnn_loops_body.h"

namespace monge::kernels {

const IcnnLoops<float> icnn_loops_float_avx512 = loops<float>;
const IcnnLoops<double> icnn_loops_double_avx512 = loops<double>;

}  // namespace monge::kernels
