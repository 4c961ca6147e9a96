// The loops of a quasi-Newton search against plain ones, and the two loops of Nocedal 1980 against
// the matrix that they stand for.
#include "kernels/search_loops.h"

#include "monge/random.h"

#include "kernel_fixture.h"

namespace monge {
namespace {

using kernels::search_memory;
using kernels::SearchLoops;

template <class T>
using SearchTables = std::vector<std::pair<std::string, const SearchLoops<T>*>>;

template <class T>
SearchTables<T> supported_search_loops();
template <>
SearchTables<float> supported_search_loops() {
  SearchTables<float> tables{{"any", &kernels::search_loops_float_any}};
#ifdef __x86_64__
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    tables.emplace_back("avx2", &kernels::search_loops_float_avx2);
  if (at::get_cpu_capability() == "AVX512")
    tables.emplace_back("avx512", &kernels::search_loops_float_avx512);
#endif
  return tables;
}
template <>
SearchTables<double> supported_search_loops() {
  SearchTables<double> tables{{"any", &kernels::search_loops_double_any}};
#ifdef __x86_64__
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    tables.emplace_back("avx2", &kernels::search_loops_double_avx2);
  if (at::get_cpu_capability() == "AVX512")
    tables.emplace_back("avx512", &kernels::search_loops_double_avx512);
#endif
  return tables;
}

constexpr std::int64_t dimensions[] = {1, 2, 3, 7, 16, 17, 64, 65};

template <class T>
class SearchLoop : public KernelTest<T> {
 public:
  Tensor draw(at::IntArrayRef shape) { return random_.normal(shape).to(this->dtype); }

  /// Calls `check(loops, d, where)` for every table and dimension.
  template <class Check>
  void everywhere(const Check& check) {
    for (const auto& [set, loops] : supported_search_loops<T>())
      for (const std::int64_t d : dimensions) check(*loops, d, fmt::format("{} d={}", set, d));
  }

