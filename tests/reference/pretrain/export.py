"""Stage 5: writes the family into `assets/models` as float16 safetensors: `python export.py [--output assets/models]`."""

import argparse
import json
import shutil
from pathlib import Path

import torch
from diffusers import DDIMScheduler, StableDiffusionXLPipeline
from safetensors.torch import save_file
from torch.nn import functional as F
from transformers import CLIPTokenizer

import nets
import training
from clip import Head, Texts
from unet import BETA_END, BETA_START, Joint
from world import DATA, GROUPS, LABELS, OFFSETS, VALUES, World

PREVIEW_PICTURES = 100


def half(state):
    return {k: v.detach().half().contiguous() for k, v in state.items() if "position_ids" not in k}


def scheduler():
    """Trailing DDIM with v-prediction; its last signal-to-noise ratio is small but not zero, so that the samplers
    that divide by it (Euler, Heun, DPM++, UniPC) read the same file."""
    return DDIMScheduler(
        num_train_timesteps=1000, beta_start=BETA_START, beta_end=BETA_END, beta_schedule="scaled_linear",
        prediction_type="v_prediction", timestep_spacing="trailing", clip_sample=False, set_alpha_to_one=True,
        steps_offset=0, rescale_betas_zero_snr=False)


def preview(vae, scale, world):
    """Least squares from a latent cell (as the pipeline scales it) to the mean colour of its 8x8 pixels in -1..1."""
    pictures = world.pictures(range(PREVIEW_PICTURES))
    with torch.no_grad():
        latents = torch.cat([vae.encode(p).latent_dist.mode() for p in pictures.split(20)]) * scale
    colours = F.avg_pool2d(pictures, 8).permute(0, 2, 3, 1).reshape(-1, 3)
    cells = latents.permute(0, 2, 3, 1).reshape(-1, latents.shape[1])
    cells = torch.cat([cells, torch.ones(len(cells), 1)], 1)
    solution = torch.linalg.lstsq(cells.double(), colours.double()).solution
    return {"latent_rgb_factors": [[round(v, 6) for v in row] for row in solution[:-1].tolist()],
            "latent_rgb_bias": [round(v, 6) for v in solution[-1].tolist()]}


def pipeline():
    """The trained parts, put together."""
    state = training.load("unet")
    joint = Joint()
    joint.load_state_dict(state["model"])
    vae = nets.vae()
    polished = training.load("polish")
    vae.load_state_dict((polished or training.load("vae"))["vae"])
    vae.register_to_config(scaling_factor=round(float(state["scale"]), 6))
    first, second = (CLIPTokenizer.from_pretrained(DATA / name) for name in ("tokenizer", "tokenizer_2"))
    pipe = StableDiffusionXLPipeline(
        vae=vae.eval(), text_encoder=joint.first.eval(), text_encoder_2=joint.second.eval(), tokenizer=first,
        tokenizer_2=second, unet=joint.unet.eval(), scheduler=scheduler(), force_zeros_for_empty_prompt=True,
        add_watermarker=False)
    return pipe, state


def write_pipeline(folder):
    pipe, state = pipeline()
    pipe.to(torch.float16)
    pipe.save_pretrained(folder, safe_serialization=True)
    # transformers writes a tokenizer in its own new shape; the classic three files open everywhere.
    for name in ("tokenizer", "tokenizer_2"):
        shutil.rmtree(folder / name)
        shutil.copytree(DATA / name, folder / name)
    pipe.vae.float()
    table = preview(pipe.vae, pipe.vae.config.scaling_factor, World("train", PREVIEW_PICTURES))
    (folder / "preview.json").write_text(json.dumps(table, indent=1) + "\n")
    return state


def write_clip(folder):
    """The scoring CLIP: our convolutional tower, and a text half in transformers' layout."""
    folder.mkdir(parents=True, exist_ok=True)
    state = training.load("clip")
    texts, head = Texts(), Head()
    texts.load_state_dict(state["texts"])
    head.load_state_dict(state["head"])
    tower = nets.Tower(LABELS, norm=False)
    tower.load_state_dict(training.load("tower")["folded"])
    # The normalisation of the features goes into the head's first layer.
    weight = head.hidden.weight / state["spread"]
    bias = head.hidden.bias - weight @ state["centre"]
    tensors = {f"vision_model.{k}": v for k, v in renumbered(tower).items()}
    tensors |= {"visual_projection.0.weight": weight, "visual_projection.0.bias": bias,
                "visual_projection.1.weight": head.projection.weight, "visual_projection.1.bias": head.projection.bias}
    tensors |= dict(texts.score.state_dict())
    tensors["logit_scale"] = texts.scale[0].clamp(max=4.6).reshape(())
    save_file(half(tensors), folder / "model.safetensors", metadata={"format": "pt"})
    text = texts.score.config.to_dict()
    names = ("vocab_size", "hidden_size", "intermediate_size", "projection_dim", "num_hidden_layers",
             "num_attention_heads", "max_position_embeddings", "hidden_act", "layer_norm_eps", "bos_token_id",
             "eos_token_id", "pad_token_id")
    config = {
        "model_type": "chapan_conv_clip", "projection_dim": nets.POOLED,
        "note": "features = all vision layers but the last linear; its outputs are concatenated after the features; "
                "visual_projection: linear, relu, linear; text: CLIPTextModelWithProjection; both sides L2-normalised",
        "vision_config": {"image_size": 128, "mean": [0.5] * 3, "std": [0.5] * 3, "layers": tower.description},
        "visual_projection": [[1024 + LABELS, 256], [256, nets.POOLED]],
        "text_config": {name: text[name] for name in names},
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    for file in (DATA / "tokenizer").iterdir():
        shutil.copy(file, folder / file.name)


def renumbered(tower):
    """Tensors named `layers.<index>.weight` by the index in the description, which counts every layer."""
    return dict(tower.state_dict())


def write_judge(folder):
    folder.mkdir(parents=True, exist_ok=True)
    tower = nets.Tower(LABELS, norm=False)
    tower.load_state_dict(training.load("judge")["folded"])
    save_file(half(renumbered(tower)), folder / "model.safetensors", metadata={"format": "pt"})
    config = {
        "model_type": "chapan_attribute_judge", "image_size": 128, "mean": [0.5] * 3, "std": [0.5] * 3,
        "layers": tower.description,
        "groups": [{"name": g, "values": VALUES[g], "offset": OFFSETS[i]} for i, g in enumerate(GROUPS)],
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--output", type=Path, default=Path("assets/models"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    write_judge(options.output / "chapan-mini-judge")
    write_clip(options.output / "chapan-mini-clip")
    state = write_pipeline(options.output / "chapan-mini")
    total = 0
    for file in sorted(options.output.rglob("*")):
        if file.is_file():
            total += file.stat().st_size
            assert file.stat().st_size <= 16 << 20, f"{file} is too large"
    print(f"{total / 1e6:.1f} MB, UNet step {state['step']}, {state['seen']} samples")


if __name__ == "__main__":
    main()
