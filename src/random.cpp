#include "monge/random.h"

#include "monge/error.h"

#include "kernels/random_loops.h"

#include <numeric>

namespace monge {
namespace {

using kernels::RandomLoops;
__extension__ typedef unsigned __int128 Product;

/// SplitMix64 (Steele, Lea & Flood 2014), by which the authors of xoshiro256++ seed it.
std::uint64_t mixed(std::uint64_t word) {
  word = (word ^ (word >> 30)) * 0xbf58476d1ce4e5b9u;
  word = (word ^ (word >> 27)) * 0x94d049bb133111ebu;
  return word ^ (word >> 31);
}
constexpr std::uint64_t golden = 0x9e3779b97f4a7c15u;  // SplitMix64's increment

/// An FNV-1a hash of the name, mixed with the seed: streams of different names or seeds get
/// unrelated generators.
std::uint64_t stream_seed(std::uint64_t seed, std::string_view name) {
  std::uint64_t hash = 0xcbf29ce484222325u;
  for (const char letter : name)
    hash = (hash ^ static_cast<unsigned char>(letter)) * 0x100000001b3u;
  return mixed(hash + seed * golden);
}

template <class T>
using Fill = void (*)(std::uint64_t*, RandomLoops::Size, T*);

/// Whole blocks in place, then the beginning of one more.
template <RandomLoops::Size block, class T>
void fill_blocks(Fill<T> fill, std::uint64_t* state, std::span<T> out) {
  const std::size_t whole = out.size() / block * block;
  fill(state, static_cast<RandomLoops::Size>(whole / block), out.data());
  if (whole == out.size()) return;
  std::array<T, block> last;
  fill(state, 1, last.data());
  std::copy_n(last.begin(), out.size() - whole, out.begin() + whole);
}

/// The words of a stream one by one, drawn many at a time; the rest is dropped at the end.
class Words {
 public:
  explicit Words(Random& random) : random_(random) {}

  /// Uniform on [0, bound) without bias (Lemire 2019, "Fast random integer generation in an
  /// interval", algorithm 5): the upper half of word · bound, again where the lower half falls
  /// among the 2^64 mod bound products too many.
  std::uint64_t below(std::uint64_t bound) {
    Product product = Product{next()} * bound;
    if (static_cast<std::uint64_t>(product) < bound) {
      const std::uint64_t excess = -bound % bound;
      while (static_cast<std::uint64_t>(product) < excess) product = Product{next()} * bound;
    }
    return static_cast<std::uint64_t>(product >> 64);
  }

 private:
  std::uint64_t next() {
    if (taken_ == words_.size()) {
      random_.fill_bits(words_);
      taken_ = 0;
    }
    return words_[taken_++];
  }

  Random& random_;
  std::array<std::uint64_t, 64> words_;
  std::size_t taken_ = words_.size();
};

template <class T>
std::span<T> numbers_of(const Tensor& tensor) {
  return {tensor.data_ptr<T>(), static_cast<std::size_t>(tensor.numel())};
}

}  // namespace

Random::Random(std::uint64_t seed, std::string_view name) {
  static_assert(sizeof(state_) == RandomLoops::state_words * sizeof(std::uint64_t));
  std::uint64_t counter = stream_seed(seed, name);
  for (std::uint64_t& word : state_) word = mixed(counter += golden);
}

void Random::fill_normal(std::span<float> numbers) {
  fill_blocks<RandomLoops::normal_block>(kernels::random_loops().normal, state_.data(), numbers);
}

void Random::fill_uniform(std::span<float> numbers) {
  fill_blocks<RandomLoops::uniform_block>(kernels::random_loops().uniform, state_.data(), numbers);
}

void Random::fill_bits(std::span<std::uint64_t> words) {
  fill_blocks<RandomLoops::bits_block>(kernels::random_loops().bits, state_.data(), words);
}

void Random::fill_integers(std::int64_t high, std::span<std::int64_t> numbers) {
  if (high < 1) fail("random integers", "high >= 1", fmt::format("{}", high));
  Words words(*this);
  for (std::int64_t& number : numbers)
    number = static_cast<std::int64_t>(words.below(static_cast<std::uint64_t>(high)));
}

/// The shuffle of Fisher & Yates.
void Random::fill_permutation(std::span<std::int64_t> order) {
  std::iota(order.begin(), order.end(), std::int64_t{0});
  Words words(*this);
  for (std::size_t left = order.size(); left > 1; --left)
    std::swap(order[left - 1], order[words.below(left)]);
}

Tensor Random::normal(at::IntArrayRef shape) {
  const Tensor numbers = at::empty(shape, at::kFloat);
  fill_normal(numbers_of<float>(numbers));
  return numbers;
}

Tensor Random::uniform(at::IntArrayRef shape) {
  const Tensor numbers = at::empty(shape, at::kFloat);
  fill_uniform(numbers_of<float>(numbers));
  return numbers;
}

Tensor Random::integers(std::int64_t high, std::int64_t n) {
  const Tensor numbers = at::empty({n}, at::kLong);
  fill_integers(high, numbers_of<std::int64_t>(numbers));
  return numbers;
}

Tensor Random::permutation(std::int64_t n) {
  const Tensor order = at::empty({n}, at::kLong);
  fill_permutation(numbers_of<std::int64_t>(order));
  return order;
}

Tensor Random::state() const {
  const Tensor bytes = at::empty({sizeof(state_)}, at::kByte);
  std::memcpy(bytes.data_ptr(), state_.data(), sizeof(state_));
  return bytes;
}

void Random::set_state(const Tensor& state) {
  if (state.scalar_type() != at::kByte || state.sizes() != at::IntArrayRef{sizeof(state_)})
    fail("random stream", fmt::format("a state of {} bytes", sizeof(state_)),
         fmt::format("{} of shape {}", c10::toString(state.scalar_type()), shape_text(state)));
  std::array<std::uint64_t, RandomLoops::state_words> words;
  std::memcpy(words.data(), state.contiguous().const_data_ptr(), sizeof(words));
  for (std::size_t generator = 0; generator < RandomLoops::generators; ++generator) {
    std::uint64_t any = 0;
    for (std::size_t at = generator; at < words.size(); at += RandomLoops::generators)
      any |= words[at];
    if (any == 0) fail("random stream", "generators that are not 0", "a state with one that is");
  }
  state_ = words;
}

}  // namespace monge
