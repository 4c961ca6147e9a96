#include "networks/coder.h"

#include "monge/networks/mlp.h"

#include "kernels/convolution.h"
#include "networks/initial.h"

namespace monge::networks {
namespace {

constexpr double slope = 0.2;
constexpr std::int64_t side = 4, taps = side * side, stride = 2, padding = 1;

class DenseCoder final : public Coder {
 public:
  DenseCoder(std::int64_t inputs, std::int64_t outputs, std::vector<std::int64_t> hidden,
             Random& random)
      : network_(inputs, outputs, {.hidden = std::move(hidden)}, random) {}

  Tensor forward(const Tensor& rows, Graph graph) const override {
    return network_.forward(rows, graph);
  }
  State parameters() const override { return network_.parameters(); }

 private:
  Mlp network_;
};

struct Layer {
  Tensor weight, bias;
};

/// An image's shape at one of its sizes.
struct Level {
  std::int64_t channels, height, width;

  std::int64_t numbers() const { return channels * height * width; }
};

std::vector<Level> levels_of(const std::vector<std::int64_t>& shape, std::int64_t width) {
  constexpr std::int64_t most = 8;  // times the width
  std::vector<Level> levels{{shape[0], shape[1], shape[2]}};
  for (std::int64_t channels = width;
       std::min(levels.back().height, levels.back().width) >= least_coded_side;
       channels = std::min(2 * channels, most * width))
    levels.push_back({channels, levels.back().height / 2, levels.back().width / 2});
  return levels;
}

Layer affine_layer(std::int64_t inputs, std::int64_t outputs, Random& random) {
  return {trainable(uniform_start({outputs, inputs}, inputs, random), at::kFloat),
          trainable(uniform_start({outputs}, inputs, random), at::kFloat)};
}

/// What convolutional halves share: the sizes, a layer between every two of them and the affine
/// weights beside the code.
class Convolutions : public Coder {
 public:
  State parameters() const override {
    State state{{"code.weight", code_.weight}, {"code.bias", code_.bias}};
    for (std::size_t k = 0; k < layers_.size(); ++k) {
      state[fmt::format("layer.{}.weight", k)] = layers_[k].weight;
      state[fmt::format("layer.{}.bias", k)] = layers_[k].bias;
    }
    return state;
  }

 protected:
  Convolutions(const std::vector<std::int64_t>& shape, std::int64_t width)
      : levels_(levels_of(shape, width)) {}

  /// A layer with weights [rows, 4, 4, columns] and so many numbers behind each output.
  void add_layer(std::int64_t rows, std::int64_t columns, std::int64_t outputs, std::int64_t inputs,
                 Random& random) {
    layers_.push_back(
        {trainable(uniform_start({rows, side, side, columns}, inputs, random), at::kFloat),
         trainable(uniform_start({outputs}, inputs, random), at::kFloat)});
  }

  std::vector<Level> levels_;  // from the image to the coarsest one
  std::vector<Layer> layers_;
  Layer code_;
};

class ConvolutionalEncoder final : public Convolutions {
 public:
  ConvolutionalEncoder(const std::vector<std::int64_t>& shape, std::int64_t outputs,
                       std::int64_t width, Random& random)
      : Convolutions(shape, width) {
    for (std::size_t k = 0; k + 1 < levels_.size(); ++k)
      add_layer(levels_[k + 1].channels, levels_[k].channels, levels_[k + 1].channels,
                taps * levels_[k].channels, random);
    code_ = affine_layer(levels_.back().numbers(), outputs, random);
  }

  Tensor forward(const Tensor& rows, Graph graph) const override {
    const at::AutoGradMode mode(graph == Graph::create);
    const Level& image = levels_.front();
    Tensor z = rows.reshape({-1, image.channels, image.height, image.width})
                   .contiguous(at::MemoryFormat::ChannelsLast);
    for (const Layer& layer : layers_)
      z = at::leaky_relu(
          at::conv2d(z, kernels::as_filters(layer.weight), layer.bias, stride, padding), slope);
    return at::addmm(code_.bias, z.permute({0, 2, 3, 1}).flatten(1), code_.weight.t());
  }
};

class ConvolutionalDecoder final : public Convolutions {
 public:
  ConvolutionalDecoder(std::int64_t inputs, const std::vector<std::int64_t>& shape,
                       std::int64_t width, Random& random)
      : Convolutions(shape, width) {
    code_ = affine_layer(inputs, levels_.back().numbers(), random);
    for (std::size_t k = levels_.size() - 1; k > 0; --k)
      add_layer(levels_[k].channels, levels_[k - 1].channels, levels_[k - 1].channels,
                taps / (stride * stride) * levels_[k].channels, random);
  }

  Tensor forward(const Tensor& rows, Graph graph) const override {
    const at::AutoGradMode mode(graph == Graph::create);
    const Level& coarse = levels_.back();
    Tensor z = at::addmm(code_.bias, rows, code_.weight.t())
                   .view({-1, coarse.height, coarse.width, coarse.channels})
                   .permute({0, 3, 1, 2});
    for (std::size_t k = 0; k < layers_.size(); ++k) {
      const Level& finer = levels_[levels_.size() - 2 - k];
      z = at::conv_transpose2d(at::leaky_relu(z, slope), kernels::as_filters(layers_[k].weight),
                               layers_[k].bias, stride, padding,
                               {finer.height % stride, finer.width % stride});
    }
    return z.flatten(1);
  }
};

}  // namespace

std::unique_ptr<Coder> dense_coder(std::int64_t inputs, std::int64_t outputs,
                                   std::vector<std::int64_t> hidden, Random& random) {
  return std::make_unique<DenseCoder>(inputs, outputs, std::move(hidden), random);
}

std::unique_ptr<Coder> convolutional_encoder(const std::vector<std::int64_t>& shape,
                                             std::int64_t outputs, std::int64_t width,
                                             Random& random) {
  return std::make_unique<ConvolutionalEncoder>(shape, outputs, width, random);
}

std::unique_ptr<Coder> convolutional_decoder(std::int64_t inputs,
                                             const std::vector<std::int64_t>& shape,
                                             std::int64_t width, Random& random) {
  return std::make_unique<ConvolutionalDecoder>(inputs, shape, width, random);
}

}  // namespace monge::networks
