"""Stage 2: the autoencoder. First the latents, in closed form; then encoder and decoder learn to speak them.

    python vae.py [--seconds 700]              encoder and decoder
    python vae.py --polish [--seconds 300]     decoder only, after the latents are fixed for the UNet
    python vae.py --polish --finish --lr 3e-4  goes on with the decoder, for the decibels alone and without noise

The latents are a partially whitened PCA of 8x8 patches: well conditioned from the first step, so that colours do
not collapse. The encoder is taught them (latent MSE), the decoder reads them; then both are tuned together while a
small pull towards the PCA remains.
"""

import argparse
import random
import time

import torch
import torch.nn.functional as F

import fast
import nets
import training
from world import SIZE, Batches, World

WHITENING = 0.55
CROP = 64


def patches(pictures):
    return F.unfold(pictures, 8, stride=8).transpose(1, 2).reshape(-1, 192)


def principal(world, count=1500):
    """The 8x8 convolution `(latents, 3, 8, 8)` and its bias: PCA, partly whitened, unit variance on the whole."""
    sample = patches(world.pictures(range(min(count, len(world)))))
    mean = sample.mean(0)
    sample = sample - mean
    values, vectors = torch.linalg.eigh(sample.T @ sample / len(sample))
    values, vectors = values.flip(0)[: nets.LATENTS], vectors.flip(1)[:, : nets.LATENTS]
    # A sign that makes two runs agree.
    vectors = vectors * vectors.sum(0).sign().where(vectors.sum(0) != 0, torch.ones(()))
    scale = values ** (-WHITENING / 2)
    scale = scale / (values * scale.square()).mean().sqrt()
    matrix = (vectors * scale).T
    return matrix.reshape(nets.LATENTS, 3, 8, 8), -(matrix @ mean)


def crop(world, rows, rng):
    """Crops of 64, half of them around something small that a caption names."""
    out = []
    for row in rows:
        record = world.records[int(row)]
        small = [box for name, box in record["regions"].items() if (box[2] - box[0]) * (box[3] - box[1]) < 3600]
        if small and rng.random() < 0.6:
            left, top, right, bottom = rng.choice(small)
            x, y = (left + right) / 2 - CROP / 2 + rng.uniform(-12, 12), (top + bottom) / 2 - CROP / 2 + rng.uniform(-12, 12)
        else:
            x, y = rng.uniform(0, SIZE - CROP), rng.uniform(0, SIZE - CROP)
        x, y = (min(SIZE - CROP, max(0, int(v))) for v in (x, y))
        out.append(torch.from_numpy(world.pixels[int(row), y:y + CROP, x:x + CROP].copy()))
    return torch.stack(out).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)


def distance(made, real):
    """L1, MSE and the L1 of differences between neighbours, at two scales."""
    loss = F.l1_loss(made, real) + 0.7 * F.mse_loss(made, real)
    for scale in (1, 2):
        a, b = (F.avg_pool2d(x, scale) if scale > 1 else x for x in (made, real))
        loss = loss + 0.25 * (F.l1_loss(a.diff(dim=2), b.diff(dim=2)) + F.l1_loss(a.diff(dim=3), b.diff(dim=3)))
    return loss


def decibels(made, real):
    """What PSNR means over pictures, as a loss, with a little of the edges so that nothing goes soft."""
    error = (made - real).square().mean(dim=(1, 2, 3))
    edges = sum(F.l1_loss(made.diff(dim=d), real.diff(dim=d)) for d in (2, 3))
    return 0.05 * error.add(1e-6).log().mean() + 0.1 * edges


def psnr(made, real):
    return (10 * torch.log10(4 / (made.clamp(-1, 1) - real).square().mean(dim=(1, 2, 3)))).mean().item()


