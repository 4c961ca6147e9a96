#include "monge/random.h"

#include "monge/error.h"

#include <ATen/CPUGeneratorImpl.h>

namespace monge {
namespace {

/// SplitMix64's finaliser over an FNV-1a hash of the name: streams of different names or seeds get
/// unrelated generator seeds.
std::uint64_t stream_seed(std::uint64_t seed, std::string_view name) {
  std::uint64_t hash = 0xcbf29ce484222325u;
  for (const char letter : name)
    hash = (hash ^ static_cast<unsigned char>(letter)) * 0x100000001b3u;
  std::uint64_t mixed = hash + seed * 0x9e3779b97f4a7c15u;
  mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
  mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
  return mixed ^ (mixed >> 31);
}

}  // namespace

Random::Random(std::uint64_t seed, std::string_view name)
    : generator_(at::make_generator<at::CPUGeneratorImpl>(stream_seed(seed, name))) {}

Tensor Random::normal(at::IntArrayRef shape) { return at::randn(shape, generator_, at::kFloat); }
Tensor Random::uniform(at::IntArrayRef shape) { return at::rand(shape, generator_, at::kFloat); }
Tensor Random::integers(std::int64_t high, std::int64_t n) {
  return at::randint(high, {n}, generator_, at::kLong);
}
Tensor Random::permutation(std::int64_t n) { return at::randperm(n, generator_, at::kLong); }

Tensor Random::state() const { return generator_.get_state().clone(); }

void Random::set_state(const Tensor& state) {
  const Tensor current = generator_.get_state();
  if (state.scalar_type() != at::kByte || state.sizes() != current.sizes())
    fail("random stream", fmt::format("a state of {} bytes", current.numel()),
         fmt::format("{} of shape {}", c10::toString(state.scalar_type()), shape_text(state)));
  generator_.set_state(state);
}

}  // namespace monge
