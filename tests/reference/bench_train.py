"""The diffusers and PEFT side of `chapan bench train`.

usage: bench_train.py MODEL_FOLDER
Reads one line of JSON (the LoRA's file, prompts, rank and alpha, targets, rates), loads the model (f32, CPU), puts the LoRA on
its UNet and says `ready`. Then it answers every line (seed, timesteps, size) with one: seconds for a step of AdamW on noise and
latents that follow from the seed, the loss, and the most memory that the process ever held. Captions are encoded once, as
training scripts do when the text encoders are not trained.
"""

import json
import sys
import time

import torch
from diffusers import DDPMScheduler, StableDiffusionXLPipeline


def peak_memory_bytes():
    try:
        with open("/proc/self/status") as status:
            line = next(line for line in status if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    except (OSError, StopIteration):
        return None


def main():
    given = json.loads(sys.stdin.readline())
    pipeline = StableDiffusionXLPipeline.from_pretrained(sys.argv[1], dtype=torch.float32)
    with torch.no_grad():
        states, _, pooled, _ = pipeline.encode_prompt(given["prompts"], do_classifier_free_guidance=False)
    unet = pipeline.unet
    unet.requires_grad_(False)
    pipeline.load_lora_weights(given["lora"])
    if given["gradient_checkpointing"]:
        unet.enable_gradient_checkpointing()
    unet.train()
    for name, parameter in unet.named_parameters():
        parameter.requires_grad_("lora_" in name)
    trained = [parameter for parameter in unet.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=given["learning_rate"], weight_decay=given["weight_decay"])
    scheduler = DDPMScheduler.from_config(pipeline.scheduler.config)
    print("ready", flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        shape = [len(given["prompts"]), *asked["shape"]]
        generator = torch.Generator("cpu").manual_seed(asked["seed"])
        latents, noise = torch.randn(shape, generator=generator), torch.randn(shape, generator=generator)
        timesteps = torch.tensor(asked["timesteps"])
        height, width = asked["size"]
        time_ids = torch.tensor([[height, width, 0, 0, height, width]] * shape[0], dtype=torch.float32)
        started = time.perf_counter()
        noisy = scheduler.add_noise(latents, noise, timesteps)
        velocity = scheduler.config.prediction_type == "v_prediction"
        target = scheduler.get_velocity(latents, noise, timesteps) if velocity else noise
        added = {"text_embeds": pooled, "time_ids": time_ids}
        prediction = unet(noisy, timesteps, states, added_cond_kwargs=added).sample
        loss = torch.nn.functional.mse_loss(prediction, target)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, given["max_grad_norm"])
        optimizer.step()
        optimizer.zero_grad()
        seconds = time.perf_counter() - started
        answer = {"seconds": seconds, "loss": loss.item(), "peak_memory_bytes": peak_memory_bytes()}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
