#include "solvers/exchange.h"

namespace monge {
namespace {

/// The pieces of a flat buffer, one after the other.
class Pieces {
 public:
  explicit Pieces(const Tensor& flat) : flat_(flat) {}

  Tensor next(const Tensor& like) {
    const std::int64_t begin = std::exchange(at_, at_ + like.numel());
    return flat_.narrow(0, begin, like.numel()).view(like.sizes());
  }

 private:
  const Tensor& flat_;
  std::int64_t at_ = 0;
};

}  // namespace

Exchange& Exchange::means(const std::vector<Tensor>& means) {
  if (!group_.alone()) means_.insert(means_.end(), means.begin(), means.end());
  return *this;
}

Exchange& Exchange::means(const Tensor& means) {
  if (!group_.alone()) means_.push_back(means);
  return *this;
}

Exchange& Exchange::means(std::initializer_list<double*> means) {
  if (!group_.alone()) numbers_.insert(numbers_.end(), means.begin(), means.end());
  return *this;
}

Exchange& Exchange::rows(const Tensor& whole) {
  if (!group_.alone()) rows_.push_back(whole);
  return *this;
}

Exchange& Exchange::gather(Tensor& mine) {
  if (group_.alone()) return *this;
  auto sizes = mine.sizes().vec();
  sizes.front() = batch_;
  const Tensor whole = at::empty(sizes, mine.options());
  rows_in(whole, group_.rows_of(batch_)).copy_(mine);
  mine = whole;
  return rows(whole);
}

void Exchange::run() {
  if (group_.alone()) return;
  const at::NoGradGuard no_graph;
  const Rows own = group_.rows_of(batch_);
  const double share = static_cast<double>(own.count) / static_cast<double>(batch_);
  const Tensor numbers = at::empty({std::ssize(numbers_)}, at::kDouble);
  double* of_numbers = numbers.data_ptr<double>();
  for (std::size_t i = 0; i < numbers_.size(); ++i) of_numbers[i] = *numbers_[i];
  means_.push_back(numbers);

  std::int64_t size = 0;
  bool wide = false;
  for (const auto* tensors : {&means_, &rows_})
    for (const Tensor& tensor : *tensors) size += tensor.numel();
  for (std::size_t i = 0; i + 1 < means_.size(); ++i)
    wide = wide || means_[i].scalar_type() == at::kDouble;
  const auto dtype = wide || size == numbers.numel() ? at::kDouble : at::kFloat;
  const Tensor flat = at::zeros({size}, means_.front().options().dtype(dtype));

  Pieces out(flat);
  for (const Tensor& mean : means_) out.next(mean).copy_(mean).mul_(share);
  for (const Tensor& whole : rows_) rows_in(out.next(whole), own).copy_(rows_in(whole, own));
  group_.sum(flat);
  Pieces in(flat);
  for (const Tensor& mean : means_) Tensor(mean).copy_(in.next(mean));
  for (const Tensor& whole : rows_) Tensor(whole).copy_(in.next(whole));
  for (std::size_t i = 0; i < numbers_.size(); ++i) *numbers_[i] = of_numbers[i];
}

}  // namespace monge
