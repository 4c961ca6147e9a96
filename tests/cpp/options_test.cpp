#include "monge/options.h"

#include "monge/registry.h"

namespace monge {
namespace {

struct Plain {
  bool flag = true;
  std::int64_t count = 3;
  double weight = 0.5;
  std::string word = "red";
  std::vector<std::int64_t> widths = {1, 2};
};

Declaration<Plain> declaration() {
  return Declaration<Plain>("solver", "plain", "A test.", "")
      .option("flag", &Plain::flag, "A flag.")
      .option("count", &Plain::count, "A count.", between(1, 10))
      .option("weight", &Plain::weight, "A weight.", above(0))
      .option("word", &Plain::word, "A word.", one_of({"red", "green"}))
      .option("widths", &Plain::widths, "Widths.", at_least(1));
}

std::string message(const Table& table) {
  try {
    declaration().read(table, "solver");
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(Options, ReadsWhatItWrites) {
  const Plain given{false, 7, 2.5, "green", {4, 5, 6}};
  const Plain read = declaration().read(declaration().write(given), "solver");
  EXPECT_EQ(read.flag, given.flag);
  EXPECT_EQ(read.count, given.count);
  EXPECT_EQ(read.weight, given.weight);
  EXPECT_EQ(read.word, given.word);
  EXPECT_EQ(read.widths, given.widths);
}

TEST(Options, MissingKeysKeepTheirDefaults) {
  const Plain read = declaration().read({{"count", std::int64_t{9}}}, "solver");
  EXPECT_EQ(read.count, 9);
  EXPECT_EQ(read.weight, 0.5);
}

TEST(Options, ConvertsOnlyWhereNothingIsLost) {
  EXPECT_EQ(declaration().read({{"weight", std::int64_t{2}}}, "solver").weight, 2.0);
  EXPECT_EQ(declaration().read({{"count", 4.0}}, "solver").count, 4);
  EXPECT_EQ(message({{"count", 4.5}}), "solver.count: expected an integer, got number 4.5");
  EXPECT_EQ(message({{"weight", std::string("x")}}),
            "solver.weight: expected a number, got text \"x\"");
}

TEST(Options, NamesTheNearestKey) {
  EXPECT_EQ(message({{"wieght", 1.0}}), "solver: unknown key 'wieght'; did you mean 'weight'?");
}

TEST(Options, HoldsEveryKindOfBound) {
  EXPECT_EQ(message({{"count", std::int64_t{11}}}), "solver.count: expected 1 to 10, got 11");
  EXPECT_EQ(message({{"weight", 0.0}}), "solver.weight: expected above 0, got 0");
  EXPECT_EQ(message({{"weight", std::nan("")}}),
            "solver.weight: expected a finite number, above 0, got nan");
  EXPECT_EQ(message({{"weight", std::numeric_limits<double>::infinity()}}),
            "solver.weight: expected a finite number, above 0, got inf");
  EXPECT_EQ(message({{"word", std::string("blue")}}),
            "solver.word: expected red | green, got \"blue\"");
  EXPECT_EQ(message({{"widths", std::vector<std::int64_t>{3, 0}}}),
            "solver.widths: expected at least 1, got [3, 0]");
}

/// A value just outside each end of each declared bound of every part is refused by name.
TEST(Options, EveryDeclaredBoundIsEnforced) {
  int checked_bounds = 0;
  for (const PartInfo& part : all_parts()) {
    for (const OptionInfo& option : part.options) {
      const auto refuses = [&](const Value& value) {
        try {
          checked(value, option, part.name);
        } catch (const Error& error) {
          ++checked_bounds;
          return std::string(error.what())
              .starts_with(part.name + "." + option.name + ": expected ");
        }
        return false;
      };
      EXPECT_FALSE(option.sentence.empty()) << part.name << "." << option.name;
      EXPECT_NO_THROW(checked(option.fallback, option, part.name))
          << part.name << "." << option.name;
      const bool whole = option.type == "integer";
      if (option.type != "integer" && option.type != "number") continue;
      const auto outside = [&](double end, double by) -> Value {
        if (whole) return static_cast<std::int64_t>(end + by);
        return end + by * std::max(1e-9, std::abs(end) * 1e-9);
      };
      const double least = option.bounds.least;
      if (std::isfinite(least)) {
        EXPECT_TRUE(refuses(outside(least, option.bounds.open ? 0 : -1)))
            << part.name << "." << option.name;
      }
      if (std::isfinite(option.bounds.most)) {
        EXPECT_TRUE(refuses(outside(option.bounds.most, 1))) << part.name << "." << option.name;
      }
    }
  }
  EXPECT_GT(checked_bounds, 20);
}

}  // namespace
}  // namespace monge
