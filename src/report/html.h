#pragma once

#include <map>
#include <string>
#include <string_view>

namespace monge::html {

/// `text` for an element or a quoted attribute: & < > " ' become references.
std::string escape(std::string_view text);

/// RFC 4648, with padding.
std::string base64(std::string_view bytes);

/// `page` with every {{name}} replaced by the value of that name. Values are not scanned again, so
/// a value that holds "{{...}}" stays as it is. Throws Error where a name has no value.
std::string fill(std::string_view page, const std::map<std::string_view, std::string_view>& values);

}  // namespace monge::html
