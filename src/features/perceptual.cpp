#include "features/perceptual.h"

#include "features/images.h"

namespace monge::features {

/// A convolution and its ReLU, named by its place in torchvision's list.
struct TrunkLayer {
  int place;
  std::int64_t outputs, kernel, stride, padding;
  bool pooled = false;    // a maximum of stride 2 stands before it
  bool compared = false;  // its activations are compared
};

struct Trunk {
  const char* network;
  const char* name;
  std::int64_t pool;  // the side of its maxima
  std::vector<TrunkLayer> layers;
};

namespace {

constexpr bool pooled = true, compared = true, plain = false;

const std::array<Trunk, 2>& trunk_table() {
  static const std::array<Trunk, 2> table{Trunk{"lpips_alex",
                                                "LPIPS (AlexNet)",
                                                3,
                                                {{0, 64, 11, 4, 2, plain, compared},
                                                 {3, 192, 5, 1, 2, pooled, compared},
                                                 {6, 384, 3, 1, 1, pooled, compared},
                                                 {8, 256, 3, 1, 1, plain, compared},
                                                 {10, 256, 3, 1, 1, plain, compared}}},
                                          Trunk{"lpips_vgg",
                                                "LPIPS (VGG-16)",
                                                2,
                                                {{0, 64, 3, 1, 1},
                                                 {2, 64, 3, 1, 1, plain, compared},
                                                 {5, 128, 3, 1, 1, pooled},
                                                 {7, 128, 3, 1, 1, plain, compared},
                                                 {10, 256, 3, 1, 1, pooled},
                                                 {12, 256, 3, 1, 1},
                                                 {14, 256, 3, 1, 1, plain, compared},
                                                 {17, 512, 3, 1, 1, pooled},
                                                 {19, 512, 3, 1, 1},
                                                 {21, 512, 3, 1, 1, plain, compared},
                                                 {24, 512, 3, 1, 1, pooled},
                                                 {26, 512, 3, 1, 1},
                                                 {28, 512, 3, 1, 1, plain, compared}}}};
  return table;
}

class Lpips final : public PerceptualDistance {
 public:
  Lpips(const Trunk& trunk, const Weights& weights) : trunk_(trunk) {
    std::int64_t inputs = 3;
    for (const TrunkLayer& layer : trunk.layers) {
      const std::string name = fmt::format("features.{}", layer.place);
      convolutions_.push_back(
          {weights.take(name + ".weight", {layer.outputs, inputs, layer.kernel, layer.kernel}),
           weights.take(name + ".bias", {layer.outputs}),
           layer.stride,
           {layer.padding, layer.padding}});
      inputs = layer.outputs;
      if (layer.compared)
        heads_.push_back(weights.take(fmt::format("head.{}", heads_.size()), {layer.outputs}));
    }
  }

  std::string name() const override { return trunk_.name; }
  std::string key() const override { return "lpips"; }

  Tensor between(const Tensor& x, const Tensor& y) const override {
    constexpr std::int64_t batch = 16;
    const at::NoGradGuard no_graph;
    return in_batches(x, y, batch, [&](const Tensor& some, const Tensor& others) {
      const std::vector<Tensor> a = activations(some), b = activations(others);
      Tensor sum = at::zeros({some.size(0)});
      for (std::size_t l = 0; l < a.size(); ++l) sum += layer_distance(a[l], b[l], heads_[l]);
      return sum;
    });
  }

 private:
  /// Of the compared layers.
  std::vector<Tensor> activations(const Tensor& images) const {
    constexpr std::int64_t least = 64;  // pixels a side, what it was made for
    static const Tensor shift = at::tensor({-0.030, -0.088, -0.188}, at::kFloat).view({3, 1, 1});
    static const Tensor scale = at::tensor({0.458, 0.448, 0.450}, at::kFloat).view({3, 1, 1});
    Tensor x = colour(displayed(images));
    const std::int64_t height = std::max(least, x.size(2)), width = std::max(least, x.size(3));
    if (height != x.size(2) || width != x.size(3))
      x = at::upsample_bilinear2d(x, at::IntArrayRef{height, width}, false, std::nullopt);
    x = (x - shift) / scale;
    std::vector<Tensor> kept;
    for (std::size_t i = 0; i < convolutions_.size(); ++i) {
      const TrunkLayer& layer = trunk_.layers[i];
      if (layer.pooled) x = at::max_pool2d(x, {trunk_.pool, trunk_.pool}, {2, 2});
      x = convolutions_[i](x).relu_();
      if (layer.compared) kept.push_back(x);
    }
    return kept;
  }

  const Trunk& trunk_;
  std::vector<Convolution> convolutions_;
  std::vector<Tensor> heads_;  // [c] of each compared layer
};

}  // namespace

Tensor layer_distance(const Tensor& a, const Tensor& b, const Tensor& weights) {
  const auto directions = [](const Tensor& x) {
    constexpr double least = 1e-10;  // where nothing is active
    return x / (x.norm(2, at::IntArrayRef{1}, /*keepdim=*/true) + least);
  };
  const Tensor gap = (directions(a) - directions(b)).square_();
  return at::einsum("nchw,c->nhw", {gap, weights}).mean(at::IntArrayRef{1, 2});
}

const Trunk* find_trunk(std::string_view network) {
  for (const Trunk& trunk : trunk_table())
    if (trunk.network == network) return &trunk;
  return nullptr;
}

std::shared_ptr<const PerceptualDistance> lpips(const Trunk& trunk, const Weights& weights) {
  return std::make_shared<Lpips>(trunk, weights);
}

}  // namespace monge::features
