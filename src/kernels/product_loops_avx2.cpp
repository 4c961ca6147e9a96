// The loops of product_loops.h for AVX2 with FMA.
#define MONGE_REGISTER_BYTES 32
#define MONGE_TILE_ROWS 4
#define MONGE_LARGEST_BYTES 262144
#include "kernels/product_loops_body.h"

namespace monge::kernels {

const ProductLoops<float> product_loops_float_avx2 = loops<float>;
const ProductLoops<double> product_loops_double_avx2 = loops<double>;

}  // namespace monge::kernels
