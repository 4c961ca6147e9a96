#include "arrays/npy_header.h"

#include "monge/error.h"

#include "descriptor.h"

#include <bit>
#include <charconv>

namespace monge {
namespace {

constexpr bool little_endian = std::endian::native == std::endian::little;

/// The header's text is a Python dictionary of a text, a bool and a tuple of integers. This reads
/// that much of Python's syntax and no more; nothing is evaluated.
class HeaderParser {
 public:
  HeaderParser(std::string_view where, std::string_view text) : where_(where), text_(text) {}

  BinaryLayout parse() {
    expect('{');
    while (!accept('}')) {
      const std::string key = text_literal();
      expect(':');
      value(key);
      if (!accept(',') && peek() != '}') malformed("',' or '}'");
    }
    skip_spaces();
    if (at_ != text_.size()) malformed("the end of the header");
    if (!has_type_ || !has_order_ || !has_shape_)
      fail(where_, "an npy header with descr, fortran_order and shape", in_quotes(text_));
    return layout_;
  }

 private:
  void value(const std::string& key) {
    if (key == "descr") {
      if (peek() == '[')
        fail(where_, "an array of plain numbers", "a structured array (fields with names)");
      set_type(text_literal());
      has_type_ = true;
    } else if (key == "fortran_order") {
      layout_.fortran = word() == "True";
      has_order_ = true;
    } else if (key == "shape") {
      set_shape();
      has_shape_ = true;
    } else {
      fail(where_, "an npy header with descr, fortran_order and shape",
           "the key " + in_quotes(key));
    }
  }

  void set_type(const std::string& descr) {
    struct Known {
      std::string_view name;
      at::ScalarType type;
    };
    static constexpr Known known[] = {
        {"b1", at::kBool},   {"i1", at::kChar}, {"i2", at::kShort},  {"i4", at::kInt},
        {"i8", at::kLong},   {"u1", at::kByte}, {"u2", at::kUInt16}, {"u4", at::kUInt32},
        {"u8", at::kUInt64}, {"f2", at::kHalf}, {"f4", at::kFloat},  {"f8", at::kDouble}};
    if (descr.size() < 2 || std::string_view("<>|=").find(descr[0]) == std::string_view::npos)
      refuse_type(descr);
    const std::string_view name = std::string_view(descr).substr(1);
    const auto found = std::ranges::find(known, name, &Known::name);
    if (found == std::end(known)) refuse_type(descr);
    layout_.type = found->type;
    layout_.swapped = descr[0] == (little_endian ? '>' : '<');
  }

  [[noreturn]] void refuse_type(const std::string& descr) const {
    const char kind = descr.size() > 1 ? descr[1] : ' ';
    std::string reason;
    if (kind == 'O') reason = "Python objects, which could run code when loaded";
    if (kind == 'U' || kind == 'S' || kind == 'a' || kind == 'T') reason = "texts";
    if (kind == 'c') reason = "complex numbers";
    if (kind == 'f') reason = "floats of a width that differs from machine to machine";
    if (kind == 'M' || kind == 'm') reason = "dates or durations";
    if (kind == 'V') reason = "raw bytes";
    fail(where_, "bool, integers, float16, float32 or float64",
         reason.empty() ? "dtype " + in_quotes(descr)
                        : fmt::format("{} (dtype {})", reason, in_quotes(descr)));
  }

  void set_shape() {
    expect('(');
    layout_.shape.clear();
    while (!accept(')')) {
      layout_.shape.push_back(integer());
      if (!accept(',') && peek() != ')') malformed("',' or ')'");
    }
  }

  std::int64_t integer() {
    skip_spaces();
    std::int64_t number = 0;
    const char* end = text_.data() + text_.size();
    const auto [next, code] = std::from_chars(text_.data() + at_, end, number);
    if (code != std::errc() || number < 0) malformed("a length of the shape");
    at_ = static_cast<std::size_t>(next - text_.data());
    if (at_ < text_.size() && text_[at_] == 'L') ++at_;  // files of Python 2
    return number;
  }

