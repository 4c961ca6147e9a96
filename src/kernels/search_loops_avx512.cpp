// The loops of search_loops.h for AVX-512.
#include "kernels/search_loops_body.h"

namespace monge::kernels {

const SearchLoops<float> search_loops_float_avx512 = loops<float>;
const SearchLoops<double> search_loops_double_avx512 = loops<double>;

}  // namespace monge::kernels
