"""Between stages 2 and 4: the pictures as latents, in files of 2,000: `python latents.py [--pictures 24000]`.

The UNet may start when the first file is there; it takes up new ones as they come.
"""

import argparse

import numpy as np
import torch

import fast
import nets
import training
from world import DATA, World

SHARD = 2000
CELLS = 16


def path(shard):
    return DATA / f"latents-{shard:03}.npy"


def ready():
    """How many files there are, from the first without a gap."""
    count = 0
    while path(count).exists():
        count += 1
    return count


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--pictures", type=int, default=24000)
    options = parser.parse_args()
    torch.set_num_threads(1)
    fast.apply()
    vae = nets.vae()
    vae.load_state_dict(training.load("vae")["vae"])
    vae = vae.to(torch.bfloat16).to(memory_format=torch.channels_last).eval()
    world = World("train", options.pictures)
    for shard in range(ready(), options.pictures // SHARD):
        out = np.empty((SHARD, CELLS, CELLS, nets.LATENTS), np.float16)
        with torch.no_grad():
            for at in range(0, SHARD, 20):
                rows = range(shard * SHARD + at, shard * SHARD + at + 20)
                x = world.pictures(rows).to(torch.bfloat16).contiguous(memory_format=torch.channels_last)
                out[at:at + 20] = vae.encode(x).latent_dist.mode().permute(0, 2, 3, 1).float().numpy()
        partial = path(shard).with_suffix(".partial")
        with open(partial, "wb") as file:
            np.save(file, out)
        partial.rename(path(shard))
        print(f"latents {(shard + 1) * SHARD}", flush=True)


if __name__ == "__main__":
    main()
