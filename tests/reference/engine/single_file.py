"""How a pipeline in diffusers layout becomes one file in the original layout, and diffusers itself reads it back.

usage: single_file.py [PIPELINE_FOLDER] [RECIPE.json] [SINGLE_FILE.safetensors]
       (default: tests/fixtures/pipelines/tiny-sdxl, tests/fixtures/engine/single_file.json, not written)

The names are inverted here by hand; diffusers' converters then map the file forward again, and every tensor must come out
equal. So the recipe makes a file as the original code would have written it, not as our reader would like it. The Rust
test follows the recipe, so that no second copy of the weights is stored.
"""

import json
import sys
from pathlib import Path

import torch
from diffusers.loaders import single_file_utils as diffusers_reads
from safetensors.torch import load_file, save_file

TESTS = Path(__file__).resolve().parents[2]
RESNET = {
    "norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0", "conv2": "out_layers.3", "conv_shortcut": "skip_connection",
}
EMBEDDINGS = {
    "time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0", "add_embedding.linear_2": "label_emb.0.2",
    "conv_in": "input_blocks.0.0", "conv_norm_out": "out.0", "conv_out": "out.2",
}


def read_part(folder):
    state = {}
    for file in sorted(folder.glob("*.safetensors")):
        state.update(load_file(file))
    return state


def unet_name(name, layers, attends):
    """The original name of a UNet tensor; `layers` resnets a level, `attends(prefix)`: has that level attention?"""
    for ours, original in EMBEDDINGS.items():
        if name.startswith(ours + "."):
            return name.replace(ours, original, 1)
    parts = name.split(".")
    resnet = lambda rest: ".".join([RESNET[rest[0]], *rest[1:]])
    if parts[0] == "mid_block":
        if parts[1] == "attentions":
            return ".".join(["middle_block.1", *parts[3:]])
        return f"middle_block.{2 * int(parts[2])}.{resnet(parts[3:])}"
    side, level, kind, layer, rest = parts[0], int(parts[1]), parts[2], int(parts[3]), parts[4:]
    if side == "down_blocks":
        number = 1 + level * (layers + 1) + (layers if kind == "downsamplers" else layer)
        if kind == "downsamplers":
            return ".".join([f"input_blocks.{number}.0.op", *rest[1:]])
        if kind == "resnets":
            return f"input_blocks.{number}.0.{resnet(rest)}"
        return ".".join([f"input_blocks.{number}.1", *rest])
    number = level * (layers + 1) + (layers if kind == "upsamplers" else layer)
    if kind == "upsamplers":
        return ".".join([f"output_blocks.{number}.{2 if attends(f'up_blocks.{level}.') else 1}.conv", *rest[1:]])
    if kind == "resnets":
        return f"output_blocks.{number}.0.{resnet(rest)}"
    return ".".join([f"output_blocks.{number}.1", *rest])


def unet_recipe(state, layers):
    attends = lambda prefix: any(name.startswith(prefix + "attentions.") for name in state)
    return {unet_name(name, layers, attends): ("same", [name]) for name in state}


def vae_recipe(state, levels):
    recipe = {}
    attention = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}
    for name, tensor in state.items():
        new = name.replace("conv_shortcut", "nin_shortcut").replace("conv_norm_out", "norm_out")
        how = "same"
        if ".mid_block.attentions.0." in new:
            for ours, theirs in attention.items():
                new = new.replace(f"mid_block.attentions.0.{ours}.", f"mid.attn_1.{theirs}.")
            how = "convolution" if tensor.ndim == 2 else how
        new = new.replace("mid_block.resnets.0", "mid.block_1").replace("mid_block.resnets.1", "mid.block_2")
        for way in ("down", "up"):
            for level in range(levels):
                theirs = level if way == "down" else levels - 1 - level
                new = new.replace(f".{way}_blocks.{level}.{way}samplers.0.", f".{way}!{theirs}.{way}sample.")
                new = new.replace(f".{way}_blocks.{level}.resnets.", f".{way}!{theirs}.block.")
        recipe[new.replace("!", ".")] = (how, [name])
    return recipe


