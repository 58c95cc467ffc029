"""The scikit-image side of `chapan bench ssim`.

usage: bench_ssim.py
Reads one line of JSON with the pictures (width, height, and both as RGB in base64), says `ready`, then answers every line
of JSON that names a mode with a line of JSON: seconds and the similarity.
"""

import base64
import json
import sys
import time

import numpy as np
from skimage.metrics import structural_similarity

MODES = {
    "uniform": {},
    "gaussian": {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False},
}


def main():
    given = json.loads(sys.stdin.readline())
    shape = (given["height"], given["width"], 3)
    a, b = (np.frombuffer(base64.b64decode(given[name]), np.uint8).reshape(shape) for name in ("a", "b"))
    print("ready", flush=True)
    for line in sys.stdin:
        options = MODES[json.loads(line)["mode"]]
        started = time.perf_counter()
        value = structural_similarity(a, b, data_range=255, channel_axis=-1, **options)
        print(json.dumps({"seconds": time.perf_counter() - started, "value": float(value)}), flush=True)


if __name__ == "__main__":
    main()
