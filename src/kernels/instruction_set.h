#pragma once

namespace monge::kernels {

enum class InstructionSet { any, avx2, avx512 };

/// What this machine's vector loops run on. It follows ATen's choice, so that
/// ATEN_CPU_CAPABILITY=avx2 or =default narrows both.
InstructionSet instruction_set();

}  // namespace monge::kernels
