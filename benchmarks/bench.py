"""The benchmark house: ./dev bench [list | tables | NAME...]. docs/benchmarks.md explains it."""

import datetime
import importlib
import json
import re
import shutil
import sys

import common

NAMES = ["truth.default", "truth.solvers", "gaussian", "solvers", "toys", "icnn_ot", "starts",
         "colour", "kernels", "steps", "conv", "precision", "gpu", "images", "sampling", "discrete",
         "cells", "startup", "race", "otp.dual", "otp.methods", "otp.curves", "not_toys", "noised",
         "parallel", "libraries", "python_steps", "gallery.domain_adaptation", "gallery.density",
         "gallery.translation", "gallery.latent", "gallery.colour", "gallery.cells",
         "gallery.noised", "gallery.coloured_digits", "gallery.style_transfer",
         "gallery.super_resolution", "gallery.colourisation"]


def module(name):
    if name not in NAMES:
        sys.exit(f"bench: unknown benchmark '{name}'; known: {', '.join(NAMES)}")
    return importlib.import_module(name)


def render(name, result):
    return f"{module(name).table(result)}\n\n{common.footer(result)}\n"


def run(name):
    print(f"bench: {name}: {module(name).__doc__.splitlines()[0]}", file=sys.stderr)
    result = {"name": name, "date": datetime.date.today().isoformat(),
              "machine": common.machine(), "load_before": common.load()}
    result |= module(name).run()
    result["load_after"] = common.load()
    common.OUT.mkdir(parents=True, exist_ok=True)
    (common.OUT / f"{name}.json").write_text(json.dumps(result, indent=2) + "\n")
    text = render(name, result)
    (common.OUT / f"{name}.md").write_text(text)
    print(text)


def pattern_of(name):
    """That of the block of a page that holds a benchmark's table."""
    begin, end = f"<!-- bench:{name} -->", f"<!-- /bench:{name} -->"
    return re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)


def picture(name, page):
    """The figure of a benchmark for the block of a page, where that does not show it elsewhere."""
    link = f"]({page.stem}.png)"
    caption = getattr(module(name), "CAPTION", None)
    if caption is None or link in pattern_of(name).sub("", page.read_text()):
        return ""
    return f"\n![{module(name).__doc__.splitlines()[0]}{link}\n\n*{caption}*\n"


def write_tables(page):
    """Replaces the marked blocks of a page by the tables of the last results, and its figures."""
    text = page.read_text()
    for name in NAMES:
        source = common.OUT / f"{name}.json"
        begin, end = f"<!-- bench:{name} -->", f"<!-- /bench:{name} -->"
        if begin not in text:
            continue
        if not source.exists():
            print(f"bench: {source} is missing: run ./dev bench {name}", file=sys.stderr)
            continue
        figure = common.OUT / f"{name}.png"
        shown = picture(name, page) if figure.exists() else ""
        block = f"{begin}\n{render(name, json.loads(source.read_text()))}{shown}{end}"
        text, count = pattern_of(name).subn(lambda _: block, text)
        if count != 1:
            sys.exit(f"bench: {page}: expected one block {begin} … {end}, got {count}")
        if figure.exists():
            shutil.copy(figure, page.with_suffix(".png"))
        print(f"bench: wrote the table {name}", file=sys.stderr)
    page.write_text(text)


def named(arguments):
    """The benchmarks of the command line; a name before a dot stands for all that it holds."""
    return [name for argument in arguments
            for name in [known for known in NAMES if known.startswith(argument + ".")] or [argument]]


def main(arguments):
    if arguments == ["list"]:
        for name in NAMES:
            print(f"{name:{max(map(len, NAMES))}} {module(name).__doc__.splitlines()[0]}")
    elif arguments == ["tables"]:
        for page in [common.ROOT / "README.md", *sorted((common.ROOT / "docs").rglob("*.md"))]:
            write_tables(page)
    else:
        names = named(arguments) or NAMES
        for name in names:
            module(name)
        for name in names:
            run(name)


if __name__ == "__main__":
    main(sys.argv[1:])
