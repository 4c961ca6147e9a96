#include "kernels/instruction_set.h"

#include <cstdlib>
#include <string_view>

namespace monge::kernels {
namespace {

InstructionSet best_of_this_machine() {
#ifdef __x86_64__
  if (__builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("fma"))
    return InstructionSet::avx512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return InstructionSet::avx2;
#endif
  return InstructionSet::any;
}

/// ctest runs this and the tests of networks and products a second and a third time with the
/// variable set.
TEST(InstructionSet, IsTheBestOrTheOneThatTheEnvironmentAsksFor) {
  const char* variable = std::getenv("ATEN_CPU_CAPABILITY");
  const std::string_view asked = variable ? variable : "";
  const InstructionSet expected = asked == "default" ? InstructionSet::any
                                  : asked == "avx2"  ? InstructionSet::avx2
                                                     : best_of_this_machine();
  EXPECT_EQ(instruction_set(), expected);
}

}  // namespace
}  // namespace monge::kernels