@torch.no_grad()
def reconstruct(vae, pictures):
    out = []
    for part in pictures.split(25):
        out.append(vae.decode(vae.encode(part).latent_dist.mode()).sample.float())
    return torch.cat(out)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--polish", action="store_true")
    parser.add_argument("--finish", action="store_true")
    parser.add_argument("--seconds", type=float, default=700)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--lr", type=float, default=2e-3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    fast.apply()
    stage = "polish" if options.polish else "vae"
    seed = training.SEED + 10 + int(options.polish)
    torch.manual_seed(seed)
    rng = random.Random(seed)
    train, held = World("train"), World("held", 60)
    real = held.pictures(range(60))
    vae = nets.vae()
    state = training.load(stage)
    if state is None and options.polish:
        first = training.load("vae")
        vae.load_state_dict(first["vae"])
        kernel, bias = first["kernel"], first["bias"]
    elif state is None:
        kernel, bias = principal(train)
    else:
        # Of these the polish learns the decoder only; the encoder must be the one that made the latents.
        vae.load_state_dict(state["vae"])
        kernel, bias = state["kernel"], state["bias"]
    vae = vae.to(torch.bfloat16).to(memory_format=torch.channels_last).train()
    parts = (vae.decoder, vae.post_quant_conv) if options.polish else (vae,)
    named = [pair for part in parts for pair in part.named_parameters()]
    learnt = [p for _, p in named]
    shared = training.Shared(sum(p.numel() for p in learnt), 1, training.flatten(learnt) if state is None else state["weights"])
    trainer = training.Trainer(named, shared, ema=0.998)
    step, used = 0, 0.0
    if state is not None:
        shared.ema.copy_(state["ema"])
        trainer.restore(state["optimizer"])
        trainer.steps = step = state["step"]
        used = state["used"]
    clock, shown = training.Clock(used), time.monotonic()
    batches = Batches(len(train), options.batch, seed + step)

    def keep(done):
        # The averaged weights, in float32, as they will be shipped.
        trainer.read(shared.ema)
        whole = nets.vae()
        whole.load_state_dict({k: v.float() for k, v in vae.state_dict().items()})
        at = 0
        exact = dict(zip([id(p) for p in learnt], range(len(learnt))))
        with torch.no_grad():
            for ours, theirs in zip(vae.parameters(), whole.parameters()):
                if id(ours) in exact:
                    theirs.copy_(shared.ema[at:at + ours.numel()].view(ours.shape))
                    at += ours.numel()
        trainer.read()
        whole.eval()
        score = psnr(reconstruct(whole, real), real)
        training.save(stage, vae=whole.state_dict(), kernel=kernel, bias=bias, weights=shared.weights,
                      ema=shared.ema, optimizer=trainer.state(), step=step, used=clock.used(),
                      done=done, psnr=score)
        return score

    while (done := clock.used() / options.seconds) < 1:
        rows = next(batches)
        whole_picture = done > 0.9
        x = train.pictures(rows[: max(2, options.batch // 4)]) if whole_picture else crop(train, rows, rng)
        x = x.to(torch.bfloat16).contiguous(memory_format=torch.channels_last)
        if options.polish:
            with torch.no_grad():
                z = vae.encode(x).latent_dist.mode()
            pull = 0.0
        else:
            target = F.conv2d(x.float(), kernel, bias, stride=8)
            moments = vae.quant_conv(vae.encoder(x))
            mean = moments[:, : nets.LATENTS]
            spread = moments[:, nets.LATENTS:].float()
            # The variance says what noise the decoder was trained to bear: ln(0.05^2) = -6.
            pull = F.mse_loss(mean.float(), target) + 0.01 * (spread + 6).square().mean()
            if done < 0.12:
                z = target.to(torch.bfloat16)
            else:
                z = mean
                # As training goes on the encoder is freer, but its channels stay near unit variance.
                pull = pull * max(0.03, 1 - (done - 0.12) / 0.25)
        z = z + (0.01 if options.finish else 0.05) * torch.randn(z.shape, dtype=torch.float32).to(torch.bfloat16)
        made = vae.decode(z.contiguous(memory_format=torch.channels_last)).sample.float()
        loss = (decibels if options.finish else distance)(made, x.float())
        (loss + pull).backward()
        trainer.step(training.flat_then_linear(done, options.lr * min(1, (step + 1) / 100), tail=0.6))
        step += 1
        if time.monotonic() - shown > 60:
            shown = time.monotonic()
            print(f"{stage} step {step} {clock.used():.0f} s loss {loss.item():.4f} pull {float(pull):.4f} "
                  f"held-out {keep(False):.2f} dB", flush=True)
    print(f"{stage} done, {step} steps, held-out {keep(True):.2f} dB")


if __name__ == "__main__":
    main()
