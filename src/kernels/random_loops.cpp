#include "kernels/random_loops.h"

#include "kernels/instruction_set.h"

namespace monge::kernels {

const RandomLoops& random_loops() {
  switch (instruction_set()) {
#ifdef __x86_64__
    case InstructionSet::avx512:
      return random_loops_avx512;
    case InstructionSet::avx2:
      return random_loops_avx2;
#endif
    default:
      return random_loops_any;
  }
}

}  // namespace monge::kernels
