#!/usr/bin/env python3
"""Makes tests/fixtures/pretraining: one fixed batch through every network of a micro family, in training, by PyTorch.

usage: pretraining.py [OUT_DIR]   (diffusers 0.42.1, transformers 5.23, torch 2.15; under a minute on one core)

  family.json          the micro family: configurations by their paths below a folder of models
  NAME.safetensors     for judge, autoencoder, polish, text-image and unet: `loss.0` .. `loss.2`; of each tensor `norm.TENSOR`
                       and `gradient.TENSOR` of the first step, `after.TENSOR` of the weights after the third step of AdamW

Of a tensor of more than 256 numbers 256 are kept, evenly spread, and the norm is that of all. Weights and inputs follow from
names (see networks.py). Losses are written as in tests/reference/pretrain, whose scripts read a drawn data set.
"""
import json, math, pathlib, sys, zlib

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import save_file
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

torch.set_num_threads(1)
FIXTURES = pathlib.Path(__file__).parents[2] / "fixtures"
OUT = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else FIXTURES / "pretraining"
SIDE, LATENTS, SHARED, VALUES, END = 32, 4, 16, [3, 3, 2], 913
OFFSETS = [0, 3, 6]
OUTPUTS = sum(VALUES)
RATE, DECAY, CLIP, KEPT = 5e-4, 1e-2, 1.0, 256


def draw(name, *shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(zlib.crc32(name.encode())))


def canonical(name):
    """Whether `text_model` belongs to the path differs between models and versions of transformers."""
    return name.replace("text_model.", "")


def refill(model):
    with torch.no_grad():
        for name, p in model.named_parameters():
            name = canonical(name)
            r = draw(name, *p.shape)
            if p.ndim <= 1:
                p.copy_(1 + 0.1 * r if name.endswith("weight") else 0.1 * r)
            else:
                p.copy_(r / math.sqrt(max(1, p[0].numel())))
    return model.train()


def layers():
    conv = lambda i, o, stride: {"op": "conv2d", "in": i, "out": o, "kernel": 3, "stride": stride, "padding": 1}
    relu, pool = {"op": "relu"}, {"op": "max_pool2d", "size": 2}
    return [conv(3, 16, 2), relu, conv(16, 16, 1), relu, pool, conv(16, 24, 1), relu, pool, {"op": "flatten"},
            {"op": "linear", "in": 24 * 16, "out": OUTPUTS}]


class Normalised(nn.Conv2d):
    """A convolution without bias and the normalisation after it, under one name."""

    def __init__(self, layer):
        super().__init__(layer["in"], layer["out"], layer["kernel"], layer["stride"], layer["padding"], bias=False)
        self.norm = nn.BatchNorm2d(layer["out"])

    def forward(self, x):
        return self.norm(super().forward(x))


class Tower(nn.Module):
    def __init__(self):
        super().__init__()
        made = {"conv2d": Normalised, "relu": lambda _: nn.ReLU(), "max_pool2d": lambda l: nn.MaxPool2d(l["size"]),
                "flatten": lambda _: nn.Flatten(), "linear": lambda l: nn.Linear(l["in"], l["out"])}
        self.layers = nn.Sequential(*[made[layer["op"]](layer) for layer in layers()])

    def forward(self, x):
        return self.layers(x)


def text_config(hidden, depth, heads, act):
    return CLIPTextConfig(vocab_size=914, hidden_size=hidden, intermediate_size=2 * hidden, projection_dim=SHARED,
                          num_hidden_layers=depth, num_attention_heads=heads, max_position_embeddings=77, hidden_act=act,
                          pad_token_id=0, bos_token_id=912, eos_token_id=END, attn_implementation="eager")


SCORE, FIRST, SECOND = (32, 2, 4, "quick_gelu"), (24, 2, 3, "quick_gelu"), (32, 2, 4, "gelu")


def unet():
    return UNet2DConditionModel(
        sample_size=8, in_channels=LATENTS, out_channels=LATENTS, down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"), block_out_channels=(16, 32), layers_per_block=1,
        transformer_layers_per_block=1, attention_head_dim=(2, 2), cross_attention_dim=56, norm_num_groups=8,
        use_linear_projection=True, addition_embed_type="text_time", addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=SHARED + 6 * 8)


