#!/usr/bin/env python3
"""Makes tests/fixtures/lora: small LoRA files in every format, and what the tiny pipeline does with them.

usage: lora.py [OUT_DIR]   (diffusers 0.42.1, peft 0.21, transformers 5.23, torch 2.15; about two minutes on one core)

  NAME.safetensors      a LoRA for tests/fixtures/pipelines/tiny-sdxl
  cases.json            which files with which weights, and by which library the result was made
  cases.safetensors     for each case: `N.unet` one UNet output, `N.text_encoder`, `N.text_encoder_2` penultimate states,
                        `N.picture` and `N.latents` of three steps

Where diffusers loads a format the result is diffusers' own (`load_lora_weights`, `set_adapters`, and `fuse_lora` for half of
them). LoHa and LoKr are PEFT's. For the rest, and as a check on all of them, the formula is written out here (`delta`,
`changed`): the generator refuses to write a case whose library and formula differ by more than rounding.
"""
import copy, json, math, pathlib, sys, zlib
import numpy as np, torch
import diffusers
from diffusers import StableDiffusionXLPipeline
from peft import LoHaConfig, LoKrConfig, inject_adapter_in_model
from safetensors.torch import save_file

torch.set_num_threads(1)
diffusers.logging.set_verbosity_error()
FIXTURES = pathlib.Path(__file__).parents[2] / "fixtures"
OUT = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else FIXTURES / "lora"
COMPONENTS = ("unet", "text_encoder", "text_encoder_2")
KOHYA = {"unet": "lora_unet_", "text_encoder": "lora_te1_", "text_encoder_2": "lora_te2_"}


def draw(name, *shape, gain=1.0):
    """Values that follow from the tensor's name."""
    return gain * torch.randn(shape, generator=torch.Generator().manual_seed(zlib.crc32(name.encode())))


def load():
    pipe = StableDiffusionXLPipeline.from_pretrained(FIXTURES / "pipelines/tiny-sdxl", add_watermarker=False)
    pipe.set_progress_bar_config(disable=True)
    return pipe


PIPE = load()
MODULES = {f"{c}.{name}": module for c in COMPONENTS for name, module in getattr(PIPE, c).named_modules() if isinstance(module, (torch.nn.Linear, torch.nn.Conv2d))}


def canonical(path):
    """The path with `text_model.`, which newer versions of transformers leave out."""
    component, rest = path.split(".", 1)
    if component != "unet" and not rest.startswith("text_model.") and rest != "text_projection":
        rest = "text_model." + rest
    return component, rest


def choose(every=1, first=0, linear=True, conv=False, components=COMPONENTS, ends=()):
    found = [p for p, m in MODULES.items() if p.split(".")[0] in components and (linear if isinstance(m, torch.nn.Linear) else conv)]
    if ends:
        found = [p for p in found if p.endswith(ends)]
    return found[first::every]


ATTENTION = ("to_q", "to_k", "to_v", "to_out.0", "q_proj", "k_proj", "v_proj", "out_proj")


# ---- one layer's change, as data -----------------------------------------------------------------------------------------
def shapes(path):
    w = MODULES[path].weight
    return w.shape[0], w.shape[1], (w.shape[2] if w.ndim == 4 else 1), w.ndim == 4


def low_rank(path, rank, alpha=None, mid=False, dora=None, bias=False):
    o, i, k, conv = shapes(path)
    t = {"down": draw(path + ".down", rank, i if mid else i * k * k, gain=1 / math.sqrt(i * (1 if mid else k * k))), "up": draw(path + ".up", o, rank, gain=0.4 / math.sqrt(rank))}
    if conv:
        t["down"] = t["down"].reshape((rank, i, 1, 1) if mid else (rank, i, k, k))
        t["up"] = t["up"].reshape(o, rank, 1, 1)
    if mid:
        t["mid"] = draw(path + ".mid", rank, rank, k, k, gain=1 / k / math.sqrt(rank))
    if bias:
        t["bias"] = draw(path + ".bias", o, gain=0.2)
    return finish(path, dict(kind="lora", rank=rank, alpha=alpha, **t), dora)


