#pragma once

#include "monge/error.h"

#include <vips/vips8>

#include <functional>
#include <string>
#include <string_view>
#include <utility>

namespace monge::image {

/// Starts libvips once for the process (safe from any thread), with one thread to a picture. Its
/// messages are silenced: what matters comes back as an Error.
void start_vips();

/// The first of libvips's complaints, a line each, the rest being its consequences; empties
/// libvips's error buffer.
std::string first_complaint(const std::string& complaints);

/// What libvips warned of while `work` ran. Callers run side by side; where there is a warning,
/// whosesoever, `work` runs once more and alone, so that what comes back is of its own.
std::string warnings_of(const std::function<void()>& work);

/// Runs `work`, turning a libvips error into Error("WHERE: expected EXPECTED, got COMPLAINT").
template <typename Work>
decltype(auto) with_vips(std::string_view where, std::string_view expected, Work&& work) {
  start_vips();
  vips_error_clear();
  try {
    return std::forward<Work>(work)();
  } catch (const vips::VError& error) {
    fail(where, expected, first_complaint(error.what()));
  }
}

}  // namespace monge::image
