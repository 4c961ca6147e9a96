#include "kernels/icnn_loops.h"

#include <ATen/Version.h>

namespace monge::kernels {
namespace {

enum class InstructionSet { any, avx2, avx512 };

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

}  // namespace

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