def loha(path, rank, alpha=None, cores=False, dora=None):
    o, i, k, _ = shapes(path)
    t = {}
    for n in "12":
        if cores:
            t[f"w{n}_a"], t[f"w{n}_b"] = draw(path + f".a{n}", rank, o, gain=0.7), draw(path + f".b{n}", rank, i, gain=0.6 / math.sqrt(i))
            t[f"t{n}"] = draw(path + f".t{n}", rank, rank, k, k, gain=1 / math.sqrt(rank))
        else:
            t[f"w{n}_a"], t[f"w{n}_b"] = draw(path + f".a{n}", o, rank, gain=0.7), draw(path + f".b{n}", rank, i * k * k, gain=0.6 / math.sqrt(math.sqrt(i * k * k)))
    return finish(path, dict(kind="loha", rank=rank, alpha=alpha, **t), dora)


def divisor(n):
    return next(d for d in (4, 3, 2, 1) if n % d == 0)


def lokr(path, rank, alpha=None, first="whole", second="product", dora=None):
    o, i, k, conv = shapes(path)
    l, m = divisor(o), divisor(i)
    p, q = o // l, i // m
    t = {}
    if first == "whole":
        t["w1"] = draw(path + ".w1", l, m)
    else:
        t["w1_a"], t["w1_b"] = draw(path + ".w1a", l, rank), draw(path + ".w1b", rank, m, gain=1 / math.sqrt(rank))
    gain = 0.4 / math.sqrt(i * k * k)
    if second == "whole":
        t["w2"] = draw(path + ".w2", *((p, q, k, k) if conv else (p, q)), gain=gain)
    elif second == "core":
        t["w2_a"], t["w2_b"], t["t2"] = draw(path + ".w2a", rank, p), draw(path + ".w2b", rank, q, gain=gain), draw(path + ".t2", rank, rank, k, k, gain=1 / rank)
    else:
        t["w2_a"], t["w2_b"] = draw(path + ".w2a", p, rank), draw(path + ".w2b", rank, q * k * k, gain=gain / math.sqrt(rank))
    return finish(path, dict(kind="lokr", rank=None if first == second == "whole" else rank, alpha=alpha, **t), dora)


def finish(path, t, dora):
    if dora:
        w = MODULES[path].weight.detach()
        if dora == "inputs":
            length = w.transpose(0, 1).reshape(w.shape[1], -1).norm(dim=1)
        else:
            length = w.reshape(w.shape[0], -1).norm(dim=1)
        t["dora"], t["magnitude"] = dora, length * (1 + 0.3 * draw(path + ".magnitude", length.numel()))
    return t


# ---- the formulas --------------------------------------------------------------------------------------------------------
def core(t, a, b):
    """`sum_{p,q} a[p, o] t[p, q, ..] b[q, i]`."""
    return torch.einsum("pqkl,po,qi->oikl", t, a, b)


def delta(t, shape):
    t = {k: v.double() if isinstance(v, torch.Tensor) else v for k, v in t.items()}
    if t["kind"] == "lora":
        if "mid" in t:
            d = core(t["mid"], t["up"].flatten(1).T, t["down"].flatten(1))
        else:
            d = t["up"].flatten(1) @ t["down"].flatten(1)
    elif t["kind"] == "loha":
        side = lambda n: core(t["t" + n], t[f"w{n}_a"], t[f"w{n}_b"]) if "t1" in t else t[f"w{n}_a"] @ t[f"w{n}_b"]
        d = side("1") * side("2")
    else:
        w1 = t["w1"] if "w1" in t else t["w1_a"] @ t["w1_b"]
        w2 = t["w2"] if "w2" in t else core(t["t2"], t["w2_a"], t["w2_b"]) if "t2" in t else t["w2_a"] @ t["w2_b"]
        if w2.ndim == 4:
            w1, w2 = w1[:, :, None, None], w2.contiguous()
        d = torch.kron(w1, w2)
    return d.reshape(shape)


def scale(t):
    if t["rank"] is None or t.get("alpha") is None:
        return 1.0
    return t["alpha"] / (math.sqrt(t["rank"]) if t.get("rooted") else t["rank"])


def changed(w, t, user):
    """The change of weight `w` by one file."""
    w = w.double()
    new = w + user * scale(t) * delta(t, w.shape)
    if "magnitude" in t:
        dims = tuple(range(1, w.ndim)) if t["dora"] == "outputs" else (0,) + tuple(range(2, w.ndim))
        m = t["magnitude"].double().reshape([-1 if d not in dims else 1 for d in range(w.ndim)])
        new = new * m / new.pow(2).sum(dim=dims, keepdim=True).sqrt()
    return new - w