def open_clip_recipe(state):
    recipe = {}
    layer = {"layer_norm1": "ln_1", "layer_norm2": "ln_2", "self_attn.out_proj": "attn.out_proj",
             "mlp.fc1": "mlp.c_fc", "mlp.fc2": "mlp.c_proj"}
    top = {"text_model.embeddings.token_embedding.weight": "token_embedding.weight",
           "text_model.embeddings.position_embedding.weight": "positional_embedding",
           "text_model.final_layer_norm.weight": "ln_final.weight",
           "text_model.final_layer_norm.bias": "ln_final.bias"}
    for name in state:
        if name == "text_projection.weight":
            recipe["text_projection"] = ("transpose", [name])
        elif name in top:
            recipe[top[name]] = ("same", [name])
        else:
            number, rest = name.removeprefix("text_model.encoder.layers.").split(".", 1)
            block = f"transformer.resblocks.{number}."
            if rest.startswith("self_attn.") and "out_proj" not in rest:
                stem, kind = name.rsplit(".self_attn.", 1)[0], rest.rsplit(".", 1)[1]
                fused = [f"{stem}.self_attn.{which}_proj.{kind}" for which in "qkv"]
                recipe[f"{block}attn.in_proj_{kind}"] = ("rows", fused)
            else:
                ours = next(ours for ours in layer if rest.startswith(ours + "."))
                recipe[block + rest.replace(ours, layer[ours], 1)] = ("same", [name])
    return recipe


def cook(how, tensors):
    """The original tensor made of tensors of the diffusers layout."""
    if how == "rows":
        return torch.cat(tensors)
    (tensor,) = tensors
    if how == "transpose":
        return tensor.T.contiguous()
    return tensor[:, :, None, None] if how == "convolution" else tensor


def require_equal(part, got, expected):
    assert got.keys() == expected.keys(), (part, got.keys() ^ expected.keys())
    for name in expected:
        assert got[name].shape == expected[name].shape and torch.equal(got[name], expected[name]), (part, name)


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else TESTS / "fixtures/pipelines/tiny-sdxl"
    output = Path(sys.argv[2]) if len(sys.argv) > 2 else TESTS / "fixtures/engine/single_file.json"
    config = {part: json.loads((folder / part / "config.json").read_text()) for part in ("unet", "vae")}
    config["unet"].setdefault("class_embed_type", None)
    config["unet"].setdefault("num_class_embeds", None)
    parts = {name: read_part(folder / name) for name in ("unet", "vae", "text_encoder", "text_encoder_2")}
    clip = {"text_model." + name.removeprefix("text_model."): tensor for name, tensor in parts["text_encoder"].items()}

    parts["text_encoder"] = clip
    recipes = {
        "unet": ("model.diffusion_model.", unet_recipe(parts["unet"], config["unet"]["layers_per_block"])),
        "vae": ("first_stage_model.", vae_recipe(parts["vae"], len(config["vae"]["block_out_channels"]))),
        "text_encoder": ("conditioner.embedders.0.transformer.", {name: ("same", [name]) for name in clip}),
        "text_encoder_2": ("conditioner.embedders.1.model.", open_clip_recipe(parts["text_encoder_2"])),
    }
    file, recipe = {"conditioner.embedders.1.model.logit_scale": torch.tensor(4.6052)}, []
    for part, (prefix, originals) in recipes.items():
        for name, (how, sources) in originals.items():
            file[prefix + name] = cook(how, [parts[part][source] for source in sources])
            recipe.append({"original": prefix + name, "part": part, "how": how, "from": sources})

    require_equal("unet", diffusers_reads.convert_ldm_unet_checkpoint(dict(file), config["unet"]), parts["unet"])
    vae = diffusers_reads.convert_ldm_vae_checkpoint(dict(file), config["vae"])
    require_equal("vae", vae, parts["vae"])
    require_equal("text_encoder", diffusers_reads.convert_ldm_clip_checkpoint(dict(file)), clip)
    text_2 = diffusers_reads.convert_open_clip_checkpoint(None, dict(file), "conditioner.embedders.1.model.")
    require_equal("text_encoder_2", text_2, parts["text_encoder_2"])

    # One entry a line: small, and readable in a comparison of versions.
    output.write_text("[\n" + ",\n".join(json.dumps(entry) for entry in recipe) + "\n]\n")
    if len(sys.argv) > 3:
        save_file(file, sys.argv[3])
    print(f"{output}: {len(recipe)} tensors, read back by diffusers' converters")


if __name__ == "__main__":
    main()
