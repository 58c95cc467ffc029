"""Prints every gate of the family on held-out scenes: `python evaluate.py [--models assets/models] [--scenes 500]`.

    judge     right answers on real pictures (>= 0.97) and on autoencoder reconstructions (>= 0.95), all groups
    vae       PSNR of reconstructions (>= 30 dB)
    clip      zero-shot accuracy in each group (>= 0.90), R@1 of 1,000 (>= 0.90)
    prompts   the judge on generated pictures, 20 steps: clothing, style, background, hair and the room's objects
              >= 0.95; face shape, eyes, facial hair, expression >= 0.80
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import StableDiffusionXLPipeline
from safetensors.torch import load_file
from transformers import CLIPTextConfig, CLIPTextModelWithProjection, CLIPTokenizer

from clip import Head, retrieval, zero_shot
from judge import accuracy
from nets import Tower
from vae import psnr, reconstruct
from world import GROUPS, LABELS, World

STRONG = ("clothing", "style", "background", "hair", "bed", "wall", "window", "lamp", "plant", "picture", "rug", "guests")
SMALL = ("face shape", "eyes", "facial hair", "expression")


def tower_of(tensors, prefix=""):
    tower = Tower(LABELS, norm=False)
    tower.load_state_dict({k[len(prefix):]: v.float() for k, v in tensors.items() if k.startswith(prefix)})
    return tower.eval()


def open_clip(folder):
    """The scoring CLIP from its shipped files: `(pictures -> embeddings, ids -> embeddings, tokenizer)`."""
    tensors = load_file(folder / "model.safetensors")
    config = json.loads((folder / "config.json").read_text())
    tower, head = tower_of(tensors, "vision_model."), Head()
    for index, layer in enumerate((head.hidden, head.projection)):
        layer.load_state_dict({k: tensors[f"visual_projection.{index}.{k}"].float() for k in ("weight", "bias")})
    text = CLIPTextModelWithProjection(CLIPTextConfig(**config["text_config"])).eval()
    wanted = text.state_dict()
    text.load_state_dict({k: tensors[k].float() for k in wanted if k in tensors}, strict=False)

    @torch.no_grad()
    def see(pictures):
        out = []
        for part in pictures.split(50):
            seen = tower.features(part)
            out.append(F.normalize(head(torch.cat([seen, tower.layers[-1](seen)], 1)), dim=-1))
        return torch.cat(out)

    return see, lambda ids: text(ids).text_embeds, CLIPTokenizer.from_pretrained(folder)


@torch.no_grad()
def generate(pipe, prompts, steps, guidance, batch, low):
    """Pictures in -1..1; `low` computes the UNet in bfloat16 for a quick look."""
    out = []
    for start in range(0, len(prompts), batch):
        part = prompts[start:start + batch]
        generator = [torch.Generator().manual_seed(1000 + start + i) for i in range(len(part))]
        with torch.autocast("cpu", torch.bfloat16, enabled=low):
            made = pipe(part, num_inference_steps=steps, guidance_scale=guidance, generator=generator,
                        output_type="pt").images
        out.append(made.float() * 2 - 1)
    return torch.cat(out)


def show(name, scores, gates=None):
    cells = [f"{g} {s:.3f}{'' if gates is None or g not in gates or s >= gates[g] else '!'}" for g, s in scores.items()]
    print(f"{name}: mean {sum(scores.values()) / len(scores):.3f} | " + ", ".join(cells), flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--models", type=Path, default=Path("assets/models"))
    parser.add_argument("--scenes", type=int, default=500)
    parser.add_argument("--prompts", type=int, default=None)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--guidance", type=float, default=4.0)
    parser.add_argument("--batch", type=int, default=25)
    parser.add_argument("--quick", action="store_true", help="prompts only, UNet in bfloat16")
    parser.add_argument("--without-prompts", action="store_true", help="everything but generated pictures")
    parser.add_argument("--write", type=Path, help="also write the figures as JSON")
    options = parser.parse_args()
    torch.set_num_threads(1)
    held = World("held", 1000)
    judge = tower_of(load_file(options.models / "chapan-mini-judge" / "model.safetensors"))
    pipe = StableDiffusionXLPipeline.from_pretrained(options.models / "chapan-mini", torch_dtype=torch.float32)
    pipe.set_progress_bar_config(disable=True)
    figures = {}
    if not options.quick:
        figures["judge_real"] = accuracy(judge, held, count=options.scenes)
        show("judge on real pictures", figures["judge_real"])
        real = held.pictures(range(options.scenes))
        made = reconstruct(pipe.vae, real)
        figures["vae_psnr"] = psnr(made, real)
        print(f"vae: {figures['vae_psnr']:.2f} dB")
        figures["judge_reconstructed"] = accuracy(judge, held, made.clamp(-1, 1), options.scenes)
        show("judge on reconstructions", figures["judge_reconstructed"])
        see, say, tokenizer = open_clip(options.models / "chapan-mini-clip")
        images = torch.cat([see(held.pictures(range(at, at + 100))) for at in range(0, 1000, 100)])
        figures["clip_zero_shot"] = zero_shot(say, tokenizer, images, held)
        show("clip zero-shot", figures["clip_zero_shot"], dict.fromkeys(GROUPS, 0.9))
        figures["clip_retrieval"] = retrieval(say, tokenizer, images, held)
        print("clip R@1 of 1,000: picture to text {:.3f}, text to picture {:.3f}".format(*figures["clip_retrieval"]))
    if options.write:
        options.write.write_text(json.dumps(figures, indent=1) + "\n")
    if options.without_prompts:
        return
    count = options.prompts or options.scenes
    prompts = [record["full_caption"] for record in held.records[:count]]
    pictures = generate(pipe, prompts, options.steps, options.guidance, options.batch, options.quick)
    figures["prompts"] = accuracy(judge, held, pictures.clamp(-1, 1), count)
    gates = dict.fromkeys(STRONG, 0.95) | dict.fromkeys(SMALL, 0.80)
    show(f"prompt following, {count} prompts, {options.steps} steps, guidance {options.guidance}", figures["prompts"], gates)
    if options.write:
        options.write.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