 private:
  Random random_{21, "search loops"};
};
TYPED_TEST_SUITE(SearchLoop, Numbers);

template <class T>
const T* in(const Tensor& tensor) {
  return tensor.const_data_ptr<T>();
}

TYPED_TEST(SearchLoop, TheResidualIsTheGapOfTheGradient) {
  using T = TypeParam;
  this->everywhere([&](const SearchLoops<T>& loops, std::int64_t d, const std::string& where) {
    const Tensor y = this->draw({d}), gradient = this->draw({d}), x = this->draw({d});
    const Tensor r = at::full({d}, NAN, y.options()), expected = y - gradient;
    const T squared = loops.residual(d, in<T>(y), in<T>(gradient), in<T>(x), {}, r.data_ptr<T>());
    EXPECT_TRUE(at::equal(r, expected)) << where;
    const double size = expected.square().sum().template item<double>();
    EXPECT_NEAR(squared, size, this->tolerance * size) << where;
  });
}

TYPED_TEST(SearchLoop, TheResidualLeavesOutTheSidesOfTheBoxThatItPointsThrough) {
  using T = TypeParam;
  this->everywhere([&](const SearchLoops<T>& loops, std::int64_t d, const std::string& where) {
    const Tensor y = this->draw({d}), gradient = this->draw({d}), low = -this->draw({d}).abs();
    const Tensor high = this->draw({d}).abs(), x = at::empty_like(y), r = at::empty_like(y);
    const Tensor expected = y - gradient;
    for (std::int64_t j = 0; j < d; ++j) {  // at the low side, within, at the high side
      const std::int64_t place = j % 3;
      x[j] = place == 0 ? low[j] : place == 1 ? 0.5 * (low[j] + high[j]) : high[j];
      const double gap = expected[j].template item<double>();
      if ((place == 0 && gap < 0) || (place == 2 && gap > 0)) expected[j] = 0;
    }
    const T squared = loops.residual(d, in<T>(y), in<T>(gradient), in<T>(x),
                                     {in<T>(low), in<T>(high)}, r.data_ptr<T>());
    EXPECT_TRUE(at::equal(r, expected)) << where;
    const double size = expected.square().sum().template item<double>();
    EXPECT_NEAR(squared, size, this->tolerance * (1 + size)) << where;
  });
}

TYPED_TEST(SearchLoop, ComparesTwoPoints) {
  using T = TypeParam;
  this->everywhere([&](const SearchLoops<T>& loops, std::int64_t d, const std::string& where) {
    for (const bool boxed : {false, true}) {
      const Tensor low = at::full({d}, -0.5, this->dtype), high = -low;
      const auto points = [&] {
        return boxed ? this->draw({d}).clamp(-0.5, 0.5) : this->draw({d});
      };
      const Tensor best = points(), trial = points(), r = this->draw({d}), next = this->draw({d});
      r.narrow(0, 0, d / 2).fill_(0);  // some of them at a side
      next.narrow(0, d / 3, d / 3).fill_(0);
      const auto solved = [&](const Tensor& x, const Tensor& residual) {
        return (x.abs() == 0.5).logical_and(residual == 0);
      };
      Tensor s = trial - best, q = r - next;
      if (boxed) {
        const Tensor left_out = solved(best, r).logical_or(solved(trial, next));
        s = s.masked_fill(left_out, 0);
        q = q.masked_fill(left_out, 0);
      }
      const kernels::Sides<T> box{boxed ? in<T>(low) : nullptr, boxed ? in<T>(high) : nullptr};
      const Tensor step = at::empty_like(r), change = at::empty_like(r);
      const auto products = loops.compare(d, in<T>(best), in<T>(trial), in<T>(r), in<T>(next), box,
                                          step.data_ptr<T>(), change.data_ptr<T>());
      EXPECT_TRUE(at::equal(step, s)) << where;
      EXPECT_TRUE(at::equal(change, q)) << where;
      const auto expect = [&](T product, const Tensor& a, const Tensor& b) {
        const double size = (a * b).abs().sum().template item<double>();
        EXPECT_NEAR(product, a.dot(b).template item<double>(), this->tolerance * size) << where;
      };
      expect(products.before, s, r);
      expect(products.after, s, next);
      expect(products.length, s, s);
      expect(products.change, q, q);
    }
  });
}

/// The inverse Hessian of BFGS, updated by the pairs from the oldest to the newest:
/// H <- (1 - s qᵀ / <s, q>) H (1 - q sᵀ / <s, q>) + s sᵀ / <s, q>.
Tensor inverse_hessian(const Tensor& steps, const Tensor& changes, std::int64_t count,
                       std::int64_t newest, double scale) {
  const Tensor unit = at::eye(steps.size(1), steps.options());
  Tensor matrix = scale * unit;
  for (std::int64_t age = count - 1; age >= 0; --age) {
    const std::int64_t pair = (newest - age + search_memory) % search_memory;
    const Tensor s = steps[pair], q = changes[pair], along = s.dot(q);
    const Tensor left = unit - at::outer(s, q) / along;
    matrix = at::linalg_multi_dot({left, matrix, left.t()}) + at::outer(s, s) / along;
  }
  return matrix;
}

TYPED_TEST(SearchLoop, TheDirectionIsThatOfTheMatrixWhereverTheRingBegins) {
  using T = TypeParam;
  this->everywhere([&](const SearchLoops<T>& loops, std::int64_t d, const std::string& where) {
    const Tensor r = this->draw({d}), steps = this->draw({search_memory, d});
    // Of a convex function: every change leans towards its step.
    const Tensor changes = steps * (1 + this->draw({search_memory, d}).abs());
    const Tensor inverse = 1 / (steps * changes).sum(1);
    for (std::int64_t count = 0; count <= search_memory; ++count)
      for (std::int64_t newest = 0; newest < search_memory; ++newest) {
        const Tensor out = at::full({d}, NAN, r.options());
        loops.direction(
            d, {in<T>(steps), in<T>(changes), in<T>(inverse), count, newest, static_cast<T>(0.7)},
            in<T>(r), in<T>(r), {}, out.data_ptr<T>());
        const Tensor matrix = inverse_hessian(steps.to(at::kDouble), changes.to(at::kDouble), count,
                                              newest, static_cast<T>(0.7));
        const Tensor expected = matrix.mv(r.to(at::kDouble));
        expect_close(out.to(at::kDouble), expected, 10 * this->tolerance,
                     fmt::format("{} count={} newest={}", where, count, newest));
      }
  });
}

TYPED_TEST(SearchLoop, TheDirectionLeavesOutWhatIsSolved) {
  using T = TypeParam;
  this->everywhere([&](const SearchLoops<T>& loops, std::int64_t d, const std::string& where) {
    const Tensor steps = this->draw({search_memory, d});
    const Tensor changes = steps * (1 + this->draw({search_memory, d}).abs());
    const Tensor inverse = 1 / (steps * changes).sum(1), r = this->draw({d});
    const Tensor low = at::full({d}, -0.5, this->dtype), high = -low;
    const Tensor x = this->draw({d}).clamp(-0.5, 0.5), solved = x.abs() == 0.5;
    r.masked_fill_(solved, 0);
    const kernels::SearchPairs<T> pairs{in<T>(steps), in<T>(changes), in<T>(inverse), 3, 1, 1};
    const Tensor free = at::empty_like(r), boxed = at::empty_like(r);
    loops.direction(d, pairs, in<T>(r), in<T>(x), {}, free.data_ptr<T>());
    loops.direction(d, pairs, in<T>(r), in<T>(x), {in<T>(low), in<T>(high)}, boxed.data_ptr<T>());
    EXPECT_TRUE(at::equal(boxed, free.masked_fill(solved, 0))) << where;
  });
}

TYPED_TEST(SearchLoop, ATrialIsNoLongerThanAllowedAndInTheBox) {
  using T = TypeParam;
  this->everywhere([&](const SearchLoops<T>& loops, std::int64_t d, const std::string& where) {
    const Tensor best = 0.1 * this->draw({d}), along = this->draw({d});
    const Tensor low = -0.3 - this->draw({d}).abs(), high = 0.3 + this->draw({d}).abs();
    const double length = along.norm().template item<double>();
    for (const double longest : {0.0, 0.5 * length, 2 * length})
      for (const bool boxed : {false, true}) {
        const double share = longest == 0 ? 1 : std::min(1.0, longest / length);
        Tensor expected = best + share * along;
        if (boxed) expected = at::minimum(at::maximum(expected, low), high);
        const Tensor out = at::full({d}, NAN, best.options());
        loops.trial(d, in<T>(best), in<T>(along), static_cast<T>(longest),
                    {boxed ? in<T>(low) : nullptr, boxed ? in<T>(high) : nullptr},
                    out.data_ptr<T>());
        expect_close(out, expected, this->tolerance, where);
        EXPECT_TRUE(!boxed || (out >= low).logical_and(out <= high).all().template item<bool>());
      }
  });
}

}  // namespace
}  // namespace monge
