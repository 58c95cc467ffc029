#!/usr/bin/env python3
"""Makes the LoRAs of tests/fixtures/training with `chapan train-lora`, and the pictures that diffusers draws with them.

usage: training_files.py [OUT_DIR] [CHAPAN]   (CHAPAN: the built program, else that of a development build; diffusers 0.42.1,
                                               peft 0.21, torch 2.15; under a minute)

  NAME.safetensors, NAME-kohya.safetensors    one training in PEFT's names and in kohya's
  files.json                                  their names
  files.safetensors                           `NAME`: the picture that diffusers draws with the file, `none`: without any

The generator refuses to write a picture that the LoRA does not change, or two forms of one LoRA that draw differently.
"""
import json, pathlib, shutil, subprocess, sys, tempfile, warnings
import numpy as np, torch
import diffusers
from diffusers import StableDiffusionXLPipeline
from safetensors.torch import save_file

torch.set_num_threads(1)
diffusers.logging.set_verbosity_error()
FIXTURES = pathlib.Path(__file__).parents[2] / "fixtures"
OUT = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else FIXTURES / "training"
CHAPAN = sys.argv[2] if len(sys.argv) > 2 else FIXTURES.parents[1] / "target/debug/chapan"
TRAININGS = {
    "trained": ["--rank", "3", "--alpha", "5", "--train-feed-forward", "--train-convolutions", "--train-text-encoder", "--text-encoder-lr", "0.02"],
    "trained-dora": ["--rank", "2", "--train-feed-forward", "--use-dora"],
}


def train(name, options, folder):
    references = folder / "references"
    references.mkdir(exist_ok=True)
    for picture in ("rgb.png", "baseline.jpg", "lossy.webp"):
        shutil.copy(FIXTURES / "pictures" / picture, references)
    output = folder / name
    usual = ["--trigger", "zed", "--max-train-steps", "8", "--learning-rate", "0.02", "--sample-steps", "0", "--validation-steps", "0", "--train-batch-size", "2", "--device", "cpu"]
    subprocess.run([CHAPAN, "train-lora", "--references", references, "--model", FIXTURES / "pipelines/tiny-sdxl", "--output", output, "--output-kohya-format", *usual, *options], check=True)
    for ours, theirs in (("lora", name), ("lora-kohya", name + "-kohya")):
        shutil.copy(output / f"{ours}.safetensors", OUT / f"{theirs}.safetensors")


@torch.no_grad()
def draw(file):
    pipe = StableDiffusionXLPipeline.from_pretrained(FIXTURES / "pipelines/tiny-sdxl", add_watermarker=False)
    pipe.set_progress_bar_config(disable=True)
    if file:
        with warnings.catch_warnings():
            # What diffusers only warns about would be a tensor that it did not use.
            warnings.simplefilter("error", UserWarning)
            pipe.load_lora_weights(OUT / f"{file}.safetensors")
        listed = pipe.get_list_adapters()
        assert "unet" in listed, listed
    image = pipe("zed at night", num_inference_steps=3, width=64, height=64, generator=torch.Generator().manual_seed(5), output_type="np").images[0]
    return torch.from_numpy(np.ascontiguousarray((image * 255).round().astype("uint8")))


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for name, options in TRAININGS.items():
            train(name, options, pathlib.Path(folder))
    pictures = {"none": draw(None)}
    for name in TRAININGS:
        # Row lengths in kohya's form are dropped by diffusers 0.42 with a warning ("not compatible"): for them the picture of the
        # PEFT file speaks for both.
        forms = [name] if "dora" in name else [name, name + "-kohya"]
        drawn = [draw(file) for file in forms]
        changed = (drawn[0].int() - pictures["none"].int()).abs().max().item()
        apart = (drawn[0].int() - drawn[-1].int()).abs().max().item()
        print(name, "changes", changed, "levels; the forms are", apart, "apart")
        assert changed > 20 and apart <= 1
        pictures |= {name: drawn[0], name + "-kohya": drawn[-1]}
    save_file({name: picture.clone() for name, picture in pictures.items()}, OUT / "files.safetensors")
    (OUT / "files.json").write_text(json.dumps([name for name in pictures if name != "none"], indent=1) + "\n")


main()
