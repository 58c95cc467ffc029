"""The architectures of the family, in one place."""

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

LATENTS = 16
POOLED = 128
END, BEGIN = 2047, 2046


def tower_layers(outputs):
    """The convolutional tower: what its config.json says, and what `Tower` builds."""
    layers, channels = [], 3

    def conv(width, kernel=3, stride=1, pool=False):
        nonlocal channels
        layers.append({"op": "conv2d", "in": channels, "out": width, "kernel": kernel, "stride": stride,
                       "padding": kernel // 2})
        layers.append({"op": "relu"})
        if pool:
            layers.append({"op": "max_pool2d", "size": 2})
        channels = width

    conv(32, stride=2)
    conv(32, pool=True)
    conv(64)
    conv(64, pool=True)
    conv(96)
    conv(96, pool=True)
    conv(128, pool=True)
    conv(64, kernel=1)
    layers.append({"op": "flatten"})
    layers.append({"op": "linear", "in": 64 * 16, "out": outputs})
    return layers


class Tower(nn.Module):
    """The tower with batch normalisation after each convolution, for training; `folded` has none."""

    def __init__(self, outputs, norm=True):
        super().__init__()
        self.description = tower_layers(outputs)
        modules = []
        for layer in self.description:
            if layer["op"] == "conv2d":
                modules.append(nn.Conv2d(layer["in"], layer["out"], layer["kernel"], layer["stride"],
                                         layer["padding"], bias=not norm))
                if norm:
                    modules.append(nn.BatchNorm2d(layer["out"]))
            elif layer["op"] == "relu":
                modules.append(nn.ReLU())
            elif layer["op"] == "max_pool2d":
                modules.append(nn.MaxPool2d(layer["size"]))
            elif layer["op"] == "flatten":
                modules.append(nn.Flatten())
            else:
                modules.append(nn.Linear(layer["in"], layer["out"]))
        self.layers = nn.Sequential(*modules)

    def forward(self, pictures):
        return self.layers(pictures)

    def features(self, pictures):
        """What stands before the last layer, `(batch, 1024)`."""
        return self.layers[:-1](pictures)

    def folded(self):
        """The same function with the normalisation inside the convolutions, layers numbered as described."""
        plain = Tower(self.description[-1]["out"], norm=False)
        ours = [m for m in self.layers if isinstance(m, (nn.Conv2d, nn.BatchNorm2d, nn.Linear))]
        theirs = [m for m in plain.layers if isinstance(m, (nn.Conv2d, nn.Linear))]
        with torch.no_grad():
            at = 0
            for target in theirs:
                source = ours[at]
                at += 1
                if isinstance(target, nn.Linear):
                    target.weight.copy_(source.weight)
                    target.bias.copy_(source.bias)
                    continue
                norm = ours[at]
                at += 1
                scale = norm.weight / (norm.running_var + norm.eps).sqrt()
                target.weight.copy_(source.weight * scale[:, None, None, None])
                target.bias.copy_(norm.bias - norm.running_mean * scale)
        return plain.eval()


def text_config(hidden, layers, heads, act):
    return CLIPTextConfig(
        vocab_size=2048, hidden_size=hidden, intermediate_size=4 * hidden, projection_dim=POOLED,
        num_hidden_layers=layers, num_attention_heads=heads, max_position_embeddings=77, hidden_act=act,
        pad_token_id=0, bos_token_id=BEGIN, eos_token_id=END, attn_implementation="eager")


def text_encoder():
    """First encoder of the pipeline; quick GELU as in CLIP-L."""
    return CLIPTextModel(text_config(96, 3, 3, "quick_gelu"))


def text_encoder_2():
    """Second encoder, with the pooled projection; exact GELU as in OpenCLIP."""
    return CLIPTextModelWithProjection(text_config(160, 4, 5, "gelu"))


def unet():
    return UNet2DConditionModel(
        sample_size=16, in_channels=LATENTS, out_channels=LATENTS,
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        block_out_channels=(96, 128, 128), layers_per_block=1, transformer_layers_per_block=1,
        attention_head_dim=(2, 4, 4), cross_attention_dim=256, norm_num_groups=32, use_linear_projection=True,
        addition_embed_type="text_time", addition_time_embed_dim=32,
        projection_class_embeddings_input_dim=POOLED + 6 * 32)


def vae():
    return AutoencoderKL(
        in_channels=3, out_channels=3, latent_channels=LATENTS, sample_size=128,
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(32, 32, 64, 96), layers_per_block=1, norm_num_groups=16,
        mid_block_add_attention=False, scaling_factor=1.0, force_upcast=False)
