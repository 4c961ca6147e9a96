#include "monge/measures/crops.h"

#include "monge/error.h"

#include "image/bicubic.h"
#include "image/folder.h"
#include "image/levels.h"
#include "image/prepare.h"

#include <numbers>

namespace monge {
namespace {

namespace fs = std::filesystem;

double radians(double degrees) { return degrees * std::numbers::pi / 180; }

/// How far the middles of a turned square's corners are from its own, along an axis.
double reach(std::int64_t size, double angle) {
  return 0.5 * static_cast<double>(size - 1) *
         (std::abs(std::cos(angle)) + std::abs(std::sin(angle)));
}

/// The side of the smallest square that has room for the crop however it is turned.
std::int64_t room_for(const CropOptions& options) {
  const double most = radians(std::min(options.rotation, 45.0));  // 45 degrees reach farthest
  return static_cast<std::int64_t>(std::ceil(2 * reach(options.size, most) + 1 - 1e-9));
}

/// A photograph [c, h, w] of that shorter side, with antialiasing.
Tensor resized(const Tensor& photograph, std::int64_t short_side) {
  const std::int64_t height = photograph.size(1), width = photograph.size(2);
  const std::int64_t shorter = std::min(height, width);
  if (short_side == 0 || shorter == short_side) return photograph;
  const auto side = [&](std::int64_t length) {
    return std::max<std::int64_t>(
        std::llround(static_cast<double>(length * short_side) / static_cast<double>(shorter)), 1);
  };
  const Tensor levels = at::_upsample_bilinear2d_aa(photograph.unsqueeze(0).to(at::kFloat),
                                                    {side(height), side(width)}, false);
  return levels.squeeze(0).round().clamp(0, 255).to(at::kByte).contiguous();
}

/// Reduced so many times and enlarged again to its own size.
Tensor downscaled(const Tensor& photograph, std::int64_t times) {
  if (times == 1) return photograph;
  const std::int64_t height = photograph.size(1), width = photograph.size(2);
  const auto reduced = [&](std::int64_t side) {
    return std::max<std::int64_t>(std::llround(static_cast<double>(side) / double(times)), 1);
  };
  return image::bicubic(image::bicubic(photograph, reduced(height), reduced(width)), height, width);
}

Tensor read_photograph(const fs::path& path, const CropOptions& options, std::int64_t channels) {
  Tensor photograph =
      image::read_picture(path, {.channels = options.grey ? 1 : channels, .crop = "none"});
  photograph = downscaled(resized(photograph, options.short_side), options.downscale);
  if (!options.grey || channels == 1) return photograph;
  return photograph.expand({3, -1, -1}).contiguous();
}

std::shared_ptr<const Measure> crops_of_folder(const CropOptions& options) {
  image::FolderListing listing = image::list_pictures(options.file);
  const std::int64_t channels =
      options.grey ? options.channels
                   : image::common_channels(options.file, listing.pictures, options.channels);
  std::vector<Tensor> photographs;
  for (const image::FolderPicture& picture : listing.pictures) {
    const fs::path path = fs::path(options.file) / picture.name;
    try {
      photographs.push_back(read_photograph(path, options, channels));
    } catch (const Error& error) {
      listing.skipped.push_back({picture.name, image::reason_of(error, path)});
    }
  }
  if (photographs.empty())
    fail(options.file, "at least one undamaged picture",
         fmt::format("{} damaged ones, such as {}", listing.pictures.size(),
                     listing.pictures.front().name));
  std::ranges::sort(listing.skipped, {}, &SkippedFile::name);
  return std::make_shared<CropMeasure>(std::move(photographs), options, options.file,
                                       std::move(listing.skipped));
}

}  // namespace

const Declaration<CropOptions>& crops_declaration() {
  using O = CropOptions;
  constexpr double largest = 8192;
  static const auto declaration =
      Declaration<O>("measure", "crops",
                     "Random square crops of a photograph, or of the photographs of a folder, "
                     "scaled to [-1, 1].",
                     "W2GN (Korotin et al. 2021), appendix C.8")
          .option("file", &O::file, "A photograph, or a folder (with the folders in it).")
          .option("size", &O::size, "Pixels a side of a crop.", between(2, 1024))
          .option("short_side", &O::short_side,
                  "Pixels of a photograph's shorter side after resizing with antialiasing, before "
                  "it is cropped; 0: as it is.",
                  between(0, largest))
          .option("channels", &O::channels,
                  "1 (grey) or 3 (sRGB); 0: those of the files, which must then agree.",
                  between(0, 3))
          .option("downscale", &O::downscale,
                  "How many times a photograph is reduced, with antialiasing, and enlarged to its "
                  "own size again, both bicubic: what super-resolution starts from; 1: it is left "
                  "sharp.",
                  between(1, 16))
          .option("grey", &O::grey,
                  "Whether colours are taken out, in three equal channels: what colourisation "
                  "starts from.")
          .option("flip", &O::flip, "Whether half of the crops are mirror images.")
          .option("rotation", &O::rotation, "Degrees up to which crops are turned, either way.",
                  between(0, 180))
          .option("noise", &O::noise,
                  "Standard deviation of Gaussian noise in every number of a crop.", between(0, 1));
  return declaration;
}

/// Where a crop is cut: its middle in pixels of the photograph, how it is turned and whether it is
/// mirrored.
struct CropMeasure::Place {
  double row, column, angle;
  bool mirrored;
};

CropMeasure::CropMeasure(std::vector<Tensor> photographs, const CropOptions& options,
                         std::string_view where, std::vector<SkippedFile> skipped)
    : options_(options), photographs_(std::move(photographs)), skipped_(std::move(skipped)) {
  if (photographs_.empty()) fail(where, "at least one photograph", "none");
  channels_ = photographs_.front().size(0);
  const std::int64_t room = room_for(options_);
  for (const Tensor& photograph : photographs_) {
    if (photograph.dim() != 3 || photograph.scalar_type() != at::kByte ||
        photograph.size(0) != channels_ || !photograph.is_contiguous())
      fail(where, fmt::format("photographs [{}, height, width] of bytes", channels_),
           shape_text(photograph));
    if (std::min(photograph.size(1), photograph.size(2)) < room)
      fail(where,
           fmt::format("photographs of at least {0}x{0} pixels, for crops of {1}", room,
                       options_.size),
           fmt::format("one of {}x{}", photograph.size(2), photograph.size(1)));
  }
}

void CropMeasure::sample_into(std::span<float> points, Random& random) const {
  constexpr std::size_t draws = 5;  // of a crop
  const auto d = static_cast<std::size_t>(dimension()), n = points.size() / d;
  std::vector<float> uniform(n * draws);
  random.fill_uniform(uniform);
  for (std::size_t i = 0; i < n; ++i) {
    const float* u = uniform.data() + i * draws;
    const auto which = static_cast<std::size_t>(u[0] * static_cast<float>(count()));
    const Tensor& photograph = photographs_[std::min(which, photographs_.size() - 1)];
    const double angle = radians(options_.rotation) * (2 * double(u[1]) - 1);
    const double margin = reach(options_.size, angle);
    // Without rotation a whole number of pixels from the margin.
    const auto middle = [&](float share, std::int64_t side) {
      const double room = static_cast<double>(side - 1) - 2 * margin;
      return margin +
             (options_.rotation > 0 ? share * std::max(room, 0.0) : std::floor(share * (room + 1)));
    };
    const Place place{middle(u[2], photograph.size(1)), middle(u[3], photograph.size(2)), angle,
                      options_.flip && u[4] < 0.5f};
    if (options_.rotation > 0)
      cut_turned(photograph, place, points.data() + i * d);
    else
      cut(photograph, place, points.data() + i * d);
  }
  if (options_.noise == 0) return;
  std::vector<float> noise(points.size());
  random.fill_normal(noise);
  const auto deviation = static_cast<float>(options_.noise);
  for (std::size_t i = 0; i < points.size(); ++i) points[i] += deviation * noise[i];
}

void CropMeasure::cut(const Tensor& photograph, const Place& place, float* crop) const {
  const std::int64_t size = options_.size, height = photograph.size(1), width = photograph.size(2);
  const std::int64_t top = std::llround(place.row - 0.5 * static_cast<double>(size - 1));
  const std::int64_t left = std::llround(place.column - 0.5 * static_cast<double>(size - 1));
  const auto* levels = photograph.const_data_ptr<std::uint8_t>();
  for (std::int64_t channel = 0; channel < channels_; ++channel)
    for (std::int64_t y = 0; y < size; ++y) {
      const std::uint8_t* row = levels + (channel * height + top + y) * width + left;
      for (std::int64_t x = 0; x < size; ++x)
        *crop++ = image::from_level(row[place.mirrored ? size - 1 - x : x]);
    }
}

/// Each pixel between the four of the photograph around it.
void CropMeasure::cut_turned(const Tensor& photograph, const Place& place, float* crop) const {
  const std::int64_t size = options_.size, height = photograph.size(1), width = photograph.size(2);
  const auto* levels = photograph.const_data_ptr<std::uint8_t>();
  const double cosine = std::cos(place.angle), sine = std::sin(place.angle);
  const double half = 0.5 * static_cast<double>(size - 1);
  const auto inside = [](double at, std::int64_t side) {
    return std::clamp(at, 0.0, static_cast<double>(side - 1));
  };
  for (std::int64_t y = 0; y < size; ++y)
    for (std::int64_t x = 0; x < size; ++x, ++crop) {
      const double down = static_cast<double>(y) - half;
      const double right = (place.mirrored ? -1 : 1) * (static_cast<double>(x) - half);
      const double row = inside(place.row + cosine * down + sine * right, height);
      const double column = inside(place.column + cosine * right - sine * down, width);
      const auto top = static_cast<std::int64_t>(row), left = static_cast<std::int64_t>(column);
      const std::int64_t below = std::min(top + 1, height - 1);
      const std::int64_t beside = std::min(left + 1, width - 1);
      const auto lower = static_cast<float>(row - static_cast<double>(top));
      const auto rightward = static_cast<float>(column - static_cast<double>(left));
      for (std::int64_t channel = 0; channel < channels_; ++channel) {
        const std::uint8_t* plane = levels + channel * height * width;
        const auto between = [&](std::int64_t line) {
          return std::lerp(image::from_level(plane[line * width + left]),
                           image::from_level(plane[line * width + beside]), rightward);
        };
        crop[channel * size * size] = std::lerp(between(top), between(below), lower);
      }
    }
}

std::shared_ptr<const Measure> make_crops(const CropOptions& options, std::string_view where) {
  if (options.file.empty())
    fail(fmt::format("{}.file", where), "a photograph or a folder of them", "none");
  if (options.channels == 2) fail(fmt::format("{}.channels", where), "0, 1 or 3", "2");
  std::error_code ignored;
  if (fs::is_directory(options.file, ignored)) return crops_of_folder(options);
  return std::make_shared<CropMeasure>(
      std::vector{read_photograph(options.file, options, options.channels)}, options, options.file);
}

}  // namespace monge
