#include "kernels/image_loops.h"

#include <algorithm>
#include <cstring>

namespace monge::kernels {

template <class T>
void ImageLoops<T>::residual(Size n, const T* __restrict x, T ratio, T slope, T* __restrict d) {
  for (Size i = 0; i < n; ++i) {
    const T a = x[i] + ratio * d[i];
    d[i] = a > 0 ? a : slope * a;
  }
}

template <class T>
void ImageLoops<T>::leaky(Size n, T slope, T* a) {
  for (Size i = 0; i < n; ++i) a[i] = a[i] > 0 ? a[i] : slope * a[i];
}

template <class T>
void ImageLoops<T>::sign_bits(Size n, const T* __restrict a, std::uint8_t* __restrict bits) {
  for (Size i = 0; i < n; i += 8) {
    unsigned byte = 0;
    const Size count = std::min<Size>(8, n - i);
    for (Size j = 0; j < count; ++j) byte |= static_cast<unsigned>(a[i + j] > 0) << j;
    bits[i / 8] = static_cast<std::uint8_t>(byte);
  }
}

template <class T>
void ImageLoops<T>::leaky_back(Size n, const T* g, const T* a, T scale, T slope, T* out) {
  const T below = scale * slope;
  for (Size i = 0; i < n; ++i) out[i] = g[i] * (a[i] > 0 ? scale : below);
}

template <class T>
void ImageLoops<T>::leaky_back(Size n, const T* g, const std::uint8_t* bits, T scale, T slope,
                               T* out) {
  T factors[256][8];
  for (int byte = 0; byte < 256; ++byte)
    for (int j = 0; j < 8; ++j) factors[byte][j] = (byte >> j) & 1 ? scale : scale * slope;
  Size i = 0;
  for (; i + 8 <= n; i += 8) {
    const T* factor = factors[bits[i / 8]];
    for (int j = 0; j < 8; ++j) out[i + j] = g[i + j] * factor[j];
  }
  for (Size j = 0; i + j < n; ++j) out[i + j] = g[i + j] * factors[bits[i / 8]][j];
}

template <class T>
void ImageLoops<T>::moments(Size rows, Size channels, const T* y, T* __restrict mean,
                            T* __restrict deviations) {
  std::fill_n(mean, channels, T(0));
  std::fill_n(deviations, channels, T(0));
  for (Size i = 0; i < rows; ++i) {
    const T* row = y + i * channels;
    for (Size j = 0; j < channels; ++j) mean[j] += row[j];
  }
  for (Size j = 0; j < channels; ++j) mean[j] /= static_cast<T>(rows);
  for (Size i = 0; i < rows; ++i) {
    const T* row = y + i * channels;
    for (Size j = 0; j < channels; ++j) {
      const T deviation = row[j] - mean[j];
      deviations[j] += deviation * deviation;
    }
  }
}

template <class T>
void ImageLoops<T>::scaled_relu(Size rows, Size channels, const T* y, const T* __restrict a,
                                const T* __restrict c, T* z) {
  for (Size i = 0; i < rows; ++i) {
    const T* row = y + i * channels;
    T* out = z + i * channels;
    for (Size j = 0; j < channels; ++j) {
      const T value = a[j] * row[j] + c[j];
      out[j] = value > 0 ? value : T(0);
    }
  }
}

template <class T>
void ImageLoops<T>::relu_sums(Size rows, Size channels, const T* g, const T* y,
                              const T* __restrict a, const T* __restrict c,
                              const T* __restrict mean, T* __restrict sums,
                              T* __restrict products) {
  for (Size i = 0; i < rows; ++i) {
    const T *g_row = g + i * channels, *y_row = y + i * channels;
    for (Size j = 0; j < channels; ++j) {
      const T gradient = g_row[j];  // read in any case, or the loop cannot be a vector's
      const T masked = a[j] * y_row[j] + c[j] > 0 ? gradient : T(0);
      sums[j] += masked;
      products[j] += masked * (y_row[j] - mean[j]);
    }
  }
}

template <class T>
void ImageLoops<T>::normalised_back(Size rows, Size channels, const T* g, const T* y,
                                    const T* __restrict a, const T* __restrict c,
                                    const T* __restrict k, const T* __restrict l, T* out) {
  for (Size i = 0; i < rows; ++i) {
    const T *g_row = g + i * channels, *y_row = y + i * channels;
    T* out_row = out + i * channels;
    for (Size j = 0; j < channels; ++j) {
      const T gradient = g_row[j];  // read in any case, or the loop cannot be a vector's
      const T masked = a[j] * y_row[j] + c[j] > 0 ? gradient : T(0);
      out_row[j] = a[j] * masked + k[j] * y_row[j] + l[j];
    }
  }
}

template <class T>
void ImageLoops<T>::max_pool(Size width, Size channels, const T* top, const T* bottom,
                             T* __restrict out, std::uint8_t* __restrict which) {
  for (Size i = 0; i < width; ++i) {
    const T *a = top + 2 * i * channels, *b = a + channels;
    const T *c = bottom + 2 * i * channels, *d = c + channels;
    T* largest = out + i * channels;
    std::uint8_t* index = which + i * channels;
    for (Size j = 0; j < channels; ++j) {
      const T upper = b[j] > a[j] ? b[j] : a[j], lower = d[j] > c[j] ? d[j] : c[j];
      const int above = b[j] > a[j] ? 1 : 0, below = d[j] > c[j] ? 3 : 2;
      largest[j] = lower > upper ? lower : upper;
      index[j] = static_cast<std::uint8_t>(lower > upper ? below : above);
    }
  }
}

template <class T>
void ImageLoops<T>::max_pool_back(Size width, Size channels, const T* g, const std::uint8_t* which,
                                  T* top, T* bottom) {
  for (Size i = 0; i < width; ++i) {
    const T* g_row = g + i * channels;
    const std::uint8_t* index = which + i * channels;
    T* targets[4] = {top + 2 * i * channels, top + (2 * i + 1) * channels,
                     bottom + 2 * i * channels, bottom + (2 * i + 1) * channels};
    for (int corner = 0; corner < 4; ++corner) {
      T* __restrict target = targets[corner];
      for (Size j = 0; j < channels; ++j) {
        const T gradient = g_row[j];
        target[j] = index[j] == corner ? gradient : T(0);
      }
    }
  }
}

template struct ImageLoops<float>;
template struct ImageLoops<double>;

}  // namespace monge::kernels
