#include "arrays/rows.h"

#include "monge/error.h"

namespace monge {

Tensor allocate_rows(std::string_view where, std::int64_t k, std::int64_t d) {
  try {
    return at::empty({k, d}, at::kFloat);
  } catch (const c10::Error&) {
    const double gibibytes = 4.0 * static_cast<double>(k) * static_cast<double>(d) / (1 << 30);
    fail(where, fmt::format("{:.1f} GiB of memory for {} rows", gibibytes, k), "less");
  }
}

void require_count(std::string_view where, std::int64_t count) {
  if (count < 1) fail(where, "to be asked for at least one row", std::to_string(count));
}

std::optional<std::int64_t> first_not_finite(const Tensor& rows) {
  const std::span<const float> values(rows.data_ptr<float>(),
                                      static_cast<std::size_t>(rows.numel()));
  const auto found =
      std::ranges::find_if(values, [](float value) { return !std::isfinite(value); });
  if (found == values.end()) return std::nullopt;
  return found - values.begin();
}

}  // namespace monge
