"""What every stage shares: flat float32 weights behind a bfloat16 model, schedules, resumable checkpoints."""

import os
import time

import torch
import torch.multiprocessing as multiprocessing

from world import DATA

SEED = 20261121


def cosine(step, total, peak, warmup=100, floor=0.02):
    """Linear warm-up, then a cosine from `peak` to `floor * peak`."""
    if step < warmup:
        return peak * (step + 1) / warmup
    done = min(1.0, (step - warmup) / max(1, total - warmup))
    return peak * (floor + (1 - floor) * 0.5 * (1 + torch.cos(torch.tensor(done * torch.pi)).item()))


def flat_then_linear(done, peak, tail=0.4, floor=0.02):
    """`peak`, then in the last `tail` of the stage linearly down to `floor * peak`."""
    return peak * max(floor, min(1.0, (1 - done) / tail))


def checkpoint(stage):
    """Path of a stage's checkpoint."""
    return DATA / f"{stage}.pt"


def save(stage, **state):
    """Writes a checkpoint so that an interruption leaves either the old or the new one."""
    partial = DATA / f"{stage}.pt.partial"
    torch.save(state, partial)
    os.replace(partial, checkpoint(stage))


def load(stage):
    """A stage's checkpoint, or None."""
    path = checkpoint(stage)
    return torch.load(path, weights_only=False) if path.exists() else None


class Clock:
    """Seconds that a stage has used, over all of its runs; stages end by time, so the machine sets their steps."""

    def __init__(self, used=0.0):
        self.before, self.start = used, time.monotonic()

    def used(self):
        return self.before + time.monotonic() - self.start


class Shared:
    """Flat weights and gradients in shared memory; each process owns a part of the optimiser's state."""

    def __init__(self, count, ranks, weights=None):
        self.ranks = ranks
        self.weights = torch.zeros(count).share_memory_()
        self.ema = torch.zeros(count).share_memory_()
        self.grads = [torch.zeros(count).share_memory_() for _ in range(ranks)]
        self.control = torch.zeros(8, dtype=torch.float64).share_memory_()
        self.barrier = multiprocessing.get_context("spawn").Barrier(ranks) if ranks > 1 else None
        if weights is not None:
            self.weights.copy_(weights)
            self.ema.copy_(weights)

    def wait(self):
        if self.barrier is not None:
            self.barrier.wait()


def flatten(parameters):
    return torch.cat([p.detach().float().reshape(-1) for p in parameters])


class Trainer:
    """AdamW on flat float32 weights behind a bfloat16 model, with an exponential average, alone or in parallel.

    Each process keeps the state of its own range of parameters.
    """

    def __init__(self, named, shared, rank=0, betas=(0.9, 0.99), decay=0.01, clip=1.0, ema=0.999, slower=None):
        named = list(named)
        self.parameters, self.shared, self.rank = [p for _, p in named], shared, rank
        self.clip, self.ema, self.steps = clip, ema, 0
        count = shared.weights.numel()
        bounds = [count * r // shared.ranks for r in range(shared.ranks + 1)]
        self.part = slice(bounds[rank], bounds[rank + 1])
        # Neighbouring parameters of the same learning rate are one leaf, cut where this process's part ends.
        spans, at = [], 0
        for name, p in named:
            factor = 1.0 if slower is None else slower(name)
            if spans and spans[-1][2] == factor:
                spans[-1][1] += p.numel()
            else:
                spans.append([at, at + p.numel(), factor])
            at += p.numel()
        self.leaves, groups = [], []
        for start, stop, factor in spans:
            start, stop = max(start, self.part.start), min(stop, self.part.stop)
            if start < stop:
                leaf = torch.nn.Parameter(shared.weights[start:stop], requires_grad=True)
                self.leaves.append((start, leaf))
                groups.append({"params": [leaf], "factor": factor})
        self.optimizer = torch.optim.AdamW(groups, lr=1e-3, betas=betas, weight_decay=decay, fused=True)
        self.read()

    def state(self):
        return self.optimizer.state_dict()

    def restore(self, state):
        self.optimizer.load_state_dict(state)

    def read(self, source=None):
        """Copies the flat weights into the model."""
        source = self.shared.weights if source is None else source
        at = 0
        with torch.no_grad():
            for p in self.parameters:
                p.copy_(source[at:at + p.numel()].view(p.shape))
                at += p.numel()

    def step(self, rate):
        """One step from the gradients of all processes; returns the gradient's norm."""
        at, own = 0, self.shared.grads[self.rank]
        for p in self.parameters:
            view = own[at:at + p.numel()].view(p.shape)
            if p.grad is None:
                view.zero_()
            else:
                view.copy_(p.grad)
                p.grad = None
            at += p.numel()
        self.shared.wait()
        grad = self.shared.grads[0][self.part].clone()
        for other in self.shared.grads[1:]:
            grad += other[self.part]
        grad /= self.shared.ranks
        control = self.shared.control
        control[self.rank] = float(grad.square().sum())
        self.shared.wait()
        norm = float(control[: self.shared.ranks].sum()) ** 0.5
        if norm == norm and norm < 1e4:
            if norm > self.clip:
                grad *= self.clip / norm
            for at, leaf in self.leaves:
                leaf.grad = grad[at - self.part.start:at - self.part.start + leaf.numel()]
            for group in self.optimizer.param_groups:
                group["lr"] = rate * group["factor"]
            self.optimizer.step()
            keep = min(self.ema, (1 + self.steps) / (10 + self.steps))
            self.shared.ema[self.part].lerp_(self.shared.weights[self.part], 1 - keep)
        self.steps += 1
        self.shared.wait()
        self.read()
        return norm
