#include "image_fixture.h"

#include <sstream>

namespace monge {
namespace {

struct Cube {
  std::string title;
  int size = 0;
  std::vector<float> domain;
  std::vector<float> values;
};

/// Reads the format by its published rules (Adobe Cube LUT Specification 1.0): a keyword a line,
/// then rows of three numbers.
Cube parse(const std::string& text) {
  Cube cube;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string first;
    words >> first;
    float value = 0;
    if (first == "TITLE") {
      cube.title = line.substr(line.find('"') + 1, line.rfind('"') - line.find('"') - 1);
    } else if (first == "LUT_3D_SIZE") {
      words >> cube.size;
    } else if (first.starts_with("DOMAIN_")) {
      while (words >> value) cube.domain.push_back(value);
    } else {
      cube.values.push_back(std::stof(first));
      while (words >> value) cube.values.push_back(value);
    }
  }
  return cube;
}

using CubeTest = ImageTest;

TEST_F(CubeTest, IdentityCountsRedFastest) {
  write_cube(
      at("a.cube"), [](const Tensor& colours) { return colours; }, 5, "plain", Existing::keep);
  const Cube cube = parse(read_text(at("a.cube")));
  EXPECT_EQ(cube.title, "plain");
  EXPECT_EQ(cube.size, 5);
  EXPECT_EQ(cube.domain, (std::vector<float>{0, 0, 0, 1, 1, 1}));
  ASSERT_EQ(cube.values.size(), 375u);
  std::size_t i = 0;
  for (int blue = 0; blue < 5; ++blue)
    for (int green = 0; green < 5; ++green)
      for (int red = 0; red < 5; ++red)
        for (const int level : {red, green, blue})
          ASSERT_NEAR(cube.values[i++], static_cast<float>(level) / 4, 1e-7);
}

TEST_F(CubeTest, ValuesAreThoseOfTheMapClippedAcrossBlocks) {
  const ColourFunction map = [](const Tensor& colours) {
    EXPECT_LE(colours.size(0), 65536);
    return colours.flip(1) * 1.5 - 0.25;
  };
  write_cube(at("a.cube"), map, 48, "two\nlines and \"quotes\"", Existing::keep);
  const Cube cube = parse(read_text(at("a.cube")));
  EXPECT_EQ(cube.title, "two lines and 'quotes'");
  const Tensor axis = at::arange(48, at::kDouble) / 47;
  const auto grid = at::meshgrid({axis, axis, axis}, "ij");  // blue, green, red
  const Tensor expected =
      (at::stack({grid[0], grid[1], grid[2]}, 3).reshape({-1, 3}) * 1.5 - 0.25).clamp(0, 1);
  ASSERT_EQ(cube.values.size(), 48u * 48 * 48 * 3);
  const Tensor found = at::tensor(cube.values, at::kFloat).reshape({-1, 3});
  EXPECT_LT((found - expected).abs().max().item<double>(), 2e-7);
}

TEST_F(CubeTest, RefusesAndLeavesNothing) {
  const ColourFunction identity = [](const Tensor& colours) { return colours; };
  for (const int size : {-1, 1, 257})
    EXPECT_THROW(write_cube(at("a.cube"), identity, size, "", Existing::keep), Error);
  EXPECT_THROW(
      write_cube(
          at("a.cube"), [](const Tensor& colours) { return colours.log(); }, 3, "", Existing::keep),
      Error);
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
  write_cube(at("a.cube"), identity, 2, "first", Existing::keep);
  EXPECT_THROW(write_cube(at("a.cube"), identity, 2, "second", Existing::keep), Error);
  EXPECT_EQ(parse(read_text(at("a.cube"))).title, "first");
}

}  // namespace
}  // namespace monge
