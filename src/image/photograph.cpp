#include "image/photograph.h"

#include "monge/error.h"

#include "image/decode.h"
#include "image/vips_session.h"

namespace monge {

using vips::VImage;

Photograph::Photograph(const std::filesystem::path& path)
    : impl_(std::make_unique<Impl>(Impl{path.string(), image::decode(path)})) {}
Photograph::~Photograph() = default;
Photograph::Photograph(Photograph&&) noexcept = default;

std::int64_t Photograph::width() const { return impl_->picture.width(); }
std::int64_t Photograph::height() const { return impl_->picture.height(); }
int Photograph::bits() const { return impl_->picture.format() == VIPS_FORMAT_USHORT ? 16 : 8; }
bool Photograph::has_alpha() const { return impl_->picture.bands() == 4; }

std::string Photograph::preview(int side, std::string* mime) const {
  if (side < 1) fail(impl_->name, "a preview of at least 1 pixel", std::to_string(side));
  return image::with_vips(impl_->name, "a preview", [&] {
    VImage bare = impl_->picture.copy();
    bare.remove(VIPS_META_ICC_NAME);
    const VImage small =
        bare.thumbnail_image(side,
                             VImage::option()->set("height", side)->set("size", VIPS_SIZE_DOWN))
            .colourspace(VIPS_INTERPRETATION_sRGB);
    const char* const format = has_alpha() ? ".png" : ".jpg";
    void* bytes = nullptr;
    std::size_t count = 0;
    vips::VOption* const options = VImage::option()->set("strip", true);
    if (!has_alpha()) options->set("Q", 85);
    small.write_to_buffer(format, &bytes, &count, options);
    const std::unique_ptr<void, void (*)(void*)> owner(bytes, g_free);
    if (mime) *mime = has_alpha() ? "image/png" : "image/jpeg";
    return std::string(static_cast<const char*>(bytes), count);
  });
}

}  // namespace monge
