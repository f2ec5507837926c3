"""Networks with random weights that keep signals alive, an image for them, and what PyTorch computes in every module.

Used by export-sweep.py and export-fixtures.py. Everything follows from the name of the network: the same name gives the
same weights and the same image, wherever and whenever.
"""

import math
import re
import zlib

import numpy
import PIL.Image
import safetensors.torch
import torch

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
MOST_VALUES = 4 << 20  # of a tensor in a file of references
NORMS = (torch.nn.modules.batchnorm._BatchNorm, torch.nn.LayerNorm, torch.nn.GroupNorm, torch.nn.RMSNorm)
BATCH_NORMS = torch.nn.modules.batchnorm._BatchNorm
IDLE = {"Identity", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "DropPath", "StochasticDepth", "PatchDropout"}
TABLES = re.compile(r"pos|token|embed|table|bias|prefix|query|latent")


def seed_of(name):
    return zlib.crc32(name.encode())


def uniform(shape, low, high, generator):
    return low + (high - low) * torch.rand(shape, generator=generator)


def new_values(module, name, old, generator):
    """For one parameter of a module; none where the values that PyTorch drew are good."""
    normal = lambda deviation: deviation * torch.randn(old.shape, generator=generator)
    is_weight = name.endswith("weight")
    if isinstance(module, NORMS):
        return uniform(old.shape, 0.5, 1.5, generator) if is_weight else uniform(old.shape, -0.3, 0.3, generator)
    if isinstance(module, torch.nn.Embedding):
        return normal(0.5)
    if is_weight and old.ndim >= 2:
        if isinstance(module, torch.nn.modules.conv._ConvTransposeNd):
            inputs = old.shape[0] // module.groups * math.prod(module.kernel_size) / math.prod(module.stride)
        else:
            inputs = math.prod(old.shape[1:])
        return normal(math.sqrt((1 if old.ndim == 2 else 2) / inputs))
    if name.endswith("bias") and old.ndim == 1:
        return uniform(old.shape, -0.2, 0.2, generator)
    if bool((old == old.flatten()[0]).all()):
        value = old.flatten()[0].item()
        is_factor = re.search(r"gain|gamma|scale|^ls|alpha|weight", name.split(".")[-1])
        if value == 0 and not is_factor:
            return normal(0.3)
        if abs(value) <= 0.1:
            return uniform(old.shape, 0.5, 1.5, generator)
        spread = 0.5 if value == 1 else 0.1
        return value * uniform(old.shape, 1 - spread, 1 + spread, generator)
    if TABLES.search(name.split(".")[-1]):
        return normal(0.5)
    return None


def image_of(name, size):
    """[size, size, 3], u8: coloured noise of five scales."""
    generator = numpy.random.default_rng(seed_of("image of " + name))
    total = numpy.zeros((3, size, size))
    for cells in (2, 5, 12, 31, 77):
        noise = torch.from_numpy(generator.standard_normal((1, 3, cells, cells)))
        larger = torch.nn.functional.interpolate(noise, (size, size), mode="bilinear", align_corners=True)
        total += larger[0].numpy() / math.log2(cells + 1)
    total = 128 + 70 * total / total.std()
    return numpy.clip(total, 0, 255).astype(numpy.uint8).transpose(1, 2, 0).copy()


def normalised(image, model=None):
    """[1, 3, height, width] of an image of bytes; of those channels, as many as a model says that it takes."""
    mean, std = (torch.tensor(values, dtype=torch.float32).reshape(3, 1, 1) for values in (MEAN, STD))
    pixels = torch.from_numpy(image).permute(2, 0, 1).to(torch.float32)
    channels = getattr(model, "image_channels", 3)
    return ((pixels / 255 - mean) / std)[:channels].unsqueeze(0).contiguous()


