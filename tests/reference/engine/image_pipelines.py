#!/usr/bin/env python3
"""Makes tests/fixtures/pipelines/images.{json,safetensors}: what diffusers makes of pictures and masks with tiny pipelines.

usage: image_pipelines.py [OUT_DIR [COUNT SEED]]   (as pipelines.py; about ten minutes on one core)

  images.json           the calls
  images.safetensors    `image.N` and `mask.N`: the inputs; for each call the picture of diffusers, as `CALL.picture`

With COUNT and SEED that many random calls are made instead: to look further than what is committed. The pipelines are those of
pipelines.py, whose `nine-channels` is made for inpainting. As there, every call is also made in float64, and left out where float32
itself is not sure of the picture.
"""
import json, pathlib, random, sys, tempfile
import numpy as np, torch
import diffusers
from diffusers import StableDiffusionXLImg2ImgPipeline, StableDiffusionXLInpaintPipeline, StableDiffusionXLPipeline
from PIL import Image, ImageDraw
from safetensors.torch import save_file

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import pipelines  # noqa: E402
from schedulers import CLASSES  # noqa: E402

FIXTURES = pathlib.Path(__file__).parents[2] / "fixtures"
OUT = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else FIXTURES / "pipelines"
PARTS = {"picture": StableDiffusionXLImg2ImgPipeline, "masked": StableDiffusionXLInpaintPipeline, "noise": StableDiffusionXLPipeline}


