#include "kernels/product.h"

#include "monge/random.h"

#include "kernels/product_loops.h"

namespace monge {
namespace {

using kernels::ProductLoops;
using kernels::Transposed;

template <class T>
std::vector<std::pair<std::string, const ProductLoops<T>*>> supported_loops();
template <>
std::vector<std::pair<std::string, const ProductLoops<float>*>> supported_loops() {
  std::vector<std::pair<std::string, const ProductLoops<float>*>> tables{
      {"any", &kernels::product_loops_float_any}};
#ifdef __x86_64__
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    tables.emplace_back("avx2", &kernels::product_loops_float_avx2);
  if (at::get_cpu_capability() == "AVX512")
    tables.emplace_back("avx512", &kernels::product_loops_float_avx512);
#endif
  return tables;
}
template <>
std::vector<std::pair<std::string, const ProductLoops<double>*>> supported_loops() {
  std::vector<std::pair<std::string, const ProductLoops<double>*>> tables{
      {"any", &kernels::product_loops_double_any}};
#ifdef __x86_64__
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    tables.emplace_back("avx2", &kernels::product_loops_double_avx2);
  if (at::get_cpu_capability() == "AVX512")
    tables.emplace_back("avx512", &kernels::product_loops_double_avx512);
#endif
  return tables;
}

template <class T>
class Product : public testing::Test {
 public:
  static constexpr at::ScalarType dtype = std::is_same_v<T, float> ? at::kFloat : at::kDouble;
  static constexpr double rounding = std::is_same_v<T, float> ? 1e-6 : 2e-15;
};
using Numbers = testing::Types<float, double>;
TYPED_TEST_SUITE(Product, Numbers);

struct Size {
  std::int64_t n, m, k;
};
const std::vector<Size> sizes{{1, 1, 1},     {3, 5, 2},      {16, 16, 16},   {37, 51, 129},
                              {130, 96, 16}, {260, 97, 300}, {530, 48, 130}, {700, 256, 140}};

/// Matrices inside larger ones, so that what lies between their rows is seen to stay.
struct Matrices {
  Matrices(const Size& size, at::ScalarType dtype) {
    Random random(1, "product");
    const auto within = [&](std::int64_t rows, std::int64_t columns) {
      return random.normal({rows, columns + 3}).to(dtype);
    };
    a = within(size.n, size.k);
    across = within(size.k, size.n);
    b = within(size.k, size.m);
    out = within(size.n, size.m);
  }
  static Tensor part(const Tensor& matrix) { return matrix.narrow(1, 0, matrix.size(1) - 3); }
  Tensor a, across, b, out;
};

template <class T>
void expect_product(const Tensor& out, const Tensor& before, const Tensor& a, const Tensor& b,
                    double keep, const std::string& where) {
  const auto part = Matrices::part;
  const Tensor kept = keep == 0 ? at::zeros_like(part(out)) : part(before) * keep;
  const Tensor expected = kept.to(at::kDouble) + a.to(at::kDouble).matmul(b.to(at::kDouble));
  const double size = 10 * std::sqrt(static_cast<double>(a.size(1))) + 1;
  EXPECT_LE((part(out) - expected).abs().max().item<double>(), Product<T>::rounding * size)
      << where;
  EXPECT_TRUE(at::equal(out.narrow(1, out.size(1) - 3, 3), before.narrow(1, out.size(1) - 3, 3)))
      << where;
}

TYPED_TEST(Product, LoopsOfAllInstructionSetsAgreeWithThePlainProduct) {
  using T = TypeParam;
  for (const auto& [set, loops] : supported_loops<T>())
    for (const Size& size : sizes)
      for (const bool across : {false, true})
        for (const T keep : {T(0), T(1), T(-0.5)}) {
          const Matrices given(size, this->dtype);
          const Tensor out = keep == 0 ? at::full_like(given.out, NAN) : given.out.clone();
          out.narrow(1, size.m, 3).copy_(given.out.narrow(1, size.m, 3));
          const Tensor& a = across ? given.across : given.a;
          loops->multiply(size.n, size.m, size.k, a.const_data_ptr<T>(), across ? 1 : a.size(1),
                          across ? a.size(1) : 1, given.b.const_data_ptr<T>(), given.b.size(1),
                          keep, out.data_ptr<T>(), out.size(1));
          const Tensor left = Matrices::part(a);
          expect_product<T>(out, given.out, across ? left.t() : left, Matrices::part(given.b), keep,
                            fmt::format("{} {}x{}x{}", set, size.n, size.m, size.k));
        }
}

TYPED_TEST(Product, LoopsTranspose) {
  using T = TypeParam;
  for (const auto& [set, loops] : supported_loops<T>())
    for (const auto& [rows, columns] : std::vector<std::pair<std::int64_t, std::int64_t>>{
             {1, 1}, {16, 33}, {96, 16}, {50, 70}, {31, 20}, {7, 9}}) {
      const Tensor a = Random(2, "product").normal({rows, columns}).to(this->dtype);
      const Tensor out = at::empty({columns, rows}, this->dtype);
      loops->transpose(rows, columns, a.const_data_ptr<T>(), out.data_ptr<T>());
      EXPECT_TRUE(at::equal(out, a.t())) << set;
    }
}

TYPED_TEST(Product, EveryOrderOfTheOperandsIsThePlainProduct) {
  using T = TypeParam;
  for (const Size& size : sizes)
    for (const auto left : {Transposed::no, Transposed::yes})
      for (const auto right : {Transposed::no, Transposed::yes}) {
        const Matrices given(size, this->dtype);
        const Tensor out = given.out.clone();
        const Tensor& a = left == Transposed::yes ? given.across : given.a;
        const Tensor part = Matrices::part(given.b);
        const Tensor b = right == Transposed::yes ? part.t().contiguous() : given.b;
        kernels::product(size.n, size.m, size.k, a.const_data_ptr<T>(), a.size(1), left,
                         b.const_data_ptr<T>(), b.size(1), right, T(1), out.data_ptr<T>(),
                         out.size(1));
        const Tensor first = Matrices::part(a);
        expect_product<T>(out, given.out, left == Transposed::yes ? first.t() : first, part, 1,
                          fmt::format("{}x{}x{}", size.n, size.m, size.k));
      }
}

}  // namespace
}  // namespace monge
