#include "kernels/product_loops.h"

#include "kernels/instruction_set.h"

namespace monge::kernels {

template <>
const ProductLoops<float>& product_loops() {
  switch (instruction_set()) {
#ifdef __x86_64__
    case InstructionSet::avx512:
      return product_loops_float_avx512;
    case InstructionSet::avx2:
      return product_loops_float_avx2;
#endif
    default:
      return product_loops_float_any;
  }
}

template <>
const ProductLoops<double>& product_loops() {
  switch (instruction_set()) {
#ifdef __x86_64__
    case InstructionSet::avx512:
      return product_loops_double_avx512;
    case InstructionSet::avx2:
      return product_loops_double_avx2;
#endif
    default:
      return product_loops_double_any;
  }
}

}  // namespace monge::kernels
