"""Writes what pytorch-fid's InceptionV3 and the lpips package give for weights and images by formula.

    pip install torchvision pytorch-fid lpips safetensors
    python tests/golden/features/make.py

tests/cpp/features_test.cpp makes the same weights from the names and shapes in *.txt.
"""

import math
import pathlib

import lpips
import torch
import torchvision
from pytorch_fid import inception
from safetensors.torch import save_file

FOLDER = pathlib.Path(__file__).resolve().parent


def spread(shape, seed):
    """Numbers in [-0.5, 0.5] without an obvious order."""
    k = torch.arange(math.prod(shape), dtype=torch.int64)
    scrambled = (k * k % 65537 * 31 + k * 7919 + seed * 104729) % 65537
    return (scrambled.double() / 65536 - 0.5).float().view(shape)


def weight(name, shape, seed):
    numbers = spread(shape, seed)
    if len(shape) == 4:
        return numbers * math.sqrt(24 / math.prod(shape[1:]))  # He's variance
    if name.startswith("head."):
        return numbers + 0.5
    if name.endswith(("bn.weight", "bn.running_var")):
        return 1 + 0.4 * numbers
    return 0.2 * numbers


def weights(shapes):
    return {name: weight(name, shapes[name], seed) for seed, name in enumerate(sorted(shapes))}


def write_shapes(name, shapes):
    lines = [" ".join([key, *map(str, shapes[key])]) for key in sorted(shapes)]
    (FOLDER / f"{name}.txt").write_text("\n".join(lines) + "\n")


def displayed(images):
    """As a file of 8 bits holds them, in [-1, 1]."""
    return ((images + 1) * 127.5).round() / 127.5 - 1


def inception_features(images):
    plain = torchvision.models.inception_v3(num_classes=1008, aux_logits=False, weights=None,
                                            init_weights=False)
    everything = plain.state_dict()
    shapes = {name: list(tensor.shape) for name, tensor in everything.items()
              if not name.startswith("fc.") and not name.endswith("num_batches_tracked")}
    write_shapes("inception", shapes)
    inception.load_state_dict_from_url = lambda *_, **__: everything | weights(shapes)
    network = inception.InceptionV3([3]).eval()
    return network((displayed(images) + 1) / 2)[0].flatten(1)


def perceptual(trunk, x, y):
    network = lpips.LPIPS(net=trunk, pretrained=False, pnet_rand=True, verbose=False).eval()
    parts = {f"features.{name.split('.', 1)[1]}": tensor
             for name, tensor in network.net.named_parameters()}
    parts |= {f"head.{index}": lin.model[1].weight for index, lin in enumerate(network.lins)}
    shapes = {name: [tensor.numel()] if name.startswith("head.") else list(tensor.shape)
              for name, tensor in parts.items()}
    write_shapes(f"lpips_{trunk}", shapes)
    for name, value in weights(shapes).items():
        parts[name].data.copy_(value.view_as(parts[name]))
    return network(displayed(x), displayed(y)).flatten()


@torch.no_grad()
def main():
    small = 2 * spread([2, 3, 40, 48], 1)
    x = 1.6 * spread([2, 3, 64, 72], 2)
    y = x + 0.4 * spread([2, 3, 64, 72], 3)
    save_file({"inception": inception_features(small), "lpips_alex": perceptual("alex", x, y),
               "lpips_vgg": perceptual("vgg", x, y)}, FOLDER / "expected.safetensors")


main()
