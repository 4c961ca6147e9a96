"""Writes estimator.pyi and parts.pyi from their templates, NAME.pyi.in, and the options that the
core declares.

python stubs.py FOLDER OUTPUT..., with FOLDER that of the built core.
"""

import importlib.util
import pathlib
import sys

here = pathlib.Path(__file__).parent
folder, *outputs = map(pathlib.Path, sys.argv[1:])


def load(name, path):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


package = type(sys)("monge")
package.__path__ = []
sys.modules["monge"] = package
package._core = load("monge._core", next(folder.glob("_core.*.so")))
options = load("monge._options", here / "monge" / "_options.py")

lines = [f"        {name}: {options.stub_type(name)} | None = None," for name in options.DECLARED]
for output in outputs:
    template = (here / f"{output.name}.in").read_text()
    output.write_text(template.replace("        @OPTIONS@", "\n".join(lines)))
