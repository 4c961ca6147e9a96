#pragma once

namespace monge::kernels {

enum class InstructionSet { any, avx2, avx512 };

/// The widest set that this machine has loops for. It follows ATen's choice, so that
/// ATEN_CPU_CAPABILITY=avx2 or =default narrows both.
InstructionSet instruction_set();

}  // namespace monge::kernels
