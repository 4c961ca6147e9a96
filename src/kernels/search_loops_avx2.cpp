// The loops of search_loops.h for AVX2 with FMA.
#include "kernels/search_loops_body.h"

namespace monge::kernels {

const SearchLoops<float> search_loops_float_avx2 = loops<float>;
const SearchLoops<double> search_loops_double_avx2 = loops<double>;

}  // namespace monge::kernels
