#include "monge/tensor.h"

#include "monge/error.h"

namespace monge {
namespace {

TEST(Tensor, StatePrefixesComeBackUnchanged) {
  State whole;
  insert_state(whole, "theta", {{"a", at::ones({2})}, {"b.c", at::zeros({1})}});
  insert_state(whole, "theta2", {{"a", at::zeros({3})}});
  const State part = extract_state(whole, "theta");
  ASSERT_EQ(part.size(), 2u);
  EXPECT_TRUE(at::equal(part.at("a"), at::ones({2})));
  EXPECT_TRUE(part.contains("b.c"));
  EXPECT_THROW(require_tensor(whole, "missing", "here"), Error);
}

}  // namespace
}  // namespace monge
