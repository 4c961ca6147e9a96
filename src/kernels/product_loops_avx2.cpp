// The loops of product_loops.h for AVX2 with FMA.
#define MONGE_REGISTER_BYTES 32
#define MONGE_TILE_VECTORS 2
#define MONGE_TILE_ROWS 6
#define MONGE_LARGEST_BYTES 131072
#include "kernels/product_loops_body.h"

namespace monge::kernels {

const ProductLoops<float> product_loops_float_avx2 = loops<float>;
const ProductLoops<double> product_loops_double_avx2 = loops<double>;

}  // namespace monge::kernels