def by_formula(loras):
    pipe = copy.deepcopy(PIPE)
    for path in MODULES:
        module = pipe.get_submodule(path) if hasattr(pipe, "get_submodule") else getattr(pipe, path.split(".")[0]).get_submodule(path.split(".", 1)[1])
        total = sum(changed(MODULES[path].weight.detach(), l[path], w(path.split(".")[0])) for l, w in loras if path in l) if any(path in l for l, _ in loras) else None
        if total is not None:
            module.weight.data = (MODULES[path].weight.detach().double() + total).float()
        for l, w in loras:
            if path in l and "bias" in l[path]:
                b = w(path.split(".")[0]) * scale(l[path]) * l[path]["bias"]
                module.bias = torch.nn.Parameter((0 if module.bias is None else module.bias.data) + b)
    return pipe


# ---- the file formats ----------------------------------------------------------------------------------------------------
def sgm(path):
    """The name in the original code of a layer of the tiny UNet: one resnet a level on the way down, two on the way up."""
    for ours, theirs in (("time_embedding.linear_1", "time_embed.0"), ("time_embedding.linear_2", "time_embed.2"), ("add_embedding.linear_1", "label_emb.0.0"), ("add_embedding.linear_2", "label_emb.0.2"), ("conv_in", "input_blocks.0.0"), ("conv_out", "out.2")):
        if path == ours:
            return theirs
    block, *rest = path.split(".")
    inner = lambda kind, rest: ".".join(rest) if kind == "attentions" else {"conv1": "in_layers.2", "time_emb_proj": "emb_layers.1", "conv2": "out_layers.3", "conv_shortcut": "skip_connection"}[rest[0]]
    if block == "mid_block":
        kind, n, *rest = rest
        return f"middle_block.{1 if kind == 'attentions' else 2 * int(n)}.{inner(kind, rest)}"
    level, kind, n, *rest = rest
    level, n = int(level), int(n)
    if block == "down_blocks":
        if kind == "downsamplers":
            return f"input_blocks.{2 * level + 2}.0.op"
        return f"input_blocks.{2 * level + 1 + n}.{int(kind == 'attentions')}.{inner(kind, rest)}"
    if kind == "upsamplers":
        return f"output_blocks.{2 * level + 1}.{2 if level < 2 else 1}.conv"
    return f"output_blocks.{2 * level + n}.{int(kind == 'attentions')}.{inner(kind, rest)}"


LYCORIS = {"w1_a": "hada_w1_a", "w1_b": "hada_w1_b", "w2_a": "hada_w2_a", "w2_b": "hada_w2_b", "t1": "hada_t1", "t2": "hada_t2"}
KRONECKER = {n: "lokr_" + n for n in ("w1", "w1_a", "w1_b", "w2", "w2_a", "w2_b", "t2")}


def kohya(lora, original=True):
    tensors = {}
    for path, t in lora.items():
        component, rest = canonical(path)
        name = KOHYA[component] + (sgm(rest) if original and component == "unet" else rest).replace(".", "_")
        names = {"down": "lora_down.weight", "up": "lora_up.weight", "mid": "lora_mid.weight"} if t["kind"] == "lora" else LYCORIS if t["kind"] == "loha" else KRONECKER
        for k, v in names.items():
            if k in t:
                tensors[f"{name}.{v}"] = t[k]
        if t.get("alpha") is not None:
            tensors[name + ".alpha"] = torch.tensor(float(t["alpha"]))
        if "magnitude" in t:
            nd = MODULES[path].weight.ndim
            tensors[name + ".dora_scale"] = t["magnitude"].reshape([-1] + [1] * (nd - 1) if t["dora"] == "outputs" else [1, -1] + [1] * (nd - 2))
    return tensors


def peft(lora):
    tensors = {}
    for path, t in lora.items():
        name = ".".join(canonical(path))
        tensors[name + ".lora_A.weight"], tensors[name + ".lora_B.weight"] = t["down"], t["up"]
        if "bias" in t:
            tensors[name + ".lora_B.bias"] = t["bias"]
        if "magnitude" in t:
            # transformers finds the magnitude of a text encoder's layer only by its whole name.
            end = ".lora_magnitude_vector" + ("" if name.startswith("unet.") else ".weight")
            tensors[name + end] = t["magnitude"] if MODULES[path].weight.ndim == 2 else t["magnitude"].reshape(1, -1, 1, 1)
    return tensors


