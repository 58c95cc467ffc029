"""The mini upscaler: 128 pixels of the world become 512.

    python upscaler.py [--seconds 1500]        trains; resumes where it stopped
    python upscaler.py --export ../../../assets/models/chapan-mini-upscaler

`CHAPAN_PRETRAIN_DATA` holds `words.json` and four sets of the world's `dataset` example: `large` and `small` (2,000 scenes
from seed 1, `--size 512` and 128), `held-large` and `held-small` (100 scenes, `--heldout`). What the network sees is a 512 picture made small by
several filters, the world drawn at 128, and what the mini model's autoencoder makes of that: generated
pictures carry its blemishes.
"""

import argparse
import json
import random
import sys
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F

import training
from world import DATA

sys.path.insert(0, str(Path(__file__).parents[1]))
from upscaler_nets import Compact  # noqa: E402

FEATURES, CONVOLUTIONS, SCALE = 32, 10, 4
SMALL, LARGE = 128, 512
CROP = 48
HELD = 100
# How the small picture came to be, and how often the network sees it so.
SOURCES = {"lanczos": 0.35, "box": 0.1, "drawn": 0.15, "decoded": 0.4}
VAE = Path(__file__).parents[3] / "assets/models/chapan-mini/vae"


def pictures(name, size):
    return np.memmap(DATA / f"{name}.rgb", dtype=np.uint8, mode="r").reshape(-1, size, size, 3)


def cached(name, make):
    path = DATA / f"{name}.npy"
    if not path.exists():
        made = make()
        with open(path.with_suffix(".partial"), "wb") as file:
            np.save(file, made)
        path.with_suffix(".partial").rename(path)
    return np.load(path)


def shrunk(large, kernel):
    return np.stack([np.asarray(Image.fromarray(p).resize((SMALL, SMALL), kernel)) for p in large])


@torch.no_grad()
def decoded(small):
    """What the mini model's autoencoder makes of the pictures, with a little noise on the latents."""
    from diffusers import AutoencoderKL

    import fast
    fast.apply()
    vae = AutoencoderKL.from_pretrained(VAE).to(torch.bfloat16).to(memory_format=torch.channels_last).eval()
    generator, out = torch.Generator().manual_seed(training.SEED), []
    for at in range(0, len(small), 20):
        x = torch.from_numpy(small[at:at + 20].copy()).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)
        z = vae.encode(x.to(torch.bfloat16).contiguous(memory_format=torch.channels_last)).latent_dist.mode()
        z = z + 0.05 * z.std() * torch.randn(z.shape, generator=generator).to(z.dtype)
        made = vae.decode(z.contiguous(memory_format=torch.channels_last)).sample.float()
        out.append(made.add(1).mul(127.5).round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy())
        print(f"decoded {at + len(x)}", flush=True)
    return np.concatenate(out)


def sources(prefix, count=None):
    large, small = pictures(f"{prefix}large", LARGE)[:count], pictures(f"{prefix}small", SMALL)[:count]
    return large, {
        "lanczos": cached(f"{prefix}lanczos", lambda: shrunk(large, Image.LANCZOS)),
        "box": cached(f"{prefix}box", lambda: shrunk(large, Image.BOX)),
        "drawn": small,
        "decoded": cached(f"{prefix}decoded", lambda: decoded(small)),
    }


def batch(large, small, size, rng):
    xs, ys = [], []
    for _ in range(size):
        row = rng.randrange(len(large))
        kind = rng.choices(list(SOURCES), list(SOURCES.values()))[0]
        left, top = rng.randrange(SMALL - CROP + 1), rng.randrange(SMALL - CROP + 1)
        x = small[kind][row, top:top + CROP, left:left + CROP]
        y = large[row, top * SCALE:(top + CROP) * SCALE, left * SCALE:(left + CROP) * SCALE]
        if rng.random() < 0.5:
            x, y = x[:, ::-1], y[:, ::-1]
        xs.append(torch.from_numpy(x.copy()))
        ys.append(torch.from_numpy(y.copy()))
    x, y = (torch.stack(part).permute(0, 3, 1, 2).float().div_(255) for part in (xs, ys))
    if rng.random() < 0.2:
        x = x + rng.uniform(0, 0.012) * torch.randn_like(x)
    return x.contiguous(memory_format=torch.channels_last), y


