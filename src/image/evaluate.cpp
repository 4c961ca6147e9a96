#include "image/evaluate.h"

#include "monge/error.h"

#include <limits>

namespace monge::image {

// Plain loops: a block is too small for thread-parallel tensor operations to pay.
std::vector<float> evaluate(const ColourFunction& map, const Tensor& colours,
                            const std::string& where) {
  Tensor mapped = map(colours);
  if (!mapped.defined() || mapped.sizes() != colours.sizes())
    fail(where, "a colour map that returns " + shape_text(colours),
         mapped.defined() ? shape_text(mapped) : "no tensor");
  mapped = mapped.detach().to(at::kCPU, at::kFloat).contiguous();
  const std::span values(mapped.const_data_ptr<float>(), static_cast<std::size_t>(mapped.numel()));
  if (!std::ranges::all_of(values, [](float value) { return std::isfinite(value); }))
    fail(where, "a colour map with finite values", "infinity or NaN");
  std::vector<float> clipped(values.size());
  std::ranges::transform(values, clipped.begin(),
                         [](float value) { return std::clamp(value, 0.0f, 1.0f); });
  return clipped;
}

template <typename Channel>
void evaluate_levels(const ColourFunction& map, std::span<const Channel> levels,
                     std::span<Channel> mapped, const std::string& where) {
  constexpr auto full = static_cast<float>(std::numeric_limits<Channel>::max());
  for (std::size_t first = 0; first < levels.size(); first += kBlock * 3) {
    const auto block =
        levels.subspan(first, std::min<std::size_t>(kBlock * 3, levels.size() - first));
    Tensor colours = at::empty({static_cast<std::int64_t>(block.size() / 3), 3}, at::kFloat);
    float* in = colours.mutable_data_ptr<float>();
    for (std::size_t i = 0; i < block.size(); ++i) in[i] = static_cast<float>(block[i]) / full;
    const std::vector<float> out = evaluate(map, colours, where);
    for (std::size_t i = 0; i < block.size(); ++i)
      // Not negative, so that this rounds to the nearest, and as a vector.
      mapped[first + i] =
          static_cast<Channel>(out[i] * full + 0.5f);  // NOLINT(bugprone-incorrect-roundings)
  }
}

template void evaluate_levels(const ColourFunction&, std::span<const std::uint8_t>,
                              std::span<std::uint8_t>, const std::string&);
template void evaluate_levels(const ColourFunction&, std::span<const std::uint16_t>,
                              std::span<std::uint16_t>, const std::string&);

}  // namespace monge::image
