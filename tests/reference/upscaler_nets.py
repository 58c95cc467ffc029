"""The upscalers in plain PyTorch, with the tensor names of the published checkpoints (Real-ESRGAN, BSD-3-Clause)."""

import torch
from torch import nn
from torch.nn import functional as F


class Compact(nn.Module):
    """SRVGGNetCompact: convolutions with PReLU at the small size, one pixel shuffle, and the nearest picture added."""

    def __init__(self, features=64, convolutions=32, scale=4, channels=3):
        super().__init__()
        self.scale = scale
        layers = [nn.Conv2d(channels, features, 3, padding=1), nn.PReLU(features)]
        for _ in range(convolutions):
            layers += [nn.Conv2d(features, features, 3, padding=1), nn.PReLU(features)]
        layers.append(nn.Conv2d(features, channels * scale * scale, 3, padding=1))
        self.body = nn.ModuleList(layers)

    def forward(self, x):
        out = x
        for layer in self.body:
            out = layer(out)
        return F.pixel_shuffle(out, self.scale) + F.interpolate(x, scale_factor=self.scale, mode="nearest")


def leaky(x):
    return F.leaky_relu(x, 0.2)


class DenseBlock(nn.Module):
    """Five convolutions, each reading everything before it; a fifth of the last is added to the input."""

    def __init__(self, features, growth):
        super().__init__()
        for index in range(5):
            out = growth if index < 4 else features
            setattr(self, f"conv{index + 1}", nn.Conv2d(features + index * growth, out, 3, padding=1))

    def forward(self, x):
        seen = [x]
        for index in range(4):
            seen.append(leaky(getattr(self, f"conv{index + 1}")(torch.cat(seen, 1))))
        return x + 0.2 * self.conv5(torch.cat(seen, 1))


class Block(nn.Module):
    def __init__(self, features, growth):
        super().__init__()
        for index in range(3):
            setattr(self, f"rdb{index + 1}", DenseBlock(features, growth))

    def forward(self, x):
        return x + 0.2 * self.rdb3(self.rdb2(self.rdb1(x)))


class Rrdb(nn.Module):
    """RRDBNet of ESRGAN; at scales 2 and 1 the picture is unshuffled first, so that the net always works at a quarter."""

    def __init__(self, features=64, blocks=23, growth=32, scale=4, channels=3):
        super().__init__()
        self.unshuffle = 4 // scale
        self.conv_first = nn.Conv2d(channels * self.unshuffle**2, features, 3, padding=1)
        self.body = nn.ModuleList(Block(features, growth) for _ in range(blocks))
        self.conv_body = nn.Conv2d(features, features, 3, padding=1)
        self.conv_up1 = nn.Conv2d(features, features, 3, padding=1)
        self.conv_up2 = nn.Conv2d(features, features, 3, padding=1)
        self.conv_hr = nn.Conv2d(features, features, 3, padding=1)
        self.conv_last = nn.Conv2d(features, channels, 3, padding=1)

    def forward(self, x):
        if self.unshuffle > 1:
            x = F.pixel_unshuffle(x, self.unshuffle)
        first = self.conv_first(x)
        deep = first
        for block in self.body:
            deep = block(deep)
        x = first + self.conv_body(deep)
        x = leaky(self.conv_up1(F.interpolate(x, scale_factor=2, mode="nearest")))
        x = leaky(self.conv_up2(F.interpolate(x, scale_factor=2, mode="nearest")))
        return self.conv_last(leaky(self.conv_hr(x)))


# The names of the first ESRGAN's files, by the new ones.
OLD_NAMES = {"conv_first": "model.0", "conv_up1": "model.3", "conv_up2": "model.6", "conv_hr": "model.8", "conv_last": "model.10"}


def old_names(state, blocks):
    """A state dict of `Rrdb(scale=4)` under the names of the first ESRGAN's files."""
    out = {}
    for name, tensor in state.items():
        head, _, tail = name.rpartition(".")
        if head == "conv_body":
            head = f"model.1.sub.{blocks}"
        elif head.startswith("body."):
            _, block, dense, conv = head.split(".")
            head = f"model.1.sub.{block}.{dense.upper()}.{conv}.0"
        else:
            head = OLD_NAMES[head]
        out[f"{head}.{tail}"] = tensor
    return out
