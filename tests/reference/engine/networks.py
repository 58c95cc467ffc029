#!/usr/bin/env python3
"""Parity fixtures of the engine's networks, made by diffusers and transformers without any downloaded weights.

usage: networks.py [OUT_DIR]      (default: tests/fixtures/engine/networks; torch, diffusers, transformers, safetensors)

Each fixture is NAME.json (configuration, call, names and shapes of all tensors, checksum of all weights) and
NAME.safetensors (inputs, tapped activations, outputs, all float32). The weights themselves are not kept: every tensor is
filled from a generator seeded with the CRC-32 of its name, so the test makes the same bytes again. They are deliberately
not what the library initialises: there norms are 1 and biases 0, which hides mistakes.
"""
import json
import math
import pathlib
import sys
import zlib

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import save_file
from transformers import CLIPConfig, CLIPModel, CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

HERE = pathlib.Path(__file__).resolve()
OUT = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else HERE.parents[2] / "fixtures" / "engine" / "networks"


def refill(model):
    """Fills every parameter by its name: matrices scaled by fan-in, norms around 1, biases around 0."""
    with torch.no_grad():
        for name, p in list(model.named_parameters()) + list(model.named_buffers()):
            if not p.is_floating_point():
                continue
            r = torch.randn(p.shape, generator=torch.Generator().manual_seed(zlib.crc32(name.encode())))
            if p.ndim <= 1 and name.endswith("weight"):
                p.copy_(1 + 0.1 * r)
            elif p.ndim <= 1:
                p.copy_(0.1 * r)
            else:
                p.copy_(r / math.sqrt(max(1, p[0].numel())))
    return model.eval()


