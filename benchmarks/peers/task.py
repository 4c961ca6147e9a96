"""Runs a task of docs/coming-from.md.

python task.py CODE PROBLEM OUT: the code sees the arrays of the npz file PROBLEM by their names. Its
imports are not timed. What it leaves as `moved` or `w2_squared` goes to the npz file OUT, and the
seconds, of the clock and of the processor, of its first run and of a second one, unless the first
took long, are printed as JSON.
"""

import ast
import json
import os
import sys
import time

threads = os.environ.get("OMP_NUM_THREADS", "1")
os.environ["XLA_FLAGS"] = (f"--xla_cpu_multi_thread_eigen={str(threads != '1').lower()} "
                           f"intra_op_parallelism_threads={threads}")

import numpy  # noqa: E402

LONG = 10  # seconds


def parts(code):
    """The imports of the code, and the rest. What it names of a module that loads its parts on first
    use is imported too."""
    tree = ast.parse(code)
    imports = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
    rest = [node for node in tree.body if node not in imports]
    modules = {alias.asname or alias.name for node in imports if isinstance(node, ast.Import)
               for alias in node.names}
    used = [ast.Expr(node) for node in ast.walk(ast.Module(rest, [])) if
            isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and
            node.value.id in modules]
    return [compile(ast.fix_missing_locations(ast.Module(body, [])), "task", "exec")
            for body in (imports + used, rest)]


def timed(body, names, arrays):
    """The seconds until the result is there as an array, and the result."""
    names.update({name: array.copy() if array.ndim else array.item()
                  for name, array in arrays.items()})
    wall, cpu = time.perf_counter(), time.process_time()
    exec(body, names)
    result = {name: numpy.asarray(names[name]) for name in ("moved", "w2_squared") if name in names}
    return {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}, result


def main(code, problem, out):
    imports, body = parts(open(code).read())
    with numpy.load(problem) as file:
        arrays = dict(file)
    names = {}
    exec(imports, names)
    first, result = timed(body, names, arrays)
    second = None if first["wall"] > LONG else timed(body, names, arrays)[0]
    numpy.savez(out, **result)
    print()
    print(json.dumps({"first": first, "second": second}))


if __name__ == "__main__":
    main(*sys.argv[1:])
