"""Begins again from the shipped files: writes the checkpoints that `export.py` reads and `unet.py` goes on from.

    python resume.py [--models assets/models]

For a machine that lacks the checkpoints of the run that made the files. Weights come back rounded to float16 and
optimisers start anew; the batch normalisation of the towers is folded for good, so judge and tower are final. A
checkpoint that is there is kept.
"""

import argparse
import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file

import nets
import training
from clip import Head, Texts
from unet import Joint
from world import DATA, LABELS


def floats(path, prefix=""):
    """A file's tensors under `prefix`, in float32."""
    return {k[len(prefix):]: v.float() for k, v in load_file(path).items() if k.startswith(prefix)}


def resume_towers(models):
    for stage, file, prefix in (("judge", "chapan-mini-judge", ""), ("tower", "chapan-mini-clip", "vision_model.")):
        if training.load(stage) is None:
            folded = nets.Tower(LABELS, norm=False)
            folded.load_state_dict(floats(models / file / "model.safetensors", prefix))
            training.save(stage, folded=folded.state_dict(), done=True)


def resume_clip(models):
    """The scoring text half and the head; the heads that only training needs start anew."""
    if training.load("clip") is not None:
        return
    path = models / "chapan-mini-clip" / "model.safetensors"
    texts, head = Texts(), Head()
    tensors = floats(path)
    texts.score.load_state_dict({k: tensors[k] for k in texts.score.state_dict() if k in tensors}, strict=False)
    with torch.no_grad():
        texts.scale[0] = tensors["logit_scale"]
    for index, layer in enumerate((head.hidden, head.projection)):
        layer.load_state_dict(floats(path, f"visual_projection.{index}."))
    # The shipped head has the features' normalisation inside it.
    width = head.hidden.in_features
    training.save("clip", texts=texts.state_dict(), head=head.state_dict(), step=0, used=0.0, done=True,
                  centre=torch.zeros(width), spread=torch.ones(width))


def resume_pipeline(models):
    folder = models / "chapan-mini"
    if training.load("vae") is None:
        vae = nets.vae()
        vae.load_state_dict(floats(folder / "vae" / "diffusion_pytorch_model.safetensors"))
        training.save("vae", vae=vae.state_dict(), kernel=None, bias=None, done=True)
    if training.load("unet") is None:
        joint = Joint()
        for part, file in ((joint.unet, "unet/diffusion_pytorch_model.safetensors"),
                           (joint.first, "text_encoder/model.safetensors"),
                           (joint.second, "text_encoder_2/model.safetensors")):
            part.load_state_dict(floats(folder / file))
        flat = training.flatten(joint.parameters())
        scale = json.loads((folder / "vae" / "config.json").read_text())["scaling_factor"]
        training.save("unet", weights=flat, ema=flat.clone(), model=joint.state_dict(), step=0, used=0.0, scale=scale,
                      done=False, seen=0)
    for name in ("tokenizer", "tokenizer_2"):
        shutil.copytree(folder / name, DATA / name, dirs_exist_ok=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--models", type=Path, default=Path("../../../assets/models"))
    options = parser.parse_args()
    torch.manual_seed(training.SEED + 38)
    resume_towers(options.models)
    resume_clip(options.models)
    resume_pipeline(options.models)


if __name__ == "__main__":
    main()
