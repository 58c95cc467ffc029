"""The diffusers side of `chapan bench generate`.

usage: bench_generate.py MODEL_FOLDER
Says `ready` when the model is loaded (f32, CPU), then answers every line of JSON parameters with a line of JSON: seconds
for the picture, its RGB bytes in base64, and the most memory that the process ever held.
"""

import base64
import json
import sys
import time

import torch
from diffusers import StableDiffusionXLPipeline


def peak_memory_bytes():
    try:
        with open("/proc/self/status") as status:
            line = next(line for line in status if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    except (OSError, StopIteration):
        return None


def main():
    pipeline = StableDiffusionXLPipeline.from_pretrained(sys.argv[1], torch_dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    print("ready", flush=True)
    for line in sys.stdin:
        parameters = json.loads(line)
        generator = torch.Generator("cpu").manual_seed(parameters.pop("seed"))
        started = time.perf_counter()
        with torch.no_grad():
            image = pipeline(**parameters, generator=generator).images[0]
        seconds = time.perf_counter() - started
        rgb = base64.b64encode(image.convert("RGB").tobytes()).decode()
        print(json.dumps({"seconds": seconds, "rgb": rgb, "peak_memory_bytes": peak_memory_bytes()}), flush=True)


if __name__ == "__main__":
    main()
