"""Stage 4: the UNet, with both text encoders unfrozen, in data-parallel processes of one thread each.

    python unet.py [--seconds 3600] [--ranks 2] [--batch 24]

v-prediction with the same weight at every noise level (min-SNR weights would all but ignore the noisy steps, where
the text alone decides what is drawn), and more weight where small things are: features are learnt in the order of
their area, so the latent cells of eyes, mouths, moustaches, lamps and windows count more.
"""

import argparse
import time

import numpy as np
import torch
import torch.multiprocessing as multiprocessing
from torch import nn
from transformers import CLIPTokenizer

import fast
import latents
import nets
import training
from world import DATA, Batches, World, seeded

BETA_START, BETA_END = 0.00085, 0.02
CELLS = 16
# Noise levels of each picture and caption in one step: the text encoders run once for both.
LEVELS = 2


def alphas():
    """Cumulative products of the `scaled_linear` schedule that scheduler_config.json describes."""
    betas = torch.linspace(BETA_START**0.5, BETA_END**0.5, 1000) ** 2
    return torch.cumprod(1 - betas, 0)


class Joint(nn.Module):
    """What is trained together."""

    def __init__(self):
        super().__init__()
        self.unet, self.first, self.second = nets.unet(), nets.text_encoder(), nets.text_encoder_2()
        self.unet.set_attn_processor(fast.PlainAttention())

    def forward(self, noisy, timesteps, ids_1, ids_2, unconditional, time_ids):
        first = self.first(ids_1, output_hidden_states=True).hidden_states[-2]
        second = self.second(ids_2, output_hidden_states=True)
        keep = (~unconditional).to(first.dtype)
        context = torch.cat([first, second.hidden_states[-2]], -1) * keep[:, None, None]
        pooled = second.text_embeds * keep[:, None]
        context, pooled = context.repeat(LEVELS, 1, 1), pooled.repeat(LEVELS, 1)
        added = {"text_embeds": pooled, "time_ids": time_ids}
        return self.unet(noisy, timesteps, context, added_cond_kwargs=added).sample


def cell_weights(record, strength):
    """`(16, 16)`: 1, and up to `1 + strength` on the cells of small things."""
    weights = np.ones((CELLS, CELLS), np.float32)
    for name, (left, top, right, bottom) in record["regions"].items():
        if name in ("background", "clothing", "wall", "floor"):
            continue
        area = max(1.0, (right - left) * (bottom - top) / 64)
        boost = 1 + strength * min(1.0, max(0.0, 20 / area))
        x0, x1 = int(max(0, left / 8 - 0.2)), int(min(CELLS, np.ceil(right / 8 + 0.2)))
        y0, y1 = int(max(0, top / 8 - 0.2)), int(min(CELLS, np.ceil(bottom / 8 + 0.2)))
        part = weights[y0:y1, x0:x1]
        np.maximum(part, boost, out=part)
    return weights


def weights_of(joint, flat):
    """State dict of float32 weights from the flat vector."""
    state, at = {}, 0
    for name, p in joint.named_parameters():
        state[name] = flat[at:at + p.numel()].view(p.shape).clone()
        at += p.numel()
    return state


def first_weights(joint):
    """Text encoders of the text-image stage."""
    texts = training.load("clip")["texts"]
    for name in ("first", "second"):
        prefix = f"{name}."
        state = {k[len(prefix):]: v for k, v in texts.items() if k.startswith(prefix)}
        getattr(joint, name).load_state_dict(state)


def random_time_ids(count, generator):
    """The pipeline's `(height, width, top, left, height, width)`; a quarter at other sizes, so that they are harmless."""
    ids = torch.tensor([128.0, 128, 0, 0, 128, 128]).repeat(count, 1)
    sizes = torch.randint(1, 9, (count, 4), generator=generator) * 64.0
    other = torch.rand(count, generator=generator) < 0.25
    ids[other] = torch.cat([sizes[:, :2], torch.zeros(count, 2), sizes[:, 2:]], 1)[other]
    return ids


