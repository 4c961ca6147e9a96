// The loops of adam_loop.h for any processor.
#include "kernels/adam_loop_body.h"

namespace monge::kernels {

const AdamLoops<float> adam_loops_float_any = loops<float>;
const AdamLoops<double> adam_loops_double_any = loops<double>;

}  // namespace monge::kernels
