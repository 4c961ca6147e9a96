#include "features/embedded.h"

extern "C" {
extern const char monge_fashion_mnist_begin[], monge_fashion_mnist_end[];
}

namespace monge::features::embedded {

std::string_view fashion_mnist() { return {monge_fashion_mnist_begin, monge_fashion_mnist_end}; }

}  // namespace monge::features::embedded
