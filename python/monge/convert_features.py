"""Makes weights of published image metrics into safetensors files that Monge reads.

    python -m monge.convert_features inception pt_inception-2015-12-05-6726825d.pth inception.safetensors
    python -m monge.convert_features lpips alexnet-owt-7be5be79.pth lpips/weights/v0.1/alex.pth alex.safetensors
    python -m monge.convert_features lpips vgg16-397923af.pth lpips/weights/v0.1/vgg.pth vgg.safetensors

`inception` takes the weights that pytorch-fid and torch-fidelity use (Apache 2.0); `lpips` takes the
trunk as torchvision has it and the linear heads of the lpips package (BSD). The results go to
`monge evaluate RUN --features inception.safetensors --perceptual alex.safetensors`.

Nothing in a file is executed: it is read with weights_only.
"""

import argparse
import os
import pathlib
import sys
import tempfile

import torch
from safetensors.torch import save_file

# The convolutions of each trunk by their place in torchvision's list, and how many are compared.
TRUNKS = {
    "alex": ([0, 3, 6, 8, 10], [64, 192, 384, 256, 256]),
    "vgg": ([0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28], [64, 128, 256, 512, 512]),
}


def read_state(path):
    """The tensors of a .pth file by name."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError) as error:
        raise SystemExit(f"{path}: expected a .pth file of weights, got: {first_line(error)}")
    except Exception as error:  # pickle's errors have no common base
        raise SystemExit(f"{path}: expected weights that load without code, got: {first_line(error)}")
    state = state.get("state_dict", state) if isinstance(state, dict) else state
    if not isinstance(state, dict) or not all(torch.is_tensor(one) for one in state.values()):
        raise SystemExit(f"{path}: expected tensors by name, got {type(state).__name__}")
    return state


def first_line(error):
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def taken(path, state, name, shape=None):
    if name not in state:
        raise SystemExit(f"{path}: expected a tensor '{name}', got none")
    tensor = state[name].detach().float().contiguous()
    if shape is not None and list(tensor.shape) != shape:
        raise SystemExit(f"{path}: {name}: expected shape {shape}, got {list(tensor.shape)}")
    return tensor


def inception(weights):
    """All that comes before pool3, under torchvision's names."""
    state = read_state(weights)
    kept = {name: taken(weights, state, name) for name in state
            if name.endswith((".conv.weight", ".bn.weight", ".bn.bias", ".bn.running_mean",
                              ".bn.running_var")) and not name.startswith("AuxLogits")}
    taken(weights, state, "Conv2d_1a_3x3.conv.weight", [32, 3, 3, 3])
    taken(weights, state, "Mixed_7c.branch_pool.conv.weight", [192, 2048, 1, 1])
    return kept, "inception_v3_fid"


def lpips(trunk, heads):
    """A trunk's convolutions and the heads as head.0, ...; which trunk it is the heads tell."""
    state, linear = read_state(trunk), read_state(heads)
    widths = [taken(heads, linear, f"lin{index}.model.1.weight").shape[1] for index in range(5)]
    name = next((name for name, (_, compared) in TRUNKS.items() if compared == widths), None)
    if name is None:
        raise SystemExit(f"{heads}: expected the heads of AlexNet or VGG-16, got widths {widths}")
    tensors = {f"features.{place}.{part}": taken(trunk, state, f"features.{place}.{part}")
               for place in TRUNKS[name][0] for part in ("weight", "bias")}
    first = list(tensors["features.0.weight"].shape)
    wanted = {"alex": [64, 3, 11, 11], "vgg": [64, 3, 3, 3]}[name]
    if first != wanted:
        raise SystemExit(f"{trunk}: expected the trunk of the {name} heads, features.0.weight "
                         f"{wanted}, got {first}")
    for index in range(5):
        tensors[f"head.{index}"] = taken(heads, linear, f"lin{index}.model.1.weight").flatten()
    return tensors, f"lpips_{name}"


def write(tensors, network, out):
    """Whole or not at all."""
    folder = out.resolve().parent
    try:
        descriptor, temporary = tempfile.mkstemp(dir=folder, prefix=out.name, suffix=".part")
        os.close(descriptor)
    except OSError as error:
        raise SystemExit(f"{out}: cannot write: {error.strerror}")
    try:
        save_file(tensors, temporary, {"network": network})
        os.replace(temporary, out)
    except BaseException:
        os.unlink(temporary)
        raise


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m monge.convert_features",
                                     description=__doc__.splitlines()[0])
    networks = parser.add_subparsers(dest="network", required=True)
    one = networks.add_parser("inception", help="InceptionV3 for FID and KID")
    one.add_argument("weights", type=pathlib.Path)
    two = networks.add_parser("lpips", help="AlexNet or VGG-16 for LPIPS")
    two.add_argument("trunk", type=pathlib.Path)
    two.add_argument("heads", type=pathlib.Path)
    for command in (one, two):
        command.add_argument("out", type=pathlib.Path)
    options = parser.parse_args(arguments)
    if options.network == "inception":
        tensors, network = inception(options.weights)
    else:
        tensors, network = lpips(options.trunk, options.heads)
    write(tensors, network, options.out)
    print(f"{options.out}: {network}, {len(tensors)} tensors")


if __name__ == "__main__":
    sys.exit(main())
