#include "monge/transport_map.h"

#include "error_text.h"
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

Tensor random_colours(std::int64_t n) {
  return at::rand({n, 3}, at::detail::createCPUGenerator(5), at::kFloat);
}

/// 1-D curves: halves red, keeps green, inverts blue.
constexpr const char* curves = "LUT_1D_SIZE 2\n0 0 1\n0.5 1 0\n";

TEST_F(CubeTest, WhatIsWrittenIsReadBack) {
  const ColourFunction map = [](const Tensor& colours) { return colours.square(); };
  write_cube(at("a.cube"), map, 9, "squares", Existing::keep);
  const auto read = read_cube(at("a.cube"));
  EXPECT_EQ(read->dimension(), 3);
  const Tensor axis = at::arange(9, at::kFloat) / 8;
  const auto grid = at::meshgrid({axis, axis, axis}, "ij");
  const Tensor points = at::stack({grid[0], grid[1], grid[2]}, 3).reshape({-1, 3});
  EXPECT_LT((read->transport(points) - map(points)).abs().max().item<double>(), 1e-6);
  const Tensor between = random_colours(1000);  // of x² the error is at most h² / 4
  EXPECT_LT((read->transport(between) - map(between)).abs().max().item<double>(), 1.0 / 256 + 1e-6);
}

/// The largest channel is linear in every tetrahedron, and in no cube: trilinear weights would miss
/// it by up to a quarter of a cell.
TEST_F(CubeTest, InterpolationIsTetrahedral) {
  const ColourFunction map = [](const Tensor& colours) {
    return at::amax(colours, {1}, true).expand({-1, 3}).contiguous();
  };
  write_cube(at("a.cube"), map, 4, "", Existing::keep);
  // Within a cell the order of the rests is that of the channels only on the diagonal cells.
  const Tensor cell = at::floor(random_colours(500) * 3).select(1, 0).unsqueeze(1);
  const Tensor points = (cell + random_colours(500)) / 3;
  EXPECT_LT((read_cube(at("a.cube"))->transport(points) - map(points)).abs().max().item<double>(),
            1e-6);
}

TEST_F(CubeTest, DomainsAndCurvesAreKeptTo) {
  write_text(at("a.cube"), std::string("# a comment\r\nTITLE \"x\"\r\n\r\n") + curves);
  const Tensor colours = random_colours(100);
  const Tensor expected =
      at::stack({colours.select(1, 0) / 2, colours.select(1, 1), 1 - colours.select(1, 2)}, 1);
  EXPECT_TRUE(at::allclose(read_cube(at("a.cube"))->transport(colours), expected, 0, 1e-6));
  const std::string table =
      "LUT_3D_SIZE 2\n0 0 0\n1 0 0\n0 1 0\n1 1 0\n0 0 1\n1 0 1\n0 1 1\n1 1 1\n";
  for (const std::string domain :
       {"DOMAIN_MIN -1 -1 -1\nDOMAIN_MAX 3 3 3\n", "LUT_3D_INPUT_RANGE -1.0 3.0\n"}) {
    write_text(at("b.cube"), domain + table);
    EXPECT_TRUE(
        at::allclose(read_cube(at("b.cube"))->transport(4 * colours - 1), colours, 0, 1e-6));
    const Tensor outside = at::tensor({-9.0f, 1.0f, 9.0f}).view({1, 3});
    EXPECT_TRUE(at::allclose(read_cube(at("b.cube"))->transport(outside),
                             at::tensor({0.0f, 0.5f, 1.0f}).view({1, 3})));
  }
}

TEST_F(CubeTest, DamageIsNamedByItsLine) {
  const auto refused = [&](const std::string& text) {
    write_text(at("a.cube"), text);
    return error_text([&] { read_cube(at("a.cube")); });
  };
  EXPECT_EQ(refused(curves), "");
  expect_message(error_text([&] { read_cube(at("none.cube")); }), "none.cube");
  expect_message(refused(""), "LUT_3D_SIZE or LUT_1D_SIZE, got none");
  expect_message(refused("0 0 0\n"), "a.cube, line 1: expected LUT_3D_SIZE");
  expect_message(refused("LUT_3D_SIZE 2\n0 0\n"), "line 2: expected 3 numbers, got 2");
  expect_message(refused("LUT_3D_SIZE 2\n0 0 zero\n"), "line 2: expected a number, got 'zero'");
  expect_message(refused("LUT_3D_SIZE 2\n0 0 1e99\n"), "line 2: expected a number");
  expect_message(refused("LUT_3D_SIZE 2\n0 0 0\n"), "expected 8 lines of three numbers, got 1");
  expect_message(refused(std::string(curves) + "1 1 1\n"), "line 4: expected the end after 2");
  expect_message(refused("LUT_3D_SIZE 257\n"), "line 1: expected a size of 2 to 256, got 257");
  expect_message(refused("LUT_3D_SIZE 2.5\n"), "a size of 2 to 256");
  expect_message(refused("LUT_1D_SIZE 2\nLUT_3D_SIZE 2\n"), "line 2: expected one table");
  expect_message(refused("SIZE 3\n"), "line 1: expected TITLE, LUT_3D_SIZE");
  expect_message(refused(std::string(curves) + "TITLE \"late\"\n"), "expected three numbers");
  expect_message(refused(std::string("DOMAIN_MAX 0 1 1\n") + curves), "a domain");
}

}  // namespace
}  // namespace monge