def old_diffusers(lora):
    tensors = {}
    for path, t in lora.items():
        component, rest = canonical(path)
        if component == "unet":
            rest = rest.replace("attn1.", "attn1.processor.").replace("attn2.", "attn2.processor.").replace("to_out.0", "to_out")
            middle = "_lora."
        else:
            for ours, theirs in (("q_proj", "to_q"), ("k_proj", "to_k"), ("v_proj", "to_v"), ("out_proj", "to_out")):
                rest = rest.replace("self_attn." + ours, "self_attn." + theirs)
            middle = "_lora." if "self_attn" in rest else ".lora_linear_layer."
        tensors[f"{component}.{rest}{middle}down.weight"], tensors[f"{component}.{rest}{middle}up.weight"] = t["down"], t["up"]
    return tensors


def newer_diffusers(lora):
    tensors = {}
    for path, t in lora.items():
        component, rest = canonical(path)
        middle = ".lora." if component == "unet" else ".lora_linear_layer."
        tensors[f"{component}.{rest}{middle}down.weight"], tensors[f"{component}.{rest}{middle}up.weight"] = t["down"], t["up"]
    return tensors


# ---- results -------------------------------------------------------------------------------------------------------------
SAMPLE, CONTEXT, POOLED = draw("sample", 1, 4, 8, 8), draw("context", 1, 77, 56), draw("pooled", 1, 16)
TIME_IDS = torch.tensor([[64.0, 64.0, 0.0, 0.0, 64.0, 64.0]])


@torch.no_grad()
def results(pipe, picture):
    out = {"unet": pipe.unet(SAMPLE, 500, CONTEXT, added_cond_kwargs={"text_embeds": POOLED, "time_ids": TIME_IDS}).sample}
    for name, tokenizer in (("text_encoder", pipe.tokenizer), ("text_encoder_2", pipe.tokenizer_2)):
        ids = tokenizer("a photo of an orange hat", padding="max_length", max_length=77, truncation=True, return_tensors="pt").input_ids
        out[name] = getattr(pipe, name)(ids, output_hidden_states=True).hidden_states[-2]
    if picture:
        steps = []
        images = pipe("a photo of an orange hat", num_inference_steps=3, width=64, height=64, generator=torch.Generator().manual_seed(7), output_type="np", callback_on_step_end=lambda p, i, t, k: steps.append(k["latents"].clone()) or k).images
        out["picture"] = torch.from_numpy(np.ascontiguousarray((images[0] * 255).round().astype("uint8")))
        out["latents"] = steps[-1]
    return out


def apart(a, b):
    return ((a.double() - b.double()).norm() / b.double().norm()).item()


def by_peft(config, lora, user):
    """LoHa and LoKr of PEFT on copies of the networks, filled with our factors."""
    pipe = copy.deepcopy(PIPE)
    for c in COMPONENTS:
        paths = [p for p in lora if p.startswith(c + ".")]
        if not paths:
            continue
        model = getattr(pipe, c)
        inject_adapter_in_model(config([p.split(".", 1)[1] for p in paths]), model)
        state = dict(model.named_parameters())
        for p in paths:
            name, t = p.split(".", 1)[1], lora[p]
            names = LYCORIS if t["kind"] == "loha" else KRONECKER
            for k, v in names.items():
                parameter = f"{name}.{v}.default"
                if k in t:
                    assert state[parameter].shape == t[k].shape, (parameter, state[parameter].shape, t[k].shape)
                    state[parameter].data.copy_(t[k])
                else:
                    assert parameter not in state, parameter
            model.get_submodule(name).scaling["default"] = scale(t) * user
    return pipe


def by_diffusers(files, weights, fuse):
    pipe = load()
    for name in files:
        pipe.load_lora_weights(OUT / f"{name}.safetensors", adapter_name=name)
    per = lambda w: w if not isinstance(w, list) else {"unet": w[0], "text_encoder": w[1], "text_encoder_2": w[1]}
    pipe.set_adapters(files, adapter_weights=[per(w) for w in weights])
    if fuse:
        pipe.fuse_lora(components=list(COMPONENTS), adapter_names=files)
        pipe.unload_lora_weights()
    return pipe


FILES = {}