def picture(seed, width, height):
    """Smooth colours with shapes on them."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    waves = [127 + 100 * np.sin(x / rng.uniform(4, 20) + y / rng.uniform(4, 20) + rng.uniform(0, 6)) for _ in range(3)]
    image = Image.fromarray(np.stack(waves, 2).round().astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for _ in range(3):
        left, top = int(rng.integers(0, width)), int(rng.integers(0, height))
        draw.ellipse((left, top, left + width // 3, top + height // 3), fill=tuple(int(v) for v in rng.integers(0, 256, 3)))
    return image


def mask(seed, width, height, kind):
    """Where to repaint: `small` far inside, `edge` at a border, `soft` with levels between, `all`, or anything."""
    rng = np.random.default_rng(seed)
    image = Image.new("L", (width, height), 255 if kind == "all" else 0)
    draw = ImageDraw.Draw(image)
    if kind == "small":
        draw.ellipse((width // 3, height // 3, width // 3 + width // 6, height // 3 + height // 5), fill=255)
    elif kind == "edge":
        draw.rectangle((0, height - height // 4, width // 3, height), fill=255)
    elif kind == "soft":
        image = Image.fromarray(np.tile(np.linspace(0, 255, width).astype(np.uint8), (height, 1)))
    elif kind == "any":
        for _ in range(int(rng.integers(1, 4))):
            left, top = int(rng.integers(0, width)), int(rng.integers(0, height))
            box = (left, top, left + int(rng.integers(1, width)), top + int(rng.integers(1, height)))
            (draw.ellipse if rng.random() < 0.5 else draw.rectangle)(box, fill=int(rng.integers(100, 256)))
        draw.point((width // 2, height // 2), fill=255)
    return image


SIZES = [(64, 64), (37, 53), (90, 41), (120, 96), (24, 24), (61, 130)]
KINDS = ["small", "edge", "soft", "any", "all"]


def inputs():
    images = [picture(100 + i, *size) for i, size in enumerate(SIZES)]
    masks = [(i, mask(200 + 10 * i + k, *size, kind)) for i, size in enumerate(SIZES) for k, kind in enumerate(KINDS)]
    return images, masks


def call(pipe, start, scheduler=None, **more):
    defaults = dict(prompt="a photo of an orange hat", negative_prompt=None, num_inference_steps=5, guidance_scale=5.0, width=48, height=40, seed=0,
                    index=0, variation=None, image=None, strength=None, mask=None, mask_blur=0, padding_mask_crop=None, masked_content="original")
    assert not set(more) - set(defaults), more
    return {"pipeline": pipe, "start": start, "scheduler": scheduler, **defaults, **more}


def committed():
    every = []
    for i, name in enumerate(CLASSES):
        for j, strength in enumerate((0.35, 0.8, 1.0)):
            every.append(call("tiny-sdxl", "picture", name, image=(i + j) % 6, strength=strength, seed=i * 7 + j, width=[48, 64, 40][j], height=[40, 24, 56][j], num_inference_steps=[6, 5, 4][j], guidance_scale=[5.0, 1.0, 7.5][j]))
        every.append(call(["eight-channels", "four-blocks"][i % 2], "picture", name, image=i % 6, strength=0.6, seed=2**32 + i, negative_prompt="blurry"))
        every.append(call("tiny-sdxl", "masked", name, image=0, mask=i % 4, strength=[0.9999, 0.5, 1.0][i % 3], seed=40 + i, guidance_scale=[7.5, 1.0][i % 2], mask_blur=[0, 3][i % 2]))
        every.append(call("nine-channels", "masked", name, image=1, mask=5 + i % 4, strength=[0.7, 1.0, 0.9999][i % 3], seed=60 + i, width=40, height=56, guidance_scale=[1.0, 5.0][i % 2]))
    for n, (image, kind) in enumerate([(3, 0), (3, 1), (2, 0), (5, 3), (4, 2), (2, 1)]):
        for pipe in ("tiny-sdxl", "nine-channels"):
            every.append(call(pipe, "masked", ["euler", "ddim", "euler_a", "heun"][n % 4], image=image, mask=image * 5 + kind, strength=[0.9999, 0.6][n % 2], seed=80 + n, padding_mask_crop=[0, 8, 32][n % 3], mask_blur=[4, 0, 9][n % 3], width=[64, 48, 40][n % 3], height=[64, 40, 64][n % 3]))
    for name in ("euler", "lcm", "unipc"):
        every.append(call("eight-channels", "masked", name, image=3, mask=15, strength=0.8, seed=7))
        every.append(call("tiny-sdxl", "masked", name, image=3, mask=16, strength=0.8, seed=8, masked_content="noise"))
        every.append(call("nine-channels", "masked", name, image=3, mask=17, strength=0.6, seed=8, masked_content="noise"))
    every.append(call("tiny-sdxl", "masked", image=3, mask=19, strength=0.8, seed=9))
    for index in range(3):   # several pictures for one prompt
        every.append(call("tiny-sdxl", "noise", "euler_a", seed=2**64 - 2, index=index))
        every.append(call("tiny-sdxl", "picture", "euler_a", seed=3, index=index, image=2, strength=0.7))
    for name, strength in (("euler", 0.1), ("ddim", 0.5), ("euler_a", 0.9), ("heun", 1.0)):
        every.append(call("tiny-sdxl", "noise", name, seed=11, variation={"seed": 99, "strength": strength}))
    return every


def invented(count, seed):
    rng, every = random.Random(seed), []
    while len(every) < count:
        start = rng.choice(["picture", "masked", "masked", "masked", "noise"])
        pipe = rng.choice({"picture": ["tiny-sdxl", "eight-channels", "four-blocks"], "masked": ["tiny-sdxl", "nine-channels", "nine-channels", "tiny-sdxl", "eight-channels"], "noise": ["tiny-sdxl"]}[start])
        steps, strength = rng.randint(1, 9), rng.choice([1.0, 0.9999, rng.random()])
        if int(steps * strength) < 1:
            continue
        image = rng.randrange(6)
        more = dict(seed=rng.getrandbits(64), num_inference_steps=steps, guidance_scale=rng.choice([1.0, 5.0, rng.uniform(1, 9)]), width=8 * rng.randint(2, 10), height=8 * rng.randint(2, 10), prompt=rng.choice([pipelines.RUSSIAN, pipelines.KAZAKH, "hat", ""]), negative_prompt=rng.choice([None, "", "red"]))
        if start == "noise":
            more["variation"] = {"seed": rng.getrandbits(64), "strength": rng.random()}
        else:
            more.update(image=image, strength=strength)
        if start == "masked":
            more.update(mask=image * 5 + rng.randrange(5), mask_blur=rng.choice([0, 0, 1, 5, 12]), padding_mask_crop=rng.choice([None, None, 0, 5, 32]), masked_content=rng.choice(["original", "original", "noise"]))
        every.append(call(pipe, start, rng.choice(list(CLASSES)), **more))
    return every


def slerp(t, a, b):
    dot = (a / a.norm() * b / b.norm()).sum()
    theta = torch.acos(dot)
    return torch.sin((1 - t) * theta) / torch.sin(theta) * a + torch.sin(t * theta) / torch.sin(theta) * b


class Emptied(StableDiffusionXLInpaintPipeline):
    """Where the masked content is noise: the picture's latents are zero under the mask before noise is added."""
    hidden = None

    def prepare_latents(self, *arguments, **named):
        latents, noise, *rest = super().prepare_latents(*arguments, **named)
        if self.hidden is not None and not named["is_strength_max"]:
            mask = torch.nn.functional.interpolate(self.mask_processor.preprocess(*self.hidden[0], **self.hidden[1]), size=latents.shape[-2:]).to(latents.dtype)
            # The noised picture less its part of the picture is the noise at its level.
            nothing = self.scheduler.add_noise(torch.zeros_like(latents), noise, named["timestep"])
            latents = (1 - mask) * latents + mask * nothing
        return (latents, noise, *rest)


