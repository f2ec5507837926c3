"""Writes crates/neuron-model/tests/data/towers.safetensors: what PyTorch computes in the towers of CLIP, DINOv2 and timm.

    pip install torch transformers timm safetensors numpy
    python scripts/tower-goldens.py

Weights and the image follow from names and indices, by the rule that crates/neuron-model/tests/rules has, too, so that
neither is stored. Of each tap there are the maximum and the mean of every so many-th channel over all tokens, as
`<network>/<tap>.max` and `.mean`. The metadata say how many, and with which mean and deviation pixels were normalised.
"""

import functools
import json
import math
import pathlib

import numpy
import safetensors.torch
import timm
import torch
import transformers

PLACE = pathlib.Path(__file__).parent.parent / "crates/neuron-model/tests/data/towers.safetensors"
SIZE = 224
CONSTANT = 6.0
MOST_CHANNELS = 96
IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
HALF = ([0.5] * 3, [0.5] * 3)
OPENAI = ([0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711])


def fnv1a64(text):
    value = 0xCBF29CE484222325
    for byte in text:
        value = ((value ^ byte) * 0x100000001B3) % 2**64
    return value


def splitmix64(x):
    """Of an array of numbers."""
    x = numpy.asarray(x, dtype=numpy.uint64)
    with numpy.errstate(over="ignore"):
        z = x + numpy.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> numpy.uint64(30))) * numpy.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> numpy.uint64(27))) * numpy.uint64(0x94D049BB133111EB)
    return z ^ (z >> numpy.uint64(31))


def rule_tensor(name, shape):
    indices = numpy.arange(math.prod(shape), dtype=numpy.uint64)
    with numpy.errstate(over="ignore"):
        numbers = splitmix64(numpy.uint64(fnv1a64(name.encode())) + indices)
    u = (numbers >> numpy.uint64(40)).astype(numpy.float32) * numpy.float32(2.0**-24)
    one, two = numpy.float32(1), numpy.float32(2)
    is_weight = name.split(".")[-1] == "weight"
    if is_weight and len(shape) >= 2:
        values = (two * u - one) * numpy.float32(math.sqrt(CONSTANT / math.prod(shape[1:])))
    elif is_weight:
        values = numpy.float32(0.5) + u
    else:
        values = numpy.float32(0.2) * (two * u - one)
    return torch.from_numpy(values.reshape(shape))


