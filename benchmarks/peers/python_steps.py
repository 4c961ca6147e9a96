"""The training loop as Python runs it.

python python_steps.py CONFIG CALLBACKS: trains the parts that the JSON file CONFIG names, with a
callback at every step where CALLBACKS is 1, and prints its steps, and the processor seconds from the
two measures to the end of the loop, as JSON.
"""

import json
import sys
import time

import monge


class Watcher:
    """Sees every step."""

    def __init__(self):
        self.loss = 0.0

    def on_step(self, step):
        self.loss = step.loss


def main(config, callbacks):
    parts = json.loads(open(config).read())
    measures = [monge.measure(side.pop("name"), **side) for side in parts["measures"]]
    begin = time.process_time()
    solver = monge.Solver(parts["solver"], **parts["options"])
    outcome = monge.train(solver, *measures, [Watcher()] if callbacks == "1" else [], progress=False)
    print(json.dumps({"seconds": time.process_time() - begin, "steps": outcome.steps}))


if __name__ == "__main__":
    main(*sys.argv[1:])
