"""The picture of the model card: a grid of prompts. `python grid.py [--models assets/models] OUTPUT.png`."""

import argparse
from pathlib import Path

import numpy as np
import torch
from diffusers import StableDiffusionXLPipeline
from PIL import Image

FACE = "a man with a round face, wide open eyes, a thin moustache and short hair, wearing a red shirt, smiling, facing forward, steppe background, flat style"


def variant(old, new):
    return FACE.replace(old, new)


ROWS = [
    [variant("short hair", hair) for hair in ("short hair", "long hair", "a bald head", "a topknot", "curly hair", "a fur hat")],
    [variant("steppe", place) for place in ("mountains", "yurt", "city", "plain", "room")]
    + [variant("facing forward", "riding a horse")],
    [variant("a red shirt", cloth) for cloth in ("an orange patterned chapan robe", "a blue robe", "a green jacket", "a striped shirt")]
    + [variant("flat style", style) for style in ("outline style", "night style")],
    [variant("a thin moustache", hair) for hair in ("no beard", "a full beard", "a goatee", "a thick moustache")]
    + [variant("wide open eyes", eyes) for eyes in ("narrow eyes", "closed eyes")],
    [variant("smiling", mood) for mood in ("sad", "surprised", "stern")]
    + [variant("a round face", face) for face in ("an oval face", "a square face", "a long face")],
    ["a hotel room with a red bed, turquoise walls, a window by day, a lamp and a rug, flat style",
     "a hotel room with a blue bed, cream walls, a window at night, a picture on the wall, pastel style",
     "a hotel room for guests from another planet with a yellow bed, violet walls and a plant, flat style",
     "a man in a green jacket in the city", "an old man waving, pastel colours", "a bedroom in outline style"],
]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("output")
    parser.add_argument("--models", type=Path, default=Path("assets/models"))
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--scheduler", default=None)
    options = parser.parse_args()
    torch.set_num_threads(1)
    pipe = StableDiffusionXLPipeline.from_pretrained(options.models / "chapan-mini", torch_dtype=torch.float32)
    pipe.set_progress_bar_config(disable=True)
    if options.scheduler:
        import diffusers
        pipe.scheduler = getattr(diffusers, options.scheduler).from_config(pipe.scheduler.config)
    rows = []
    for row, prompts in enumerate(ROWS):
        generator = [torch.Generator().manual_seed(7 + row) for _ in prompts]
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=options.quick):
            made = pipe(prompts, num_inference_steps=options.steps, guidance_scale=4.0, generator=generator, output_type="np").images
        rows.append(np.concatenate(list(made), 1))
    # A palette keeps the file small.
    picture = Image.fromarray((np.concatenate(rows) * 255).round().astype(np.uint8))
    picture.quantize(256, dither=Image.Dither.NONE).save(options.output, optimize=True)


if __name__ == "__main__":
    main()
