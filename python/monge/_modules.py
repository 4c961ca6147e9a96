"""A torch.nn.Module as a network of the core."""

import contextlib
import copy
import math

import torch

from monge import _core
from monge._points import shape_text


@contextlib.contextmanager
def _evaluating(module):
    """The module as it is applied, and every part of it then in the mode in which it was."""
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, training in modes:
            part.training = training


def _require_float32(module, name):
    """ValueError unless what training changes is in float32 on the processor."""
    for key, parameter in module.named_parameters():
        cpu_float32 = parameter.device.type == "cpu" and parameter.dtype == torch.float32
        if parameter.requires_grad and not cpu_float32:
            raise ValueError(f"{name}: expected parameters in float32 on the cpu, got "
                             f"{parameter.dtype} on {parameter.device} in '{key}'")


def _trained(module, name):
    """The parameters that training changes, by name; ValueError on those that it cannot."""
    parameters = {}
    for key, parameter in module.named_parameters():
        if not parameter.requires_grad:
            continue
        if not parameter.is_contiguous():
            raise ValueError(f"{name}: expected contiguous parameters, got '{key}'")
        parameters[key] = parameter
    if not parameters:
        raise ValueError(f"{name}: expected a module with parameters to train, got none")
    return parameters


class Network:
    """A module as the function from [n, inputs] to [n, outputs] that the core takes it for.

    With a ``shape`` [c, h, w] of as many numbers as it has inputs, the module sees images.
    """

    def __init__(self, module, name, inputs, outputs, shape=()):
        if not isinstance(module, torch.nn.Module):
            raise TypeError(f"{name}: expected a torch.nn.Module, got {type(module).__name__}")
        self.module, self.name = module, name
        self.inputs, self.outputs = inputs, outputs
        self.shape = tuple(shape) if len(shape) == 3 else (inputs,)
        _require_float32(module, name)
        try:
            with torch.no_grad():
                self.forward(torch.zeros(2, inputs))  # also what makes lazy parameters
        except RuntimeError as error:
            raise ValueError(f"{name}: expected a module of {shape_text(('n', *self.shape))}, "
                             f"got from it: {str(error).splitlines()[0]}") from error
        self.parameters = _trained(module, name)
        self.buffers = dict(module.named_buffers()) | {
            key: frozen for key, frozen in module.named_parameters() if not frozen.requires_grad}

    def forward(self, x):
        """F(x) as it is applied: without dropout, say."""
        with _evaluating(self.module):
            return self.train_forward(x)

    def train_forward(self, x):
        """F(x) in the module's own mode."""
        if x.shape[1:] != (self.inputs,):
            raise ValueError(f"{self.name}: expected points [n, {self.inputs}], "
                             f"got {shape_text(x.shape)}")
        return self._checked(self.module(x.reshape(-1, *self.shape)), len(x))

    def _checked(self, values, n):
        if not isinstance(values, torch.Tensor):
            raise TypeError(f"{self.name}: expected a tensor from the module, "
                            f"got {type(values).__name__}")
        if values.dtype != torch.float32 or values.device.type != "cpu":
            raise ValueError(f"{self.name}: expected values in float32 on the cpu, "
                             f"got {values.dtype} on {values.device}")
        if torch.is_grad_enabled() and not values.requires_grad:
            raise ValueError(f"{self.name}: expected values with a graph to the parameters, "
                             "got values without")
        if len(values) != n or values.numel() != n * self.outputs:
            scalar = " or [n]" if self.outputs == 1 else ""
            raise ValueError(f"{self.name}: expected a module from {shape_text(('n', *self.shape))} "
                             f"to [n, {self.outputs}]{scalar}, got {shape_text(values.shape)} "
                             f"for n = {n}")
        return values.reshape(n, self.outputs)

    def clone(self):
        return Network(copy.deepcopy(self.module), self.name, self.inputs, self.outputs, self.shape)


def split(network, options):
    """The modules among a fit's network and options: "network", for the potential, and "map"."""
    given = {"network": network, "map": options.get("map")}
    return {name: one for name, one in given.items() if isinstance(one, torch.nn.Module)}


def networks(modules, sections, shape):
    """The modules as the networks that the core trains on points of a shape, or on their codes."""
    codes = _core.latent_dimension(sections) if modules else 0
    if codes:
        shape = (codes,)
    d, noise = math.prod(shape), sections["solver"].get("noise_dimension", 0)
    given = {}
    if "network" in modules:
        given["potential"] = Network(modules["network"], "network", d, 1, shape)
    if "map" in modules:
        given["map"] = Network(modules["map"], "map", d + noise, d, () if noise else shape)
    return given


def image_shape(notes):
    """The shape [c, h, w] in the notes of a map file; () where there is none."""
    return tuple(map(int, notes["shape"].split("x"))) if "shape" in notes else ()


class Maker:
    """Makes the network of a map file out of a module; ``used`` tells whether it had to."""

    def __init__(self, module):
        if not isinstance(module, torch.nn.Module):
            raise TypeError(f"map: expected a torch.nn.Module, got {type(module).__name__}")
        self.module, self.used = module, False

    def __call__(self, inputs, outputs, notes):
        self.used = True
        shape = image_shape(notes)
        return Network(self.module, "map", inputs, outputs,
                       shape if math.prod(shape) == inputs else ())
