#include "features/inception.h"

#include "features/images.h"

namespace monge::features {
namespace {

using Kernel = std::array<std::int64_t, 2>;

/// A convolution, its batch normalisation and ReLU, named as torchvision does.
struct Unit {
  const char* name;
  std::int64_t outputs;
  Kernel kernel;
  std::int64_t stride = 1;
  Kernel padding = {0, 0};
};

enum class Pool { none, average, maximum, strided_maximum };

/// Units one after the other, on pooled inputs; what `fork` adds stands side by side behind them.
struct Branch {
  Pool pool = Pool::none;
  std::vector<Unit> units;
  std::vector<Unit> fork = {};
};

struct Block {
  const char* name;
  std::vector<Branch> branches;
};

constexpr Kernel one{1, 1}, three{3, 3}, five{5, 5}, wide{1, 7}, tall{7, 1}, wide3{1, 3},
    tall3{3, 1};

/// 35 x 35 places (torchvision's InceptionA).
Block fine_block(const char* name, std::int64_t pooled) {
  return {name,
          {{Pool::none, {{"branch1x1", 64, one}}},
           {Pool::none, {{"branch5x5_1", 48, one}, {"branch5x5_2", 64, five, 1, {2, 2}}}},
           {Pool::none,
            {{"branch3x3dbl_1", 64, one},
             {"branch3x3dbl_2", 96, three, 1, {1, 1}},
             {"branch3x3dbl_3", 96, three, 1, {1, 1}}}},
           {Pool::average, {{"branch_pool", pooled, one}}}}};
}

/// From 35 x 35 to 17 x 17 (InceptionB).
Block first_reduction(const char* name) {
  return {name,
          {{Pool::none, {{"branch3x3", 384, three, 2}}},
           {Pool::none,
            {{"branch3x3dbl_1", 64, one},
             {"branch3x3dbl_2", 96, three, 1, {1, 1}},
             {"branch3x3dbl_3", 96, three, 2}}},
           {Pool::strided_maximum, {}}}};
}

/// 17 x 17 places (InceptionC), `inner` channels inside.
Block middle_block(const char* name, std::int64_t inner) {
  constexpr Kernel beside{0, 3}, above{3, 0};
  return {name,
          {{Pool::none, {{"branch1x1", 192, one}}},
           {Pool::none,
            {{"branch7x7_1", inner, one},
             {"branch7x7_2", inner, wide, 1, beside},
             {"branch7x7_3", 192, tall, 1, above}}},
           {Pool::none,
            {{"branch7x7dbl_1", inner, one},
             {"branch7x7dbl_2", inner, tall, 1, above},
             {"branch7x7dbl_3", inner, wide, 1, beside},
             {"branch7x7dbl_4", inner, tall, 1, above},
             {"branch7x7dbl_5", 192, wide, 1, beside}}},
           {Pool::average, {{"branch_pool", 192, one}}}}};
}

/// From 17 x 17 to 8 x 8 (InceptionD).
Block second_reduction(const char* name) {
  return {name,
          {{Pool::none, {{"branch3x3_1", 192, one}, {"branch3x3_2", 320, three, 2}}},
           {Pool::none,
            {{"branch7x7x3_1", 192, one},
             {"branch7x7x3_2", 192, wide, 1, {0, 3}},
             {"branch7x7x3_3", 192, tall, 1, {3, 0}},
             {"branch7x7x3_4", 192, three, 2}}},
           {Pool::strided_maximum, {}}}};
}

/// 8 x 8 places (InceptionE).
Block coarse_block(const char* name, Pool pool) {
  constexpr Kernel beside{0, 1}, above{1, 0};
  return {
      name,
      {{Pool::none, {{"branch1x1", 320, one}}},
       {Pool::none,
        {{"branch3x3_1", 384, one}},
        {{"branch3x3_2a", 384, wide3, 1, beside}, {"branch3x3_2b", 384, tall3, 1, above}}},
       {Pool::none,
        {{"branch3x3dbl_1", 448, one}, {"branch3x3dbl_2", 384, three, 1, {1, 1}}},
        {{"branch3x3dbl_3a", 384, wide3, 1, beside}, {"branch3x3dbl_3b", 384, tall3, 1, above}}},
       {pool, {{"branch_pool", 192, one}}}}};
}

/// Up to 35 x 35 places; maxima of stride 2 follow the units named in `pooled_after`.
const std::vector<Unit>& stem() {
  static const std::vector<Unit> units{{"Conv2d_1a_3x3", 32, three, 2},
                                       {"Conv2d_2a_3x3", 32, three},
                                       {"Conv2d_2b_3x3", 64, three, 1, {1, 1}},
                                       {"Conv2d_3b_1x1", 80, one},
                                       {"Conv2d_4a_3x3", 192, three}};
  return units;
}
bool pooled_after(std::string_view unit) {
  return unit == "Conv2d_2b_3x3" || unit == "Conv2d_4a_3x3";
}

const std::vector<Block>& blocks() {
  static const std::vector<Block> list{fine_block("Mixed_5b", 32),
                                       fine_block("Mixed_5c", 64),
                                       fine_block("Mixed_5d", 64),
                                       first_reduction("Mixed_6a"),
                                       middle_block("Mixed_6b", 128),
                                       middle_block("Mixed_6c", 160),
                                       middle_block("Mixed_6d", 160),
                                       middle_block("Mixed_6e", 192),
                                       second_reduction("Mixed_7a"),
                                       coarse_block("Mixed_7b", Pool::average),
                                       coarse_block("Mixed_7c", Pool::maximum)};
  return list;
}

Tensor apply_pool(const Tensor& x, Pool pool) {
  switch (pool) {
    case Pool::none:
      return x;
    case Pool::average:
      return at::avg_pool2d(x, {3, 3}, {1, 1}, {1, 1}, /*ceil_mode=*/false,
                            /*count_include_pad=*/false);
    case Pool::maximum:
      return at::max_pool2d(x, {3, 3}, {1, 1}, {1, 1});
    case Pool::strided_maximum:
      return at::max_pool2d(x, {3, 3}, {2, 2});
  }
  return x;
}

class Inception final : public FeatureNetwork {
 public:
  explicit Inception(const Weights& weights) {
    std::int64_t channels = 3;
    for (const Unit& unit : stem()) channels = load(weights, "", unit, channels);
    for (const Block& block : blocks()) channels = load(weights, block, channels);
    dimension_ = channels;
  }

