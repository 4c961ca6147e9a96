#pragma once

#include "monge/tensor.h"

#include "kernels/adam_loop.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <vector>

namespace monge::kernels {

/// body(i, from, to) for entries `from` to `to` of tensors[i]: all entries of all of the tensors
/// are divided among ATen's threads as if they lay in one row. Tensors of the same sizes are
/// divided in the same places at every call, so that what a thread has written it finds in its own
/// cache.
template <class Body>
void over_shares(const std::vector<Tensor>& tensors, Body body) {
  constexpr std::int64_t grain = 1 << 13;  // entries that are worth a thread
  std::int64_t all = 0;
  for (const Tensor& tensor : tensors) all += tensor.numel();
  at::parallel_for(0, all, grain, [&](std::int64_t first, std::int64_t last) {
    std::int64_t start = 0;
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      const std::int64_t size = tensors[i].numel();
      const std::int64_t from = std::clamp<std::int64_t>(first - start, 0, size);
      const std::int64_t to = std::clamp<std::int64_t>(last - start, 0, size);
      if (from < to) body(i, from, to);
      start += size;
    }
  });
}

/// Adds to `whole`, the sums of the first of `threads` threads, those of the others:
/// part_of(thread) points to float32 tensors of the same sizes, or is null where a thread summed
/// nothing.
template <class PartOf>
void add_shares(const std::vector<Tensor>& whole, std::int64_t threads, PartOf part_of) {
  if (threads < 2) return;
  const auto add = adam_loops<float>().add;
  over_shares(whole, [&](std::size_t i, std::int64_t from, std::int64_t to) {
    for (std::int64_t thread = 1; thread < threads; ++thread)
      if (const std::vector<Tensor>* part = part_of(thread))
        add(to - from, (*part)[i].template const_data_ptr<float>() + from,
            whole[i].template data_ptr<float>() + from);
  });
}

}  // namespace monge::kernels
