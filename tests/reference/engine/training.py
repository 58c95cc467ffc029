#!/usr/bin/env python3
"""Makes tests/fixtures/training: one fixed batch through PEFT and diffusers, its gradients, and the weights after three steps.

usage: training.py [OUT_DIR]   (diffusers 0.42.1, peft 0.21, transformers 5.23, torch 2.15; under a minute on one core)

  cases.json           for each case what is trained and how
  CASE.safetensors     `loss.0` .. `loss.2`, `norm.0` .. `norm.2` (of all gradients, before clipping), `gradient.NAME` of the
                       first step, `after.NAME` of the weights after the third; NAME as in the LoRA's file

The batch: two latents, their noise and timesteps, prompts, all following from names. Factors begin with values that follow from
their names too, `lora_B` included, so that every gradient is there from the first step. Loss, weighting and optimiser are
written as in diffusers' training scripts for Stable Diffusion XL (`train_text_to_image_lora_sdxl.py`; the weighting for a
velocity there is that of the paper, `min(snr, gamma) / (snr + 1)`).
"""
import json, math, pathlib, sys, zlib
import torch
import diffusers
from diffusers import DDPMScheduler, StableDiffusionXLPipeline
from diffusers.training_utils import compute_snr
from peft import LoraConfig
from safetensors.torch import save_file

torch.set_num_threads(1)
diffusers.logging.set_verbosity_error()
FIXTURES = pathlib.Path(__file__).parents[2] / "fixtures"
OUT = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else FIXTURES / "training"
PROMPTS = ["a photo of an orange hat", "a hotel room at night, a lamp"]
TIMESTEPS = [123, 801]
ATTENTION = ["to_q", "to_k", "to_v", "to_out.0"]
FEED_FORWARD = ["ff.net.0.proj", "ff.net.2", "proj_in", "proj_out"]
CONVOLUTIONS = ["conv1", "conv2", "conv_shortcut", "downsamplers.0.conv", "upsamplers.0.conv"]
TEXT = ["q_proj", "k_proj", "v_proj", "out_proj"]
CASES = {
    "attention": dict(rank=4, alpha=4.0, prediction="epsilon"),
    "everything": dict(rank=3, alpha=6.0, prediction="v_prediction", feed_forward=True, convolutions=True, text_encoders=True, snr_gamma=5.0, prior=0.7),
    "dora": dict(rank=4, alpha=2.0, prediction="epsilon", dora=True, feed_forward=True, snr_gamma=5.0),
}
# Where a gradient is nearly zero AdamW takes a step by its sign, which is then rounding's: at a rate of 2e-3 PyTorch in 32 bits
# is up to 9e-5 away from itself in 64 bits after three steps, as far as the tolerance; at this rate a quarter of that.
LEARNING_RATE, WEIGHT_DECAY, CLIP = 5e-4, 1e-2, 1.0


def draw(name, *shape, gain=1.0):
    """Values that follow from a name."""
    return gain * torch.randn(shape, generator=torch.Generator().manual_seed(zlib.crc32(name.encode())))


def canonical(component, path):
    """A layer's path in the LoRA's file."""
    if component != "unet" and not path.startswith("text_model."):
        path = "text_model." + path
    return f"{component}.{path}"


def run(case):
    pipe = StableDiffusionXLPipeline.from_pretrained(FIXTURES / "pipelines/tiny-sdxl", add_watermarker=False)
    components = {"unet": ATTENTION + (FEED_FORWARD if case.get("feed_forward") else []) + (CONVOLUTIONS if case.get("convolutions") else [])}
    if case.get("text_encoders"):
        components |= {"text_encoder": TEXT, "text_encoder_2": TEXT}
    trained = {}
    for component, targets in components.items():
        model = getattr(pipe, component)
        model.requires_grad_(False)
        model.add_adapter(LoraConfig(r=case["rank"], lora_alpha=case["alpha"], target_modules=targets, use_dora=case.get("dora", False)))
        for name, parameter in model.named_parameters():
            if not parameter.requires_grad:
                continue
            name = canonical(component, name.replace(".default", "").replace("lora_magnitude_vector.weight", "lora_magnitude_vector"))
            with torch.no_grad():
                if name.endswith("lora_magnitude_vector"):
                    parameter.mul_(1 + 0.1 * draw(name, *parameter.shape))
                else:
                    parameter.copy_(draw(name, *parameter.shape, gain=0.5 / math.sqrt(parameter[0].numel())))
            trained[name] = parameter
    scheduler = DDPMScheduler.from_config(pipe.scheduler.config, prediction_type=case["prediction"])
    optimizer = torch.optim.AdamW(trained.values(), lr=LEARNING_RATE, betas=(0.9, 0.999), weight_decay=WEIGHT_DECAY, eps=1e-8)
    latents, noise = draw("latents", 2, 4, 8, 8), draw("noise", 2, 4, 8, 8)
    timesteps = torch.tensor(TIMESTEPS)
    noisy = scheduler.add_noise(latents, noise, timesteps)
    target = noise if case["prediction"] == "epsilon" else scheduler.get_velocity(latents, noise, timesteps)
    time_ids = torch.tensor([[64.0, 64.0, 0.0, 0.0, 64.0, 64.0]] * 2)
    out = {}
    for step in range(3):
        states, _, pooled, _ = pipe.encode_prompt(PROMPTS, do_classifier_free_guidance=False)
        prediction = pipe.unet(noisy, timesteps, states, added_cond_kwargs={"text_embeds": pooled, "time_ids": time_ids}).sample
        loss = (prediction - target).pow(2).mean(dim=(1, 2, 3))
        if case.get("snr_gamma"):
            snr = compute_snr(scheduler, timesteps)
            weights = torch.minimum(snr, torch.full_like(snr, case["snr_gamma"]))
            loss = loss * (weights / snr if case["prediction"] == "epsilon" else weights / (snr + 1))
        # With prior preservation the second half of the batch is of the class.
        loss = loss[0] + case["prior"] * loss[1] if case.get("prior") else loss.mean()
        optimizer.zero_grad()
        loss.backward()
        missing = [name for name, parameter in trained.items() if parameter.grad is None]
        # The last layer of each text encoder is not looked at: its state is the one before the last.
        assert all(name.startswith("text_encoder.") for name in missing), missing
        if step == 0:
            out |= {f"gradient.{name}": p.grad.clone() for name, p in trained.items() if p.grad is not None}
        norm = torch.nn.utils.clip_grad_norm_(trained.values(), CLIP)
        out |= {f"loss.{step}": loss.detach().reshape(1), f"norm.{step}": norm.detach().reshape(1)}
        optimizer.step()
    return out | {f"after.{name}": p.detach().clone() for name, p in trained.items()}


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    for name, case in CASES.items():
        tensors = run(case)
        save_file({k: v.contiguous() for k, v in tensors.items()}, OUT / f"{name}.safetensors")
        print(name, len(tensors), [tensors[f"loss.{i}"].item() for i in range(3)], [tensors[f"norm.{i}"].item() for i in range(3)])
    shared = dict(prompts=PROMPTS, timesteps=TIMESTEPS, learning_rate=LEARNING_RATE, weight_decay=WEIGHT_DECAY, max_grad_norm=CLIP)
    (OUT / "cases.json").write_text(json.dumps(dict(**shared, cases=CASES), indent=1) + "\n")


main()
