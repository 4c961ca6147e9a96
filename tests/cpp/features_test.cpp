#include "monge/features.h"

#include "monge/random.h"
#include "monge/safetensors.h"

#include "error_text.h"
#include "features/images.h"
#include "features/inception.h"
#include "features/perceptual.h"
#include "temporary_folder.h"

#include <fstream>
#include <sstream>

namespace monge {
namespace {

const std::string golden = std::string(MONGE_SOURCE_DIR) + "/tests/golden/features/";

/// Numbers in [-0.5, 0.5], the same as those of tests/golden/features/make.py.
Tensor spread(at::IntArrayRef shape, std::int64_t seed) {
  constexpr std::int64_t prime = 65537;
  const Tensor k = at::arange(c10::multiply_integers(shape), at::kLong);
  const Tensor scrambled = (k * k % prime * 31 + k * 7919 + seed * 104729) % prime;
  return (scrambled.to(at::kDouble) / static_cast<double>(prime - 1) - 0.5)
      .to(at::kFloat)
      .view(shape);
}

Tensor golden_weight(const std::string& name, const std::vector<std::int64_t>& shape,
                     std::int64_t seed) {
  const Tensor numbers = spread(shape, seed);
  if (shape.size() == 4) return numbers * std::sqrt(24.0 / static_cast<double>(numbers[0].numel()));
  if (name.starts_with("head.")) return numbers + 0.5;
  if (name.ends_with("bn.weight") || name.ends_with("bn.running_var")) return 1 + 0.4 * numbers;
  return 0.2 * numbers;
}

/// The weights of a list of names and shapes.
TensorFile golden_weights(const std::string& list, const std::string& network) {
  TensorFile file{{}, {{"network", network}}};
  std::ifstream lines(golden + list + ".txt");
  std::int64_t seed = 0;
  for (std::string line; std::getline(lines, line); ++seed) {
    std::istringstream words(line);
    std::string name;
    words >> name;
    std::vector<std::int64_t> shape;
    for (std::int64_t side = 0; words >> side;) shape.push_back(side);
    file.tensors[name] = golden_weight(name, shape, seed);
  }
  return file;
}

Tensor expected(const char* name) {
  return read_safetensors(golden + "expected.safetensors").tensors.at(name);
}

Tensor smooth_images(std::int64_t n, std::int64_t channels, std::int64_t side, const char* name) {
  const Tensor coarse = Random(3, name).uniform({n, channels, 6, 6}) * 2 - 1;
  return at::upsample_bilinear2d(coarse, at::IntArrayRef{side, side}, false, std::nullopt);
}

TEST(Inception, GivesTheNumbersOfPytorchFid) {
  const auto network = features::inception_features(
      features::Weights(golden_weights("inception", features::inception_network), "golden",
                        features::inception_network));
  const Tensor features = network->features(2 * spread({2, 3, 40, 48}, 1));
  EXPECT_EQ(network->dimension(), 2048);
  EXPECT_TRUE(network->published());
  EXPECT_TRUE(at::allclose(features, expected("inception"), 1e-4, 1e-4))
      << (features - expected("inception")).abs().max();
}

class LpipsGolden : public testing::TestWithParam<const char*> {};
TEST_P(LpipsGolden, GivesTheNumbersOfTheLpipsPackage) {
  const TemporaryFolder folder;
  const std::string network = GetParam();
  write_safetensors(folder / "weights.safetensors", golden_weights(network, network));
  const auto lpips = load_perceptual(folder / "weights.safetensors");
  const Tensor x = 1.6 * spread({2, 3, 64, 72}, 2), y = x + 0.4 * spread({2, 3, 64, 72}, 3);
  const Tensor distance = lpips->between(x, y);
  EXPECT_EQ(lpips->key(), "lpips");
  EXPECT_TRUE(at::allclose(distance, expected(GetParam()), 1e-4, 1e-6)) << distance;
  EXPECT_EQ(lpips->between(x, x).abs().max().item<float>(), 0);
}
INSTANTIATE_TEST_SUITE_P(Trunks, LpipsGolden, testing::Values("lpips_alex", "lpips_vgg"));

TEST(LoadFeatures, SaysInOneLineWhatAFileLacks) {
  const TemporaryFolder folder;
  const auto path = folder / "weights.safetensors";
  const auto complaint = [&](TensorFile file) {
    write_safetensors(path, file);
    return error_text([&] { load_perceptual(path); });
  };
  TensorFile weights = golden_weights("lpips_alex", "lpips_alex");
  weights.tensors["features.3.weight"] = at::zeros({192, 64, 3, 3});
  expect_message(complaint(weights),
                 "tensor 'features.3.weight': expected [192, 64, 5, 5], got [192, 64, 3, 3]");
  weights.tensors.erase("features.3.weight");
  expect_message(complaint(weights), "expected a tensor 'features.3.weight', got none");
  weights.metadata["network"] = features::inception_network;
  expect_message(complaint(weights),
                 "expected weights of lpips_alex or lpips_vgg, got those of inception_v3_fid");
  weights.metadata.clear();
  expect_message(complaint(weights), "got weights of no named network");
  expect_message(error_text([&] { load_features(path); }),
                 "expected weights of inception_v3_fid, got weights of no named network");
  weights = golden_weights("lpips_alex", "lpips_alex");
  weights.tensors["head.0"][3] = std::nan("");
  expect_message(complaint(weights), "'head.0': expected finite numbers");
  expect_message(error_text([&] { load_features(folder / "none.safetensors"); }), "none");
}

TEST(Images, AreSeenAsAFileOf8BitsHasThem) {
  const Tensor levels = at::arange(256, at::kFloat).view({1, 1, 16, 16}) / 127.5 - 1;
  EXPECT_TRUE(at::equal(features::displayed(levels), features::displayed(levels + 1e-3)));
  EXPECT_TRUE(at::allclose(features::displayed(levels), levels, 0, 1e-6));
  EXPECT_EQ(features::displayed(3 * levels).min().item<float>(), -1);
  EXPECT_EQ(features::displayed(3 * levels).max().item<float>(), 1);
  expect_message(error_text([] { features::displayed(at::zeros({1, 2, 4, 4})); }),
                 "expected images [n, c, h, w] with c = 1 or 3, got [1, 2, 4, 4]");
}

TEST(OfflineFeatures, AreDeterministicAndNameThemselves) {
  const auto network = offline_features();
  const Tensor images = smooth_images(5, 1, 32, "images");
  const Tensor features = network->features(images);
  ASSERT_EQ(features.sizes(), (at::IntArrayRef{5, network->dimension()}));
  EXPECT_TRUE(at::equal(features, network->features(images)));
  // The batch that an image is in does not matter beyond the order of sums.
  EXPECT_TRUE(at::allclose(features.narrow(0, 2, 1), network->features(images.narrow(0, 2, 1)),
                           1e-4, 1e-5));
  EXPECT_GT(features.std(0).mean().item<double>(), 0.01);
  EXPECT_FALSE(network->published());
  EXPECT_EQ(network->name(), "offline features (Fashion-MNIST classifier)");
}

TEST(OfflineFeatures, TakeColourAndOtherSizes) {
  const auto network = offline_features();
  const Tensor grey = smooth_images(3, 1, 64, "images");
  const Tensor colour = grey.expand({3, 3, 64, 64});
  EXPECT_TRUE(at::allclose(network->features(grey), network->features(colour), 1e-4, 1e-4));
  EXPECT_EQ(network->features(smooth_images(2, 3, 28, "other")).size(0), 2);
}

TEST(OfflinePerceptual, IsZeroOnEqualImagesAndGrowsWithNoise) {
  const auto distance = offline_perceptual();
  const Tensor images = smooth_images(16, 1, 32, "images");
  EXPECT_EQ(distance->between(images, images).abs().max().item<float>(), 0);
  const Tensor noise = Random(5, "noise").normal({16, 1, 32, 32});
  double before = 0;
  for (const double level : {0.05, 0.1, 0.2, 0.4}) {
    const double mean = distance->between(images, images + level * noise).mean().item<double>();
    EXPECT_GT(mean, 1.1 * before) << level;
    before = mean;
  }
  expect_message(error_text([&] { distance->between(images, images.narrow(0, 0, 2)); }),
                 "images of one shape");
}

}  // namespace
}  // namespace monge
