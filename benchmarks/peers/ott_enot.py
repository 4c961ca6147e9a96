"""ENOT of OTT-JAX on two arrays for a number of seconds, with its default networks.

python ott_enot.py FOLDER SECONDS SEED OUT: learns from source.npy and target.npy, maps held.npy to
OUT. The learning rate falls along a cosine over as many steps as the seconds allow, which is better
for it than the constant default; compilation is not counted.
"""

import json
import os
import sys
import time
from pathlib import Path

threads = os.environ.get("OMP_NUM_THREADS", "1")
os.environ["XLA_FLAGS"] = (f"--xla_cpu_multi_thread_eigen={str(threads != '1').lower()} "
                           f"intra_op_parallelism_threads={threads}")

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy  # noqa: E402
import optax  # noqa: E402
from ott.neural.methods.expectile_neural_dual import ExpectileNeuralDual  # noqa: E402

BATCH = 1024


def solver(dimension, steps, seed):
    def optimiser():
        return optax.adam(optax.cosine_decay_schedule(3e-4, max(steps, 1)), b1=0.9, b2=0.9)

    return ExpectileNeuralDual(dimension, optimizer_f=optimiser(), optimizer_g=optimiser(),
                               rng=jax.random.key(seed))


def advance(dual, step, source, target, rng):
    """The body of its training loop: both directions in turn."""
    x, y = (jnp.asarray(points[rng.integers(len(points), size=BATCH)])
            for points in (source, target))
    if step % 2 == 0:
        dual.state_f, dual.state_g, loss, *_ = dual.train_step(dual.state_f, dual.state_g,
                                                               {"source": x, "target": y})
    else:
        dual.state_g, dual.state_f, loss, *_ = dual.train_step(dual.state_g, dual.state_f,
                                                               {"source": y, "target": x})
    return loss


def seconds_of(dual, steps, source, target, rng):
    begin = time.perf_counter()
    for step in range(steps):
        loss = advance(dual, step, source, target, rng)
    loss.block_until_ready()
    return time.perf_counter() - begin


def main(folder, budget, seed, out):
    source, target = numpy.load(folder / "source.npy"), numpy.load(folder / "target.npy")
    rng = numpy.random.default_rng(seed)
    trial = solver(source.shape[1], 1000, seed)
    seconds_of(trial, 2, source, target, rng)  # compiles both directions
    rate = 20 / seconds_of(trial, 20, source, target, rng)
    steps = int(budget * rate)
    dual = solver(source.shape[1], steps, seed)
    seconds_of(dual, 2, source, target, rng)  # a new schedule is compiled anew
    seconds, done = 0.0, 0
    begin = time.perf_counter()
    while seconds < budget:
        advance(dual, done, source, target, rng).block_until_ready()
        done += 1
        seconds = time.perf_counter() - begin
    held = jnp.asarray(numpy.load(folder / "held.npy"))
    numpy.save(out, numpy.asarray(dual.to_dual_potentials().transport(held)))
    print(json.dumps({"steps": done, "train_seconds": seconds}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
