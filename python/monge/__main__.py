"""The program `monge`: `python -m monge` gives its arguments on and becomes it.

Where a launcher such as torchrun has started several processes, each runs the program inside
itself and shares its work with the others.
"""

import importlib.util
import os
import pathlib
import sys


def main():
    if "WORLD_SIZE" in os.environ:
        from monge import _parallel
        _parallel.run(sys.argv[1:])
    program = pathlib.Path(__file__).parent / "bin" / "monge"
    # The program looks for libtorch beside the package; torch may be installed elsewhere.
    torch = importlib.util.find_spec("torch").submodule_search_locations[0]
    folders = [f"{torch}/lib", *filter(None, [os.environ.get("LD_LIBRARY_PATH")])]
    environment = {**os.environ, "LD_LIBRARY_PATH": ":".join(folders)}
    os.execve(program, ["monge", *sys.argv[1:]], environment)


if __name__ == "__main__":
    main()