def rnd(seed, *shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


class Tap:
    """Records what chosen modules put out."""

    def __init__(self, model, names):
        self.seen, modules = {}, dict(model.named_modules())
        for name in names:
            modules[name].register_forward_hook(lambda _m, _i, o, name=name: self.keep(name, o))

    def keep(self, name, out):
        out = out[0] if isinstance(out, tuple) else out
        self.seen[f"act.{name}"] = out.detach().clone()


def dump(name, model, io, config, **call):
    state = {k: v for k, v in model.state_dict().items() if v.is_floating_point()}
    checksum = 0
    for key in sorted(state):
        checksum = zlib.crc32(state[key].contiguous().numpy().tobytes(), checksum)
    tensors = {key: list(state[key].shape) for key in sorted(state)}
    config = {k: v for k, v in config.items() if not k.startswith("_")}
    text = json.dumps({"config": config, "call": call, "weights_crc32": checksum, "tensors": tensors}, default=str)
    (OUT / f"{name}.json").write_text(text + "\n")
    save_file({k: v.contiguous() for k, v in io.items()}, OUT / f"{name}.safetensors")
    print(f"{name}: {len(state)} tensors, {sum(v.numel() for v in state.values())} parameters")


def clips():
    base = dict(vocab_size=1000, hidden_size=32, intermediate_size=64, num_hidden_layers=4, num_attention_heads=4,
                max_position_embeddings=77, projection_dim=24, bos_token_id=0, pad_token_id=1)
    ids = torch.randint(3, 990, (2, 77), generator=torch.Generator().manual_seed(1))
    ids[0, 12:] = 999
    ids[1, 40:] = 999
    for name, cls, act, eos in [("clip_l", CLIPTextModel, "quick_gelu", 2), ("clip_bigg", CLIPTextModelWithProjection, "gelu", 2),
                                ("clip_eos", CLIPTextModelWithProjection, "gelu", 700)]:
        tokens = ids.clone()
        if eos != 2:                       # the token that ends the text is neither the largest nor the last
            tokens[0, 20], tokens[1, 33], tokens[1, 50] = eos, eos, eos
        model = refill(cls(CLIPTextConfig(**base, hidden_act=act, eos_token_id=eos)))
        out = model(tokens, output_hidden_states=True)
        io = {"in.ids": tokens, "out.penultimate": out.hidden_states[-2], "out.last": out.last_hidden_state, "act.embeddings": out.hidden_states[0]}
        io["out.pooled"] = out.text_embeds if cls is CLIPTextModelWithProjection else out.pooler_output
        dump(name, model, io, model.config.to_dict(), projected=cls is CLIPTextModelWithProjection)


def clip_model():
    """Both encoders; the projections' width is that of the whole, not of the parts."""
    part = dict(hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4)
    config = CLIPConfig(text_config=dict(part, vocab_size=1000, max_position_embeddings=77, eos_token_id=2, bos_token_id=0, pad_token_id=1),
                        vision_config=dict(part, hidden_size=48, image_size=32, patch_size=8, hidden_act="gelu"), projection_dim=24)
    model = refill(CLIPModel(config))
    ids = torch.randint(3, 990, (3, 77), generator=torch.Generator().manual_seed(1))
    ids[:, 20:] = 999
    pixels = rnd(12, 2, 3, 32, 32)
    out = model(input_ids=ids, pixel_values=pixels)
    io = {"in.ids": ids, "in.pixels": pixels, "out.image_embeds": out.image_embeds, "out.text_embeds": out.text_embeds, "out.logits_per_image": out.logits_per_image}
    dump("clip_model", model, io, config.to_dict())


def unet(name, size, timesteps, cross=64, pooled=32, **changes):
    config = dict(
        block_out_channels=(32, 64, 64), layers_per_block=2, sample_size=32, in_channels=4, out_channels=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"), attention_head_dim=(2, 4, 8),
        use_linear_projection=True, addition_embed_type="text_time", addition_time_embed_dim=8,
        transformer_layers_per_block=(1, 2, 3), projection_class_embeddings_input_dim=6 * 8 + pooled,
        cross_attention_dim=cross, norm_num_groups=8)
    config.update(changes)
    if config["addition_embed_type"] is None:
        del config["addition_time_embed_dim"], config["projection_class_embeddings_input_dim"]
    model = refill(UNet2DConditionModel(**config))
    x, ctx, text = rnd(2, 2, config["in_channels"], *size), rnd(3, 2, 77, cross), rnd(4, 2, pooled)
    ids = torch.tensor([[1024., 768., 0., 16., 1024., 1024.], [512., 640., 8., 0., 512., 512.]])
    added = config["addition_embed_type"] is not None
    tap = Tap(model, ["time_embedding", "down_blocks.0", "mid_block", "up_blocks.0"] + ["add_embedding"] * added)
    y = model(x, torch.tensor(timesteps), ctx, added_cond_kwargs={"text_embeds": text, "time_ids": ids} if added else None).sample
    io = {"in.sample": x, "in.ctx": ctx, "in.text_embeds": text, "in.time_ids": ids, **tap.seen, "out": y}
    dump(name, model, io, dict(model.config), timesteps=timesteps)


def vae(name, latent, size, **changes):
    config = dict(block_out_channels=(32, 64), down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
                  layers_per_block=2, norm_num_groups=8, sample_size=32, latent_channels=latent, scaling_factor=0.13025)
    config.update(changes)
    model = refill(AutoencoderKL(**config))
    factor = 2 ** (len(config["block_out_channels"]) - 1)
    picture, z = rnd(5, 1, 3, size[0] * factor, size[1] * factor).clamp(-1, 1), rnd(6, 2, latent, *size)
    posterior = model.encode(picture).latent_dist
    io = {"in.picture": picture, "out.mean": posterior.mean, "out.logvar": posterior.logvar, "in.latents": z, "out.decoded": model.decode(z).sample}
    dump(name, model, io, dict(model.config))


def vae_tiled():
    """Tiles of 32 pixels over a picture that they do not divide."""
    config = dict(block_out_channels=(16, 32), down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
                  layers_per_block=1, norm_num_groups=8, sample_size=32, latent_channels=4)
    model = refill(AutoencoderKL(**config))
    model.enable_tiling()
    picture, z = rnd(8, 1, 3, 82, 60).clamp(-1, 1), rnd(9, 2, 4, 37, 45)
    posterior = model.encode(picture).latent_dist
    io = {"in.picture": picture, "out.mean": posterior.mean, "out.logvar": posterior.logvar, "in.latents": z, "out.decoded": model.decode(z).sample}
    dump("vae_tiled", model, io, dict(model.config))


@torch.no_grad()
def main():
    torch.set_num_threads(1)
    OUT.mkdir(parents=True, exist_ok=True)
    clips()
    clip_model()
    unet("unet4", (16, 24), [951.0])
    unet("unet9", (8, 8), [500.25], in_channels=9)
    # Odd sides at every level, 1x1 convolutions around the transformers, one number for all blocks, one time for each item.
    unet("unet_odd", (13, 22), [999.0, 1.0], attention_head_dim=4, transformer_layers_per_block=1, use_linear_projection=False)
    # The shape of the mini family: 8 latent channels, widths that no power of two divides.
    unet("unet_mini", (16, 16), [601.0], block_out_channels=(64, 96, 160), layers_per_block=1, in_channels=8, out_channels=8,
         attention_head_dim=(2, 3, 5), transformer_layers_per_block=1, norm_num_groups=16, sample_size=16)
    # Stable Diffusion 1: no added conditioning, attention on every level but the last.
    unet("unet_sd1", (8, 8), [20.0], addition_embed_type=None, use_linear_projection=False, attention_head_dim=8, transformer_layers_per_block=1,
         down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"))
    vae("vae", 4, (16, 24))
    vae("vae_odd", 4, (7, 5), use_quant_conv=False, use_post_quant_conv=False, shift_factor=0.1159)
    vae("vae_mini", 8, (8, 8), block_out_channels=(16, 32, 64, 96), down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4, layers_per_block=1, mid_block_add_attention=False)
    vae_tiled()


main()
