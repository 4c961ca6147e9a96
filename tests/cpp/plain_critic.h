#pragma once

#include "monge/networks/resnet_critic.h"

#include <ATen/ATen.h>

#include <fmt/format.h>

namespace monge {

/// The critic written from WGAN-QC's description in ATen's operators, of images [n, c, h, w]; with
/// an embedding [n, e] its blocks are conditioned on it.
inline Tensor plain_critic(const State& p, const ResNetCriticOptions& o, const Tensor& x,
                           const Tensor& embedding = {}) {
  const auto convolution = [&](const Tensor& z, const std::string& name) {
    return at::conv2d(z, p.at(name + ".weight").permute({0, 3, 1, 2}), p.at(name + ".bias"), 1, 1);
  };
  Tensor z = at::leaky_relu(convolution(x, "first"), o.slope);
  for (int k = 0; p.contains(fmt::format("stage.{}.0.first.bias", k)); ++k) {
    if (k > 0) z = at::avg_pool2d(z, 3, 2, 1);
    for (const int i : {0, 1}) {
      const std::string name = fmt::format("stage.{}.{}.", k, i);
      Tensor hidden = convolution(z, name + "first");
      if (embedding.defined())
        hidden = hidden + embedding.mm(p.at(name + "condition").t()).unsqueeze(2).unsqueeze(3);
      hidden = at::leaky_relu(hidden, o.slope);
      const auto link = p.find(name + "shortcut");
      if (link != p.end()) z = at::conv2d(z, link->second.unsqueeze(2).unsqueeze(3));
      z = at::leaky_relu(z + o.residual_ratio * convolution(hidden, name + "second"), o.slope);
    }
  }
  const Tensor weight = p.at("final.weight").permute({2, 0, 1}).flatten();
  return z.flatten(1).mv(weight) + p.at("final.bias");
}

}  // namespace monge
