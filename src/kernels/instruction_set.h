#pragma once

#include <cstdint>

namespace monge::kernels {

enum class InstructionSet { any, avx2, avx512 };

/// The set whose loops run on this machine: AVX-512, AVX2 with FMA, or any processor's. It follows
/// ATen's choice, so that ATEN_CPU_CAPABILITY=avx2 or =default narrows both.
InstructionSet instruction_set();

/// Bytes of a core's second-level cache, between 256 KiB and 2 MiB; 1 MiB where the system does not
/// say.
std::int64_t second_level_cache();

}  // namespace monge::kernels
