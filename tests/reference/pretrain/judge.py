"""Stage 1: the attribute judge, and with `--clip` the picture tower of the scoring CLIP (another seed).

    python judge.py [--clip] [--seconds 300]
"""

import argparse
import time

import torch
import torch.nn.functional as F

import training
from nets import Tower
from world import GROUPS, LABELS, SLICES, Batches, World


def blemish(pictures, generator):
    """Blur and noise, so that the judge looks at shapes, not at the renderer's last pixel."""
    if torch.rand((), generator=generator) < 0.4:
        pictures = F.avg_pool2d(F.pad(pictures, (1, 1, 1, 1), mode="replicate"), 3, 1)
    strength = float(torch.rand((), generator=generator)) * 0.12
    return pictures + strength * torch.randn(pictures.shape, generator=generator)


def loss_of(logits, labels):
    """Cross-entropy of every group that a picture has."""
    total = 0.0
    for column, group in enumerate(GROUPS):
        known = labels[:, column] >= 0
        if known.any():
            loss = F.cross_entropy(logits[known][:, SLICES[group]], labels[known, column], label_smoothing=0.02)
            total = total + loss * known.float().mean()
    return total


@torch.no_grad()
def accuracy(tower, world, pictures=None, count=500):
    """Share of right answers per group on the first `count` pictures (or on `pictures` of those scenes)."""
    right, seen = dict.fromkeys(GROUPS, 0), dict.fromkeys(GROUPS, 0)
    for start in range(0, count, 100):
        rows = range(start, min(start + 100, count))
        batch = world.pictures(rows) if pictures is None else pictures[rows.start:rows.stop]
        logits = tower(batch).float()
        for column, group in enumerate(GROUPS):
            labels = world.labels[list(rows), column]
            known = labels >= 0
            right[group] += int((logits[known][:, SLICES[group]].argmax(1) == labels[known]).sum())
            seen[group] += int(known.sum())
    return {g: right[g] / max(1, seen[g]) for g in GROUPS if seen[g]}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--clip", action="store_true")
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--batch", type=int, default=48)
    options = parser.parse_args()
    stage = "tower" if options.clip else "judge"
    torch.set_num_threads(1)
    seed = training.SEED + (1 if options.clip else 0)
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    train, held = World("train"), World("held", 500)
    tower = Tower(LABELS).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(tower.parameters(), lr=3e-3, weight_decay=0.02)
    step, used = 0, 0.0
    if (state := training.load(stage)) is not None:
        tower.load_state_dict(state["tower"])
        optimizer.load_state_dict(state["optimizer"])
        step, used = state["step"], state["used"]
    clock, shown = training.Clock(used), time.monotonic()
    batches = Batches(len(train), options.batch, seed + step)
    while (done := clock.used() / options.seconds) < 1:
        rows = next(batches)
        pictures = blemish(train.pictures(rows), generator).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            logits = tower(pictures)
        loss = loss_of(logits.float(), train.labels[rows])
        optimizer.zero_grad()
        loss.backward()
        for group in optimizer.param_groups:
            group["lr"] = 3e-3 * min(1, (step + 1) / 50) * max(0.01, min(1, (1 - done) / 0.7))
        optimizer.step()
        step += 1
        if time.monotonic() - shown > 45:
            shown = time.monotonic()
            tower.eval()
            scores = accuracy(tower, held, count=200)
            tower.train()
            print(f"{stage} step {step} {clock.used():.0f} s loss {loss:.3f} "
                  f"mean {sum(scores.values()) / len(scores):.3f} "
                  + " ".join(f"{g}:{s:.2f}" for g, s in scores.items() if s < 0.97), flush=True)
            training.save(stage, tower=tower.state_dict(), optimizer=optimizer.state_dict(), step=step,
                          used=clock.used(), done=False)
    folded = tower.eval().folded()
    scores = accuracy(folded, held)
    training.save(stage, tower=tower.state_dict(), optimizer=optimizer.state_dict(), step=step, used=clock.used(),
                  folded=folded.state_dict(), scores=scores, done=True)
    print(f"{stage} done, {step} steps", {g: round(s, 3) for g, s in scores.items()})


if __name__ == "__main__":
    main()
