"""Options as the core declares them: the section each belongs to, signatures and texts."""

import inspect
import numbers

import numpy as np

from monge import _core

PARTS = {(part.kind, part.name): part for part in _core.parts()}
TYPES = {"bool": "bool", "integer": "int", "number": "float", "text": "str",
         "integers": "Sequence[int]", "numbers": "Sequence[float]"}
_CONFIGURED = ("solver", "network", "cost", "section")


def keyword(section, option):
    """An option's name as a keyword: its own, but of [smoothing] `smoothing` for its kind and
    `smoothing_level` for its level."""
    if section != "smoothing":
        return option
    return section if option == "kind" else f"{section}_{option}"


def declared():
    """Keyword to [(part, option), ...] of everything that a fit can be told, in order."""
    options = {}
    for part in PARTS.values():
        if part.kind in _CONFIGURED:
            for option in part.options:
                options.setdefault(keyword(part.name, option.name), []).append((part, option))
    return options


DECLARED = declared()


def keywords(sections):
    """The options in the sections of a config as keywords."""
    return {keyword(section, name): value for section, options in sections.items()
            if section not in ("source", "target") for name, value in options.items()
            if name != "name"}


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


def _choose(result, section, name, fallback):
    """The part of a section: by its name, that of the recipe, or else `fallback`. Another part
    than the recipe's has none of its options."""
    before = result.pop(section, {})
    if name is not None and not isinstance(name, str):
        raise TypeError(f"{section}: expected a name, got {type(name).__name__}")
    if name is not None and name != before.get("name", fallback):
        before = {}
    chosen = name or before.get("name", fallback)
    if chosen is not None:
        result[section] = before | {"name": chosen}
    return chosen


def _require_smoothing(result, options):
    """ValueError on options of a smoothing that is none."""
    if result.get("smoothing", {}).get("kind", "none") == "none":
        for name in options:
            if name.startswith("smoothing_"):
                raise ValueError(f"{name}: expected smoothing='gaussian' or 'variance_preserving' "
                                 "beside it, got none")


def sections(solver, network, cost, options, *, recipe=None, own_network=True):
    """The sections of a config: those of the recipe, with the options over them, each in the
    section of the part that declares it. Without `own_network` the potential is not Monge's."""
    result = {} if recipe is None else _core.recipe(recipe)
    for measured in ("source", "target"):
        result.pop(measured, None)
    solver = _choose(result, "solver", solver, "dual")
    networks, costs = _core.choices(solver)
    chosen = {"solver": ("solver", solver),
              "network": ("network", _choose(result, "network", network,
                                             networks[0] if networks else None)),
              "cost": ("cost", _choose(result, "cost", cost, costs[0])),
              **{name: ("section", name) for name in ("smoothing", "train", "evaluate")}}
    if not own_network:
        result.pop("network", None)
        del chosen["network"]
    known = {keyword(section, option.name): (section, option.name)
             for section, part in chosen.items() if part in PARTS
             for option in PARTS[part].options}
    require_known(options)
    for name, value in options.items():
        if name not in known:
            hint = _core.nearest(name, list(known))
            raise ValueError(f"option '{name}' is not one of solver '{solver}' and its parts; "
                             f"did you mean '{hint}'?")
        section, option = known[name]
        result.setdefault(section, {})[option] = plain(f"{section}.{option}", value)
    _require_smoothing(result, options)
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
