// Times the steps of strong NOT on images: those of the map, of the potential, and both.
//
//   monge_bench_conv unet|critic|not BATCH SIZE STEPS
//   monge_bench_conv game BATCH SIZE STEPS cpu|cuda float32|bfloat16|float16
//   monge_bench_conv idle
//   monge_bench_conv numbers BATCH SIZE float32|float64 FILE
//
// The first three print a line of JSON: the wall and processor seconds of every step and the
// largest memory that the process held, in bytes; the second takes the solver's own step, of the
// map and then of the potential. The last writes the weights, the inputs and what a step computes
// of them as safetensors.
#include "monge/adam.h"
#include "monge/frozen.h"
#include "monge/networks/resnet_critic.h"
#include "monge/networks/unet.h"
#include "monge/safetensors.h"

#include "solvers/image_saddle_point_step.h"
#include "timing.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/autograd.h>

#include <nlohmann/json.hpp>

#include <chrono>
#include <ctime>
#include <fstream>
#include <iostream>
#include <optional>

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

/// Strong NOT with the cost of the official code, the mean squared difference of all pixels.
class Step {
 public:
  explicit Step(std::int64_t size, at::ScalarType dtype = at::kFloat)
      : map({.size = size}, random, dtype), potential({.size = size}, random, dtype) {}

  struct Derivatives {
    double loss = 0;
    std::vector<Tensor> gradients;  // in the order of the parameters' names
  };

  Derivatives of_map(const Tensor& x) const {
    const monge::Frozen frozen(potential.parameters());
    const at::AutoGradMode recording(true);
    const Tensor moved = map.forward(x, Graph::create);
    const double loss =
        backward(at::mse_loss(moved, x) - potential.value(moved, Graph::create).mean());
    return {loss, take_gradients(map.parameters())};
  }

  /// The two batches one after the other, so that the activations of one are held at a time.
  Derivatives of_potential(const Tensor& moved, const Tensor& y) const {
    const at::AutoGradMode recording(true);
    const double at_moved = backward(potential.value(moved, Graph::create).mean());
    const double at_target = backward(-potential.value(y, Graph::create).mean());
    return {at_moved + at_target, take_gradients(potential.parameters())};
  }

  void update_map(const Tensor& x) { update(map_optimiser_, map.parameters(), of_map(x)); }
  void update_potential(const Tensor& moved, const Tensor& y) {
    update(potential_optimiser_, potential.parameters(), of_potential(moved, y));
  }

  monge::Random random{1, "network"};
  monge::UNet map;
  monge::ResNetCritic potential;

 private:
  static double backward(const Tensor& loss) {
    torch::autograd::backward({loss});
    return loss.item<double>();
  }

  static std::vector<Tensor> take_gradients(const State& parameters) {
    std::vector<Tensor> gradients;
    for (const auto& [name, parameter] : parameters) {
      gradients.push_back(parameter.grad());
      parameter.mutable_grad().reset();
    }
    return gradients;
  }

  static void update(std::optional<monge::Adam>& optimiser, const State& parameters,
                     const Derivatives& found) {
    if (!optimiser) optimiser.emplace(parameters, monge::AdamOptions{.learning_rate = 1e-4});
    optimiser->step(found.gradients, 1.0);
  }

  std::optional<monge::Adam> map_optimiser_, potential_optimiser_;
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
  const auto work = [&] {
    if (mode != "critic") step.update_map(images());
    if (mode == "critic") step.update_potential(images(), images());
    if (mode == "not") step.update_potential(step.map.forward(images(), Graph::none), images());
  };
  timed(1, work);
  return timed(steps, work);
}

/// Both steps as the solver takes them, wherever and however precisely they compute.
Json measure_game(std::int64_t batch, std::int64_t size, int steps,
                  const monge::Computation& computation) {
  const Step networks(size);
  for (const State& tensors :
       {networks.map.parameters(), networks.map.statistics(), networks.potential.parameters()})
    monge::move_to(computation.device, tensors);
  monge::ImageSaddlePointStep step(
      {.cost_scale = 2.0 / static_cast<double>(3 * size * size), .computation = computation},
      monge::image_potential(networks.potential), networks.map);
  const monge::AdamOptions options{.learning_rate = 1e-4};
  monge::Adam map(networks.map.parameters(), options),
      potential(networks.potential.parameters(), options);
  const auto images = [&] {
    return at::randn({batch, 3 * size * size}, at::TensorOptions(computation.device));
  };
  const auto update = [](monge::Adam& adam, const std::vector<Tensor>& derivatives,
                         monge::LossScale& scale) {
    if (scale.take(std::isfinite(monge::norm_of(derivatives)))) adam.step(derivatives, 1.0);
  };
  const auto work = [&] {
    step.for_map(images(), {});
    update(map, step.map_derivatives(), step.map_scale());
    step.for_potential(images(), {}, images());
    update(potential, step.potential_derivatives(), step.potential_scale());
    potential.parameters().front().sum().item<double>();  // the device has come so far
  };
  for (int i = 0; i < 3; ++i) work();
  return timed(steps, work);
}

void write_numbers(std::int64_t batch, std::int64_t size, at::ScalarType dtype,
                   const std::string& path) {
  Step step(size, dtype);
  State all;
  for (const auto& [name, tensor] : step.map.parameters()) all["map." + name] = tensor.detach();
  for (const auto& [name, tensor] : step.potential.parameters())
    all["potential." + name] = tensor.detach();
  const Tensor x = all["x"] = at::randn({batch, 3, size, size}, dtype);
  const Tensor y = all["y"] = at::randn({batch, 3, size, size}, dtype);
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
    const at::ScalarType dtype = arguments.at(3) == "float64" ? at::kDouble : at::kFloat;
    write_numbers(std::stoll(arguments.at(1)), std::stoll(arguments.at(2)), dtype, arguments.at(4));
  } else if (mode == "game") {
    result = measure_game(std::stoll(arguments.at(1)), std::stoll(arguments.at(2)),
                          std::stoi(arguments.at(3)),
                          monge::computation_of(arguments.at(4), arguments.at(5)));
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
  return bench::main_of("monge_bench_conv", count, arguments, run);
}
