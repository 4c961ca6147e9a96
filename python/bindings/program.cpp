#include "program.h"

#include "monge/log.h"

#include "bindings.h"

#include <torch/csrc/distributed/c10d/GroupRegistry.hpp>

namespace monge::python {
namespace {

/// A process group of torch.distributed.
class TorchProcessGroup final : public ProcessGroup {
 public:
  explicit TorchProcessGroup(const std::string& name) : group_(c10d::resolve_process_group(name)) {}

  std::int64_t rank() const override { return group_->getRank(); }
  std::int64_t size() const override { return group_->getSize(); }
  void sum(const Tensor& numbers) override {
    exchange(numbers, [this](std::vector<Tensor>& all) { return group_->allreduce(all); });
  }
  void broadcast(const Tensor& numbers) override {
    exchange(numbers, [this](std::vector<Tensor>& all) { return group_->broadcast(all); });
  }

 private:
  template <class Begin>
  static void exchange(const Tensor& numbers, Begin begin) {
    std::vector<Tensor> all{numbers};
    try {
      begin(all)->wait();
    } catch (const std::exception&) {
      throw LostProcess("another process of the run has ended or cannot be reached");
    }
  }

  c10::intrusive_ptr<c10d::ProcessGroup> group_;
};

int run_program_in(const std::vector<std::string>& arguments, const std::string& group,
                   const std::function<std::int64_t(const std::string&, std::int64_t)>& count,
                   const std::string& attempt) {
  std::vector<const char*> words{"monge"};
  for (const std::string& argument : arguments) words.push_back(argument.c_str());
  log::set_sink({});  // the program logs as it does outside of Python
  return cli::run_program(static_cast<int>(words.size()), words.data(),
                          {std::make_shared<TorchProcessGroup>(group), count, attempt});
}

}  // namespace

void bind_program(py::module_& module) {
  module.def(
      "run_program", &run_program_in, py::arg("arguments"), py::arg("group"), py::arg("count"),
      py::arg("attempt"), Unlocked(),
      "The program `monge` in this process, one of those of the group of that name in "
      "torch.distributed; its exit code. `count(name, amount)` adds to a counter that is "
      "common to all processes and attempts, `attempt` a name that those of one attempt have.");
}

}  // namespace monge::python
