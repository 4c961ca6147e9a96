#pragma once

#include "monge/process_group.h"

#include <initializer_list>
#include <vector>

namespace monge {

/// Makes what each process has of its rows of a batch that of the whole batch, in one exchange of
/// one flat buffer. What is added has to stay until run(), which overwrites it; of a process that
/// is alone everything is left as it is.
class Exchange {
 public:
  /// Of batches of `batch` points in all.
  Exchange(ProcessGroup& group, std::int64_t batch) : group_(group), batch_(batch) {}

  /// Means over the rows of a process become those over all rows; float32 or float64.
  Exchange& means(const std::vector<Tensor>& means);
  Exchange& means(const Tensor& means);
  Exchange& means(std::initializer_list<double*> means);
  /// Of `whole` [batch, ...] each process has filled its rows; contiguous.
  Exchange& rows(const Tensor& whole);
  /// The same of `mine`, the rows of a process [rows, ...], which becomes [batch, ...].
  Exchange& gather(Tensor& mine);
  void run();

 private:
  ProcessGroup& group_;
  std::int64_t batch_;
  std::vector<Tensor> means_, rows_;
  std::vector<double*> numbers_;
};

/// The rows of a batch [n, ...] that are a process's own.
inline Tensor rows_in(const Tensor& whole, const Rows& own) {
  return own.count == whole.size(0) ? whole : whole.narrow(0, own.begin, own.count);
}

}  // namespace monge
