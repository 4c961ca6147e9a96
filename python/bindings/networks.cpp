#include "networks.h"

#include <c10/core/GradMode.h>

namespace monge::python {
namespace {

/// A torch.nn.Module, by way of monge._modules.Network. Takes the interpreter's lock for every
/// call, and not for the derivatives, which are autograd's.
class ModuleNetwork final : public AutogradNetwork {
 public:
  explicit ModuleNetwork(const py::object& module)
      : module_(module),
        inputs_(module_.attr("inputs").cast<std::int64_t>()),
        outputs_(module_.attr("outputs").cast<std::int64_t>()),
        parameters_(module_.attr("parameters").cast<State>()),
        buffers_(module_.attr("buffers").cast<State>()) {}
  ~ModuleNetwork() override {
    const py::gil_scoped_acquire lock;
    module_ = py::object();
  }
  ModuleNetwork(const ModuleNetwork&) = delete;
  ModuleNetwork& operator=(const ModuleNetwork&) = delete;

  std::int64_t inputs() const override { return inputs_; }
  std::int64_t outputs() const override { return outputs_; }
  Tensor forward(const Tensor& x, Graph graph) const override {
    const at::AutoGradMode mode(graph == Graph::create);
    return called("forward", x);
  }
  Tensor train_forward(const Tensor& x) const override {
    const at::AutoGradMode mode(true);
    return called("train_forward", x);
  }
  State parameters() const override { return parameters_; }
  State buffers() const override { return buffers_; }
  std::shared_ptr<AutogradNetwork> clone() const override {
    const py::gil_scoped_acquire lock;
    return std::make_shared<ModuleNetwork>(module_.attr("clone")());
  }

 private:
  Tensor called(const char* method, const Tensor& x) const {
    const py::gil_scoped_acquire lock;
    return module_.attr(method)(x).cast<Tensor>();
  }

  py::object module_;
  std::int64_t inputs_, outputs_;
  State parameters_, buffers_;
};

}  // namespace

std::shared_ptr<AutogradNetwork> network_of(const py::object& module) {
  const py::gil_scoped_acquire lock;
  return module.is_none() ? nullptr : std::make_shared<ModuleNetwork>(module);
}

}  // namespace monge::python
