#pragma once

#include <vips/vips8>

#include <string>

namespace monge::image {

/// A lazy picture of three sRGB channels, then alpha where `image` has it, 8 or 16 bits as `image`.
///
/// An embedded ICC profile is applied (relative colorimetric with black point compensation, as
/// photo editors do by default); one that describes sRGB itself changes no pixel. Pictures without
/// a profile, or with one that cannot be used, are sRGB, or libvips's generic press for CMYK: what
/// viewers assume. Alpha is never touched. Of the metadata, EXIF (made true to sRGB), IPTC and the
/// resolution stay; the rest (profile, thumbnails, XMP edits, page lists) would describe pixels
/// that no longer exist. A picture that had a profile carries the sRGB one instead.
///
/// Throws Error for other depths (floating-point HDR, 32-bit) and channel counts.
vips::VImage to_srgb(const vips::VImage& image, const std::string& where);

}  // namespace monge::image
