"""Options as the core declares them: the section each belongs to, signatures and texts."""

import inspect
import numbers

import numpy as np

from monge import _core

PARTS = {(part.kind, part.name): part for part in _core.parts()}
TYPES = {"bool": "bool", "integer": "int", "number": "float", "text": "str",
         "integers": "Sequence[int]", "numbers": "Sequence[float]"}
_CONFIGURED = ("solver", "network", "cost", "section")


def declared():
    """Name to [(part, option), ...] of everything that a fit can be told, in order."""
    options = {}
    for part in PARTS.values():
        if part.kind in _CONFIGURED:
            for option in part.options:
                options.setdefault(option.name, []).append((part, option))
    return options


DECLARED = declared()


def plain(name, value):
    """A value as the core takes it; TypeError on another kind."""
    if isinstance(value, str):
        return value
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (list, tuple, np.ndarray)):
        return [number(name, one) for one in value]
    return number(name, value)


def number(name, value):
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return float(value)
    raise TypeError(f"{name}: expected a bool, number, text or list of numbers, "
                    f"got {type(value).__name__}")


def table(where, options):
    return {name: plain(f"{where}.{name}", value) for name, value in options.items()}


def seed(value):
    """A seed as the core takes it."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(f"seed: expected an integer, got {type(value).__name__}")
    if not 0 <= value < 2**63:
        raise ValueError(f"seed: expected 0 to {2**63 - 1}, got {value}")
    return int(value)


def require_known(names):
    """ValueError on an option that no part declares, naming the nearest."""
    for name in names:
        if name not in DECLARED:
            hint = _core.nearest(name, list(DECLARED))
            raise ValueError(f"unknown option '{name}'; did you mean '{hint}'?")


def sections(solver, network, cost, options):
    """The sections of a config; an option goes to the part of it that declares it."""
    networks, costs = _core.choices(solver)
    chosen = [("solver", PARTS["solver", solver])]
    network = network or (networks[0] if networks else None)
    for kind, name in (("network", network), ("cost", cost or costs[0])):
        if name is not None and (kind, name) in PARTS:
            chosen.append((kind, PARTS[kind, name]))
    chosen += [(name, PARTS["section", name]) for name in ("train", "evaluate")]
    result = {"solver": {"name": solver}}
    if network is not None:
        result["network"] = {"name": network}
    if cost is not None:
        result["cost"] = {"name": cost}
    known = {option.name: section for section, part in chosen for option in part.options}
    require_known(options)
    for name, value in options.items():
        if name not in known:
            hint = _core.nearest(name, list(known))
            raise ValueError(f"option '{name}' is not one of solver '{solver}' and its parts; "
                             f"did you mean '{hint}'?")
        result.setdefault(known[name], {})[name] = plain(f"{known[name]}.{name}", value)
    return result


def default(section, name):
    """The default of an option of the section `train` or `evaluate`."""
    return next(option.default for option in PARTS["section", section].options
                if option.name == name)


def signature(function):
    """The signature of `function` with every declared option in place of its **options."""
    parameters = list(inspect.signature(function).parameters.values())
    options = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None)
               for name in DECLARED]
    return inspect.Signature(parameters[:-1] + options)


def documentation():
    """The options as a numpydoc list of parameters."""
    lines = []
    for name, places in DECLARED.items():
        lines.append(f"{name} : {TYPES[places[0][1].type]}, default=None")
        for part, option in places:
            bounds = f", {option.bounds}" if option.bounds else ""
            lines.append(f"    {part.name} ({option.default!r}{bounds}): {option.sentence}")
    return "\n".join(lines)
