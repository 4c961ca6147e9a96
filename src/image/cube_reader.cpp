#include "monge/error.h"
#include "monge/image.h"
#include "monge/transport_map.h"

#include "descriptor.h"

#include <ATen/Parallel.h>

#include <charconv>
#include <numeric>

namespace monge {
namespace {

using Colour = std::array<float, 3>;

/// A table of colours, and the domain that it stands on.
struct Lut {
  int axes = 0;           ///< 3, or 1: one curve for each channel
  std::int64_t size = 0;  ///< points an axis
  Colour low{0, 0, 0}, high{1, 1, 1};
  std::vector<Colour> table;  ///< red fastest

  std::int64_t points() const { return axes == 1 ? size : size * size * size; }
};

/// A colour's place on one axis: the point at or below it, and how far it is from there.
struct Place {
  std::int64_t point;
  float rest;
};

class LutMap final : public TransportMap {
 public:
  explicit LutMap(Lut lut) : lut_(std::move(lut)) {}

  std::int64_t dimension() const override { return 3; }

  Tensor transport(const Tensor& x) const override {
    constexpr std::int64_t grain = 4096;
    const Tensor colours = x.to(at::kFloat).contiguous();
    Tensor moved = at::empty_like(colours);
    const float* from = colours.const_data_ptr<float>();
    float* to = moved.mutable_data_ptr<float>();
    at::parallel_for(0, colours.size(0), grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const Colour colour = at(from + 3 * i);
        std::ranges::copy(colour, to + 3 * i);
      }
    });
    return moved.to(x.scalar_type());
  }

 private:
  Place place(float value, int axis) const {
    const float share = (value - lut_.low[axis]) / (lut_.high[axis] - lut_.low[axis]);
    const float position = std::clamp(share, 0.0f, 1.0f) * static_cast<float>(lut_.size - 1);
    const auto point = std::min(static_cast<std::int64_t>(position), lut_.size - 2);
    return {point, position - static_cast<float>(point)};
  }

  Colour at(const float* colour) const {
    const std::array<Place, 3> places{place(colour[0], 0), place(colour[1], 1),
                                      place(colour[2], 2)};
    return lut_.axes == 1 ? on_curves(places) : in_tetrahedron(places);
  }

  Colour on_curves(const std::array<Place, 3>& places) const {
    Colour result;
    for (int axis = 0; axis < 3; ++axis) {
      const auto [point, rest] = places[axis];
      result[axis] = std::lerp(lut_.table[point][axis], lut_.table[point + 1][axis], rest);
    }
    return result;
  }

  /// From the cell's lowest corner to its highest along the axes in order of the rests: linear in
  /// each of the cell's six tetrahedra (Kasson, Nin, Plouffe and Hafner 1995).
  Colour in_tetrahedron(const std::array<Place, 3>& places) const {
    const std::array<std::int64_t, 3> steps{1, lut_.size, lut_.size * lut_.size};
    std::array<int, 3> order{0, 1, 2};
    std::ranges::sort(order, std::ranges::greater(), [&](int axis) { return places[axis].rest; });
    std::int64_t corner = 0;
    for (int axis = 0; axis < 3; ++axis) corner += places[axis].point * steps[axis];
    Colour result = lut_.table[corner];
    for (const int axis : order) {
      const Colour& before = lut_.table[corner];
      const Colour& after = lut_.table[corner += steps[axis]];
      for (int channel = 0; channel < 3; ++channel)
        result[channel] += places[axis].rest * (after[channel] - before[channel]);
    }
    return result;
  }

  Lut lut_;
};

std::vector<std::string_view> words_of(std::string_view line) {
  constexpr std::string_view blanks = " \t\r";
  std::vector<std::string_view> words;
  for (std::size_t at = 0; (at = line.find_first_not_of(blanks, at)) != std::string_view::npos;) {
    const std::size_t end = std::min(line.find_first_of(blanks, at), line.size());
    words.push_back(line.substr(at, end - at));
    at = end;
  }
  return words;
}

/// Reads the lines of a file one after the other.
class CubeParser {
 public:
  explicit CubeParser(std::string file) : file_(std::move(file)) {}

  void read(std::string_view line) {
    ++line_;
    const std::vector<std::string_view> words = words_of(line);
    if (words.empty() || words[0].starts_with('#')) return;
    if (std::string_view("0123456789+-.").find(words[0][0]) != std::string_view::npos)
      return read_colour(words);
    if (!lut_.table.empty()) fail_here("three numbers", in_quotes(words[0]));
    read_keyword(words);
  }

