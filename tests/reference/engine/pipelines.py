#!/usr/bin/env python3
"""Makes tests/fixtures/pipelines: tiny complete Stable Diffusion XL pipelines and the pictures diffusers draws with them.

usage: pipelines.py [OUT_DIR]   (diffusers 0.42.1, transformers 5.23, torch 2.15; about five minutes on one core)

  tiny-sdxl/            a whole pipeline in diffusers layout, weights included: what every test opens that only needs "a model"
  VARIANT/              other pipelines: configuration and vocabulary only; weights follow from tensor names (see `refill`)
  cases.json            the calls
  cases.safetensors     for each case the picture of diffusers (height, width, 3; u8) and, for some the final latents

The vocabulary is the bytes and the 400 most frequent merges of CLIP, from tests/fixtures/tokenizer/merges.txt.

Weights are not what the libraries initialise (norms 1, biases 0: mistakes would hide) but drawn from a generator seeded with the
CRC-32 of each tensor's name. The scales below keep predictions near the size of real noise, so that samplers do not diverge, and
pictures away from black and white. Every case is also drawn in float64: where that differs from float32 by a level the case
would test luck, so the generator refuses it.
"""
import json, math, pathlib, shutil, sys, tempfile, zlib
import numpy as np, torch
import diffusers
from diffusers import AutoencoderKL, EulerDiscreteScheduler, StableDiffusionXLInpaintPipeline, StableDiffusionXLPipeline, UNet2DConditionModel
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from schedulers import CLASSES  # noqa: E402  the short names

torch.set_num_threads(1)
diffusers.logging.set_verbosity_error()
FIXTURES = pathlib.Path(__file__).parents[2] / "fixtures"
OUT = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else FIXTURES / "pipelines"
MERGES = [tuple(line.split()) for line in (FIXTURES / "tokenizer/merges.txt").read_text().split("\n")[1:401]]
START, END = "<|startoftext|>", "<|endoftext|>"
VOCABULARY_SIZE = 512 + len(MERGES) + 2

SCHEDULER = dict(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", timestep_spacing="leading", steps_offset=1)


def byte_alphabet():
    bs = list(range(ord("!"), ord("~") + 1)) + list(range(0xA1, 0xAD)) + list(range(0xAE, 0x100))
    cs, n = bs[:], 0
    for b in range(256):
        if b not in bs:
            bs.append(b)
            cs.append(256 + n)
            n += 1
    return [chr(c) for c in cs]


def write_tokenizer(folder, pad, length=77):
    folder.mkdir(parents=True, exist_ok=True)
    single = byte_alphabet()
    pieces = single + [p + "</w>" for p in single] + ["".join(m) for m in MERGES] + [START, END]
    (folder / "vocab.json").write_text(json.dumps({p: i for i, p in enumerate(pieces)}, ensure_ascii=False))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(" ".join(m) for m in MERGES) + "\n")
    special = lambda c: {"content": c, "lstrip": False, "normalized": True, "rstrip": False, "single_word": False}
    names = {"bos_token": special(START), "eos_token": special(END), "unk_token": special(END)}
    if pad:
        names["pad_token"] = pad
    (folder / "special_tokens_map.json").write_text(json.dumps(names))
    config = {"tokenizer_class": "CLIPTokenizer"}
    if length:
        config["model_max_length"] = length
    (folder / "tokenizer_config.json").write_text(json.dumps(config))


def refill(model, component, gains):
    """Fills every parameter by its name. `gains` maps the end of a name to a factor."""
    with torch.no_grad():
        for name, p in model.named_parameters():
            r = torch.randn(p.shape, generator=torch.Generator().manual_seed(zlib.crc32(f"{component}/{name}".encode())))
            gain = next((g for end, g in gains.items() if name.endswith(end)), 1.0)
            if p.ndim <= 1 and name.endswith("weight"):
                p.copy_(1 + 0.1 * r)
            elif p.ndim <= 1:
                p.copy_(0.1 * r)
            else:
                p.copy_(r * gain / math.sqrt(max(1, p[0].numel())))
    return model.eval()


