// The loops of product_loops.h for AVX-512.
#define MONGE_REGISTER_BYTES 64
#define MONGE_TILE_VECTORS 3
#define MONGE_TILE_ROWS 8
#define MONGE_LARGEST_BYTES 2097152
#include "kernels/product_loops_body.h"

namespace monge::kernels {

const ProductLoops<float> product_loops_float_avx512 = loops<float>;
const ProductLoops<double> product_loops_double_avx512 = loops<double>;

}  // namespace monge::kernels
