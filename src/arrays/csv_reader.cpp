#include "monge/error.h"

#include "arrays/readers.h"
#include "arrays/rows.h"
#include "byte_source.h"
#include "descriptor.h"

#include <charconv>
#include <csv.h>
#include <exception>

namespace monge {
namespace {

constexpr std::size_t read_bytes = std::size_t{1} << 16;
constexpr std::size_t longest_cell = std::size_t{1} << 16;

/// The separator of a line: a tab or a ';' outside quotes wins over ',', which may be a decimal
/// comma there.
char find_separator(std::string_view line) {
  char found = ',';
  bool inside_quotes = false;
  for (const char symbol : line) {
    if (symbol == '"') inside_quotes = !inside_quotes;
    if (inside_quotes) continue;
    if (symbol == '\t') return '\t';
    if (symbol == ';') found = ';';
  }
  return found;
}

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

/// What a cell holds: a number, infinite where it is beyond float32; nothing where it is no number.
std::optional<float> parse_number(std::string_view cell) {
  std::string_view text = trimmed(cell);
  if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
  const char* end = text.data() + text.size();
  float number = 0;
  const auto [next, code] = std::from_chars(text.data(), end, number);
  if (next != end || code == std::errc::invalid_argument) return std::nullopt;
  if (code == std::errc()) return number;
  // Out of range is either too large or too small, and only the wider type can tell.
  double wide = 0;
  if (std::from_chars(text.data(), end, wide).ec == std::errc()) return static_cast<float>(wide);
  const bool tiny = text.find("e-") != text.npos || text.find("E-") != text.npos;
  return tiny ? 0.0F : std::numeric_limits<float>::infinity();
}

/// Turns the cells that the parser reports into rows of numbers. Its methods are called from C,
/// which no exception may cross: they keep it for throw_failure.
class RowBuilder {
 public:
  explicit RowBuilder(std::string path) : path_(std::move(path)) {}

  void cell(std::string_view text) noexcept {
    guarded([&] {
      after_return_ = false;
      if (cells_ == 0) row_line_ = line_;
      ++cells_;
      if (columns_ == 0)
        first_row_.emplace_back(text);
      else
        values_.push_back(number(text));
      line_ += std::ranges::count(text, '\n');  // lines inside quotes
    });
  }

  /// `symbol` ended a line: '\r', '\n', or -1 at the end of the file.
  void end(int symbol) noexcept {
    guarded([&] {
      if (cells_ > 0) finish_row();
      const bool second_of_pair = symbol == '\n' && after_return_;
      if (!second_of_pair) ++line_;
      after_return_ = symbol == '\r';
    });
  }

  void throw_failure() const {
    if (failure_) std::rethrow_exception(failure_);
  }

  std::int64_t line() const { return line_; }
  std::int64_t columns() const { return columns_; }  // 0 before the first row
  std::vector<float>& values() { return values_; }

 private:
  template <class Work>
  void guarded(const Work& work) noexcept {
    if (failure_) return;
    try {
      work();
    } catch (...) {
      failure_ = std::current_exception();
    }
  }

  std::string place() const { return fmt::format("{}, line {}", path_, row_line_); }
  std::string place(std::int64_t column) const {
    return fmt::format("{}, line {}, column {}", path_, line_, column);
  }

  float number(std::string_view text) const {
    const std::optional<float> value = parse_number(text);
    if (!value) fail_number(text);
    if (!std::isfinite(*value))
      fail(place(cells_), "a finite number that float32 can hold", in_quotes(text));
    return *value;
  }

  [[noreturn]] void fail_number(std::string_view text) const {
    const std::string_view shown = trimmed(text);
    if (shown.empty()) fail(place(cells_), "a number", "an empty cell");
    if (columns_ > 0 && cells_ > columns_)
      fail(place(), fmt::format("{} cells as in the first row", columns_), "more");
    std::string commas(shown);
    std::ranges::replace(commas, ',', '.');
    if (commas != shown && parse_number(commas))
      fail(place(cells_), "a number with a decimal point", in_quotes(shown));
    const bool spaces = parse_number(shown.substr(0, shown.find(' '))).has_value();
    fail(place(cells_), "a number",
         in_quotes(shown) + (spaces ? " (cells are separated by , ; or a tab)" : ""));
  }

  void finish_row() {
    const std::int64_t cells = std::exchange(cells_, 0);
    if (columns_ == 0) {
      columns_ = cells;
      take_first_row();
    } else if (cells != columns_) {
      fail(place(), fmt::format("{} cells as in the first row", columns_), std::to_string(cells));
    }
  }

  /// A first row without a single number names the columns; a row with some is data, so that a
  /// typing error is not taken for a header.
  void take_first_row() {
    const bool header = std::ranges::none_of(
        first_row_, [](const std::string& text) { return parse_number(text).has_value(); });
    for (const std::string& text : first_row_) {
      ++cells_;
      if (!header) {
        values_.push_back(number(text));
      } else if (trimmed(text).empty()) {
        fail(fmt::format("{}, column {}", place(), cells_),
             "a name in the header (a column of row numbers must be left out)", "an empty cell");
      }
    }
    cells_ = 0;
    first_row_.clear();
  }

