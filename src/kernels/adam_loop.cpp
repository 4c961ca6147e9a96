#include "kernels/adam_loop.h"

#include "kernels/instruction_set.h"

namespace monge::kernels {

template <>
const AdamLoops<float>& adam_loops() {
  switch (instruction_set()) {
#ifdef __x86_64__
    case InstructionSet::avx512:
      return adam_loops_float_avx512;
    case InstructionSet::avx2:
      return adam_loops_float_avx2;
#endif
    default:
      return adam_loops_float_any;
  }
}

template <>
const AdamLoops<double>& adam_loops() {
  switch (instruction_set()) {
#ifdef __x86_64__
    case InstructionSet::avx512:
      return adam_loops_double_avx512;
    case InstructionSet::avx2:
      return adam_loops_double_avx2;
#endif
    default:
      return adam_loops_double_any;
  }
}

}  // namespace monge::kernels
