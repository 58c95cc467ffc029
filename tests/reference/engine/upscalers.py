#!/usr/bin/env python3
"""Parity fixtures of the upscalers, made by the plain PyTorch definitions of ../upscaler_nets.py.

usage: upscalers.py [OUT_DIR]      (default: tests/fixtures/engine/upscalers; torch, safetensors)

NAME.json lists tensors as published files name them, with the name that each is filled by; NAME.safetensors holds input
and output. Weights are not kept: the test makes the same bytes again from the names (see networks.py).
"""
import json
import pathlib
import re
import sys
import zlib

import torch
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).resolve()
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1])]
from upscaler_nets import Compact, Rrdb, old_names  # noqa: E402

OUT = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else HERE.parents[2] / "fixtures" / "engine" / "upscalers"


def refill(model):
    """Fills every parameter by its name: matrices scaled by fan-in, slopes around 0.2, biases around 0."""
    with torch.no_grad():
        for name, p in model.named_parameters():
            r = torch.randn(p.shape, generator=torch.Generator().manual_seed(zlib.crc32(name.encode())))
            if p.ndim > 1:
                p.copy_(r / p[0].numel() ** 0.5)
            else:
                p.copy_(0.1 * r + (0.2 if name.endswith("weight") else 0))
    return model.eval()


def dump(name, model, size, rename=None):
    state = refill(model).state_dict()
    checksum = 0
    for key in sorted(state):
        checksum = zlib.crc32(state[key].contiguous().numpy().tobytes(), checksum)
    published = rename(dict.fromkeys(state)) if rename else dict.fromkeys(state)
    tensors = [{"published": new, "name": key, "shape": list(state[key].shape)} for new, key in zip(published, state)]
    x = torch.rand((2, 3, *size), generator=torch.Generator().manual_seed(31))
    y = model(x)
    exact = model.double()(x.double())
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / f"{name}.json").write_text(json.dumps({"weights_crc32": checksum, "tensors": tensors}) + "\n")
    save_file({"in": x, "out": y.contiguous()}, OUT / f"{name}.safetensors")
    noise = ((y - exact).norm() / exact.norm()).item()
    print(f"{name}: {len(state)} tensors, {list(y.shape)}, spread {y.std().item():.2f}, torch against itself in float64 {noise:.1e}")


def second_generation(state):
    """ESRGAN's repository before BasicSR."""
    def one(name):
        name = re.sub(r"^body\.(\d+)\.rdb", r"RRDB_trunk.\1.RDB", name)
        return name.replace("conv_body", "trunk_conv").replace("conv_up", "upconv").replace("conv_hr", "HRconv")
    return {one(name): tensor for name, tensor in state.items()}


def wrapped(state):
    return {f"params_ema.{name}": tensor for name, tensor in state.items()}


@torch.no_grad()
def main():
    torch.set_num_threads(1)
    dump("rrdb_x4", Rrdb(32, 3, 16, 4), (13, 10))
    dump("rrdb_x4_old", Rrdb(24, 2, 8, 4), (9, 12), lambda state: old_names(state, 2))
    dump("rrdb_x4_trunk", Rrdb(16, 2, 16, 4), (8, 8), second_generation)
    dump("rrdb_x2", Rrdb(32, 2, 16, 2), (16, 12), wrapped)
    dump("compact_x4", Compact(32, 18, 4), (14, 11))
    dump("compact_x2", Compact(24, 4, 2), (9, 16), wrapped)


main()
