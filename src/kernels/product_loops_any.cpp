// The loops of product_loops.h for any processor, whose BLAS is faster.
#define MONGE_REGISTER_BYTES 16
#define MONGE_TILE_VECTORS 3
#define MONGE_TILE_ROWS 4
#define MONGE_LARGEST_BYTES 0
#include "kernels/product_loops_body.h"

namespace monge::kernels {

const ProductLoops<float> product_loops_float_any = loops<float>;
const ProductLoops<double> product_loops_double_any = loops<double>;

}  // namespace monge::kernels