@torch.no_grad()
def draw(pipe, c, images, masks, dtype):
    base = pipe
    base.to(dtype)
    base.vae.register_to_config(force_upcast=dtype == torch.float32)
    scheduler = base.own
    if c["scheduler"]:
        class_name, extra = CLASSES[c["scheduler"]]
        scheduler = getattr(diffusers, class_name).from_config(base.own.config, **extra)
    kind = Emptied if c["start"] == "masked" else PARTS[c["start"]]
    parts = {k: v for k, v in base.components.items() if k not in ("scheduler", "image_encoder", "feature_extractor")}
    force = base.config.force_zeros_for_empty_prompt
    pipe = kind(**parts, scheduler=scheduler, add_watermarker=False, force_zeros_for_empty_prompt=force)
    pipe.set_progress_bar_config(disable=True)
    arguments = {k: c[k] for k in ("prompt", "negative_prompt", "num_inference_steps", "guidance_scale")}
    count = c["index"] + 1
    generators = [torch.Generator("cpu").manual_seed((c["seed"] + i) % 2**64) for i in range(count)]
    arguments["generator"] = generators if count > 1 else generators[0]
    arguments["num_images_per_prompt"] = count
    size = (c["width"], c["height"])
    random32 = lambda shape, generator=None, device=None, dtype=None, layout=None: (
        torch.cat([torch.randn((1, *shape[1:]), generator=g) for g in generator]) if isinstance(generator, list) else torch.randn(shape, generator=generator)).to(dtype)
    if c["variation"]:
        shape = (1, pipe.unet.config.in_channels, c["height"] // pipe.vae_scale_factor, c["width"] // pipe.vae_scale_factor)
        other = torch.Generator("cpu").manual_seed(c["variation"]["seed"])
        arguments["latents"] = slerp(c["variation"]["strength"], torch.randn(shape, generator=generators[0]), torch.randn(shape, generator=other)).to(dtype)
    if c["start"] == "noise":
        arguments |= {"width": size[0], "height": size[1]}
    elif c["start"] == "picture":
        arguments |= {"image": images[c["image"]].resize(size, Image.Resampling.LANCZOS), "strength": c["strength"]}
    else:
        painted = masks[c["mask"]][1]
        if c["mask_blur"]:
            painted = pipe.mask_processor.blur(painted, blur_factor=c["mask_blur"])
        arguments |= {"image": images[c["image"]], "mask_image": painted, "strength": c["strength"], "width": size[0], "height": size[1], "padding_mask_crop": c["padding_mask_crop"]}
        if c["masked_content"] == "noise":
            crop, mode = None, "default"
            if c["padding_mask_crop"] is not None:
                crop, mode = pipe.mask_processor.get_crop_region(painted, *size, pad=c["padding_mask_crop"]), "fill"
            pipe.hidden = ((painted,), dict(height=size[1], width=size[0], resize_mode=mode, crops_coords=crop))
    # Diffusers asks for 4 or 9 channels; other numbers are blended in the same way.
    if c["pipeline"] == "eight-channels" and c["start"] == "masked":
        pipe.unet.register_to_config(in_channels=4)
    modules = [sys.modules[m] for m in sys.modules if m.startswith("diffusers.") and hasattr(sys.modules[m], "randn_tensor")]
    kept = [m.randn_tensor for m in modules]
    for m in modules if dtype == torch.float64 else []:   # the noise is that of float32
        m.randn_tensor = random32
    steps = []
    try:
        image = pipe(**arguments, output_type="pil", callback_on_step_end=lambda p, i, t, k: steps.append(i) or k).images[c["index"]]
    finally:
        for m, f in zip(modules, kept):
            m.randn_tensor = f
        if c["pipeline"] == "eight-channels":
            pipe.unet.register_to_config(in_channels=8)
    return np.array(image), len(steps)


def main():
    random_calls = len(sys.argv) > 3
    calls = invented(int(sys.argv[2]), int(sys.argv[3])) if random_calls else committed()
    images, masks = inputs()
    OUT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        pipelines.OUT = pathlib.Path(folder)
        pipes = {}
        for name in sorted({c["pipeline"] for c in calls}):
            pipes[name] = pipelines.build(name, pipelines.SPECS[name])
            pipes[name].own = pipes[name].scheduler
    listed, tensors, left_out = [], {}, 0
    for c in calls:
        try:
            got, count = draw(pipes[c["pipeline"]], c, images, masks, torch.float32)
            exact, _ = draw(pipes[c["pipeline"]], c, images, masks, torch.float64)
        except (ValueError, IndexError, RuntimeError) as error:   # numbers of steps that a scheduler cannot plan
            print("left out:", c["scheduler"], c["num_inference_steps"], str(error)[:100])
            assert random_calls, c
            continue
        apart = np.abs(got.astype(int) - exact.astype(int))
        unsure = apart.max() > 1 or (apart > 0).mean() > 0.02
        print(len(listed), c["pipeline"], c["start"], c["scheduler"], c["strength"], c["padding_mask_crop"], f"std {got.std():.1f} f32-f64 {apart.max()} in {(apart > 0).mean():.4f}", "LEFT OUT" if unsure else "", flush=True)
        if unsure:
            left_out += 1
            continue
        tensors[f"{len(listed)}.picture"] = torch.from_numpy(got)
        listed.append({**c, "network_calls": count})
    for i, image in enumerate(images):
        tensors[f"image.{i}"] = torch.from_numpy(np.array(image))
    for i, (_, image) in enumerate(masks):
        tensors[f"mask.{i}"] = torch.from_numpy(np.array(image))
    print(len(listed), "calls,", left_out, "left out")
    (OUT / "images.json").write_text(json.dumps(listed, ensure_ascii=False, indent=0) + "\n")
    save_file(tensors, OUT / "images.safetensors")


if __name__ == "__main__":
    main()
