"""Writes tests/fixtures/metrics.json: what scikit-image and Pillow say about small pictures.

Run: python tests/reference/metrics.py
The pictures are made of a linear congruential generator that the Rust test repeats, so that only results are stored.
"""

import json
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter
from skimage.metrics import mean_squared_error, peak_signal_noise_ratio, structural_similarity

OUTPUT = Path(__file__).resolve().parents[1] / "fixtures" / "metrics.json"


def picture(seed, width, height, channels, smooth):
    """Noise of 8 bits; `smooth` adds a gradient, so that neighbours are alike as in photographs."""
    state, values = seed, []
    for i in range(width * height * channels):
        state = (state * 1664525 + 1013904223) % 2**32
        x, y = (i // channels) % width, (i // channels) // width
        noise = state >> 24
        values.append((noise // 8 + x * 5 + y * 3 + (i % channels) * 20) % 256 if smooth else noise)
    array = np.array(values, np.uint8).reshape(height, width, channels)
    return array[..., 0] if channels == 1 else array


def comparisons():
    for width, height, channels, seeds, smooth in [
        (7, 7, 1, (1, 2), False),
        (16, 12, 1, (3, 4), True),
        (24, 17, 3, (5, 6), True),
        (31, 40, 3, (7, 8), False),
        (64, 64, 3, (9, 10), True),
    ]:
        a, b = (picture(seed, width, height, channels, smooth) for seed in seeds)
        axis = None if channels == 1 else -1
        case = {
            "width": width, "height": height, "channels": channels, "seeds": seeds, "smooth": smooth,
            "mse": float(mean_squared_error(a, b)),
            "psnr": float(peak_signal_noise_ratio(a, b, data_range=255)),
            "ssim_uniform": float(structural_similarity(a, b, data_range=255, channel_axis=axis)),
            "ssim_gaussian": None,
        }
        if channels == 3:
            shares = [np.histogramdd(p.reshape(-1, 3), bins=8, range=[(0, 256)] * 3)[0] / (width * height) for p in (a, b)]
            case["hellinger"] = float(np.sqrt(1 - np.sqrt(shares[0] * shares[1]).sum()))
        if min(width, height) >= 11:
            case["ssim_gaussian"] = float(structural_similarity(
                a, b, data_range=255, channel_axis=axis, gaussian_weights=True, sigma=1.5, use_sample_covariance=False))
        yield case


def resizes():
    for seed, width, height, channels, target in [
        (11, 23, 17, 3, (8, 8)),
        (12, 23, 17, 3, (31, 29)),
        (13, 40, 9, 1, (7, 30)),
        (14, 5, 5, 1, (16, 16)),
        (15, 33, 21, 3, (33, 10)),
        (16, 33, 21, 3, (12, 21)),
        (17, 2, 3, 1, (9, 1)),
        (18, 64, 64, 3, (14, 14)),
        # Around the bound where Pillow starts with the height.
        (20, 20, 30, 3, (15, 20)),
        (21, 20, 30, 3, (15, 19)),
        (22, 9, 30, 3, (24, 11)),
    ]:
        for name, resample in [("lanczos", Image.Resampling.LANCZOS), ("bicubic", Image.Resampling.BICUBIC)]:
            image = Image.fromarray(picture(seed, width, height, channels, False))
            result = np.asarray(image.resize(target, resample)).ravel().tolist()
            yield {"seed": seed, "width": width, "height": height, "channels": channels, "target": target,
                   "filter": name, "result": bytes(result).hex()}


def blurs():
    for seed, width, height, radius in [
        (30, 23, 17, 1), (31, 23, 17, 4), (32, 9, 30, 2.5), (33, 40, 3, 12), (34, 1, 7, 3), (35, 7, 1, 0.3), (36, 5, 6, 40), (37, 16, 16, 0.9), (38, 12, 8, 300),
    ]:
        image = Image.fromarray(picture(seed, width, height, 1, False))
        result = image.filter(ImageFilter.GaussianBlur(radius))
        yield {"seed": seed, "width": width, "height": height, "radius": radius, "result": result.tobytes().hex()}


def scores():
    """The third part of the score: both pictures to 256x256 by Lanczos, to luma, then scikit-image's defaults."""
    for seeds, a, b, smooth in [((40, 41), (300, 200), (64, 64), True), ((42, 42), (512, 512), (128, 128), False),
                                ((43, 44), (256, 256), (256, 256), True), ((45, 46), (31, 90), (700, 12), False)]:
        levels = [np.asarray(Image.fromarray(picture(seed, *size, 3, smooth)).resize((256, 256), Image.Resampling.LANCZOS).convert("L"))
                  for seed, size in zip(seeds, (a, b))]
        yield {"seeds": seeds, "sizes": [a, b], "smooth": smooth, "ssim": float(structural_similarity(*levels, data_range=255))}


def main():
    grey = Image.fromarray(picture(19, 32, 16, 3, False)).convert("L")
    fixture = {
        "comparisons": list(comparisons()),
        "resizes": list(resizes()),
        "scores": list(scores()),
        "blurs": list(blurs()),
        "luma": {"seed": 19, "width": 32, "height": 16, "result": grey.tobytes().hex()},
    }
    OUTPUT.write_text(json.dumps(fixture, indent=1) + "\n")


if __name__ == "__main__":
    main()