def vae():
    return AutoencoderKL(
        in_channels=3, out_channels=3, latent_channels=LATENTS, sample_size=SIDE, down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3, block_out_channels=(8, 16, 16), layers_per_block=1, norm_num_groups=4,
        mid_block_add_attention=False, scaling_factor=1.0, force_upcast=False)


def grouped(logits, values, smoothing=0.0):
    """Sums of cross-entropy over known rows of every group, and how many there are."""
    total, count = 0.0, 0
    for column, (size, offset) in enumerate(zip(VALUES, OFFSETS)):
        known = values[:, column] >= 0
        if known.any():
            total = total + F.cross_entropy(logits[known][:, offset:offset + size], values[known, column],
                                            label_smoothing=smoothing, reduction="sum")
            count += int(known.sum())
    return total, count


# Rows of a batch of six: what is so, -1 where a scene has no such group, and what the captions say.
VALUES_OF = torch.tensor([[0, 1, -1], [2, 0, -1], [1, -1, 1], [0, 1, -1], [1, -1, 0], [2, 2, -1]])
SAID = torch.tensor([[0, -1, -1], [2, 0, -1], [-1, -1, 1], [0, 1, -1], [1, -1, 0], [-1, 2, -1]])


class Judge(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = Tower().layers

    def loss(self):
        total, _ = grouped(self.layers(draw("pictures", 6, 3, SIDE, SIDE)), VALUES_OF, 0.02)
        return total / 6


def distance(made, real):
    loss = F.l1_loss(made, real) + 0.7 * F.mse_loss(made, real)
    for scale in (1, 2):
        a, b = (F.avg_pool2d(x, scale) if scale > 1 else x for x in (made, real))
        loss = loss + 0.25 * (F.l1_loss(a.diff(dim=2), b.diff(dim=2)) + F.l1_loss(a.diff(dim=3), b.diff(dim=3)))
    return loss


def decibels(made, real):
    error = (made - real).square().mean(dim=(1, 2, 3))
    edges = sum(F.l1_loss(made.diff(dim=d), real.diff(dim=d)) for d in (2, 3))
    return 0.05 * error.add(1e-6).log().mean() + 0.1 * edges


class Autoencoder(nn.Module):
    """At a fifth of its training: the encoder's own latents are decoded, the pull is at (1 - 0.08 / 0.25)."""

    def __init__(self):
        super().__init__()
        made = vae()
        self.encoder, self.decoder = made.encoder, made.decoder
        self.quant_conv, self.post_quant_conv = made.quant_conv, made.post_quant_conv

    def loss(self):
        x = draw("pictures", 2, 3, SIDE, SIDE)
        moments = self.quant_conv(self.encoder(x))
        mean, spread = moments[:, :LATENTS], moments[:, LATENTS:]
        pull = F.mse_loss(mean, draw("target", 2, LATENTS, 8, 8)) + 0.01 * (spread + 6).square().mean()
        made = self.decoder(self.post_quant_conv(mean + 0.05 * draw("noise", 2, LATENTS, 8, 8)))
        return distance(made, x) + (1 - 0.08 / 0.25) * pull


class Polish(Autoencoder):
    """In its second half: for decibels, the decoder alone."""

    def __init__(self):
        super().__init__()
        self.encoder.requires_grad_(False)
        self.quant_conv.requires_grad_(False)

    def loss(self):
        x = draw("pictures", 2, 3, SIDE, SIDE)
        mean = self.quant_conv(self.encoder(x))[:, :LATENTS]
        return decibels(self.decoder(self.post_quant_conv(mean + 0.05 * draw("noise", 2, LATENTS, 8, 8))), x)


def ids(name, rows, length):
    """Random tokens, ends at different places, padding behind."""
    found = torch.full((rows, length), 0)
    for row in range(rows):
        end = 3 + (5 * row) % (length - 4)
        found[row, 0], found[row, end] = 912, END
        found[row, 1:end] = (draw(f"{name}.{row}", end - 1).abs() * 300).long().clamp(max=911)
    return found


class Head(nn.Module):
    def __init__(self, inputs):
        super().__init__()
        self.hidden, self.projection = nn.Linear(inputs, 32), nn.Linear(32, SHARED)


class TextImage(nn.Module):
    def __init__(self):
        super().__init__()
        self.score = CLIPTextModelWithProjection(text_config(*SCORE))
        self.first = CLIPTextModel(text_config(*FIRST))
        self.second = CLIPTextModelWithProjection(text_config(*SECOND))
        self.first_projection = nn.Linear(FIRST[0], SHARED, bias=False)
        self.words = nn.ModuleList([nn.Linear(SHARED, OUTPUTS) for _ in range(3)])
        self.states = nn.ModuleList([nn.Linear(FIRST[0], OUTPUTS), nn.Linear(SECOND[0], OUTPUTS)])
        self.scale = nn.Parameter(torch.tensor([2.7, 2.7, 2.7]))
        self.head = Head(384 + OUTPUTS)

    def naming(self, logits):
        total, count = grouped(logits, SAID)
        return total / count

    def asked(self, images):
        loss = 0.0
        for column, (counts, name) in enumerate([([2, 1, 2], "ask.0"), ([1, 1, 1], "ask.1")]):
            known = VALUES_OF[:, column] >= 0
            rows = F.normalize(self.score(ids(name, sum(counts), 9)).text_embeds, dim=-1).split(counts)
            table = torch.stack([F.normalize(row.mean(0), dim=-1) for row in rows])
            loss = loss + F.cross_entropy(self.scale[0].clamp(max=4.6).exp() * images[known] @ table.T, VALUES_OF[known, column])
        return loss / 2

    def loss(self):
        ids_1, ids_2 = ids("first", 6, 12), ids("second", 6, 12)
        features = draw("features", 6, 384 + OUTPUTS)
        first = self.first(ids_1, output_hidden_states=True)
        second = self.second(ids_2, output_hidden_states=True)
        embeddings = [self.score(ids_1).text_embeds, self.first_projection(first.pooler_output), second.text_embeds]
        images = F.normalize(self.head.projection(F.relu(self.head.hidden(features))), dim=-1)
        agrees = (SAID[:, None, :] == VALUES_OF[None, :, :]) | (SAID[:, None, :] == -1)
        same_kind = ((VALUES_OF[:, None, :] >= 0) == (VALUES_OF[None, :, :] >= 0)).all(-1)
        others = agrees.all(-1) & same_kind
        others.fill_diagonal_(False)
        assert others.any()
        loss, target = 2 * self.asked(images), torch.arange(6)
        for index, embedding in enumerate(embeddings):
            logits = self.scale[index].clamp(max=4.6).exp() * F.normalize(embedding, dim=-1) @ images.T
            logits = logits.masked_fill(others, -1e4)
            loss = loss + 0.5 * (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target))
            loss = loss + self.naming(self.words[index](embedding))
        for head, out, tokens in zip(self.states, (first, second), (ids_1, ids_2)):
            ends = (tokens == END).int().argmax(1)
            loss = loss + self.naming(head(out.hidden_states[-2][torch.arange(6), ends]))
        return loss


