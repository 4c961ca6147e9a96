// Times the steps of strong NOT on images: those of the map, of the potential, and both.
//
//   monge_bench_conv unet|critic|not BATCH SIZE STEPS
//   monge_bench_conv idle
//   monge_bench_conv numbers BATCH SIZE FILE
//
// The first two print a line of JSON: the wall and processor seconds of every step and the largest
// memory that the process held, in bytes. The last writes the weights, the inputs and what a step
// computes of them as safetensors.
#include "monge/adam.h"
#include "monge/frozen.h"
#include "monge/networks/resnet_critic.h"
#include "monge/networks/unet.h"
#include "monge/safetensors.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/autograd.h>

#include <nlohmann/json.hpp>

#include <chrono>
#include <ctime>
#include <fstream>
#include <iostream>

namespace {

using at::Tensor;
using monge::Graph;
using monge::State;
using Json = nlohmann::json;

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// VmHWM: unlike getrusage's, not raised by what the process was before it became this program.
std::int64_t peak_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmHWM:")) return 1024 * std::stoll(line.substr(6));
  return 0;
}

std::vector<Tensor> values_of(const State& state) {
  std::vector<Tensor> values;
  for (const auto& [name, tensor] : state) values.push_back(tensor);
  return values;
}

/// Strong NOT with the cost of the official code, the mean squared difference of all pixels.
class Step {
 public:
  explicit Step(std::int64_t size)
      : map({.size = size}, random), potential({.size = size}, random) {}

  struct Derivatives {
    double loss = 0;
    std::vector<Tensor> gradients;  // in the order of the parameters' names
  };

  Derivatives of_map(const Tensor& x) const {
    const monge::Frozen frozen(potential.parameters());
    const at::AutoGradMode recording(true);
    const Tensor moved = map.forward(x, Graph::create);
    return of(at::mse_loss(moved, x) - potential.value(moved, Graph::create).mean(),
              map.parameters());
  }

  /// The two batches one after the other, so that the activations of one are held at a time.
  Derivatives of_potential(const Tensor& moved, const Tensor& y) const {
    const at::AutoGradMode recording(true);
    const State parameters = potential.parameters();
    Derivatives sum = of(potential.value(moved, Graph::create).mean(), parameters);
    const Derivatives target = of(-potential.value(y, Graph::create).mean(), parameters);
    sum.loss += target.loss;
    for (std::size_t i = 0; i < sum.gradients.size(); ++i)
      sum.gradients[i].add_(target.gradients[i]);
    return sum;
  }

  monge::Random random{1, "network"};
  monge::UNet map;
  monge::ResNetCritic potential;
  monge::Adam map_optimiser{map.parameters(), {.learning_rate = 1e-4}};
  monge::Adam potential_optimiser{potential.parameters(), {.learning_rate = 1e-4}};

 private:
  static Derivatives of(const Tensor& loss, const State& parameters) {
    return {loss.item<double>(), torch::autograd::grad({loss}, values_of(parameters))};
  }
};

template <class Work>
Json timed(int steps, Work work) {
  Json wall, processor;
  for (int i = 0; i < steps; ++i) {
    const double begin = now();
    const std::clock_t cpu = std::clock();
    work();
    wall.push_back(now() - begin);
    processor.push_back(static_cast<double>(std::clock() - cpu) / CLOCKS_PER_SEC);
  }
  return {{"step", wall}, {"processor", processor}};
}

Json measure(const std::string& mode, std::int64_t batch, std::int64_t size, int steps) {
  Step step(size);
  const auto images = [&] { return at::randn({batch, 3, size, size}); };
  const auto move = [&] { step.map_optimiser.step(step.of_map(images()).gradients, 1.0); };
  const auto judge = [&](const Tensor& moved) {
    step.potential_optimiser.step(step.of_potential(moved, images()).gradients, 1.0);
  };
  const auto work = [&] {
    if (mode != "critic") move();
    if (mode == "critic") judge(images());
    if (mode == "not") judge(step.map.forward(images(), Graph::none));
  };
  timed(1, work);
  return timed(steps, work);
}

void write_numbers(std::int64_t batch, std::int64_t size, const std::string& path) {
  Step step(size);
  State all;
  for (const auto& [name, tensor] : step.map.parameters()) all["map." + name] = tensor.detach();
  for (const auto& [name, tensor] : step.potential.parameters())
    all["potential." + name] = tensor.detach();
  const Tensor x = all["x"] = at::randn({batch, 3, size, size});
  const Tensor y = all["y"] = at::randn({batch, 3, size, size});
  const auto put = [&](const std::string& part, const Step::Derivatives& found,
                       const State& parameters) {
    all[part + ".loss"] = at::full({}, found.loss, at::kDouble);
    std::size_t i = 0;
    for (const auto& [name, tensor] : parameters)
      all[part + ".gradient." + name] = found.gradients[i++];
  };
  put("map", step.of_map(x), step.map.parameters());
  const Tensor moved = step.map.forward(x, Graph::none).contiguous();
  all["moved"] = moved;
  put("potential", step.of_potential(moved, y), step.potential.parameters());
  monge::write_safetensors(path, {all, {}});
}

int run(const std::vector<std::string>& arguments) {
  const std::string& mode = arguments.at(0);
  Json result;
  if (mode == "numbers") {
    write_numbers(std::stoll(arguments.at(1)), std::stoll(arguments.at(2)), arguments.at(3));
  } else if (mode != "idle") {
    result = measure(mode, std::stoll(arguments.at(1)), std::stoll(arguments.at(2)),
                     std::stoi(arguments.at(3)));
  } else {
    at::ones({2}).sum();
  }
  result["peak"] = peak_bytes();
  result["threads"] = at::get_num_threads();
  std::cout << result.dump() << "\n";
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  try {
    return run({arguments + 1, arguments + count});
  } catch (const std::exception& error) {
    std::cerr << "monge_bench_conv: " << error.what() << "\n";
    return 1;
  }
}
