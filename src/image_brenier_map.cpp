#include "monge/image_brenier_map.h"

#include "monge/error.h"

namespace monge {

ImageBrenierMap::ImageBrenierMap(std::shared_ptr<const Potential> potential,
                                 std::vector<std::int64_t> shape)
    : potential_(std::move(potential)), shape_(std::move(shape)) {
  if (c10::multiply_integers(shape_) != potential_->dimension())
    fail("map",
         fmt::format("images of {} numbers, those of the potential", potential_->dimension()),
         fmt::format("[{}]", fmt::join(shape_, ", ")));
}

Tensor ImageBrenierMap::transport(const Tensor& x) const {
  return potential_->gradient(x, Graph::none);
}

}  // namespace monge