  std::string name() const override { return "InceptionV3"; }
  bool published() const override { return true; }
  std::int64_t dimension() const override { return dimension_; }

  Tensor features(const Tensor& images) const override {
    constexpr std::int64_t side = 299, batch = 16;
    const at::NoGradGuard no_graph;
    return in_batches(images, batch, [&](const Tensor& some) {
      return run(at::upsample_bilinear2d(colour(displayed(some)), at::IntArrayRef{side, side},
                                         /*align_corners=*/false, std::nullopt));
    });
  }

 private:
  /// Loads a unit under "PREFIX.NAME" with its normalisation folded into the convolution; its
  /// outputs.
  std::int64_t load(const Weights& weights, const std::string& prefix, const Unit& unit,
                    std::int64_t inputs) {
    constexpr double epsilon = 1e-3;  // of its batch normalisations
    const std::string name = prefix + unit.name;
    const std::int64_t n = unit.outputs;
    const auto norm = [&](const char* part) { return weights.take(name + ".bn." + part, {n}); };
    const Tensor scale = norm("weight") / (norm("running_var") + epsilon).sqrt();
    const Tensor weight =
        weights.take(name + ".conv.weight", {n, inputs, unit.kernel[0], unit.kernel[1]});
    convolutions_[name] = {weight * scale.view({n, 1, 1, 1}),
                           norm("bias") - norm("running_mean") * scale,
                           unit.stride,
                           {unit.padding[0], unit.padding[1]}};
    return n;
  }

  std::int64_t load(const Weights& weights, const Block& block, std::int64_t inputs) {
    const std::string prefix = std::string(block.name) + ".";
    std::int64_t outputs = 0;
    for (const Branch& branch : block.branches) {
      std::int64_t channels = inputs;
      for (const Unit& unit : branch.units) channels = load(weights, prefix, unit, channels);
      if (branch.fork.empty()) outputs += channels;
      for (const Unit& unit : branch.fork) outputs += load(weights, prefix, unit, channels);
    }
    return outputs;
  }

  Tensor run(const Tensor& x, const std::string& prefix, const Unit& unit) const {
    return convolutions_.at(prefix + unit.name)(x).relu_();
  }

  Tensor run(const Tensor& x, const Block& block) const {
    const std::string prefix = std::string(block.name) + ".";
    std::vector<Tensor> outputs;
    for (const Branch& branch : block.branches) {
      Tensor y = apply_pool(x, branch.pool);
      for (const Unit& unit : branch.units) y = run(y, prefix, unit);
      if (branch.fork.empty()) outputs.push_back(y);
      for (const Unit& unit : branch.fork) outputs.push_back(run(y, prefix, unit));
    }
    return at::cat(outputs, 1);
  }

  /// Images [n, 3, 299, 299] in [-1, 1].
  Tensor run(Tensor x) const {
    for (const Unit& unit : stem()) {
      x = run(x, "", unit);
      if (pooled_after(unit.name)) x = apply_pool(x, Pool::strided_maximum);
    }
    for (const Block& block : blocks()) x = run(x, block);
    return x.mean(at::IntArrayRef{2, 3});
  }

  std::map<std::string, Convolution> convolutions_;
  std::int64_t dimension_ = 0;
};

}  // namespace

std::shared_ptr<const FeatureNetwork> inception_features(const Weights& weights) {
  return std::make_shared<Inception>(weights);
}

}  // namespace monge::features
