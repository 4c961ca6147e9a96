#include "report/html.h"

#include "monge/error.h"

#include <glib.h>

namespace monge::html {

std::string escape(std::string_view text) {
  std::string escaped;
  escaped.reserve(text.size());
  for (const char c : text) switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      case '\'':
        escaped += "&#39;";
        break;
      default:
        escaped += c;
    }
  return escaped;
}

std::string base64(std::string_view bytes) {
  // g_base64_encode refuses a null pointer, which an empty view may hold.
  if (bytes.empty()) return "";
  const std::unique_ptr<char, decltype(&g_free)> encoded(
      g_base64_encode(reinterpret_cast<const guchar*>(bytes.data()), bytes.size()), g_free);
  return encoded.get();
}

std::string fill(std::string_view page,
                 const std::map<std::string_view, std::string_view>& values) {
  std::string filled;
  for (std::size_t at = 0;;) {
    const std::size_t open = page.find("{{", at);
    filled += page.substr(at, open - at);
    if (open == std::string_view::npos) return filled;
    const std::size_t close = page.find("}}", open);
    if (close == std::string_view::npos) fail("page template", "'}}' after '{{'", "its end");
    const std::string_view name = page.substr(open + 2, close - open - 2);
    const auto value = values.find(name);
    if (value == values.end()) fail("page template", "a value for every name", name);
    filled += value->second;
    at = close + 2;
  }
}

}  // namespace monge::html
