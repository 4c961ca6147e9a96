"""The program `monge`: `python -m monge` gives its arguments on and becomes it."""

import importlib.util
import os
import pathlib
import sys


def main():
    program = pathlib.Path(__file__).parent / "bin" / "monge"
    # The program looks for libtorch beside the package; torch may be installed elsewhere.
    torch = importlib.util.find_spec("torch").submodule_search_locations[0]
    folders = [f"{torch}/lib", *filter(None, [os.environ.get("LD_LIBRARY_PATH")])]
    environment = {**os.environ, "LD_LIBRARY_PATH": ":".join(folders)}
    os.execve(program, ["monge", *sys.argv[1:]], environment)


if __name__ == "__main__":
    main()
