// The body of fmt, compiled once for the library and all that link it: in its header-only form
// every unit that formats a number would compile it again, two or three seconds a unit.
#include <fmt/format-inl.h>

FMT_BEGIN_NAMESPACE
namespace detail {
template FMT_API auto thousands_sep_impl<char>(locale_ref) -> thousands_sep_result<char>;
template FMT_API auto decimal_point_impl<char>(locale_ref) -> char;
template FMT_API auto dragonbox::to_decimal<float>(float) noexcept -> dragonbox::decimal_fp<float>;
template FMT_API auto dragonbox::to_decimal<double>(double) noexcept
    -> dragonbox::decimal_fp<double>;
}  // namespace detail
FMT_END_NAMESPACE