  Lut finish() && {
    if (lut_.axes == 0) fail(file_, "a line LUT_3D_SIZE or LUT_1D_SIZE", "none");
    if (std::ssize(lut_.table) != lut_.points())
      fail(file_, fmt::format("{} lines of three numbers", lut_.points()),
           fmt::format("{}", lut_.table.size()));
    for (int axis = 0; axis < 3; ++axis)
      if (!(lut_.low[axis] < lut_.high[axis]))
        fail(file_, "a domain whose least numbers are below its largest",
             fmt::format("{} to {}", lut_.low[axis], lut_.high[axis]));
    return std::move(lut_);
  }

 private:
  [[noreturn]] void fail_here(std::string_view expected, std::string_view got) const {
    fail(fmt::format("{}, line {}", file_, line_), expected, got);
  }

  std::vector<float> numbers(std::span<const std::string_view> words, std::size_t count) const {
    std::vector<float> numbers;
    for (std::string_view word : words) {
      if (word.starts_with('+')) word.remove_prefix(1);
      float number = 0;
      const auto [end, code] = std::from_chars(word.data(), word.data() + word.size(), number);
      if (code != std::errc() || end != word.data() + word.size() || !std::isfinite(number))
        fail_here("a number", in_quotes(word));
      numbers.push_back(number);
    }
    if (numbers.size() != count)
      fail_here(fmt::format("{} numbers", count), fmt::format("{}", numbers.size()));
    return numbers;
  }

  Colour colour(std::span<const std::string_view> words) const {
    const std::vector<float> three = numbers(words, 3);
    return {three[0], three[1], three[2]};
  }

  void read_colour(std::span<const std::string_view> words) {
    if (lut_.axes == 0) fail_here("LUT_3D_SIZE or LUT_1D_SIZE before the colours", "a colour");
    if (std::ssize(lut_.table) == lut_.points())
      fail_here(fmt::format("the end after {} colours", lut_.points()), "another one");
    lut_.table.push_back(colour(words));
  }

  void read_keyword(std::span<const std::string_view> words) {
    const std::string_view keyword = words[0];
    const auto rest = words.subspan(1);
    if (keyword == "TITLE") return;
    if (keyword == "LUT_3D_SIZE") return read_size(rest, 3, 256);
    if (keyword == "LUT_1D_SIZE") return read_size(rest, 1, 65536);
    if (keyword == "DOMAIN_MIN") {
      lut_.low = colour(rest);
    } else if (keyword == "DOMAIN_MAX") {
      lut_.high = colour(rest);
    } else if (keyword == "LUT_3D_INPUT_RANGE" || keyword == "LUT_1D_INPUT_RANGE") {
      const std::vector<float> range = numbers(rest, 2);
      lut_.low.fill(range[0]);
      lut_.high.fill(range[1]);
    } else {
      fail_here("TITLE, LUT_3D_SIZE, LUT_1D_SIZE, DOMAIN_MIN, DOMAIN_MAX or three numbers",
                in_quotes(keyword));
    }
  }

  void read_size(std::span<const std::string_view> words, int axes, int most) {
    if (lut_.axes != 0)
      fail_here("one table", "a second size; a curve before a 3-D LUT is not read");
    const float size = numbers(words, 1)[0];
    if (!(size >= 2 && size <= static_cast<float>(most)) || size != std::floor(size))
      fail_here(fmt::format("a size of 2 to {}", most), words[0]);
    lut_.axes = axes;
    lut_.size = static_cast<std::int64_t>(size);
  }

  std::string file_;
  std::int64_t line_ = 0;
  Lut lut_;
};

}  // namespace

bool is_cube_path(const std::filesystem::path& path) {
  std::string extension = path.extension().string();
  for (char& c : extension) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return extension == ".cube";
}

std::shared_ptr<const TransportMap> read_cube(const std::filesystem::path& path) {
  const std::string text = read_text(path);
  CubeParser parser(path.string());
  for (std::size_t from = 0; from < text.size();) {
    const std::size_t end = std::min(text.find('\n', from), text.size());
    parser.read(std::string_view(text).substr(from, end - from));
    from = end + 1;
  }
  return std::make_shared<LutMap>(std::move(parser).finish());
}

}  // namespace monge
