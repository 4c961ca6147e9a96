"""Strong NOT's steps on images in PyTorch, written as its papers and their formulas read.

python eager_conv.py unet|critic|not BATCH SIZE STEPS [--contiguous] [--plain-adam] [--compile]
                     [--cuda] [--bfloat16 | --float16]
python eager_conv.py idle
python eager_conv.py numbers FILE

The first two print the wall and processor seconds of every step and the process's peak memory as
JSON. By default channels last and the fused Adam; the benchmark runs the other settings once each.
The last computes a step from the weights that monge_bench_conv wrote, in float64 and in the weights'
own type, and prints how far that program and PyTorch are off the former.
"""

import json
import sys
import time

import torch
from torch import nn
from torch.nn import functional


class NormalisedConvolution(nn.Sequential):
    def __init__(self, inputs, outputs):
        super().__init__(nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs),
                         nn.ReLU(inplace=True))


class Unit(nn.Module):
    def __init__(self, inputs, middle, outputs):
        super().__init__()
        self.first = NormalisedConvolution(inputs, middle)
        self.second = NormalisedConvolution(middle, outputs)

    def forward(self, x):
        return self.second(self.first(x))


class UNet(nn.Module):
    """Four halvings, four bilinear doublings (Ronneberger et al. 2015; the T of NOT)."""

    def __init__(self, channels=3, w=48):
        super().__init__()
        widths = [w, 2 * w, 4 * w, 8 * w, 8 * w]
        self.down = nn.ModuleList(Unit(a, b, b) for a, b in zip([channels, *widths], widths))
        self.up = nn.ModuleList([*(Unit(a, a // 2, a // 4) for a in (16 * w, 8 * w, 4 * w)),
                                 Unit(2 * w, w, w)])
        self.final = nn.Conv2d(w, channels, 1)

    def forward(self, x):
        x = self.down[0](x)
        links = []
        for unit in self.down[1:]:
            links.append(x)
            x = unit(functional.max_pool2d(x, 2))
        for unit in self.up:
            x = functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
            x = unit(torch.cat([links.pop(), x], 1))
        return self.final(x)


class Block(nn.Module):
    def __init__(self, inputs, outputs, ratio=0.1):
        super().__init__()
        hidden = min(inputs, outputs)
        self.first = nn.Conv2d(inputs, hidden, 3, padding=1)
        self.second = nn.Conv2d(hidden, outputs, 3, padding=1)
        self.shortcut = (nn.Conv2d(inputs, outputs, 1, bias=False) if inputs != outputs
                         else nn.Identity())
        self.leaky = nn.LeakyReLU(0.2, inplace=True)
        self.ratio = ratio

    def forward(self, x):
        dx = self.second(self.leaky(self.first(x)))
        return self.leaky(self.shortcut(x) + self.ratio * dx)


class ResNetCritic(nn.Module):
    """The critic of WGAN-QC (Liu et al. 2019; the f of NOT)."""

    def __init__(self, size, channels=3, width=64, most=512):
        super().__init__()
        self.first = nn.Conv2d(channels, width, 3, padding=1)
        self.stage = nn.ModuleList()
        a = width
        for _ in range((size // 4).bit_length()):
            b = min(2 * a, most)
            self.stage.append(nn.ModuleList([Block(a, a), Block(a, b)]))
            a = b
        self.final = nn.Linear(16 * a, 1)
        self.leaky = nn.LeakyReLU(0.2, inplace=True)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="leaky_relu")

    def forward(self, x):
        x = self.leaky(self.first(x))
        for k, blocks in enumerate(self.stage):
            if k > 0:
                x = functional.avg_pool2d(x, 3, 2, 1)
            for block in blocks:
                x = block(x)
        return self.final(x.flatten(1))


def train(network, on):
    for parameter in network.parameters():
        parameter.requires_grad_(on)
    network.train(on)


class Step:
    def __init__(self, size, layout, fused, compiled, device="cpu", precision=torch.float32):
        self.device, self.precision = device, precision
        self.unet = UNet().to(device, memory_format=layout)
        self.critic = ResNetCritic(size).to(device, memory_format=layout)
        self.map_scaler, self.potential_scaler = (
            torch.amp.GradScaler(device, enabled=precision == torch.float16) for _ in range(2))
        self.map, self.potential = ((torch.compile(self.unet), torch.compile(self.critic))
                                    if compiled else (self.unet, self.critic))
        self.layout = layout
        self.map_optimiser, self.potential_optimiser = (
            torch.optim.Adam(network.parameters(), lr=1e-4, fused=fused or None)
            for network in (self.unet, self.critic))

    def mixed(self):
        return torch.autocast(self.device, self.precision, self.precision != torch.float32)

    def map_loss(self, x):
        train(self.unet, True)
        train(self.critic, False)
        self.map_optimiser.zero_grad(set_to_none=True)
        with self.mixed():
            moved = self.map(x)
            loss = functional.mse_loss(moved, x) - self.potential(moved).mean()
        self.map_scaler.scale(loss).backward()
        return loss

    def moved(self, x):
        train(self.unet, False)
        with torch.no_grad(), self.mixed():
            return self.map(x)

    def potential_loss(self, moved, y):
        train(self.critic, True)
        self.potential_optimiser.zero_grad(set_to_none=True)
        with self.mixed():
            loss = self.potential(moved).mean() - self.potential(y).mean()
        self.potential_scaler.scale(loss).backward()
        return loss

    def images(self, batch, size):
        images = torch.randn(batch, 3, size, size, device=self.device)
        return images.contiguous(memory_format=self.layout)

    def update(self, optimiser, scaler):
        scaler.step(optimiser)
        scaler.update()
        optimiser.zero_grad(set_to_none=True)

    def run(self, mode, batch, size):
        if mode != "critic":
            self.map_loss(self.images(batch, size))
            self.update(self.map_optimiser, self.map_scaler)
        if mode != "unet":
            x = self.images(batch, size)
            self.potential_loss(x if mode == "critic" else self.moved(x), self.images(batch, size))
            self.update(self.potential_optimiser, self.potential_scaler)
        if self.device == "cuda":
            torch.cuda.synchronize()


def peak_bytes():
    with open("/proc/self/status") as status:
        return next(1024 * int(line.split()[1]) for line in status if line.startswith("VmHWM"))


def measure(mode, batch, size, steps, flags):
    torch.manual_seed(0)
    layout = torch.contiguous_format if "--contiguous" in flags else torch.channels_last
    precision = next((kind for kind in (torch.bfloat16, torch.float16)
                      if f"--{str(kind).removeprefix('torch.')}" in flags), torch.float32)
    step = Step(size, layout, "--plain-adam" not in flags, "--compile" in flags,
                "cuda" if "--cuda" in flags else "cpu", precision)
    warm_up = 3 if "--cuda" in flags else 1
    wall, processor = [], []
    for _ in range(warm_up + steps):
        begin, cpu = time.perf_counter(), time.process_time()
        step.run(mode, batch, size)
        wall.append(time.perf_counter() - begin)
        processor.append(time.process_time() - cpu)
    return {"step": wall[warm_up:], "processor": processor[warm_up:], "first": wall[0]}


def torch_names(network):
    """Monge's names of the parameters with the network's own."""
    parts = {"weight": "0.weight", "bias": "0.bias", "scale": "1.weight", "shift": "1.bias"}
    names = {}
    for name, parameter in network.named_parameters():
        head, _, tail = name.removesuffix(".weight").rpartition(".")
        if isinstance(network, UNet) and not name.startswith("final"):
            unit = name.rsplit(".", 2)[0]
            part = next(key for key, value in parts.items() if name == f"{unit}.{value}")
            names[f"{unit}.{part}"] = parameter
        else:
            names[f"{head}.{tail}" if tail == "shortcut" else name] = parameter
    return names


def as_torch(tensor, parameter):
    """Monge keeps a weight channels last and flattens an image channels last."""
    if parameter.dim() == 4 and tensor.dim() == 4:
        return tensor.permute(0, 3, 1, 2)
    if tensor.dim() == 3:
        tensor = tensor.permute(2, 0, 1)
    return tensor.reshape(parameter.shape)


def gap(a, b):
    return ((a - b).norm() / b.norm()).item()


def computed(stored, dtype):
    """A step's losses, images and gradients in `dtype` from the stored weights."""
    x, y = (stored[name].to(dtype, memory_format=torch.channels_last) for name in "xy")
    step = Step(x.shape[-1], torch.channels_last, True, False)
    networks = {"map": step.unet, "potential": step.critic}
    for part, network in networks.items():
        network.to(dtype)
        with torch.no_grad():
            for name, parameter in torch_names(network).items():
                parameter.copy_(as_torch(stored[f"{part}.{name}"], parameter))

    def gradient(part):
        return {name: p.grad.double() for name, p in torch_names(networks[part]).items()}

    result = {"map loss": step.map_loss(x).detach(), "map gradient": gradient("map")}
    moved = step.moved(x)
    return result | {"moved": moved, "potential loss": step.potential_loss(moved, y).detach(),
                     "potential gradient": gradient("potential")}


def flat(gradients):
    """All but the biases before a batch normalisation, whose gradients are 0 up to rounding."""
    return torch.cat([value.flatten() for name, value in gradients.items()
                      if not (name[:4] in ("down", "up.0", "up.1", "up.2", "up.3")
                              and name.endswith(".bias"))])


def gaps(result, reference):
    return {name: gap(*(flat(side[name]) if isinstance(side[name], dict) else side[name].double()
                        for side in (result, reference))) for name in reference}


def numbers(path):
    """How far Monge is off the step in float64 and in its own dtype, and how far that is itself."""
    from safetensors.torch import load_file

    stored = load_file(path)
    dtype = stored["x"].dtype
    reference, eager = computed(stored, torch.float64), computed(stored, dtype)
    monge = {"moved": stored["moved"]}
    for part in ("map", "potential"):
        monge[f"{part} loss"] = stored[f"{part}.loss"]
        shapes = reference[f"{part} gradient"]
        monge[f"{part} gradient"] = {
            name: as_torch(stored[f"{part}.gradient.{name}"], value).double()
            for name, value in shapes.items()}
    return {"monge": gaps(monge, reference), "eager": gaps(eager, reference)}


def main(mode, *arguments):
    if mode == "numbers":
        result = numbers(arguments[0])
    elif mode == "idle":
        torch.ones(2).sum()
        result = {}
    else:
        batch, size, steps, *flags = arguments
        result = measure(mode, int(batch), int(size), int(steps), flags)
    print(json.dumps(result | {"peak": peak_bytes(), "threads": torch.get_num_threads()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
