#pragma once

namespace monge::kernels {

/// Whether derivatives begin a sum, over whatever was there, or are added to one.
enum class Sums { begin, add };

}  // namespace monge::kernels
