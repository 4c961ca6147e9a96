"""Options as the core declares them: the section each belongs to, signatures and texts."""

import inspect
import numbers
import os

import numpy as np

from monge import _core

PARTS = {(part.kind, part.name): part for part in _core.parts()}
TYPES = {"bool": "bool", "integer": "int", "number": "float", "text": "str",
         "integers": "Sequence[int]", "numbers": "Sequence[float]"}
_SKLEARN = {"random_state": "seed", "max_iter": "max_steps"}  # what they are called elsewhere
_CONFIGURED = ("solver", "network", "cost", "section")
_KINDS = {"latent": "latent='autoencoder' or 'vae', or latent_file,",
          "smoothing": "smoothing='gaussian' or 'variance_preserving'"}


def keyword(section, option):
    """An option's name as a keyword: its own, but of [smoothing] `smoothing` for its kind and
    `smoothing_level` for its level, and so of [latent]."""
    if section not in _KINDS:
        return option
    return section if option == "kind" else f"{section}_{option}"


def asked(table):
    """Whether the options of [latent] or [smoothing] ask for one."""
    return table.get("kind", "none") != "none" or bool(table.get("file"))


def declared():
    """Keyword to [(part, option), ...] of everything that a fit can be told, in order."""
    options = {}
    for part in PARTS.values():
        if part.kind in _CONFIGURED:
            for option in part.options:
                options.setdefault(keyword(part.name, option.name), []).append((part, option))
    return options


DECLARED = declared()


def _type(name):
    """The words for what a keyword takes."""
    kind = TYPES[DECLARED[name][0][1].type]
    return f"{kind} or torch.nn.Module" if name == "map" else kind


def stub_type(name):
    """The type of a keyword in a stub, which imports Module."""
    return _type(name).replace(" or torch.nn.", " | ")


def keywords(sections):
    """The options in the sections of a config as keywords; of a smoothing or a latent space that is
    none they say nothing."""
    return {keyword(section, name): value for section, options in sections.items()
            if section not in ("source", "target") and (section not in _KINDS or asked(options))
            for name, value in options.items() if name != "name"}


def plain(name, value):
    """A value as the core takes it; TypeError on another kind."""
    if isinstance(value, str):
        return value
    if isinstance(value, os.PathLike):
        return os.fsdecode(value)
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (list, tuple, np.ndarray)):
        return [number(name, one) for one in value]
    return number(name, value)


def number(name, value):
    if isinstance(value, numbers.Integral):
        if not -2**63 <= value < 2**63:
            raise ValueError(f"{name}: expected an integer of 64 bits, got {value}")
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


def path(value, name):
    """A path as the core takes it."""
    if not isinstance(value, (str, os.PathLike)):
        raise TypeError(f"{name}: expected a path, got {type(value).__name__}")
    if "\0" in os.fspath(value):
        raise ValueError(f"{name}: expected a path, got one with a null character")
    return value


def folder(value):
    """The path of a checkpoint; None for none."""
    return None if value is None else path(value, "checkpoint")


def require_known(names, keywords=()):
    """ValueError on an option that no part declares, naming the nearest, a keyword or another."""
    for name in names:
        if name not in DECLARED:
            plain_name = name.replace(".", "_")  # latent.dimension, as the program has it
            hint = (plain_name if plain_name in DECLARED
                    else _SKLEARN.get(name) or _core.nearest(name, [*keywords, *DECLARED]))
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
    known = [part for kind, part in PARTS if kind == section]
    if chosen is not None and chosen not in known:
        raise ValueError(f"{section}.name: unknown {section} '{chosen}'; did you mean "
                         f"'{_core.nearest(chosen, known)}'?")
    if chosen is not None:
        result[section] = before | {"name": chosen}
    return chosen


def _require_asked(result, options):
    """ValueError on options of a smoothing or a latent space that is none."""
    for section, kinds in _KINDS.items():
        if asked(result.get(section, {})):
            continue
        for name in options:
            if name.startswith(f"{section}_"):
                raise ValueError(f"{name}: expected {kinds} beside it, got none")


def code_dimension(recipe, options):
    """Numbers of a code of the latent space that a recipe and options ask for; 0 for none."""
    latent = _core.recipe(recipe).get("latent", {}) if isinstance(recipe, str) else {}
    for name in (option.name for option in PARTS["section", "latent"].options):
        value = options.get(keyword("latent", name))
        if value is not None:
            latent[name] = plain(f"latent.{name}", value)
    return _core.latent_dimension({"latent": latent})


def sections(solver, network, cost, options, *, recipe=None, modules=()):
    """The sections of a config: those of the recipe, with the options over them, each in the
    section of the part that declares it. What `modules` names ("network", "map") is not Monge's."""
    if recipe is not None and not isinstance(recipe, str):
        raise TypeError(f"recipe: expected a name, got {type(recipe).__name__}")
    result = {} if recipe is None else _core.recipe(recipe)
    for measured in ("source", "target"):
        result.pop(measured, None)
    solver = _choose(result, "solver", solver, "saddle_point" if modules else "dual")
    if modules and solver != "saddle_point":
        raise ValueError("solver.name: expected saddle_point, since a network was given, "
                         f"got {solver}")
    if "network" in modules:
        network = None
    if "map" in modules:
        options = options | {"map": "network"}
    networks, costs = _core.choices(solver)
    chosen = {"solver": ("solver", solver),
              "network": ("network", _choose(result, "network", network,
                                             networks[0] if networks else None)),
              "cost": ("cost", _choose(result, "cost", cost, costs[0])),
              **{name: ("section", name) for name in (*_KINDS, "train", "evaluate")}}
    if "network" in modules:
        result.pop("network", None)
        del chosen["network"]
    known = {keyword(section, option.name): (section, option.name)
             for section, part in chosen.items() if part in PARTS
             for option in PARTS[part].options}
    require_known(options)
    for name, value in options.items():
        if name not in known:
            owners = ", ".join(part.name for part, _ in DECLARED[name])
            raise ValueError(f"option '{name}' is not one of solver '{solver}' and its parts, "
                             f"but of {owners}")
        section, option = known[name]
        result.setdefault(section, {})[option] = plain(f"{section}.{option}", value)
    _require_asked(result, options)
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


def documented(text):
    """A class's docstring with the declared options as numpydoc parameters in place of @OPTIONS@."""
    lines = []
    for name, places in DECLARED.items():
        lines.append(f"{name} : {_type(name)}, default=None")
        for part, option in places:
            bounds = f", {option.bounds}" if option.bounds else ""
            lines.append(f"    {part.name} ({option.default!r}{bounds}): {option.sentence}")
    return text.replace("@OPTIONS@", "\n    ".join(lines))
