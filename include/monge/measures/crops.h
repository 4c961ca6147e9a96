#pragma once

#include "monge/measure.h"
#include "monge/measures/images.h"
#include "monge/options.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace monge {

/// Which photographs crops are cut out of, and how.
struct CropOptions {
  std::string file;
  std::int64_t size = 128;
  std::int64_t short_side = 0;
  std::int64_t channels = 0;
  std::int64_t downscale = 1;
  bool grey = false;
  bool flip = false;
  double rotation = 0;
  double noise = 0;
};

const Declaration<CropOptions>& crops_declaration();

/// The law of a square crop of `size` pixels: of a photograph drawn alike from all, at a place
/// drawn alike from all that have room for it, mirrored with probability 1/2 where it is flipped,
/// turned by an angle drawn alike from ± `rotation` degrees, with Gaussian noise of standard
/// deviation `noise` in every number. Points are rows [channels · size · size] scaled to [-1, 1].
class CropMeasure final : public Measure {
 public:
  /// `photographs` [channels, h, w] uint8, of one number of channels, kept in memory; `skipped` is
  /// what was found beside them. Throws Error, naming `where`, on one that has no room for a crop.
  CropMeasure(std::vector<Tensor> photographs, const CropOptions& options, std::string_view where,
              std::vector<SkippedFile> skipped = {});

  std::int64_t dimension() const override { return channels_ * options_.size * options_.size; }
  std::vector<std::int64_t> shape() const override {
    return {channels_, options_.size, options_.size};
  }
  void sample_into(std::span<float> points, Random& random) const override;

  std::int64_t count() const { return std::ssize(photographs_); }
  const std::vector<SkippedFile>& skipped() const { return skipped_; }

 private:
  struct Place;
  void cut(const Tensor& photograph, const Place& place, float* crop) const;
  void cut_turned(const Tensor& photograph, const Place& place, float* crop) const;

  CropOptions options_;
  std::vector<Tensor> photographs_;
  std::int64_t channels_;
  std::vector<SkippedFile> skipped_;
};

/// Crops of one photograph or of all of a folder and the folders in it, upright and in sRGB, as
/// open_image_folder() reads them, resized and then degraded as the options say. Files that are no
/// picture and damaged ones are skipped in a folder. Throws Error as CropMeasure does, on a file
/// that cannot be read, and on a folder that holds no picture or ones of both one and three
/// channels where none are asked for.
std::shared_ptr<const Measure> make_crops(const CropOptions& options, std::string_view where);

}  // namespace monge
