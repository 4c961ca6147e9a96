#include "image/levels.h"

#include "monge/error.h"
#include "monge/map_images.h"

#include "image/format.h"
#include "image/png.h"
#include "image/prepare.h"
#include "image/vips_session.h"

namespace monge::image {

Tensor to_levels(const Tensor& images, const std::string& where) {
  if (!at::isfinite(images).all().item<bool>())
    fail(where, "a map with finite values", "infinity or NaN");
  return ((images + 1) * 127.5).round().clamp(0, 255).to(at::kByte);
}

Tensor from_levels(const Tensor& levels) { return levels.to(at::kFloat) / 127.5 - 1; }

void write_levels(const std::filesystem::path& path, const Tensor& levels, Existing existing) {
  with_vips(path.string(), "to write a picture", [&] {
    const Tensor kept = levels.contiguous();
    const vips::VImage picture =
        from_planes(kept.const_data_ptr<std::uint8_t>(), kept.sizes().vec());
    const Format& format = format_for(path, picture);
    AtomicFile file(path, existing);
    format.write(picture, file.temporary().c_str());
    file.commit();
  });
}

}  // namespace monge::image

namespace monge {

void write_grid(const std::filesystem::path& path, const Tensor& images, std::int64_t columns,
                Existing existing) {
  const std::string where = path.string();
  const bool shaped =
      images.dim() == 4 && images.numel() > 0 && (images.size(1) == 1 || images.size(1) == 3);
  if (!shaped || columns < 1)
    fail(where, "images [n, 1 or 3, height, width] in at least 1 column",
         fmt::format("{} in {}", shape_text(images), columns));
  const Tensor levels =
      images.scalar_type() == at::kByte ? images : image::to_levels(images, where);
  image::write_levels(path, image::grid_of(levels, columns), existing);
}

}  // namespace monge
