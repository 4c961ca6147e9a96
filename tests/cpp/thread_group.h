#pragma once

#include "monge/process_group.h"

#include <barrier>
#include <functional>
#include <thread>
#include <vector>

namespace monge {

/// Where the threads of a group meet.
struct Meeting {
  explicit Meeting(std::int64_t size) : barrier(size), seen(static_cast<std::size_t>(size)) {}
  std::barrier<> barrier;
  std::vector<Tensor> seen;
};

/// A group whose processes are threads.
class ThreadGroup final : public ProcessGroup {
 public:
  ThreadGroup(Meeting& meeting, std::int64_t rank) : meeting_(meeting), rank_(rank) {}

  std::int64_t rank() const override { return rank_; }
  std::int64_t size() const override { return std::ssize(meeting_.seen); }
  void sum(const Tensor& numbers) override {
    meet(numbers, [](const std::vector<Tensor>& seen) {
      Tensor total = seen.front().clone();
      for (std::size_t i = 1; i < seen.size(); ++i) total += seen[i];
      return total;
    });
  }
  void broadcast(const Tensor& numbers) override {
    meet(numbers, [](const std::vector<Tensor>& seen) { return seen.front().clone(); });
  }

  std::int64_t exchanged = 0;  ///< numbers, of all exchanges

 private:
  template <class Result>
  void meet(const Tensor& numbers, Result result) {
    exchanged += numbers.numel();
    meeting_.seen[rank_] = numbers;
    meeting_.barrier.arrive_and_wait();
    const Tensor together = result(meeting_.seen);
    meeting_.barrier.arrive_and_wait();
    Tensor(numbers).copy_(together);
  }

  Meeting& meeting_;
  std::int64_t rank_;
};

/// body(group) in each of `size` threads of one group.
inline void run_together(std::int64_t size,
                         const std::function<void(const std::shared_ptr<ThreadGroup>&)>& body) {
  Meeting meeting(size);
  std::vector<std::jthread> threads;
  for (std::int64_t rank = 0; rank < size; ++rank)
    threads.emplace_back([&, rank] { body(std::make_shared<ThreadGroup>(meeting, rank)); });
}

}  // namespace monge
