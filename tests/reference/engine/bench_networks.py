#!/usr/bin/env python3
"""One pass of the mini family's networks in diffusers: the counterpart of `cargo bench -p chapan-engine --bench networks`.

usage: bench_networks.py [ROUNDS] [THREADS]      prints one JSON line of minima in milliseconds
"""
import json
import pathlib
import sys
import time

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel

MODEL = pathlib.Path(__file__).resolve().parents[3] / "assets" / "models" / "chapan-mini"
CLOCK = time.process_time if "--cpu-time" in sys.argv else time.perf_counter
ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 20


def fastest(run):
    run()
    times = []
    for _ in range(ROUNDS):
        start = CLOCK()
        run()
        times.append(CLOCK() - start)
    return round(min(times) * 1e3, 3)


@torch.no_grad()
def main():
    torch.set_num_threads(int(sys.argv[2]) if len(sys.argv) > 2 else 2)
    unet = UNet2DConditionModel.from_pretrained(MODEL / "unet", torch_dtype=torch.float32).eval()
    vae = AutoencoderKL.from_pretrained(MODEL / "vae", torch_dtype=torch.float32).eval()
    x, ctx, z = torch.randn(2, unet.config.in_channels, 16, 16), torch.randn(2, 77, 256), torch.randn(1, vae.config.latent_channels, 16, 16)
    added = {"text_embeds": torch.randn(2, 128), "time_ids": torch.full((2, 6), 128.0)}
    print(json.dumps({"unet_step_ms": fastest(lambda: unet(x, 601.0, ctx, added_cond_kwargs=added)),
                      "vae_decode_ms": fastest(lambda: vae.decode(z))}))


main()
