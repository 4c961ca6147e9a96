#include "measures/gather.h"

namespace monge {
namespace {

constexpr std::size_t ahead = 16;  // rows asked of memory before they are copied

template <class Copy>
void gather(const float* rows, std::size_t d, std::span<const std::int64_t> indices, float* out,
            Copy copy) {
  for (std::size_t i = 0; i < indices.size(); ++i) {
    if (i + ahead < indices.size()) __builtin_prefetch(rows + indices[i + ahead] * d);
    copy(rows + indices[i] * d, out + i * d);
  }
}

template <std::size_t D>
void gather_small(const float* rows, std::span<const std::int64_t> indices, float* out) {
  gather(rows, D, indices, out, [](const float* from, float* to) { std::copy_n(from, D, to); });
}

}  // namespace

void gather_rows(const Tensor& rows, std::span<const std::int64_t> indices, std::span<float> out) {
  const auto d = static_cast<std::size_t>(rows.size(1));
  const float* from = rows.const_data_ptr<float>();
  switch (d) {
    case 1:
      return gather_small<1>(from, indices, out.data());
    case 2:
      return gather_small<2>(from, indices, out.data());
    case 3:
      return gather_small<3>(from, indices, out.data());
    default:
      gather(from, d, indices, out.data(),
             [d](const float* row, float* to) { std::copy_n(row, d, to); });
  }
}

}  // namespace monge
