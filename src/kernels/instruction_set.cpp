#include "kernels/instruction_set.h"

#include <ATen/Version.h>

#include <unistd.h>

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

std::int64_t second_level_cache() {
  static const std::int64_t bytes = [] {
    constexpr std::int64_t least = 1 << 18, usual = 1 << 20, most = 1 << 21;
#ifdef _SC_LEVEL2_CACHE_SIZE
    const std::int64_t known = sysconf(_SC_LEVEL2_CACHE_SIZE);
#else
    const std::int64_t known = 0;
#endif
    return known > 0 ? std::clamp(known, least, most) : usual;
  }();
  return bytes;
}

}  // namespace monge::kernels
