#include "kernels/image_passes.h"

#include "kernels/image_loops.h"

#include <ATen/Parallel.h>

namespace monge::kernels {
namespace {

using Size = std::int64_t;

constexpr Size grain = 1 << 15;    // numbers that are worth a thread
constexpr Size rows_at_once = 64;  // of an activation, so that they stay in the cache

template <class Body>
void dispatch(const Tensor& tensor, Body body) {
  if (tensor.scalar_type() == at::kDouble)
    body(double{});
  else
    body(float{});
}

/// body(from, to) over shares of `n` numbers that begin at multiples of 8.
template <class Body>
void share(Size n, Body body) {
  const Size eighths = (n + 7) / 8;
  at::parallel_for(0, eighths, grain / 8,
                   [&](Size from, Size to) { body(8 * from, std::min(8 * to, n)); });
}

template <class Body>
void share_rows(const Tensor& y, Body body) {
  const Size channels = y.size(1), rows = y.numel() / channels;
  at::parallel_for(0, rows, std::max<Size>(1, grain / channels), body);
}

/// What `body(first row, rows, out)` leaves in 2 c numbers for each block of rows, [blocks, 2 c];
/// it does not depend on the threads.
template <class T, class Body>
Tensor over_blocks(const Tensor& y, Body body) {
  const Size channels = y.size(1), rows = y.numel() / channels;
  const Size blocks = (rows + rows_at_once - 1) / rows_at_once;
  const Tensor parts = at::zeros({blocks, 2 * channels}, y.options().memory_format(std::nullopt));
  T* to = parts.data_ptr<T>();
  at::parallel_for(0, blocks, std::max<Size>(1, grain / (rows_at_once * channels)),
                   [&](Size from, Size end) {
                     for (Size block = from; block < end; ++block) {
                       const Size first = block * rows_at_once;
                       body(first, std::min(rows_at_once, rows - first), to + block * 2 * channels);
                     }
                   });
  return parts;
}

}  // namespace

Tensor channels_last(const Tensor& images) {
  return images.contiguous(at::MemoryFormat::ChannelsLast);
}

Tensor rows_of(const Tensor& images) {
  return images.permute({0, 2, 3, 1}).view({-1, images.size(1)});
}

void residual_leaky_(Tensor& d, const Tensor& x, double ratio, double slope) {
  dispatch(d, [&](auto zero) {
    using T = decltype(zero);
    const T* from = x.const_data_ptr<T>();
    T* to = d.data_ptr<T>();
    share(d.numel(), [&](Size begin, Size end) {
      ImageLoops<T>::residual(end - begin, from + begin, T(ratio), T(slope), to + begin);
    });
  });
}

void leaky_(Tensor& a, double slope) {
  dispatch(a, [&](auto zero) {
    using T = decltype(zero);
    T* to = a.data_ptr<T>();
    share(a.numel(),
          [&](Size begin, Size end) { ImageLoops<T>::leaky(end - begin, T(slope), to + begin); });
  });
}

Signs Signs::packed(const Tensor& activation) {
  const Tensor bits = at::empty({(activation.numel() + 7) / 8}, at::kByte);
  dispatch(activation, [&](auto zero) {
    using T = decltype(zero);
    const T* from = activation.const_data_ptr<T>();
    std::uint8_t* to = bits.data_ptr<std::uint8_t>();
    share(activation.numel(), [&](Size begin, Size end) {
      ImageLoops<T>::sign_bits(end - begin, from + begin, to + begin / 8);
    });
  });
  return Signs(bits);
}

void Signs::back(const Tensor& g, double scale, double slope, Tensor& out) const {
  dispatch(g, [&](auto zero) {
    using T = decltype(zero);
    const T* from = g.const_data_ptr<T>();
    T* to = out.data_ptr<T>();
    share(g.numel(), [&](Size begin, Size end) {
      const auto pass = [&](const auto* signs) {
        ImageLoops<T>::leaky_back(end - begin, from + begin, signs, T(scale), T(slope), to + begin);
      };
      if (stored_.scalar_type() == at::kByte)
        pass(stored_.const_data_ptr<std::uint8_t>() + begin / 8);
      else
        pass(stored_.const_data_ptr<T>() + begin);
    });
  });
}

Tensor Signs::back(const Tensor& g, double scale, double slope) const {
  Tensor out = at::empty_like(g);
  back(g, scale, slope, out);
  return out;
}

void Signs::back_(Tensor& g, double scale, double slope) const { back(g, scale, slope, g); }

Tensor Signs::factors(const Tensor& like, double slope) const {
  const at::NoGradGuard no_graph;
  return back(at::ones_like(like), 1.0, slope);
}

/// The moments of blocks of rows, put together as in Chan, Golub & LeVeque 1979.
Moments moments_of(const Tensor& y) {
  const Size channels = y.size(1), rows = y.numel() / channels;
  Moments moments;
  dispatch(y, [&](auto zero) {
    using T = decltype(zero);
    const T* from = y.const_data_ptr<T>();
    const Tensor parts = over_blocks<T>(y, [&](Size first, Size count, T* out) {
      ImageLoops<T>::moments(count, channels, from + first * channels, out, out + channels);
    });
    const Tensor whole = parts.to(at::kDouble).view({-1, 2, channels});
    Tensor counts = at::full({whole.size(0), 1}, rows_at_once, at::kDouble);
    counts[-1] = rows - rows_at_once * (whole.size(0) - 1);
    const Tensor means = whole.select(1, 0);
    const Tensor mean = (counts * means).sum(0) / rows;
    const Tensor between = (counts * (means - mean).square()).sum(0);
    moments = {mean.to(y.scalar_type()),
               ((whole.select(1, 1).sum(0) + between) / rows).to(y.scalar_type())};
  });
  return moments;
}

Normalisation normalisation(const Tensor& mean, const Tensor& variance, const Tensor& scale,
                            const Tensor& shift, double epsilon) {
  Normalisation norm{mean, (variance + epsilon).rsqrt(), {}, {}};
  norm.a = scale * norm.inverse_deviation;
  norm.c = shift - norm.a * mean;
  return norm;
}

namespace {

void scaled_relu(const Tensor& y, const Normalisation& norm, Tensor& z) {
  const Size channels = y.size(1);
  dispatch(y, [&](auto zero) {
    using T = decltype(zero);
    const T *from = y.const_data_ptr<T>(), *a = norm.a.const_data_ptr<T>();
    const T* c = norm.c.const_data_ptr<T>();
    T* to = z.data_ptr<T>();
    share_rows(y, [&](Size begin, Size end) {
      ImageLoops<T>::scaled_relu(end - begin, channels, from + begin * channels, a, c,
                                 to + begin * channels);
    });
  });
}

}  // namespace

Tensor normalised_relu(const Tensor& y, const Normalisation& norm) {
  Tensor z = at::empty_like(y);
  scaled_relu(y, norm, z);
  return z;
}

void normalised_relu_(Tensor& y, const Normalisation& norm) { scaled_relu(y, norm, y); }

/// With m the rows' mask, u = (y - mean) / deviation and bars for means over all rows:
/// dy = a (m g - bar(m g) - u bar(m g u)), an affine function of y and of m g.
NormalisedBack normalised_relu_back(const Tensor& g, const Tensor& y, const Normalisation& norm,
                                    Reuse reuse) {
  const Size channels = y.size(1), rows = y.numel() / channels;
  NormalisedBack back{reuse == Reuse::in_place ? g : at::empty_like(y), {}, {}};
  dispatch(y, [&](auto zero) {
    using T = decltype(zero);
    const T *g_from = g.const_data_ptr<T>(), *y_from = y.const_data_ptr<T>();
    const T *a = norm.a.const_data_ptr<T>(), *c = norm.c.const_data_ptr<T>();
    const T* mean = norm.mean.const_data_ptr<T>();
    const Tensor parts = over_blocks<T>(y, [&](Size first, Size count, T* out) {
      ImageLoops<T>::relu_sums(count, channels, g_from + first * channels,
                               y_from + first * channels, a, c, mean, out, out + channels);
    });
    const Tensor sums = parts.sum(0, false, at::kDouble).to(y.scalar_type()).view({2, channels});
    back.shift = sums[0];
    back.scale = sums[1] * norm.inverse_deviation;
    const Tensor k = -norm.a * norm.inverse_deviation * back.scale / rows;
    const Tensor l = -norm.a * back.shift / rows - k * norm.mean;
    const T *k_from = k.const_data_ptr<T>(), *l_from = l.const_data_ptr<T>();
    T* to = back.y.data_ptr<T>();
    share_rows(y, [&](Size begin, Size end) {
      const Size at = begin * channels;
      ImageLoops<T>::normalised_back(end - begin, channels, g_from + at, y_from + at, a, c, k_from,
                                     l_from, to + at);
    });
  });
  return back;
}

namespace {

/// body(row of the result, its first number, the first number of the two rows above it).
template <class Body>
void over_pooled_rows(const Tensor& pooled, Body body) {
  const Size rows = pooled.size(0) * pooled.size(2), width = pooled.size(3);
  const Size length = width * pooled.size(1);
  at::parallel_for(0, rows, std::max<Size>(1, grain / (4 * length)), [&](Size from, Size to) {
    for (Size row = from; row < to; ++row) body(row * length, 4 * row * length, 2 * length);
  });
}

}  // namespace

std::pair<Tensor, Tensor> max_pool(const Tensor& x) {
  const Size channels = x.size(1), width = x.size(3) / 2;
  const Tensor out = at::empty({x.size(0), channels, x.size(2) / 2, width}, x.options(),
                               at::MemoryFormat::ChannelsLast);
  const Tensor which = at::empty_like(out, at::kByte);
  dispatch(x, [&](auto zero) {
    using T = decltype(zero);
    const T* from = x.const_data_ptr<T>();
    T* to = out.data_ptr<T>();
    std::uint8_t* index = which.data_ptr<std::uint8_t>();
    over_pooled_rows(out, [&](Size at, Size top, Size line) {
      ImageLoops<T>::max_pool(width, channels, from + top, from + top + line, to + at, index + at);
    });
  });
  return {out, which};
}

Tensor max_pool_back(const Tensor& g, const Tensor& which) {
  const Size channels = g.size(1), width = g.size(3);
  const Tensor out = at::empty({g.size(0), channels, 2 * g.size(2), 2 * width}, g.options(),
                               at::MemoryFormat::ChannelsLast);
  dispatch(g, [&](auto zero) {
    using T = decltype(zero);
    const T* from = g.const_data_ptr<T>();
    T* to = out.data_ptr<T>();
    const std::uint8_t* index = which.const_data_ptr<std::uint8_t>();
    over_pooled_rows(g, [&](Size at, Size top, Size line) {
      ImageLoops<T>::max_pool_back(width, channels, from + at, index + at, to + top,
                                   to + top + line);
    });
  });
  return out;
}

}  // namespace monge::kernels
