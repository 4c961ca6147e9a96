#include "kernels/winograd.h"

#include "kernels/product.h"
#include "kernels/winograd_loops.h"

#include <ATen/Parallel.h>

namespace monge::kernels {
namespace {

using Size = std::int64_t;

constexpr Size edge = 4, reach = 6, products = reach * reach, taps = 9;
constexpr Size tiles_at_once = 64;        // a block's products stay in the cache
constexpr Size tiles_of_weights = 256;    // the same where the products are summed over tiles
constexpr Size weight_numbers = 5 << 19;  // of transformed weights at a time, 10 MB

/// The tiles of a batch of images, image by image and row by row.
struct Tiling {
  Size images, height, width;
  Size down = (height + edge - 1) / edge, across = (width + edge - 1) / edge;

  explicit Tiling(const Tensor& x) : images(x.size(0)), height(x.size(2)), width(x.size(3)) {}
  Size count() const { return images * down * across; }

  /// pixel(i, offset) for the side x side pixels of a tile, of which the first lies `before` pixels
  /// up and left of its corner; offset: the pixel's place among all, or -1 outside the image.
  template <class Pixel>
  void pixels(Size tile, Size side, Size before, Pixel pixel) const {
    const Size image = tile / (down * across), within = tile % (down * across);
    const Size top = within / across * edge - before, left = within % across * edge - before;
    for (Size i = 0; i < side * side; ++i) {
      const Size y = top + i / side, x = left + i % side;
      const bool inside = y >= 0 && y < height && x >= 0 && x < width;
      pixel(i, inside ? (image * height + y) * width + x : -1);
    }
  }
};

enum class Tap { as_stored, turned };

/// The weights [out, 3, 3, in] of the outputs from `first` and inputs from `first_in`, transformed
/// to [36, outs, ins]; turned: rotated by half a turn.
void transform_weights(const Tensor& weight, Size first, Size outs, Size first_in, Size ins,
                       Tap order, float* to) {
  const Size in = weight.size(3);
  const float* from = weight.const_data_ptr<float>();
  at::parallel_for(0, outs, 8, [&](Size begin, Size end) {
    for (Size o = begin; o < end; ++o) {
      const float* tap[taps];
      for (Size i = 0; i < taps; ++i) {
        const Size at = order == Tap::turned ? taps - 1 - i : i;
        tap[i] = from + ((first + o) * taps + at) * in + first_in;
      }
      winograd_loops().weight(ins, tap, to + o * ins, outs * ins);
    }
  });
}

using PixelTransform = void (*)(Size, const float* const*, float*, Size);

/// The products of tiles [first, first + count) of x to `to`, [36, step / channels, channels].
void transform_tiles(const Tiling& tiling, const Tensor& x, const std::vector<float>& outside,
                     PixelTransform transform, Size side, Size first, Size count, float* to,
                     Size step) {
  const Size channels = x.size(1);
  const float* from = x.const_data_ptr<float>();
  for (Size tile = 0; tile < count; ++tile) {
    const float* pixel[products];
    tiling.pixels(first + tile, side, (side - edge) / 2, [&](Size i, Size at) {
      pixel[i] = at < 0 ? outside.data() : from + at * channels;
    });
    transform(channels, pixel, to + tile * channels, step);
  }
}

/// The part of a convolution that gives the channels [first, first + count) of `out`, with
/// multiply(k, tiles, products of x, products of out) for each of the 36 products.
template <class Multiply>
void convolve_tiles(const Tensor& x, const float* bias, Tensor& out, Size first, Size count,
                    Multiply multiply) {
  const Tiling tiling(x);
  const Size in = x.size(1), out_channels = out.size(1);
  const std::vector<float> outside(in, 0.0f);
  float* to = out.data_ptr<float>();
  const Size threads = at::get_num_threads();
  const Size block = std::clamp<Size>((tiling.count() + threads - 1) / threads, 1, tiles_at_once);
  const Size blocks = (tiling.count() + block - 1) / block;
  at::parallel_for(0, blocks, 1, [&](Size begin, Size end) {
    const Tensor scratch = at::empty({products * block * (in + count)}, at::kFloat);
    float* inputs = scratch.data_ptr<float>();
    float* outputs = inputs + products * block * in;
    for (Size b = begin; b < end; ++b) {
      const Size from = b * block, tiles = std::min(block, tiling.count() - from);
      transform_tiles(tiling, x, outside, winograd_loops().input, reach, from, tiles, inputs,
                      block * in);
      for (Size k = 0; k < products; ++k)
        multiply(k, tiles, inputs + k * block * in, outputs + k * block * count);
      for (Size tile = 0; tile < tiles; ++tile) {
        float* pixel[edge * edge];
        tiling.pixels(from + tile, edge, 0, [&](Size i, Size at) {
          pixel[i] = at < 0 ? nullptr : to + at * out_channels + first;
        });
        winograd_loops().output(count, outputs + tile * count, block * count,
                                bias ? bias + first : nullptr, pixel);
      }
    }
  });
}

/// chunk(first, count) over `channels` in parts whose transformed weights with `others` stay small.
template <class Chunk>
void over_chunks(Size channels, Size others, Chunk chunk) {
  const Size parts = (products * channels * others + weight_numbers - 1) / weight_numbers;
  const Size count = (channels + parts - 1) / parts;
  for (Size first = 0; first < channels; first += count)
    chunk(first, std::min(count, channels - first));
}

Tensor images_like(const Tensor& x, Size channels) {
  return at::empty({x.size(0), channels, x.size(2), x.size(3)}, x.options(),
                   at::MemoryFormat::ChannelsLast);
}

bool pays(const Tensor& x, Size in, Size out, Size least_tiles) {
  constexpr Size least_channels = 32;
  return x.is_cpu() && x.scalar_type() == at::kFloat && std::min(in, out) >= least_channels &&
         Tiling(x).count() >= least_tiles;
}

}  // namespace

bool winograd_pays(const Tensor& x, Size in, Size out) { return pays(x, in, out, 16); }
bool winograd_pays_for_weight(const Tensor& x, Size in, Size out) { return pays(x, in, out, 64); }

Tensor winograd(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  const Size in = x.size(1), out = weight.size(0);
  Tensor result = images_like(x, out);
  over_chunks(out, in, [&](Size first, Size count) {
    const Tensor transformed = at::empty({products * count * in}, at::kFloat);
    float* weights = transformed.data_ptr<float>();
    transform_weights(weight, first, count, 0, in, Tap::as_stored, weights);
    convolve_tiles(x, bias.defined() ? bias.const_data_ptr<float>() : nullptr, result, first, count,
                   [&](Size k, Size tiles, const float* inputs, float* outputs) {
                     product(tiles, count, in, inputs, in, Transposed::no, weights + k * count * in,
                             in, Transposed::yes, 0.0f, outputs, count);
                   });
  });
  return result;
}

/// The derivative in x is the convolution of g with the weights turned by half a turn.
Tensor winograd_back(const Tensor& g, const Tensor& weight) {
  const Size in = weight.size(3), out = g.size(1);
  Tensor result = images_like(g, in);
  over_chunks(in, out, [&](Size first, Size count) {
    const Tensor transformed = at::empty({products * count * out}, at::kFloat);
    float* weights = transformed.data_ptr<float>();
    transform_weights(weight, 0, out, first, count, Tap::turned, weights);
    convolve_tiles(g, nullptr, result, first, count,
                   [&](Size k, Size tiles, const float* inputs, float* outputs) {
                     product(tiles, count, out, inputs, out, Transposed::no,
                             weights + k * count * out, count, Transposed::no, 0.0f, outputs,
                             count);
                   });
  });
  return result;
}

/// Gᵀ [Σ over the tiles of (A g Aᵀ)(Bᵀ d B)] G for each pair of channels.
Tensor winograd_weight_back(const Tensor& g, const Tensor& x) {
  const Tiling tiling(x);
  const Size in = x.size(1), out = g.size(1);
  const Size block = std::min(tiling.count(), tiles_of_weights);
  const std::vector<float> outside(std::max(in, out), 0.0f);
  const Tensor tiles_of_x = at::empty({products * block * in}, at::kFloat);
  const Tensor tiles_of_g = at::empty({products * block * out}, at::kFloat);
  const Tensor summed = at::empty({products * out * in}, at::kFloat);
  float *from_x = tiles_of_x.data_ptr<float>(), *from_g = tiles_of_g.data_ptr<float>();
  float* sums = summed.data_ptr<float>();
  for (Size first = 0; first < tiling.count(); first += block) {
    const Size tiles = std::min(block, tiling.count() - first);
    at::parallel_for(0, tiles, 8, [&](Size begin, Size end) {
      transform_tiles(tiling, x, outside, winograd_loops().input, reach, first + begin, end - begin,
                      from_x + begin * in, block * in);
      transform_tiles(tiling, g, outside, winograd_loops().output_back, edge, first + begin,
                      end - begin, from_g + begin * out, block * out);
    });
    at::parallel_for(0, products, 1, [&](Size begin, Size end) {
      for (Size k = begin; k < end; ++k)
        product(out, in, tiles, from_g + k * block * out, out, Transposed::yes,
                from_x + k * block * in, in, Transposed::no, first == 0 ? 0.0f : 1.0f,
                sums + k * out * in, in);
    });
  }
  Tensor result = at::empty({out, 3, 3, in}, at::kFloat);
  float* to = result.data_ptr<float>();
  at::parallel_for(0, out, 8, [&](Size begin, Size end) {
    for (Size o = begin; o < end; ++o) {
      float* tap[taps];
      for (Size i = 0; i < taps; ++i) tap[i] = to + (o * taps + i) * in;
      winograd_loops().weight_back(in, sums + o * in, out * in, tap);
    }
  });
  return result;
}

}  // namespace monge::kernels
