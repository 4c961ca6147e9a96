"""Trains the classifier whose activations are Monge's offline image features, and writes its weights.

    apt-get install dataset-fashion-mnist
    python tools/train_offline_features.py        (torch, safetensors; about seven minutes on one core)

Four 3 x 3 convolutions, the first at the image's resolution and the others of stride 2, each with
batch normalisation and ReLU, and a linear layer on the mean over the last one's places, trained on
the 60 000 training images of Fashion-MNIST (Xiao et al. 2017, MIT licence), grey values in [-1, 1],
28 pixels placed at random in 32. The normalisations are folded into the convolutions; the weights
are kept in half precision.
"""

import argparse
import gzip
import pathlib

import numpy
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional

WIDTHS = [24, 48, 96, 128]
SIDE = 32
ROOT = pathlib.Path(__file__).resolve().parent.parent


def read_idx(path):
    with gzip.open(path) as file:
        magic = file.read(4)
        shape = [int.from_bytes(file.read(4), "big") for _ in range(magic[3])]
        return torch.from_numpy(numpy.frombuffer(file.read(), "u1").reshape(shape).copy())


def read_set(folder, name):
    """Images [n, 1, 28, 28] in [-1, 1] and labels [n]."""
    images = read_idx(folder / f"{name}-images-idx3-ubyte.gz")
    labels = read_idx(folder / f"{name}-labels-idx1-ubyte.gz")
    return images.unsqueeze(1).float() / 127.5 - 1, labels.long()


def placed(images, left, top):
    room = SIDE - images.shape[-1]
    return functional.pad(images, (left, room - left, top, room - top), value=-1)


def augmented(images):
    room = SIDE - images.shape[-1]
    left, top, flip = (int(torch.randint(high, ())) for high in (room + 1, room + 1, 2))
    return placed(images.flip(3) if flip else images, left, top)


def classifier(classes):
    layers, inputs = [], 1
    for stage, width in enumerate(WIDTHS):
        layers += [nn.Conv2d(inputs, width, 3, stride=1 if stage == 0 else 2, padding=1, bias=False),
                   nn.BatchNorm2d(width), nn.ReLU()]
        inputs = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, classes))


def train(network, images, labels, epochs, batch):
    steps = epochs * (len(images) // batch)
    optimiser = torch.optim.AdamW(network.parameters(), lr=4e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, steps)
    for epoch in range(epochs):
        for chosen in torch.randperm(len(images)).split(batch)[:len(images) // batch]:
            loss = functional.cross_entropy(network(augmented(images[chosen])), labels[chosen])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
        print(f"epoch {epoch + 1}: loss {float(loss.detach()):.3f}", flush=True)


def folded(network):
    """Convolutions with their normalisations inside, and the linear layer, in half precision."""
    tensors, stage = {}, 0
    for convolution, norm in zip(network, list(network)[1:]):
        if not isinstance(norm, nn.BatchNorm2d):
            continue
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        tensors[f"{stage}.weight"] = convolution.weight * scale.view(-1, 1, 1, 1)
        tensors[f"{stage}.bias"] = norm.bias - norm.running_mean * scale
        stage += 1
    tensors |= {"classes.weight": network[-1].weight, "classes.bias": network[-1].bias}
    return {name: tensor.detach().half().contiguous() for name, tensor in tensors.items()}


def accuracy(tensors, images, labels):
    """Of the folded weights as they are kept."""
    right = 0
    for some, wanted in zip(images.split(1000), labels.split(1000)):
        x = placed(some, 2, 2)
        for stage in range(len(WIDTHS)):
            weight, bias = (tensors[f"{stage}.{part}"].float() for part in ("weight", "bias"))
            x = functional.conv2d(x, weight, bias, stride=1 if stage == 0 else 2, padding=1).relu()
        x = functional.linear(x.mean((2, 3)), tensors["classes.weight"].float(),
                              tensors["classes.bias"].float())
        right += int((x.argmax(1) == wanted).sum())
    return right / len(labels)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=pathlib.Path, default="/usr/share/datasets/fashion-mnist")
    parser.add_argument("--out", type=pathlib.Path,
                        default=ROOT / "src/features/fashion_mnist.safetensors")
    parser.add_argument("--epochs", type=int, default=5)
    options = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    network = classifier(classes=10)
    train(network, *read_set(options.data, "train"), options.epochs, batch=128)
    tensors = folded(network.eval())
    share = accuracy(tensors, *read_set(options.data, "t10k"))
    print(f"test accuracy {100 * share:.2f} %")
    options.out.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, options.out, {"network": "fashion_mnist_classifier",
                                     "licence": "MIT", "test_accuracy": f"{share:.4f}"})


if __name__ == "__main__":
    main()