class Denoiser(nn.Module):
    def __init__(self):
        super().__init__()
        self.unet, self.first = unet(), CLIPTextModel(text_config(*FIRST))
        self.second = CLIPTextModelWithProjection(text_config(*SECOND))

    def loss(self):
        keep = torch.tensor([1.0, 0.0, 1.0])
        first = self.first(ids("first", 3, 12), output_hidden_states=True).hidden_states[-2]
        second = self.second(ids("second", 3, 12), output_hidden_states=True)
        context = (torch.cat([first, second.hidden_states[-2]], -1) * keep[:, None, None]).repeat(2, 1, 1)
        pooled = (second.text_embeds * keep[:, None]).repeat(2, 1)
        time_ids = torch.tensor([[32.0, 32, 0, 0, 32, 32]] * 6)
        made = self.unet(draw("noisy", 6, LATENTS, 8, 8), torch.tensor([5, 200, 401, 555, 800, 999]), context,
                         added_cond_kwargs={"text_embeds": pooled, "time_ids": time_ids}).sample
        weights = 1 + draw("weights", 6, LATENTS, 8, 8).abs()
        return (weights * (made - draw("velocity", 6, LATENTS, 8, 8)).square()).mean()


def sample(tensor):
    flat = tensor.detach().flatten()
    if len(flat) <= KEPT:
        return flat.clone()
    return flat[torch.arange(KEPT) * len(flat) // KEPT].clone()


def run(model):
    model = refill(model)
    if hasattr(model, "scale"):
        with torch.no_grad():
            model.scale.fill_(2.7)
    trained = {canonical(name): p for name, p in model.named_parameters() if p.requires_grad}
    optimizer = torch.optim.AdamW(trained.values(), lr=RATE, betas=(0.9, 0.999), weight_decay=DECAY, eps=1e-8)
    out = {}
    for step in range(3):
        loss = model.loss()
        optimizer.zero_grad()
        loss.backward()
        # What the loss does not look at still decays in the trainer.
        for p in trained.values():
            if p.grad is None:
                p.grad = torch.zeros_like(p)
        if step == 0:
            out |= {f"gradient.{name}": sample(p.grad) for name, p in trained.items()}
            out |= {f"norm.{name}": p.grad.norm().reshape(1) for name, p in trained.items()}
        out[f"loss.{step}"] = loss.detach().reshape(1)
        torch.nn.utils.clip_grad_norm_(trained.values(), CLIP)
        optimizer.step()
    out |= {f"after.{name}": sample(p) for name, p in trained.items()}
    out |= {f"kept.{name.replace('_var', '_variance')}": b.clone() for name, b in model.named_buffers() if "running" in name}
    return out


def config_of(model):
    return json.loads(json.dumps(dict(model.config) if not hasattr(model.config, "to_dict") else model.config.to_dict()))


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    for name, model in (("judge", Judge), ("autoencoder", Autoencoder), ("polish", Polish), ("text-image", TextImage), ("unet", Denoiser)):
        torch.manual_seed(0)
        tensors = run(model())
        save_file({k: v.contiguous() for k, v in tensors.items()}, OUT / f"{name}.safetensors")
        print(name, len(tensors), [round(tensors[f"loss.{i}"].item(), 6) for i in range(3)])
    picture = {"image_size": SIDE, "mean": [0.5] * 3, "std": [0.5] * 3, "layers": layers()}
    tiny = FIXTURES / "pipelines" / "tiny-sdxl"
    scheduler = json.loads((FIXTURES.parents[1] / "assets/models/chapan-mini/scheduler/scheduler_config.json").read_text())
    text = {name: text_config(*sizes).to_dict() for name, sizes in (("score", SCORE), ("first", FIRST), ("second", SECOND))}
    family = {
        "chapan-mini-judge/config.json": {"model_type": "chapan_attribute_judge", **picture, "groups": []},
        "chapan-mini-clip/config.json": {
            "model_type": "chapan_conv_clip", "projection_dim": SHARED, "vision_config": picture,
            "visual_projection": [[384 + OUTPUTS, 32], [32, SHARED]], "text_config": text["score"]},
        "chapan-mini/model_index.json": {**json.loads((tiny / "model_index.json").read_text()), "scheduler": ["diffusers", "DDIMScheduler"]},
        "chapan-mini/scheduler/scheduler_config.json": scheduler,
        "chapan-mini/text_encoder/config.json": {**text["first"], "architectures": ["CLIPTextModel"]},
        "chapan-mini/text_encoder_2/config.json": {**text["second"], "architectures": ["CLIPTextModelWithProjection"]},
        "chapan-mini/unet/config.json": config_of(unet()),
        "chapan-mini/vae/config.json": config_of(vae()),
    }
    (OUT / "family.json").write_text(json.dumps(family, indent=1, sort_keys=True) + "\n")


main()
