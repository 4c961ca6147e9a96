#include "kernels/instruction_set.h"

#include <ATen/Version.h>

namespace monge::kernels {

InstructionSet instruction_set() {
  static const InstructionSet chosen = [] {
#ifdef __x86_64__
    const std::string capability = at::get_cpu_capability();
    if (capability == "AVX512") return InstructionSet::avx512;
    if (capability == "AVX2") return InstructionSet::avx2;
#endif
    return InstructionSet::any;
  }();
  return chosen;
}

}  // namespace monge::kernels