  std::string path_;
  std::exception_ptr failure_;
  std::vector<std::string> first_row_;
  std::vector<float> values_;
  std::int64_t columns_ = 0;
  std::int64_t cells_ = 0;  // of the current row
  std::int64_t line_ = 1;
  std::int64_t row_line_ = 1;
  bool after_return_ = false;
};

extern "C" {
static void on_cell(void* text, std::size_t length, void* rows) {
  static_cast<RowBuilder*>(rows)->cell({static_cast<const char*>(text), length});
}
static void on_end(int symbol, void* rows) { static_cast<RowBuilder*>(rows)->end(symbol); }
}

class CsvReader final : public ArrayReader {
 public:
  explicit CsvReader(const ArrayLocation& location)
      : where_(location.text), source_(location.path), rows_(where_) {
    if (csv_init(&parser_, CSV_REPALL_NL) != 0) throw std::bad_alloc();
    try {
      start();
    } catch (...) {
      csv_free(&parser_);
      throw;
    }
  }
  ~CsvReader() override { csv_free(&parser_); }

  std::optional<std::int64_t> rows() const override { return std::nullopt; }
  std::int64_t columns() const override { return rows_.columns(); }

  Tensor next(std::int64_t count) override {
    require_count(where_, count);
    while (waiting() < count && !ended_) feed();
    const std::int64_t k = std::min(count, waiting());
    Tensor result = allocate_rows(where_, k, columns());
    const auto first = rows_.values().begin() + taken_;
    std::copy(first, first + k * columns(), result.data_ptr<float>());
    taken_ += k * columns();
    drop_taken();
    return result;
  }

 private:
  void start() {
    const std::string head = read_head(source_);
    const std::string content = content_name(head);
    if (content != "text" && content != "unknown bytes") fail(where_, "a csv table", content);
    if (head.find('\0') != head.npos) fail(where_, "a csv table", "binary data");
    if (head.starts_with("\xEF\xBB\xBF")) offset_ = 3;
    csv_set_delim(&parser_, static_cast<unsigned char>(find_separator(first_line())));
    while (rows_.columns() == 0 && !ended_) feed();
    if (rows_.columns() == 0) fail(where_, "a csv table", "blank lines only");
  }

  /// The first line with something on it, as far as its first block.
  std::string first_line() {
    std::string text(
        static_cast<std::size_t>(std::min<std::uint64_t>(read_bytes, source_.size() - offset_)),
        '\0');
    source_.read(offset_, text.data(), text.size());
    const std::size_t begin = std::min(text.find_first_not_of(" \r\n"), text.size());
    return text.substr(begin, text.find_first_of("\r\n", begin) - begin);
  }

  /// Whole rows that are parsed and not yet given out.
  std::int64_t waiting() {
    return (static_cast<std::int64_t>(rows_.values().size()) - taken_) / columns();
  }

  /// Parses the next block of the file.
  void feed() {
    std::array<char, read_bytes> block;  // NOLINT(*-member-init): filled by the read
    const auto count =
        static_cast<std::size_t>(std::min<std::uint64_t>(block.size(), source_.size() - offset_));
    source_.read(offset_, block.data(), count);
    offset_ += count;
    if (csv_parse(&parser_, block.data(), count, on_cell, on_end, &rows_) != count)
      fail(where_, "a csv table", csv_strerror(csv_error(&parser_)));
    rows_.throw_failure();
    if (parser_.entry_pos > longest_cell)
      fail(fmt::format("{}, line {}", where_, rows_.line()), "short cells",
           "a very long one (a quote that is not closed?)");
    if (offset_ < source_.size()) return;
    ended_ = true;
    // Strict only here: a stray quote in a header is harmless, one that never closes is not.
    csv_set_opts(&parser_, CSV_REPALL_NL | CSV_STRICT | CSV_STRICT_FINI);
    if (csv_fini(&parser_, on_cell, on_end, &rows_) != 0)
      fail(fmt::format("{}, line {}", where_, rows_.line()), "a closing quote",
           "the end of the file");
    rows_.throw_failure();
  }

  /// Frees what was given out once it outweighs the rest, so that moving costs little.
  void drop_taken() {
    std::vector<float>& values = rows_.values();
    if (taken_ * 2 < static_cast<std::int64_t>(values.size())) return;
    values.erase(values.begin(), values.begin() + taken_);
    taken_ = 0;
  }

  std::string where_;
  FileSource source_;
  RowBuilder rows_;
  csv_parser parser_{};
  std::uint64_t offset_ = 0;
  std::int64_t taken_ = 0;  // numbers of rows_.values() that next() gave out
  bool ended_ = false;
};

}  // namespace

std::unique_ptr<ArrayReader> open_csv(const ArrayLocation& location) {
  return std::make_unique<CsvReader>(location);
}

}  // namespace monge
