#include "kernels/winograd_loops.h"

#include "kernels/instruction_set.h"

namespace monge::kernels {

const WinogradLoops& winograd_loops() {
  switch (instruction_set()) {
#ifdef __x86_64__
    case InstructionSet::avx512:
      return winograd_loops_avx512;
    case InstructionSet::avx2:
      return winograd_loops_avx2;
#endif
    default:
      return winograd_loops_any;
  }
}

}  // namespace monge::kernels
