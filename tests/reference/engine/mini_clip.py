#!/usr/bin/env python3
"""What PyTorch and transformers make of texts and pictures with the shipped mini CLIP.

usage: mini_clip.py [OUT_DIR]      (default: tests/fixtures/mini; torch, transformers, safetensors)

`clip.json` has texts and pictures (by seed and size, of the same generator as the metrics'), `clip.safetensors` the embeddings
of length 1, in f32 from the f16 weights. The text half is transformers' own; the tower is written out here from its
configuration. To be run again whenever the weights change.
"""
import json
import pathlib
import sys

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from transformers import CLIPTextConfig, CLIPTextModelWithProjection, CLIPTokenizer

ROOT = pathlib.Path(__file__).resolve().parents[3]
OUT = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "tests/fixtures/mini"
MODEL = ROOT / "assets/models/chapan-mini-clip"
SIDE = 128
PICTURES = [(60, SIDE, SIDE), (61, SIDE, SIDE), (62, SIDE, SIDE)]
TEXTS = [
    "a smiling man, round face, thin mustache, orange chapan robe, steppe background",
    "a hotel room with a red bed and a lamp",
    "",
    "сары шапан киген адам, күлкі",
    "человек в синей шапке",
    "an owl \U0001f989 with a topknot",
    "a drawing of a hotel room with a red bed, " * 20,
]


def picture(seed, width, height):
    state, values = seed, []
    for i in range(width * height * 3):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        x, y = (i // 3) % width, (i // 3) // width
        values.append((((state >> 24) // 8) + x * 5 + y * 3 + (i % 3) * 20) % 256)
    return torch.tensor(np.array(values, np.float32).reshape(height, width, 3)).permute(2, 0, 1) / 127.5 - 1


def tower(pictures, layers, weights):
    features = output = pictures
    for index, layer in enumerate(layers):
        features = output
        w, b = (weights.get(f"vision_model.layers.{index}.{name}") for name in ("weight", "bias"))
        match layer["op"]:
            case "conv2d":
                output = F.conv2d(features, w, b, stride=layer["stride"], padding=layer["padding"])
            case "relu":
                output = F.relu(features)
            case "max_pool2d":
                output = F.max_pool2d(features, layer["size"])
            case "flatten":
                output = features.flatten(1)
            case "linear":
                output = F.linear(features, w, b)
    return torch.cat([features, output], 1)


@torch.no_grad()
def main():
    torch.set_num_threads(1)
    config = json.loads((MODEL / "config.json").read_text())
    weights = {name: value.float() for name, value in load_file(MODEL / "model.safetensors").items()}
    text = CLIPTextModelWithProjection(CLIPTextConfig(**config["text_config"])).eval()
    half = {name: value for name, value in weights.items() if name.startswith("text_")}
    missing, unexpected = text.load_state_dict(half, strict=False)
    assert not unexpected and all("position_ids" in name for name in missing), (missing, unexpected)
    tokenizer = CLIPTokenizer.from_pretrained(MODEL)
    ids = tokenizer(TEXTS, padding="max_length", truncation=True, max_length=77, return_tensors="pt").input_ids
    seen = tower(torch.stack([picture(*of) for of in PICTURES]), config["vision_config"]["layers"], weights)
    hidden = F.relu(F.linear(seen, weights["visual_projection.0.weight"], weights["visual_projection.0.bias"]))
    images = F.linear(hidden, weights["visual_projection.1.weight"], weights["visual_projection.1.bias"])
    save_file({"text_embeds": F.normalize(text(ids).text_embeds, dim=1).contiguous(),
               "image_embeds": F.normalize(images, dim=1).contiguous()}, OUT / "clip.safetensors")
    (OUT / "clip.json").write_text(json.dumps({"texts": TEXTS, "pictures": PICTURES}, ensure_ascii=False, indent=1) + "\n")


main()