def work(rank, options, shared, state):
    torch.set_num_threads(1)
    fast.apply()
    seed = training.SEED + 40 + rank
    torch.manual_seed(seed)
    joint = Joint().to(torch.bfloat16).to(memory_format=torch.channels_last).train()
    trainer = training.Trainer(
        joint.named_parameters(), shared, rank, ema=options.ema,
        slower=lambda name: 1.0 if name.startswith("unet.") else options.text_rate)
    step, used = 0, 0.0
    if state is not None:
        step, used = state["step"], state["used"]
        trainer.steps = step
        if f"optimizer-{rank}" in state:
            trainer.restore(state[f"optimizer-{rank}"])
    world = World("train", options.pictures)
    shards = [np.load(latents.path(0))]
    scale = float(1 / shards[0].astype(np.float32).std())
    cells = np.stack([cell_weights(record, options.small) for record in world.records])
    bar = alphas()
    generator = torch.Generator().manual_seed(seed + step)
    rng = seeded(seed + step)
    tokenizers = [CLIPTokenizer.from_pretrained(DATA / name) for name in ("tokenizer", "tokenizer_2")]
    batches = None
    clock, saved, shown, losses = training.Clock(used), time.monotonic(), time.monotonic(), []
    while True:
        if rank == 0:
            shared.control[4] = clock.used() / options.seconds
            shared.control[6] = latents.ready()
        shared.wait()
        if batches is None or (step % 50 == 0 and shared.control[6] > len(shards)):
            shards += [np.load(latents.path(shard)) for shard in range(len(shards), int(shared.control[6]))]
            count = min(len(world), latents.SHARD * len(shards))
            batches = Batches(count, options.batch * options.ranks, training.SEED + 41 + step)
        done = float(shared.control[4])
        if done >= 1:
            break
        rows = next(batches)[rank * options.batch:(rank + 1) * options.batch]
        captions = [world.caption(row, rng) if rng.random() > 0.03 else "" for row in rows]
        # Captions have 46 tokens at most: most steps leave the last padding away, the others learn all 77 positions.
        length = 48 if step % 10 < 7 else 77
        ids = [t(captions, padding="max_length", truncation=True, max_length=length, return_tensors="pt").input_ids
               for t in tokenizers]
        unconditional = torch.rand(len(rows), generator=generator) < 0.09
        clean = torch.from_numpy(np.stack([shards[row // latents.SHARD][row % latents.SHARD] for row in rows]))
        clean = clean.permute(0, 3, 1, 2).float().repeat(LEVELS, 1, 1, 1) * scale
        noise = torch.randn(clean.shape, generator=generator)
        even = (torch.arange(len(clean)) + torch.rand(len(clean), generator=generator)) / len(clean)
        timesteps = (even * 1000).long().clamp(max=999)
        alpha = bar[timesteps].sqrt()[:, None, None, None]
        sigma = (1 - bar[timesteps]).sqrt()[:, None, None, None]
        noisy = (alpha * clean + sigma * noise).to(torch.bfloat16).contiguous(memory_format=torch.channels_last)
        velocity = alpha * noise - sigma * clean
        time_ids = random_time_ids(len(clean), generator).to(torch.bfloat16)
        made = joint(noisy, timesteps, *ids, unconditional, time_ids).float()
        by_cell = torch.from_numpy(cells[rows]).repeat(LEVELS, 1, 1)[:, None]
        error = (made - velocity).square()
        (error * by_cell / by_cell.mean()).mean().backward()
        losses.append(error.mean().item())
        rate = training.flat_then_linear(done, options.lr * min(1, (step + 1) / 150), tail=options.tail)
        norm = trainer.step(rate)
        step += 1
        if rank == 0 and time.monotonic() - shown > 20:
            shown = time.monotonic()
            print(f"unet step {step} {clock.used():.0f} s v-error {np.mean(losses[-200:]):.4f} last 20 "
                  f"{np.mean(losses[-20:]):.4f} norm {norm:.2f} rate {rate:.1e}", flush=True)
        if rank == 0:
            shared.control[5] = float(time.monotonic() - saved > 150)
        shared.wait()
        if shared.control[5] > 0:
            saved = time.monotonic()
            keep(rank, options, shared, trainer, joint, step, clock.used(), scale, False)
    keep(rank, options, shared, trainer, joint, step, clock.used(), scale, True)


def keep(rank, options, shared, trainer, joint, step, used, scale, done):
    """Every process writes its optimiser's part, the first one the rest."""
    training.save(f"{options.name}-optimizer-{rank}", optimizer=trainer.state(), step=step)
    shared.wait()
    if rank == 0:
        training.save(options.name, weights=shared.weights, ema=shared.ema, model=weights_of(joint, shared.ema),
                      step=step, used=used, scale=scale, done=done, seen=step * options.batch * options.ranks * LEVELS,
                      options=vars(options))
    shared.wait()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=3900)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--batch", type=int, default=12, help="pictures per process and step")
    parser.add_argument("--pictures", type=int, default=12000)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--text-rate", type=float, default=0.4)
    parser.add_argument("--small", type=float, default=2.5)
    parser.add_argument("--ema", type=float, default=0.998)
    parser.add_argument("--name", default="unet", help="name of the checkpoint")
    parser.add_argument("--tail", type=float, default=0.4)
    options = parser.parse_args()
    torch.manual_seed(training.SEED + 39)
    joint = Joint()
    state = training.load(options.name)
    if state is None:
        first_weights(joint)
        shared = training.Shared(sum(p.numel() for p in joint.parameters()), options.ranks,
                                 training.flatten(joint.parameters()))
    else:
        shared = training.Shared(len(state["weights"]), options.ranks, state["weights"])
        shared.ema.copy_(state["ema"])
        for rank in range(options.ranks):
            part = training.load(f"{options.name}-optimizer-{rank}")
            if part is not None and part["step"] == state["step"]:
                state[f"optimizer-{rank}"] = part["optimizer"]
    if state is not None:
        state = {k: v for k, v in state.items() if k not in ("weights", "ema", "model")}
    multiprocessing.spawn(work, (options, shared, state), nprocs=options.ranks)


if __name__ == "__main__":
    main()
