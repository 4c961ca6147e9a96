#include "monge/error.h"
#include "monge/features.h"

#include "features/embedded.h"
#include "features/images.h"
#include "features/perceptual.h"
#include "safetensors_header.h"

namespace monge {
namespace {

using features::Convolution;

/// The classifier of tools/train_offline_features.py, with its normalisations inside.
class Classifier {
 public:
  Classifier() {
    MemorySource source(features::embedded::fashion_mnist());
    const std::string where = "the offline features";
    const features::Weights weights(read_safetensors(source, where), where,
                                    "fashion_mnist_classifier");
    std::int64_t inputs = 1;
    for (const std::int64_t width : widths) {
      const std::string stage = std::to_string(layers_.size());
      layers_.push_back({weights.take(stage + ".weight", {width, inputs, 3, 3}),
                         weights.take(stage + ".bias", {width}),
                         layers_.empty() ? 1 : 2,
                         {1, 1}});
      inputs = width;
    }
  }

  static constexpr std::array<std::int64_t, 4> widths{24, 48, 96, 128};

  /// Of every layer, for images [n, c, h, w].
  std::vector<Tensor> activations(const Tensor& images) const {
    constexpr std::int64_t side = 32;
    std::vector<Tensor> all;
    all.reserve(layers_.size());
    Tensor x = features::resized(features::grey(images), side);
    for (const Convolution& layer : layers_) all.push_back(x = layer(x).relu_());
    return all;
  }

 private:
  std::vector<Convolution> layers_;
};

const Classifier& classifier() {
  static const Classifier loaded;
  return loaded;
}

/// The sum over the layers, each channel of which weighs 1.
Tensor distance(const Tensor& x, const Tensor& y) {
  const std::vector<Tensor> a = classifier().activations(x), b = classifier().activations(y);
  Tensor sum = at::zeros({x.size(0)});
  for (std::size_t l = 0; l < a.size(); ++l)
    sum = sum + features::layer_distance(a[l], b[l], at::ones({a[l].size(1)}));
  return sum;
}

constexpr std::int64_t batch = 128;

class OfflineFeatures final : public FeatureNetwork {
 public:
  std::string name() const override { return "offline features (Fashion-MNIST classifier)"; }
  bool published() const override { return false; }
  std::int64_t dimension() const override { return Classifier::widths.back(); }

  Tensor features(const Tensor& images) const override {
    const at::NoGradGuard no_graph;
    return features::in_batches(images, batch, [](const Tensor& some) {
      return classifier().activations(features::displayed(some)).back().mean(at::IntArrayRef{2, 3});
    });
  }
};

class OfflinePerceptual final : public PerceptualDistance {
 public:
  std::string name() const override { return "offline features (Fashion-MNIST classifier)"; }
  std::string key() const override { return "offline_perceptual"; }

  Tensor between(const Tensor& x, const Tensor& y) const override {
    const at::NoGradGuard no_graph;
    return features::in_batches(x, y, batch, [](const Tensor& some, const Tensor& others) {
      return distance(features::displayed(some), features::displayed(others));
    });
  }
};

}  // namespace

std::shared_ptr<const FeatureNetwork> offline_features() {
  return std::make_shared<OfflineFeatures>();
}

std::shared_ptr<const PerceptualDistance> offline_perceptual() {
  return std::make_shared<OfflinePerceptual>();
}

Tensor offline_perceptual_loss(const Tensor& x, const Tensor& y) {
  const bool images = x.dim() == 4 && (x.size(1) == 1 || x.size(1) == 3);
  if (!images || x.sizes() != y.sizes())
    fail("perceptual loss", "images [n, 1 or 3, h, w] of one shape",
         fmt::format("{} and {}", shape_text(x), shape_text(y)));
  return distance(x, y);
}

}  // namespace monge
