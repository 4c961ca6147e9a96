#include "kernels/transport_loops.h"

#include "kernels/instruction_set.h"

namespace monge::kernels {

const TransportLoops& transport_loops() {
  switch (instruction_set()) {
#ifdef __x86_64__
    case InstructionSet::avx512:
      return transport_loops_avx512;
    case InstructionSet::avx2:
      return transport_loops_avx2;
#endif
    default:
      return transport_loops_any;
  }
}

}  // namespace monge::kernels
