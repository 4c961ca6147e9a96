#include "kernels/search_loops.h"

#include "kernels/instruction_set.h"

namespace monge::kernels {

template <>
const SearchLoops<float>& search_loops() {
  switch (instruction_set()) {
#ifdef __x86_64__
    case InstructionSet::avx512:
      return search_loops_float_avx512;
    case InstructionSet::avx2:
      return search_loops_float_avx2;
#endif
    default:
      return search_loops_float_any;
  }
}

template <>
const SearchLoops<double>& search_loops() {
  switch (instruction_set()) {
#ifdef __x86_64__
    case InstructionSet::avx512:
      return search_loops_double_avx512;
    case InstructionSet::avx2:
      return search_loops_double_avx2;
#endif
    default:
      return search_loops_double_any;
  }
}

}  // namespace monge::kernels