def rule_image(seed, index, height, width):
    """[3, height, width], u8."""
    base = int(splitmix64(1000 * seed + index))
    y, x = numpy.meshgrid(numpy.arange(height), numpy.arange(width), indexing="ij")
    image = numpy.zeros((3, height, width), dtype=numpy.uint8)
    for colour in range(3):
        total = numpy.zeros((height, width), dtype=numpy.int64)
        for octave in range(4):
            power = 6 - octave
            cell, row, column = 1 << power, y >> power, x >> power
            down, right = y % cell, x % cell

            def corner(j, i):
                place = (octave << 48) + ((0 if octave == 0 else colour) << 40)
                at = place + ((row + j) << 20) + (column + i)
                with numpy.errstate(over="ignore"):
                    return (splitmix64(numpy.uint64(base) + at.astype(numpy.uint64)) >> numpy.uint64(56)).astype(numpy.int64)

            above = corner(0, 0) * (cell - right) + corner(0, 1) * right
            below = corner(1, 0) * (cell - right) + corner(1, 1) * right
            total += (8 >> octave) * ((above * (cell - down) + below * down) >> (2 * power))
        image[colour] = numpy.clip(2 * (total // 15) - 128, 0, 255)
    return image


def fill(model, stored=lambda name: name):
    """Gives a model the weights of the rule, by the names under which they are stored."""
    state = model.state_dict()
    model.load_state_dict({name: rule_tensor(stored(name), tuple(tensor.shape)) for name, tensor in state.items()})
    return model.eval()


def timm_vit(name):
    taps = ["patch_embed", "blocks.0.attn", "blocks.0.mlp.act", "blocks.2", "blocks.5", "blocks.8", "blocks.11", "norm"]
    taps = [(tap, tap) for tap in taps] + [("head", "head")]
    return fill(timm.create_model(name)), taps


def dinov2(registers):
    """The small one, as transformers has it. Today it names some modules otherwise than it stores their tensors."""
    sizes = {"hidden_size": 384, "num_attention_heads": 6, "image_size": 518, "patch_size": 14}
    if registers:
        config = transformers.Dinov2WithRegistersConfig(num_register_tokens=registers, **sizes)
        model = transformers.Dinov2WithRegistersModel(config)
    else:
        model = transformers.Dinov2Model(transformers.Dinov2Config(**sizes))
    stored = {"q_proj": "attention.query", "k_proj": "attention.key", "v_proj": "attention.value", "o_proj": "output.dense"}

    def name(tensor):
        for now, then in stored.items():
            tensor = tensor.replace(f".attention.{now}.", f".attention.{then}.")
        return tensor

    fill(model, name)
    taps = [("embeddings", "embeddings"), ("layernorm", "layernorm")]
    taps += [(f"encoder.layer.{n}", f"encoder.layer.{n}") for n in (2, 5, 8, 11)]
    taps += [(f"encoder.layer.0.{part}", f"encoder.layer.0.{part}") for part in ("attention", "layer_scale1", "mlp")]
    taps += [("encoder.layer.0.attention.attention.key", "encoder.layer.0.attention.k_proj")]
    return model, taps


def as_the_authors_enlarge(model):
    """DINOv2 without registers, with the table enlarged as facebookresearch/dinov2 does it (`interpolate_offset` 0.1)."""

    def enlarged(self, embeddings, height, width):
        table = self.position_embeddings
        side = math.isqrt(table.shape[1] - 1)
        grid = table[:, 1:].reshape(1, side, side, -1).permute(0, 3, 1, 2)
        scale = [(pixels // self.patch_size + 0.1) / side for pixels in (height, width)]
        grid = torch.nn.functional.interpolate(grid, scale_factor=scale, mode="bicubic", antialias=False)
        return torch.cat((table[:, :1], grid.permute(0, 2, 3, 1).flatten(1, 2)), dim=1)

    model.embeddings.interpolate_pos_encoding = functools.partial(enlarged, model.embeddings)
    return model


def clip(activation):
    """B/32."""
    sizes = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12}
    config = transformers.CLIPVisionConfig(patch_size=32, projection_dim=512, hidden_act=activation, **sizes)
    model = fill(transformers.CLIPVisionModelWithProjection(config))
    layers = "vision_model.encoder.layers"
    taps = ["vision_model.embeddings.patch_embedding", "vision_model.embeddings", "vision_model.pre_layrnorm"]
    taps += [f"{layers}.{n}" for n in (2, 5, 8, 11)]
    taps += [f"{layers}.0.self_attn", f"{layers}.0.self_attn.k_proj", f"{layers}.0.mlp.activation_fn", f"{layers}.0.mlp"]
    taps += ["vision_model.post_layernorm", "visual_projection"]
    return model, [(tap, tap) for tap in taps]


def tokens(output):
    """[tokens, channels] of one image."""
    output = output[0] if isinstance(output, tuple) else output
    if output.ndim == 4:
        output = output.flatten(2).transpose(1, 2)
    return output.reshape(-1, output.shape[-1]) if output.ndim == 2 else output[0]


def record(tensors, steps, network, model, taps, normalisation):
    values = {}
    modules = dict(model.named_modules())
    for tap, module in taps:
        hook = lambda _module, _inputs, output, tap=tap: values.__setitem__(tap, tokens(output).clone())
        modules[module].register_forward_hook(hook)
    mean, std = (torch.tensor(values, dtype=torch.float32).reshape(3, 1, 1) for values in normalisation)
    pixels = torch.from_numpy(rule_image(1, 0, SIZE, SIZE)).to(torch.float32)
    with torch.inference_mode():
        model(((pixels / 255 - mean) / std).unsqueeze(0))
    steps[network] = {"mean": normalisation[0], "std": normalisation[1], "taps": {}}
    for tap, value in values.items():
        step = max(1, -(-value.shape[1] // MOST_CHANNELS))
        steps[network]["taps"][tap] = step
        tensors[f"{network}/{tap}.max"] = value.amax(0)[::step].contiguous()
        tensors[f"{network}/{tap}.mean"] = value.double().mean(0)[::step].float().contiguous()
        print(f"{network} {tap}: {tuple(value.shape)}, up to {value.abs().max():.3g}")


def main():
    tensors, networks = {}, {}
    record(tensors, networks, "vit_small_patch16_224", *timm_vit("vit_small_patch16_224"), HALF)
    record(tensors, networks, "deit_tiny_patch16_224", *timm_vit("deit_tiny_patch16_224"), IMAGENET)
    record(tensors, networks, "dinov2_vits14", *dinov2(0), IMAGENET)
    record(tensors, networks, "dinov2_vits14_reg", *dinov2(4), IMAGENET)
    model, taps = dinov2(0)
    record(tensors, networks, "dinov2_vits14:authors", as_the_authors_enlarge(model), taps, IMAGENET)
    record(tensors, networks, "clip_vit_b_32", *clip("quick_gelu"), OPENAI)
    record(tensors, networks, "clip_vit_b_32:gelu", *clip("gelu"), OPENAI)
    versions = {module.__name__: module.__version__ for module in (torch, transformers, timm)}
    metadata = {"networks": json.dumps(networks), "constant": str(CONSTANT), "size": str(SIZE)} | versions
    PLACE.parent.mkdir(exist_ok=True)
    safetensors.torch.save_file(tensors, PLACE, metadata)
    print(PLACE, PLACE.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
