#pragma once

#include "monge/error.h"
#include "monge/tensor.h"

#include <cstdint>
#include <initializer_list>
#include <string>

namespace monge {

/// Another process of the group has ended or cannot be reached.
class LostProcess : public Error {
 public:
  using Error::Error;
};

/// A part of the rows of a batch.
struct Rows {
  std::int64_t begin = 0, count = 0;
};

/// The processes that train one map together, each of them on its rows of every batch. This one is
/// alone, and its exchanges do nothing; a launcher derives one that has a transport. All processes
/// call the same exchanges in the same order, with tensors of the same shapes and dtypes.
class ProcessGroup {
 public:
  virtual ~ProcessGroup() = default;

  virtual std::int64_t rank() const { return 0; }
  virtual std::int64_t size() const { return 1; }
  /// Adds the numbers of all processes up, in place and to the same bits everywhere; contiguous.
  /// Throws LostProcess.
  virtual void sum(const Tensor& /*numbers*/) {}
  /// Overwrites the numbers with those of the first process; contiguous. Throws LostProcess.
  virtual void broadcast(const Tensor& /*numbers*/) {}

  bool alone() const { return size() == 1; }
  /// Whether this is the first process, which evaluates, writes and prints for all.
  bool leads() const { return rank() == 0; }
  /// The rows of this process in a batch of n. Throws Error where n is less than one for each.
  Rows rows_of(std::int64_t n) const;
};

/// The numbers, text or tensors of the first process, in all.
void broadcast(ProcessGroup& group, std::initializer_list<double*> numbers);
std::string broadcast(ProcessGroup& group, const std::string& text);
State broadcast(ProcessGroup& group, const State& state);

/// Whether `state` has the same bits in all processes.
bool is_same(ProcessGroup& group, const State& state);

}  // namespace monge