def build(name, spec):
    """Writes a variant's folder without weights, then fills in weights; returns the pipeline."""
    folder = OUT / name
    shutil.rmtree(folder, ignore_errors=True)
    text = dict(vocab_size=VOCABULARY_SIZE, max_position_embeddings=77, bos_token_id=VOCABULARY_SIZE - 2, pad_token_id=1)
    te1 = CLIPTextModel(CLIPTextConfig(**text, hidden_act="quick_gelu", eos_token_id=2, **spec["te1"]))
    te2 = CLIPTextModelWithProjection(CLIPTextConfig(**text, hidden_act="gelu", eos_token_id=spec.get("eos", 2), **spec["te2"]))
    unet = UNet2DConditionModel(**spec["unet"])
    vae = AutoencoderKL(**spec["vae"])
    for model, component in ((te1, "text_encoder"), (te2, "text_encoder_2"), (unet, "unet"), (vae, "vae")):
        refill(model, component, spec.get("gains", {}).get(component, {}))
    write_tokenizer(folder / "tokenizer", END)
    write_tokenizer(folder / "tokenizer_2", spec.get("pad_2", "!"), spec.get("length", 77))
    # An inpainting checkpoint names the pipeline that it is made for; the plain one opens its parts all the same.
    kind = StableDiffusionXLPipeline if spec["unet"]["in_channels"] == spec["vae"]["latent_channels"] else StableDiffusionXLInpaintPipeline
    pipe = kind(
        vae=vae, text_encoder=te1, text_encoder_2=te2, unet=unet, scheduler=spec["scheduler"], add_watermarker=False,
        tokenizer=CLIPTokenizer.from_pretrained(folder / "tokenizer"), tokenizer_2=CLIPTokenizer.from_pretrained(folder / "tokenizer_2"),
        force_zeros_for_empty_prompt=spec.get("force_zeros", True))
    with tempfile.TemporaryDirectory() as saved:
        pipe.save_pretrained(saved)
        for path in sorted(pathlib.Path(saved).rglob("*.json")):
            inner = path.relative_to(saved)
            if not str(inner).startswith("tokenizer"):
                (folder / inner).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, folder / inner)
        if spec.get("weights"):
            for path in pathlib.Path(saved).rglob("*.safetensors"):
                shutil.copyfile(path, folder / path.relative_to(saved))
        # What diffusers itself opens: the vocabulary written above, the rest as saved.
        for tokenizer in ("tokenizer", "tokenizer_2"):
            shutil.rmtree(pathlib.Path(saved) / tokenizer)
            shutil.copytree(folder / tokenizer, pathlib.Path(saved) / tokenizer)
        pipe = kind.from_pretrained(saved, add_watermarker=False)
    if not spec.get("weights"):
        shapes = {f"{c}/{n}": list(p.shape) for c in ("text_encoder", "text_encoder_2", "unet", "vae") for n, p in getattr(pipe, c).state_dict().items() if p.is_floating_point()}
        (folder / "shapes.json").write_text(json.dumps({"gains": spec.get("gains", {}), "shapes": shapes}) + "\n")
    pipe.set_progress_bar_config(disable=True)
    return pipe


