#include "image/recolour.h"

#include "image/format.h"
#include "image/photograph.h"
#include "image/vips_session.h"

namespace monge {

void Photograph::recolour(const ColourFunction& map, const std::filesystem::path& out,
                          Existing existing) const {
  const vips::VImage& picture = impl_->picture;
  const image::Format& format = image::format_for(out, picture);
  AtomicFile file(out, existing);
  image::with_vips(out.string(), "to write " + format.name, [&] {
    const vips::VImage recoloured = bits() == 8
                                        ? image::recolour_by_table(picture, map, impl_->name)
                                        : image::recolour_by_strips(picture, map, impl_->name);
    format.write(recoloured, file.temporary().c_str());
  });
  file.commit();
}

}  // namespace monge
