// The loops of search_loops.h for any processor.
#include "kernels/search_loops_body.h"

namespace monge::kernels {

const SearchLoops<float> search_loops_float_any = loops<float>;
const SearchLoops<double> search_loops_double_any = loops<double>;

}  // namespace monge::kernels
