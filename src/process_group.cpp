#include "monge/process_group.h"

#include <torch/csrc/jit/serialization/pickle.h>

#include <string_view>

namespace monge {
namespace {

/// Bytes of any number, which only the first process knows.
std::vector<char> broadcast_bytes(ProcessGroup& group, std::vector<char> bytes) {
  const Tensor size = at::scalar_tensor(std::ssize(bytes), at::kLong);
  group.broadcast(size);
  bytes.resize(static_cast<std::size_t>(size.item<std::int64_t>()));
  if (!bytes.empty()) group.broadcast(at::from_blob(bytes.data(), {std::ssize(bytes)}, at::kByte));
  return bytes;
}

std::int64_t hash_of(const State& state) {
  std::size_t hash = 0;
  for (const auto& [name, tensor] : state) {
    const Tensor whole = tensor.detach().cpu().contiguous();
    const std::string_view bytes(static_cast<const char*>(whole.const_data_ptr()), whole.nbytes());
    hash = 31 * hash + std::hash<std::string_view>()(bytes);
  }
  return static_cast<std::int64_t>(hash);
}

}  // namespace

Rows ProcessGroup::rows_of(std::int64_t n) const {
  if (n < size())
    fail("batch", fmt::format("at least {} points, one for each process", size()),
         fmt::format("{}", n));
  const std::int64_t begin = n * rank() / size();
  return {begin, n * (rank() + 1) / size() - begin};
}

void broadcast(ProcessGroup& group, std::initializer_list<double*> numbers) {
  if (group.alone()) return;
  const Tensor all = at::empty({std::ssize(numbers)}, at::kDouble);
  double* place = all.data_ptr<double>();
  for (const double* number : numbers) *place++ = *number;
  group.broadcast(all);
  place = all.data_ptr<double>();
  for (double* number : numbers) *number = *place++;
}

std::string broadcast(ProcessGroup& group, const std::string& text) {
  const std::vector<char> bytes = broadcast_bytes(group, {text.begin(), text.end()});
  return {bytes.begin(), bytes.end()};
}

State broadcast(ProcessGroup& group, const State& state) {
  if (group.alone()) return state;
  std::vector<char> bytes;
  if (group.leads()) {
    c10::Dict<std::string, Tensor> named;
    for (const auto& [name, tensor] : state) named.insert(name, tensor.detach().cpu());
    bytes = torch::jit::pickle_save(named);
  }
  bytes = broadcast_bytes(group, std::move(bytes));
  if (group.leads()) return state;
  State received;
  for (const auto& entry : torch::jit::pickle_load(bytes).toGenericDict())
    received[entry.key().toStringRef()] = entry.value().toTensor();
  return received;
}

bool is_same(ProcessGroup& group, const State& state) {
  if (group.alone()) return true;
  const std::int64_t mine = hash_of(state);
  const Tensor first = at::scalar_tensor(mine, at::kLong);
  group.broadcast(first);
  const Tensor different = at::scalar_tensor(first.item<std::int64_t>() != mine, at::kLong);
  group.sum(different);
  return different.item<std::int64_t>() == 0;
}

}  // namespace monge