def decibels(made, real):
    error = np.mean((made.astype(np.float64) - real) ** 2, axis=(1, 2, 3))
    return float(np.mean(10 * np.log10(255**2 / np.maximum(error, 1e-9))))


@torch.no_grad()
def upscaled(net, small):
    out = []
    for picture in small:
        x = torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].float() / 255
        out.append(net(x)[0].mul(255).round().clamp(0, 255).byte().permute(1, 2, 0).numpy())
    return np.stack(out)


def lanczos(small):
    return np.stack([np.asarray(Image.fromarray(p).resize((LARGE, LARGE), Image.LANCZOS)) for p in small])


def averaged(state):
    """The averaged weights in a network of float32."""
    net, at = Compact(FEATURES, CONVOLUTIONS, SCALE), 0
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(state["ema"][at:at + p.numel()].view(p.shape))
            at += p.numel()
    return net.eval()


def fresh():
    """A network whose signals keep their size from layer to layer, and that starts near the repeated picture."""
    net = Compact(FEATURES, CONVOLUTIONS, SCALE)
    for layer in net.body:
        if isinstance(layer, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(layer.weight, a=0.25)
            torch.nn.init.zeros_(layer.bias)
    with torch.no_grad():
        net.body[-1].weight.mul_(0.1)
    return net


def train(options):
    rng = random.Random(training.SEED + 30)
    torch.manual_seed(training.SEED + 30)
    held_large, held = sources("held-", HELD)
    large, small = sources("")
    net = fresh()
    state = training.load("upscaler")
    weights = training.flatten(list(net.parameters())) if state is None else state["weights"]
    net = net.to(torch.bfloat16).to(memory_format=torch.channels_last)
    shared = training.Shared(weights.numel(), 1, weights)
    trainer = training.Trainer(net.named_parameters(), shared, betas=(0.9, 0.99), decay=0.0, clip=1.0, ema=0.999)
    step, used = 0, 0.0
    if state is not None:
        shared.ema.copy_(state["ema"])
        trainer.restore(state["optimizer"])
        trainer.steps = step = state["step"]
        used = state["used"]
        rng.seed(training.SEED + 30 + step)
    clock, shown = training.Clock(used), time.monotonic()
    while (done := clock.used() / options.seconds) < 1 or step == 0:
        x, y = batch(large, small, options.batch, rng)
        made = net(x.to(torch.bfloat16)).float()
        loss = F.l1_loss(made, y)
        if done > 0.6:
            # The last part counts squares too: they are what PSNR measures.
            loss = loss + 4 * F.mse_loss(made, y)
        loss.backward()
        trainer.step(training.flat_then_linear(done, options.lr * min(1, (step + 1) / 100), tail=0.5))
        step += 1
        if time.monotonic() - shown > 60 or clock.used() >= options.seconds:
            shown = time.monotonic()
            state = dict(weights=shared.weights, ema=shared.ema, optimizer=trainer.state(), step=step, used=clock.used())
            training.save("upscaler", **state)
            net32 = averaged(state)
            scores = {k: decibels(upscaled(net32, held[k][:12]), held_large[:12]) for k in ("lanczos", "decoded")}
            print(f"upscaler step {step} {clock.used():.0f} s loss {loss.item():.4f} "
                  + " ".join(f"{k} {v:.2f} dB" for k, v in scores.items()), flush=True)


def export(folder):
    state = training.load("upscaler")
    net = averaged(state).half()
    folder.mkdir(parents=True, exist_ok=True)
    from safetensors.torch import save_file
    save_file({k: v.contiguous() for k, v in net.state_dict().items()}, folder / "model.safetensors", metadata={"format": "pt"})
    net = net.float()
    held_large, held = sources("held-", HELD)
    figures = {}
    for kind, small in held.items():
        figures[kind] = {"network_db": round(decibels(upscaled(net, small[:HELD]), held_large), 2),
                         "lanczos_db": round(decibels(lanczos(small[:HELD]), held_large), 2)}
    config = {"model_type": "upscaler", "architecture": "SRVGGNetCompact", "scale": SCALE, "num_feat": FEATURES,
              "num_conv": CONVOLUTIONS, "act_type": "prelu"}
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    print(f"step {state['step']} {state['used']:.0f} s", json.dumps(figures))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=1500)
    parser.add_argument("--batch", type=int, default=6)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--export", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.export:
        export(options.export)
    else:
        train(options)


if __name__ == "__main__":
    main()