@torch.no_grad()
def fill(model, name, size):
    """Draws all weights and, from what two images give, the statistics of batch norms. Returns the model in eval mode."""
    generator = torch.Generator().manual_seed(seed_of(name))
    model.eval()
    seen = set()
    for module in model.modules():
        for parameter_name, parameter in module.named_parameters(recurse=False):
            if id(parameter) in seen:
                continue
            seen.add(id(parameter))
            values = new_values(module, parameter_name, parameter, generator)
            if values is not None:
                parameter.copy_(values)
    norms = [module for module in model.modules() if isinstance(module, BATCH_NORMS) and module.running_var is not None]
    if norms:
        momenta = [norm.momentum for norm in norms]
        for norm in norms:
            norm.momentum = 1.0
            norm.train()
        model(torch.cat([normalised(image_of(f"{name} {n}", size), model) for n in (1, 2)]))
        for norm, momentum in zip(norms, momenta):
            norm.momentum = momentum
            norm.eval()
            mean, variance = norm.running_mean, norm.running_var
            # Few positions give a few channels hardly any variance: a floor keeps those from drowning the others.
            variance += 0.1 * variance.mean()
            mean += variance.sqrt() * uniform(mean.shape, -0.3, 0.3, generator)
            variance *= uniform(variance.shape, 0.6, 1.6, generator)
    return model


@torch.no_grad()
def liveness(model, name, size):
    """How far the outputs of two images are apart, as a share of their size. Near 0, the network hardly sees its image."""
    outputs = [model(normalised(image_of(f"{name} {n}", size), model)) for n in (3, 4)]
    first, second = (output[0] if isinstance(output, (tuple, list)) else output for output in outputs)
    return ((first - second).norm() / first.norm()).item()


@torch.no_grad()
def visit(model, pixels, see):
    """Runs a model and calls `see(name, output)` for each module that returns one tensor of floats, at each call of it.

    The network's own output is called `output`, or `output.0` and so on where there are several.
    """
    hooks = []
    for name, module in model.named_modules():
        if name:

            def hook(_module, _inputs, output, name=name):
                output = only_tensor(output)
                if output is not None:
                    see(name, output)

            hooks.append(module.register_forward_hook(hook))
    try:
        output = model(pixels)
    finally:
        for hook in hooks:
            hook.remove()
    for name, value in named_outputs(output).items():
        see(name, value)


def only_tensor(output):
    """What a module returned, if it is one tensor of floats, or that beside nothing (attention without its weights)."""
    if isinstance(output, (tuple, list)):
        values = [value for value in output if value is not None]
        output = values[0] if len(values) == 1 else None
    is_tap = isinstance(output, torch.Tensor) and output.is_floating_point() and output.ndim >= 2
    return output if is_tap else None


def idle_modules(model):
    """Names of modules that return their input in eval mode."""
    empty = lambda module: isinstance(module, torch.nn.Sequential) and not len(module)
    return {name for name, module in model.named_modules() if type(module).__name__ in IDLE or empty(module)}


def named_outputs(output):
    if isinstance(output, torch.Tensor):
        return {"output": output}
    if isinstance(output, dict):
        output = list(output.values())
    return {f"output.{n}": value for n, value in enumerate(output) if isinstance(value, torch.Tensor)}


def references(model, pixels, most_values=MOST_VALUES, wanted=lambda name: True):
    """What each module returned at its last call, by name, and the input."""
    taps = {}

    def see(name, output):
        taps.pop(name, None)
        if wanted(name) and output.numel() <= most_values:
            taps[name] = output.detach().float().clone(memory_format=torch.contiguous_format)

    visit(model, pixels, see)
    return {"input": pixels} | taps


def save_references(path, model, image, metadata, **options):
    """Writes `path` with the extension .safetensors, and the image beside it as .png."""
    tensors = references(model, normalised(image), **options)
    PIL.Image.fromarray(image).save(path.with_suffix(".png"))
    safetensors.torch.save_file(tensors, path.with_suffix(".safetensors"), metadata)
    return tensors
