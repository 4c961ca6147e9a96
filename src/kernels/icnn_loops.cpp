#include "kernels/icnn_loops.h"

#include "kernels/instruction_set.h"

namespace monge::kernels {

template <>
const IcnnLoops<float>& icnn_loops() {
  switch (instruction_set()) {
#ifdef __x86_64__
    case InstructionSet::avx512:
      return icnn_loops_float_avx512;
    case InstructionSet::avx2:
      return icnn_loops_float_avx2;
#endif
    default:
      return icnn_loops_float_any;
  }
}

template <>
const IcnnLoops<double>& icnn_loops() {
  switch (instruction_set()) {
#ifdef __x86_64__
    case InstructionSet::avx512:
      return icnn_loops_double_avx512;
    case InstructionSet::avx2:
      return icnn_loops_double_avx2;
#endif
    default:
      return icnn_loops_double_any;
  }
}

}  // namespace monge::kernels