SPECS = {
    # The family's own form: mid attention, three blocks, four latent channels at f8.
    "tiny-sdxl": dict(
        weights=True,
        te1=dict(hidden_size=24, intermediate_size=48, num_hidden_layers=3, num_attention_heads=3),
        te2=dict(hidden_size=32, intermediate_size=64, num_hidden_layers=3, num_attention_heads=4, projection_dim=16),
        unet=dict(sample_size=8, in_channels=4, out_channels=4, block_out_channels=(16, 24, 32), layers_per_block=1,
                  down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
                  attention_head_dim=(2, 3, 4), transformer_layers_per_block=(1, 1, 2), use_linear_projection=True, addition_embed_type="text_time",
                  addition_time_embed_dim=8, projection_class_embeddings_input_dim=6 * 8 + 16, cross_attention_dim=56, norm_num_groups=8),
        vae=dict(block_out_channels=(8, 8, 16, 16), down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4, layers_per_block=1, norm_num_groups=4, latent_channels=4, scaling_factor=0.13025, sample_size=64),
        gains={"unet": {"conv_out.weight": 1.0}, "vae": {"decoder.conv_out.weight": 0.8}},
        scheduler=EulerDiscreteScheduler(**SCHEDULER)),
    # As the embedded models are: eight latent channels, velocity, zero terminal signal, an absent negative prompt encoded.
    "eight-channels": dict(
        te1=dict(hidden_size=16, intermediate_size=40, num_hidden_layers=2, num_attention_heads=2),
        te2=dict(hidden_size=24, intermediate_size=48, num_hidden_layers=4, num_attention_heads=2, projection_dim=24), eos=VOCABULARY_SIZE - 1, pad_2=None, force_zeros=False,
        unet=dict(sample_size=8, in_channels=8, out_channels=8, block_out_channels=(16, 32), layers_per_block=2,
                  down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
                  attention_head_dim=4, use_linear_projection=False, addition_embed_type="text_time",
                  addition_time_embed_dim=6, projection_class_embeddings_input_dim=6 * 6 + 24, cross_attention_dim=40, norm_num_groups=4),
        vae=dict(block_out_channels=(8, 16, 16, 8), down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4, layers_per_block=2, norm_num_groups=2, latent_channels=8, scaling_factor=0.9, use_quant_conv=False, use_post_quant_conv=False, mid_block_add_attention=False),
        gains={"vae": {"decoder.conv_out.weight": 0.8}},
        scheduler=diffusers.DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", prediction_type="v_prediction", rescale_betas_zero_snr=True, timestep_spacing="trailing", clip_sample=False, set_alpha_to_one=False)),
    # Other block counts and layers, mean and spread of latents, a VAE of factor 4, its own multistep scheduler.
    "four-blocks": dict(
        te1=dict(hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=4),
        te2=dict(hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=4, projection_dim=8),
        unet=dict(sample_size=16, in_channels=4, out_channels=4, block_out_channels=(8, 8, 16, 16), layers_per_block=(1, 2, 1, 1),
                  down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
                  attention_head_dim=(1, 2, 4, 4), transformer_layers_per_block=(1, 2, 1, 1), use_linear_projection=True, addition_embed_type="text_time",
                  addition_time_embed_dim=4, projection_class_embeddings_input_dim=6 * 4 + 8, cross_attention_dim=32, norm_num_groups=4),
        vae=dict(block_out_channels=(8, 8, 16), down_block_types=("DownEncoderBlock2D",) * 3, up_block_types=("UpDecoderBlock2D",) * 3, layers_per_block=1, norm_num_groups=4, latent_channels=4, scaling_factor=0.5, latents_mean=[0.1, -0.2, 0.05, 0.3], latents_std=[0.9, 1.1, 0.8, 1.2]),
        gains={"vae": {"decoder.conv_out.weight": 0.8}},
        scheduler=diffusers.DPMSolverMultistepScheduler(**SCHEDULER, use_karras_sigmas=True)),
}

# Made for inpainting: mask and masked picture beside the latents.
SPECS["nine-channels"] = {**SPECS["tiny-sdxl"], "weights": False, "unet": {**SPECS["tiny-sdxl"]["unet"], "in_channels": 9}, "scheduler": EulerDiscreteScheduler(**SCHEDULER)}

RUSSIAN = "портрет девушки в синем платке, степь, закат"
KAZAKH = "Ақ киіз үйдің жанындағы қызыл қалпақты Алдар Көсе, әдемі күн батуы, ұзын жол, һәм өзен"
LONG = "a very detailed painting of a narrow orange hat, " * 12


def case(pipe, scheduler=None, prompt="a photo of an orange hat", negative=None, steps=4, scale=5.0, width=64, height=64, seed=0, rescale=0.0, keep=False):
    return dict(pipeline=pipe, scheduler=scheduler, prompt=prompt, negative_prompt=negative, num_inference_steps=steps, guidance_scale=scale, guidance_rescale=rescale, width=width, height=height, seed=seed, keep=keep)


def cases():
    every = []
    for i, name in enumerate(CLASSES):   # every scheduler on every pipeline
        every.append(case("tiny-sdxl", name, seed=12345, keep=True))
        every.append(case("tiny-sdxl", name, prompt=[RUSSIAN, KAZAKH, LONG][i % 3], negative=[None, "", "blurry, қара"][i % 3], steps=7, scale=7.5, width=72, height=40, seed=2**32 + i))
        every.append(case("eight-channels", name, prompt=KAZAKH, negative=["қызыл", None][i % 2], steps=5, scale=[5.0, 1.0][i % 2], width=40, height=72, seed=i))
        every.append(case("four-blocks", name, prompt=RUSSIAN, steps=6, scale=3.0, width=40, height=56, seed=2**40 + i))
    every += [
        case("tiny-sdxl"), case("tiny-sdxl", negative=""), case("tiny-sdxl", negative="red"), case("tiny-sdxl", scale=1.0), case("tiny-sdxl", scale=0.0), case("tiny-sdxl", scale=7.5),
        case("tiny-sdxl", prompt=""), case("tiny-sdxl", prompt=LONG, negative=LONG), case("tiny-sdxl", prompt=KAZAKH, seed=2**64 - 1), case("tiny-sdxl", steps=20, width=136, height=88, seed=7),
        case("tiny-sdxl", steps=1), case("tiny-sdxl", steps=5, rescale=0.7), case("tiny-sdxl", width=8, height=8, prompt="tiny"), case("tiny-sdxl", width=8, height=16, steps=3, scheduler="euler_a"),
        case("eight-channels"), case("eight-channels", prompt=RUSSIAN, negative=None, scale=7.5, steps=12), case("four-blocks"), case("four-blocks", prompt="hat! hat!", negative="!", width=104, height=72, steps=9),
    ]
    return every


@torch.no_grad()
def draw(pipe, c, dtype):
    pipe.to(dtype)
    pipe.scheduler = pipe.own
    if c["scheduler"]:
        class_name, extra = CLASSES[c["scheduler"]]
        pipe.scheduler = getattr(diffusers, class_name).from_config(pipe.own.config, **extra)
    steps = []
    generator = torch.Generator("cpu").manual_seed(c["seed"])
    arguments = {k: c[k] for k in ("prompt", "negative_prompt", "num_inference_steps", "guidance_scale", "guidance_rescale", "width", "height")}
    if dtype == torch.float64:   # the noise is that of float32
        draw64 = lambda shape, generator=None, device=None, dtype=None, layout=None: torch.randn(shape, generator=generator).double()
        modules = [sys.modules[m] for m in sys.modules if m.startswith("diffusers.") and hasattr(sys.modules[m], "randn_tensor")]
        kept = [m.randn_tensor for m in modules]
        for m in modules:
            m.randn_tensor = draw64
    images = pipe(**arguments, generator=generator, output_type="np", callback_on_step_end=lambda p, i, t, k: steps.append(k["latents"].clone()) or k).images
    if dtype == torch.float64:
        for m, f in zip(modules, kept):
            m.randn_tensor = f
    return (images[0] * 255).round().astype("uint8"), images[0], steps


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    pipes = {}
    for name, spec in SPECS.items():
        pipes[name] = build(name, spec)
        pipes[name].own = pipes[name].scheduler
        print(name, {c: sum(p.numel() for p in getattr(pipes[name], c).parameters()) for c in ("text_encoder", "text_encoder_2", "unet", "vae")})
    listed, tensors = [], {}
    for number, c in enumerate(cases()):
        pipe = pipes[c["pipeline"]]
        picture, exact, steps = draw(pipe, c, torch.float32)
        picture64, exact64, _ = draw(pipe, c, torch.float64)
        apart = int(np.abs(picture.astype(int) - picture64.astype(int)).max())
        clipped = float(((exact <= 0) | (exact >= 1)).mean())
        drift = float(np.abs(exact - exact64).max() * 255)
        print(number, c["pipeline"], c["scheduler"], c["num_inference_steps"], f"std {exact.std():.3f} clipped {clipped:.3f} latents {float(steps[-1].std()):.3f} f32-f64 {drift:.4f} levels, {apart}")
        assert apart <= 1 and drift < 0.2, "float32 itself is not sure of this picture: change the scales"
        assert clipped < 0.25 and exact.std() > 0.03, "the picture says too little: change the scales"
        tensors[f"{number}.picture"] = torch.from_numpy(np.ascontiguousarray(picture))
        keep = c.pop("keep")
        if keep:
            tensors[f"{number}.latents"] = steps[-1].contiguous()
        listed.append({**c, "network_calls": len(steps)})
    (OUT / "cases.json").write_text(json.dumps(listed, ensure_ascii=False, indent=0) + "\n")
    save_file(tensors, OUT / "cases.safetensors")


if __name__ == "__main__":
    main()
