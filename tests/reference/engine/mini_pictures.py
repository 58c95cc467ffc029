"""Pictures of the shipped mini model as diffusers makes them, for the test "the same picture within one level".

    python tests/reference/engine/mini_pictures.py [--models assets/models] [--output tests/fixtures/mini]

Writes `pictures.json`, a list of {file, prompt, negative_prompt, seed, num_inference_steps, guidance_scale, width,
height, scheduler} and one PNG for each. Float32 on the CPU; run it again whenever the weights change.
"""

import argparse
import json
from pathlib import Path

import diffusers
import torch
from diffusers import StableDiffusionXLPipeline

SCHEDULERS = {
    "ddim": ("DDIMScheduler", {}),
    "euler": ("EulerDiscreteScheduler", {}),
    "euler_a": ("EulerAncestralDiscreteScheduler", {}),
    "heun": ("HeunDiscreteScheduler", {}),
    "dpmpp_2m": ("DPMSolverMultistepScheduler", {}),
    "dpmpp_2m_k": ("DPMSolverMultistepScheduler", {"use_karras_sigmas": True}),
    "unipc": ("UniPCMultistepScheduler", {}),
    "lcm": ("LCMScheduler", {}),
}

CASES = [
    ("a man with a round face and a topknot, wearing a red shirt, smiling, steppe background, flat style",
     None, 7, 20, 4.0, 128, 128, "ddim"),
    ("old man with a thick moustache in a blue robe, in the mountains, pastel style", None, 2**32 + 5, 12, 5.0, 128, 128, "euler"),
    ("a hotel room with a red bed, a lamp and a plant, turquoise walls", "night style, no lamp", 11, 10, 4.0, 128, 128, "dpmpp_2m"),
    ("Алдар Көсе далада, a man in an orange chapan", None, 1000, 8, 4.0, 128, 128, "unipc"),
    ("a striped shirt, curly hair, city background, outline style", "", 5, 6, 3.0, 192, 128, "euler_a"),
    ("қонақ үй бөлмесі, a hotel room for guests from another planet", None, 3, 4, 2.0, 128, 128, "heun"),
]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--models", type=Path, default=Path("assets/models"))
    parser.add_argument("--output", type=Path, default=Path("tests/fixtures/mini"))
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    pipe = StableDiffusionXLPipeline.from_pretrained(options.models / "chapan-mini", torch_dtype=torch.float32)
    pipe.set_progress_bar_config(disable=True)
    own, rows = pipe.scheduler.config, []
    for index, (prompt, negative, seed, steps, guidance, width, height, scheduler) in enumerate(CASES):
        name, changes = SCHEDULERS[scheduler]
        pipe.scheduler = getattr(diffusers, name).from_config(own, **changes)
        image = pipe(prompt, negative_prompt=negative, num_inference_steps=steps, guidance_scale=guidance, width=width,
                     height=height, generator=torch.Generator().manual_seed(seed)).images[0]
        file = f"{index}-{scheduler}.png"
        image.save(options.output / file, optimize=True)
        rows.append({"file": file, "prompt": prompt, "negative_prompt": negative, "seed": seed,
                     "num_inference_steps": steps, "guidance_scale": guidance, "width": width, "height": height,
                     "scheduler": scheduler})
    (options.output / "pictures.json").write_text(json.dumps(rows, ensure_ascii=False, indent=1) + "\n")


if __name__ == "__main__":
    main()
