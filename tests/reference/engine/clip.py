#!/usr/bin/env python3
"""A tiny CLIPModel as transformers saves it, and what transformers makes of pictures and texts with it.

usage: clip.py [OUT_DIR]      (default: tests/fixtures/engine/clip; torch, transformers, pillow, safetensors)

The folder is one that `CLIPModel.from_pretrained` opens, but for the tokenizer: that of the mini CLIP, to which the test
puts it. `expected.json` has the pictures (by seed and size, of the same generator as the metrics') and texts;
`expected.safetensors` the preprocessed pixels, both embeddings and the logits. Pictures go through Pillow, as in every
transformers before 5; its newer torchvision path resizes a little differently.
"""
import json
import pathlib
import sys
import zlib

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from transformers import CLIPConfig, CLIPModel, CLIPTokenizer
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

HERE = pathlib.Path(__file__).resolve()
ROOT = HERE.parents[3]
OUT = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "tests/fixtures/engine/clip"
TOKENIZER = ROOT / "assets/models/chapan-mini-clip"
SIDE = 32
PICTURES = [(50, 32, 32), (51, 90, 61), (52, 41, 200), (53, 20, 13), (54, 33, 600)]
TEXTS = ["a man with a thin moustache", "round face", "", "a drawing of a hotel room with a red bed, " * 20]


def picture(seed, width, height):
    state, values = seed, []
    for i in range(width * height * 3):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        x, y = (i // 3) % width, (i // 3) // width
        values.append((((state >> 24) // 8) + x * 5 + y * 3 + (i % 3) * 20) % 256)
    return Image.fromarray(np.array(values, np.uint8).reshape(height, width, 3))


def main():
    torch.set_num_threads(1)
    OUT.mkdir(parents=True, exist_ok=True)
    part = dict(hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2)
    config = CLIPConfig(text_config=dict(part, vocab_size=2048, max_position_embeddings=77, bos_token_id=2046, eos_token_id=2047, pad_token_id=2047),
                        vision_config=dict(part, hidden_size=24, image_size=SIDE, patch_size=8), projection_dim=12)
    model = CLIPModel(config).eval()
    with torch.no_grad():
        for name, p in model.named_parameters():
            r = torch.randn(p.shape, generator=torch.Generator().manual_seed(zlib.crc32(name.encode())))
            p.copy_((1 + 0.1 * r if name.endswith("weight") else 0.1 * r) if p.ndim == 1 else r / max(1, p[0].numel()) ** 0.5 if p.ndim else torch.tensor(2.6592))
        model.save_pretrained(OUT)
        processor = CLIPImageProcessorPil(size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE})
        processor.save_pretrained(OUT)
        tokenizer = CLIPTokenizer.from_pretrained(TOKENIZER)
        images = [picture(*of) for of in PICTURES]
        pixels = processor(images, return_tensors="pt")["pixel_values"]
        ids = tokenizer(TEXTS, padding="max_length", truncation=True, max_length=77, return_tensors="pt")
        out = model(**ids, pixel_values=pixels)
    save_file({"pixels": pixels.contiguous(), "image_embeds": out.image_embeds, "text_embeds": out.text_embeds,
               "logits_per_image": out.logits_per_image.contiguous()}, OUT / "expected.safetensors")
    (OUT / "expected.json").write_text(json.dumps({"pictures": PICTURES, "texts": TEXTS}, indent=1) + "\n")


main()