  std::string text_literal() {
    const char quote = peek();
    if (quote != '\'' && quote != '"') malformed("a text in quotes");
    const std::size_t end = text_.find(quote, at_ + 1);
    if (end == std::string_view::npos) malformed("a closing quote");
    const std::string_view inside = text_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
    return std::string(inside);
  }

  std::string_view word() {
    skip_spaces();
    for (const std::string_view candidate : {"True", "False"}) {
      if (!text_.substr(at_).starts_with(candidate)) continue;
      at_ += candidate.size();
      return candidate;
    }
    malformed("True or False");
  }

  void skip_spaces() { at_ = std::min(text_.find_first_not_of(" \t\r\n", at_), text_.size()); }

  char peek() {
    skip_spaces();
    return at_ < text_.size() ? text_[at_] : '\0';
  }

  bool accept(char symbol) {
    if (peek() != symbol || at_ >= text_.size()) return false;
    ++at_;
    return true;
  }

  void expect(char symbol) {
    if (!accept(symbol)) malformed(fmt::format("'{}'", symbol));
  }

  [[noreturn]] void malformed(std::string_view expected) const {
    fail(where_, fmt::format("{} in the npy header", expected), in_quotes(text_.substr(at_)));
  }

  std::string_view where_;
  std::string_view text_;
  std::size_t at_ = 0;
  BinaryLayout layout_;
  bool has_type_ = false;
  bool has_order_ = false;
  bool has_shape_ = false;
};

[[noreturn]] void fail_truncated(std::string_view where, std::uint64_t got) {
  fail(where, "a whole npy header", fmt::format("a file cut off at {} bytes", got));
}

}  // namespace

BinaryLayout read_npy_header(std::string_view where, ByteSource& source) {
  constexpr std::size_t longest_header = std::size_t{1} << 20;
  constexpr std::size_t version_at = npy_magic.size();
  std::array<char, version_at + 2> start{};
  if (source.size() < start.size()) fail_truncated(where, source.size());
  source.read(0, start.data(), start.size());
  const int version = static_cast<unsigned char>(start[version_at]);
  if (version < 1 || version > 3)
    fail(where, "npy version 1, 2 or 3", fmt::format("version {}", version));

  const std::size_t length_size = version == 1 ? 2 : 4;
  std::array<unsigned char, 4> length_bytes{};
  if (source.size() < start.size() + length_size) fail_truncated(where, source.size());
  source.read(start.size(), length_bytes.data(), length_size);
  std::size_t length = 0;
  for (std::size_t i = 0; i < length_size; ++i) length |= std::size_t{length_bytes[i]} << (8 * i);
  const std::size_t header_at = start.size() + length_size;
  if (length > longest_header)
    fail(where, "an npy header of at most 1 MiB", fmt::format("{} bytes", length));
  if (source.size() < header_at + length) fail_truncated(where, source.size());
  std::string text(length, '\0');
  source.read(header_at, text.data(), length);

  BinaryLayout layout = HeaderParser(where, text).parse();
  layout.offset = header_at + length;
  require_table(where, layout);
  if (source.size() - layout.offset != layout.bytes())
    fail(where,
         fmt::format("{} bytes of data for shape [{}]", layout.bytes(),
                     fmt::join(layout.shape, ", ")),
         fmt::format("{}", source.size() - layout.offset));
  return layout;
}

std::string npy_header(const std::vector<std::int64_t>& shape, at::ScalarType type) {
  constexpr std::size_t start_size = npy_magic.size() + 4;
  const std::string descr =
      type == at::kByte ? "|u1"
                        : fmt::format("{}f{}", little_endian ? '<' : '>', c10::elementSize(type));
  std::string text = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}{}), }}",
                                 descr, fmt::join(shape, ", "), shape.size() == 1 ? "," : "");
  if (text.size() > npy_header_size - start_size - 1)
    throw std::logic_error("an array of more sides than an npy header has room for");
  text.resize(npy_header_size - start_size - 1, ' ');
  text += '\n';
  std::string header(npy_magic);
  header += {1, 0, static_cast<char>(text.size() & 0xFF), static_cast<char>(text.size() >> 8)};
  return header + text;
}

}  // namespace monge
