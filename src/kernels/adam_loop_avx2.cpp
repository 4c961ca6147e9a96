// The loops of adam_loop.h for AVX2 with FMA.
#include "kernels/adam_loop_body.h"

namespace monge::kernels {

const AdamLoops<float> adam_loops_float_avx2 = loops<float>;
const AdamLoops<double> adam_loops_double_avx2 = loops<double>;

}  // namespace monge::kernels
