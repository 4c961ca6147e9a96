#include "monge/colour_space.h"

#include "error_text.h"

namespace monge {
namespace {

Tensor colour(double a, double b, double c) { return at::tensor({a, b, c}).view({1, 3}); }

/// The published coordinates of white, of red and of a grey of half the sRGB level.
TEST(ColourSpace, KnownColours) {
  struct Known {
    ColourSpace space;
    Tensor srgb, coordinates;
    double tolerance;
  };
  const Known known[] = {
      {ColourSpace::linear, colour(0.5, 0.02, 1), colour(0.214041, 0.02 / 12.92, 1), 1e-6},
      {ColourSpace::lab, colour(1, 1, 1), colour(100, 0, 0), 1e-4},
      {ColourSpace::lab, colour(1, 0, 0), colour(53.24, 80.09, 67.20), 0.01},
      {ColourSpace::lab, colour(0, 0, 0), colour(0, 0, 0), 1e-4},
      {ColourSpace::oklab, colour(1, 1, 1), colour(1, 0, 0), 1e-6},
      {ColourSpace::oklab, colour(1, 0, 0), colour(0.627955, 0.224863, 0.125846), 1e-5},
      {ColourSpace::oklab, colour(0, 0, 1), colour(0.452014, -0.032457, -0.311528), 1e-5}};
  for (const Known& one : known)
    EXPECT_TRUE(at::allclose(from_srgb(one.srgb, one.space), one.coordinates, 0, one.tolerance))
        << from_srgb(one.srgb, one.space);
}

TEST(ColourSpace, EveryLevelOf16BitsComesBack) {
  const Tensor colours =
      at::randint(0, 65536, {20000, 3}, at::detail::createCPUGenerator(3), at::kFloat) / 65535;
  for (const std::string& name : colour_space_names()) {
    const ColourSpace space = colour_space_of(name, "space");
    const Tensor back = to_srgb(from_srgb(colours, space), space);
    EXPECT_LT((back - colours).abs().max().item<double>(), 0.25 / 65535 + 1e-5) << name;
    EXPECT_EQ(back.scalar_type(), at::kFloat);
    EXPECT_LT(at::diff(from_srgb(at::linspace(0, 1, 300).unsqueeze(1).expand({-1, 3}), space), 1, 0)
                  .select(1, 0)
                  .neg()
                  .max()
                  .item<double>(),
              0)
        << "lightness rises with the level in " << name;
  }
}

TEST(ColourSpace, WhatIsOutsideOfTheGamutIsClipped) {
  for (const std::string& name : colour_space_names()) {
    const ColourSpace space = colour_space_of(name, "space");
    const Tensor far = to_srgb(at::tensor({9.0, -5.0, 3.0, -9.0, 5.0, -3.0}).view({2, 3}), space);
    EXPECT_TRUE(at::isfinite(far).all().item<bool>()) << name;
    EXPECT_TRUE(at::equal(far, far.clamp(0, 1))) << name;
  }
}

TEST(ColourSpace, AFunctionOfTheSpaceIsOneOfColours) {
  const ColourFunction darker = in_space(
      [](const Tensor& lab) { return lab * at::tensor({0.5f, 1.0f, 1.0f}); }, ColourSpace::oklab);
  const Tensor grey = at::full({1, 3}, 0.6f);
  const Tensor moved = darker(grey);
  EXPECT_NEAR(from_srgb(moved, ColourSpace::oklab)[0][0].item<double>(),
              from_srgb(grey, ColourSpace::oklab)[0][0].item<double>() / 2, 1e-5);
  EXPECT_LT((moved - moved.mean()).abs().max().item<double>(), 1e-4) << "a grey stays one";
}

TEST(ColourSpace, UnknownNamesAreRefused) {
  expect_message(error_text([] { colour_space_of("okalb", "--space"); }), "oklab");
}

}  // namespace
}  // namespace monge
