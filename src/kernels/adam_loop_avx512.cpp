// The loops of adam_loop.h for AVX-512.
#include "kernels/adam_loop_body.h"

namespace monge::kernels {

const AdamLoops<float> adam_loops_float_avx512 = loops<float>;
const AdamLoops<double> adam_loops_double_avx512 = loops<double>;

}  // namespace monge::kernels