def write(name, lora, tensors, metadata=None):
    FILES[name] = lora
    save_file({k: v.contiguous() for k, v in tensors.items()}, OUT / f"{name}.safetensors", metadata=metadata)


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    ranks = lambda paths: enumerate(paths)
    few = choose(3, 1, ends=ATTENTION)
    write("peft", l := {p: low_rank(p, 2 + n % 3) for n, p in ranks(few)}, peft(l))
    every = choose(9, 2)
    alphas = {p: low_rank(p, 4 if p.endswith("to_v") else 2, alpha=3.0 if p.endswith(("to_k", "q_proj")) else 5.0) for p in every}
    for t in alphas.values():
        t["rooted"] = True
    config = lambda c: {f"{c}.r": 2, f"{c}.lora_alpha": 5.0, f"{c}.use_rslora": True, f"{c}.alpha_pattern": {canonical(p)[1] if c == "unet" else p.split(".", 1)[1]: 3.0 for p in every if p.startswith(c + ".") and alphas[p]["alpha"] == 3.0}, f"{c}.rank_pattern": {p.split(".", 1)[1]: 4 for p in every if p.startswith(c + ".") and alphas[p]["rank"] == 4}, f"{c}.target_modules": [p.split(".", 1)[1] for p in every if p.startswith(c + ".")]}
    write("peft_metadata", alphas, peft(alphas), {"lora_adapter_metadata": json.dumps({k: v for c in COMPONENTS for k, v in config(c).items()}), "format": "pt"})
    write("peft_conv", l := {p: low_rank(p, 3) for p in choose(2, 0, linear=False, conv=True)[:9]}, peft(l))
    write("peft_bias", l := {p: low_rank(p, 2, bias=True) for p in choose(4, 3, components=("unet",), ends=ATTENTION)}, peft(l))
    write("peft_dora", l := {p: low_rank(p, 2, dora="outputs") for p in choose(5, 0, ends=ATTENTION) + choose(8, 3, linear=False, conv=True)}, peft(l))
    write("old_diffusers", l := {p: low_rank(p, 2) for p in choose(3, 0, ends=ATTENTION)}, old_diffusers(l))
    write("newer_diffusers", l := {p: low_rank(p, 2) for p in choose(3, 2, ends=ATTENTION)}, newer_diffusers(l))
    about = {"ss_base_model_version": "sdxl_base_v1-0", "ss_network_dim": "3", "ss_network_alpha": "1.5", "ss_output_name": "fixture", "ss_num_train_images": "240", "ss_tag_frequency": json.dumps({"10_orange hat": {"orange hat": 12, "smile": 3}, "10_ою": {"orange hat": 12, "қалпақ": 12}})}
    write("kohya", l := {p: low_rank(p, 3, alpha=1.5) for p in choose(4, 0)}, kohya(l), about)
    # diffusers 0.42 forgets all alphas but the most frequent one for layers of attention: here the formula speaks alone.
    write("kohya_alphas", l := {p: low_rank(p, 2 + n % 2, alpha=[1.0, 2.0, 6.0, None][n % 4]) for n, p in ranks(choose(4, 2))}, kohya(l))
    # diffusers finds a text encoder's attention only if some `out_proj` is among it.
    write("kohya_diffusers_names", l := {p: low_rank(p, 2, alpha=1.0) for p in choose(4, 1) + choose(2, 0, ends=("out_proj",))}, kohya(l, original=False))
    locon = {p: low_rank(p, 2, alpha=1.5) for p in choose(1, 0, linear=False, conv=True, components=("unet",))[::2] + ["unet.conv_in", "unet.conv_out", "unet.down_blocks.0.downsamplers.0.conv", "unet.up_blocks.0.upsamplers.0.conv", "unet.up_blocks.1.upsamplers.0.conv", "unet.time_embedding.linear_1", "unet.time_embedding.linear_2", "unet.add_embedding.linear_1", "unet.add_embedding.linear_2", "unet.mid_block.resnets.1.time_emb_proj", "unet.mid_block.attentions.0.proj_in", "unet.up_blocks.1.attentions.1.proj_out"]}
    write("locon", locon, kohya(locon))
    write("locon_mid", l := {p: low_rank(p, 3, alpha=2.0, mid=True) for p in choose(2, 1, linear=False, conv=True)} | {p: low_rank(p, 2, alpha=2.0) for p in choose(20, 0)}, kohya(l))
    write("dora", l := {p: low_rank(p, 2, alpha=1.0, dora="outputs") for p in choose(8, 0) + choose(6, 0, linear=False, conv=True)} | {p: low_rank(p, 2, alpha=1.0, dora="inputs") for p in choose(8, 4) + choose(6, 3, linear=False, conv=True)}, kohya(l))
    write("loha", l := {p: loha(p, 3, alpha=1.5) for p in choose(12, 0) + choose(5, 0, linear=False, conv=True)}, kohya(l))
    write("loha_cores", l := {p: loha(p, 2, alpha=1.0, cores=True) for p in choose(4, 2, linear=False, conv=True) if shapes(p)[2] > 1}, kohya(l))
    write("lokr", l := {p: lokr(p, 2, alpha=1.0) for p in choose(10, 3) + choose(4, 1, linear=False, conv=True)}, kohya(l))
    write("lokr_cores", l := {p: lokr(p, 2, alpha=1.0, first="product", second="core") for p in choose(4, 0, linear=False, conv=True) if shapes(p)[2] > 1}, kohya(l, original=False))
    kinds = [("whole", "whole"), ("product", "whole"), ("product", "product")]
    write("lokr_mixed", l := {p: lokr(p, 2, alpha=0.8, first=kinds[n % 3][0], second=kinds[n % 3][1]) for n, p in ranks(choose(11, 5) + choose(5, 2, linear=False, conv=True))}, kohya(l))
    write("dora_loha_lokr", l := {p: loha(p, 2, alpha=1.0, dora="outputs") for p in choose(25, 0)} | {p: lokr(p, 2, alpha=1.0, dora="outputs") for p in choose(25, 7)}, kohya(l))

    from functools import partial
    loha_config = lambda **k: partial(lambda k, targets: LoHaConfig(target_modules=targets, init_weights=False, **k), k)
    lokr_config = lambda **k: partial(lambda k, targets: LoKrConfig(target_modules=targets, init_weights=False, **k), k)
    cases = []

    def case(files, weights, how, fuse=False, picture=False, config=None):
        cases.append((dict(files=files, weights=[w if isinstance(w, list) else [w, w] for w in weights], reference=how + (" fused" if fuse else "")), weights, fuse, picture, config))

    for n, name in enumerate(["peft", "peft_metadata", "peft_conv", "peft_bias", "peft_dora", "old_diffusers", "newer_diffusers", "kohya", "kohya_diffusers_names", "locon"]):
        case([name], [1.0], "diffusers", picture=name in ("peft", "kohya", "peft_dora"))
        case([name], [[0.7, -0.6, 1.3][n % 3]], "diffusers", fuse=True)
    case(["peft", "kohya"], [0.8, 0.5], "diffusers", picture=True)
    case(["peft", "kohya", "locon"], [[0.9, 0.3], [-0.4, 0.0], [0.5, 1.0]], "diffusers", picture=True)
    case(["peft_dora", "old_diffusers"], [0.6, 0.7], "diffusers")
    case(["loha"], [0.9], "peft", config=loha_config(r=3), picture=True)
    case(["loha_cores"], [1.0], "peft", config=loha_config(r=2, use_effective_conv2d=True))
    for name in ("kohya_alphas", "locon_mid", "dora", "lokr", "lokr_cores", "lokr_mixed", "dora_loha_lokr"):
        case([name], [1.0], "formula")
        case([name], [[0.7, -0.5]], "formula", picture=name in ("locon_mid", "lokr_mixed"))
    case(["kohya", "loha", "lokr", "dora"], [0.5, 0.6, 0.7, 0.4], "formula", picture=True)

    base = results(PIPE, False)
    listed, tensors = [], {}
    for number, (c, weights, fuse, picture, config) in enumerate(cases):
        user = lambda w: (lambda component: w if not isinstance(w, list) else w[0] if component == "unet" else w[1])
        formula = by_formula([(FILES[f], user(w)) for f, w in zip(c["files"], weights)])
        own = results(formula, picture)
        if c["reference"] == "formula":
            got = own
        else:
            pipe = by_peft(config, FILES[c["files"][0]], weights[0]) if config else by_diffusers(c["files"], weights, fuse)
            got = results(pipe, picture)
        off = {k: apart(got[k], own[k]) for k in ("unet", "text_encoder", "text_encoder_2")}
        moved = {k: apart(got[k], base[k]) for k in off}
        print(number, c, {k: f"{off[k]:.1e} of {moved[k]:.2f}" for k in off}, flush=True)
        assert max(off.values()) < 5e-6, "library and formula differ"
        assert moved["unet"] > 0.03
        for k in ("unet", "picture", "latents"):
            if k in got:
                tensors[f"{number}.{k}"] = got[k].contiguous()
        for k in ("text_encoder", "text_encoder_2"):
            if moved[k] > 0:
                # The states at the start, in the words and at the end say it all.
                tensors[f"{number}.{k}"] = got[k][:, :9].contiguous()
        listed.append(c)
    (OUT / "cases.json").write_text(json.dumps(listed, indent=0) + "\n")
    save_file(tensors, OUT / "cases.safetensors")


if __name__ == "__main__":
    main()
