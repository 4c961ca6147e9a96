#pragma once

#include "monge/networks/network.h"

#include "bindings.h"

namespace monge::python {

/// The network of a module as monge._modules.Network describes it; null for None.
std::shared_ptr<AutogradNetwork> network_of(const py::object& module);

}  // namespace monge::python
