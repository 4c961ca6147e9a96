#include "monge/affine_span.h"

#include "monge/affine.h"
#include "monge/discrete.h"
#include "monge/measures/array.h"
#include "monge/measures/sheet.h"
#include "monge/metric.h"
#include "monge/sampler.h"
#include "monge/solvers/dual.h"

#include "error_text.h"

namespace monge {
namespace {

SheetMeasure sheet(std::int64_t d, double offset, bool mirrored, std::int64_t rotation) {
  return SheetMeasure(
      {.dimension = d, .offset = offset, .mirrored = mirrored, .rotation = rotation});
}

TEST(AffineSpan, HoldsTheMeasureAndNoMore) {
  for (const std::int64_t rotation : {-1, 0, 1}) {
    const SheetMeasure target = sheet(8, 3, true, rotation);
    const auto span = lower_span(*target.moments());
    ASSERT_TRUE(span);
    EXPECT_EQ(span->rank(), 5);  // four sides, and the direction between the two sheets
    Random random(1, "points");
    const Tensor y = target.sample(100, random);
    EXPECT_TRUE(at::allclose(span->leave(span->enter(y)), y, 0, 1e-5));
    EXPECT_TRUE(at::allclose(at::matmul(span->basis.t(), span->basis), at::eye(5, at::kDouble)));
  }
}

TEST(AffineSpan, OfAMeasureThatFillsItsSpaceOrIsAPointThereIsNone) {
  const Tensor eye = at::eye(3, at::kDouble), zero = at::zeros({3}, at::kDouble);
  EXPECT_FALSE(lower_span({zero, eye}));
  EXPECT_FALSE(lower_span({zero, at::zeros_like(eye)}));
}

TEST(AffineSpan, IsSharedByMeasuresThatLieParallel) {
  const auto span = lower_span(*sheet(4, 1, false, 2).moments());
  const SheetMeasure parallel = sheet(4, 5, false, 2);
  const auto shifted = shifted_to(*span, *parallel.moments());
  ASSERT_TRUE(shifted);
  Random random(1, "points");
  const Tensor x = parallel.sample(50, random);
  EXPECT_TRUE(at::allclose(shifted->leave(shifted->enter(x)), x, 0, 1e-5));
  EXPECT_FALSE(shifted_to(*span, *sheet(4, 5, false, 3).moments()));
}

TEST(AffineSpan, TransportToItIsTransportOfTheProjection) {
  Random random(5, "points");
  const Tensor x = random.normal({60, 6}), y = sheet(6, 2, true, 4).sample(60, random);
  const auto span = lower_span(*sheet(6, 2, true, 4).moments());
  const Tensor inside = span->enter(x);
  const double off = (x - span->leave(inside)).square().sum(1).mean().item<double>();
  EXPECT_NEAR(exact_w2_squared(x, y), off + exact_w2_squared(inside, span->enter(y)), 1e-4);
}

TEST(AffineSpan, AStreamInOtherCoordinatesIsNotContinued) {
  const auto target = std::make_shared<SheetMeasure>(sheet(4, 1, false, 2));
  const auto other = std::make_shared<SheetMeasure>(sheet(4, 1, false, 3));
  const auto problem = [](const std::shared_ptr<const Measure>& measure) {
    return make_problem(measure, measure, 0, {.span = ProblemSpan::of(*measure, *measure, 0)});
  };
  Problem one = problem(target), two = problem(other);
  one.restore(problem(target).state());
  EXPECT_EQ(error_text([&] { two.restore(one.state()); }),
            "data streams: expected the coordinates of the target's span that the run began with, "
            "got others; fit it anew");
}

/// 100 · E|T - T*|² / Var(Q) of the plan that the dual learns from the smoothed U(-1, 1)² x 0 to
/// U(-1, 1)² x 1 in a turned space, where T* moves each free coordinate by itself.
double parallel_error(std::int64_t steps) {
  constexpr std::int64_t d = 4;
  constexpr double std = 0.3;
  const auto source = std::make_shared<SheetMeasure>(sheet(d, 0, false, 1));
  const auto target = std::make_shared<SheetMeasure>(sheet(d, 1, false, 1));
  Problem problem =
      make_problem(source, target, 3,
                   {.span = ProblemSpan::of(*source, *target, 3),
                    .smoothing = Smoothing({.kind = "gaussian", .level = std * std})});
  Random random(3, "start");
  Dual solver(problem.span->target.rank(), {}, {.hidden = {16, 16}}, random);
  solver.start(problem, random);
  for (std::int64_t step = 0; step < steps; ++step) {
    solver.step(problem, 1 - static_cast<double>(step) / static_cast<double>(steps));
    problem.source.advance();
  }
  const Solution solution = learned(solver, problem);
  EXPECT_EQ(solution.inverse, nullptr);
  const auto& plan = dynamic_cast<const SmoothedMap&>(*solution.map);
  const Tensor x = source->sample(2000, random), z = random.normal({2000, d});
  const Tensor mapped = plan.transport(x, z);
  EXPECT_TRUE(at::allclose(target->flat(mapped).narrow(1, 2, 2), at::ones({2000, 2}, at::kDouble),
                           0, 1e-4));
  const Tensor truth = *smoothed_sheet_transport(*source, *target, plan.noise(), x + std * z);
  return l2_uvp(mapped, truth, 2.0 / 3);
}

TEST(AffineSpan, TheDualFindsTheExactPlanOfASmoothedSourceInIt) {
  EXPECT_GT(parallel_error(0), 1);
  EXPECT_LT(parallel_error(600), 1);
}

}  // namespace
}  // namespace monge
