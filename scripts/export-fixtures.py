"""Writes small exported networks to crates/neuron-import/tests/data, for the tests that read them.

    pip install torch torchvision timm onnx onnxscript safetensors pillow numpy
    python scripts/export-fixtures.py            # all
    python scripts/export-fixtures.py resnet vit

The weights are random (random_networks.py), the networks tiny, the images 32 x 32. Of each network there are some of

    NAME.pt2             torch.export.save of torch.export.export
    NAME-core.pt2        after run_decompositions(): core ATen
    NAME-pure.pt2        after run_decompositions({}): the same operators without those that write in place
    NAME-dynamic.*       batch, height and width free
    NAME.onnx            torch.onnx.export, dynamo=True: batch norms are folded into convolutions
    NAME-plain.onnx      the same with optimize=False
    NAME-script.onnx     torch.onnx.export, dynamo=False: the TorchScript exporter
    NAME-external.onnx   weights in NAME-external.onnx.data

and, for all of these, NAME.safetensors: `input`, [1, 3, 32, 32], which is an image normalised as usual; what some modules
return, under their dotted names; and `output`, or `output.0` and so on. NAME-dynamic.safetensors has the same at another
size. NAME.png is the image of a few.

Left out of the files, as they are long and no reader needs them: source lines, which also name folders; of .pt2 files the
example's pixels, `torch_fn` and `from_node`; of .onnx files the fx nodes and classes.
"""

import json
import pathlib
import re
import sys

import onnx
import PIL.Image
import safetensors.torch
import timm
import torch
import torchvision
from torch import nn

import random_networks

PLACE = pathlib.Path(__file__).parent.parent / "crates/neuron-import/tests/data"
SIZE = 32
OTHER_SIZE = (72, 56)
CLASSES = 10
PICTURED = ("resnet", "small-dynamic", "vit")
LEFT_OUT = ("stack_trace", "fx_node", "class_hierarchy")  # of the metadata of nodes in ONNX files
MOST_TAP_BYTES = 7 << 10  # of one network
MOST_FILE_BYTES = 170 << 10


class ResNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        block = torchvision.models.resnet.BasicBlock
        shortcut = nn.Sequential(nn.Conv2d(8, 12, 1, 2, bias=False), nn.BatchNorm2d(12))
        self.layer1 = nn.Sequential(block(8, 8))
        self.layer2 = nn.Sequential(block(8, 12, 2, shortcut))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(12, CLASSES)

    def forward(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer2(self.layer1(x))
        return self.fc(torch.flatten(self.avgpool(x), 1))


class Grey(nn.Module):
    """Of images with one channel."""

    image_channels = 1

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 3, stride=2, padding=1)
        self.conv2 = nn.Conv2d(6, 8, 3, stride=2)
        self.fc = nn.Linear(8, CLASSES)

    def forward(self, x):
        x = self.conv2(torch.relu(self.conv1(x)))
        return self.fc(torch.relu(x).mean((2, 3)).view(x.size(0), -1))


class GreyScaled(Grey):
    """Something else than a convolution reads the image."""

    def forward(self, x):
        return super().forward((x - 0.25) * 2)


class Normalised(nn.Module):
    """Normalises the image itself, all colours at once and then each by itself, as torchvision's GoogLeNet does."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3, stride=2, padding=1)
        self.fc = nn.Linear(6, CLASSES)
        self.register_buffer("mean", torch.tensor([0.1, -0.2, 0.3]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor([0.5, 0.8, 1.25]).view(1, 3, 1, 1))

    def forward(self, x):
        x = (x - self.mean) / self.std
        x = torch.cat([x[:, colour].unsqueeze(1) * (0.5 + colour) - 0.1 for colour in range(3)], 1)
        return self.fc(torch.relu(self.conv(x)).mean((2, 3)))


class Small(nn.Module):
    """For free sizes, which make every shape of a file an expression, and for operators spelled out."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.hardswish = nn.Hardswish(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.conv2 = nn.Conv2d(8, 8, 3, padding=1, groups=2)
        self.conv3 = nn.Conv2d(8, 12, 3, stride=2)
        self.silu = nn.SiLU()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(12, CLASSES)

    def forward(self, x):
        x = self.maxpool(self.hardswish(self.bn1(self.conv1(x))))
        x = x + self.conv2(torchvision.models.shufflenetv2.channel_shuffle(x, 4))
        x = self.silu(self.conv3(x))
        return self.fc(torch.flatten(self.avgpool(x), 1))


class User(nn.Module):
    """What people write: two outputs, two convolutions with one weight, an upper path that is added to a lower one."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.GroupNorm(2, 8), nn.GELU())
        self.down = nn.Sequential(nn.Conv2d(8, 16, 4, 2, 1), nn.BatchNorm2d(16), nn.LeakyReLU(0.1), nn.Dropout2d(0.2))
        self.deep = nn.Sequential(nn.Conv2d(16, 16, 3, padding=2, dilation=2), nn.ELU(), nn.AvgPool2d(2), nn.Dropout(0.5))
        self.up = nn.Upsample(scale_factor=2, mode="nearest")
        self.larger = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
        self.lateral = nn.Conv2d(8, 16, 1)
        self.first = nn.Conv2d(16, 16, 3, padding=1)
        self.second = nn.Conv2d(16, 16, 3, padding=1)
        self.second.weight = self.first.weight
        self.activation = nn.ReLU()
        self.classifier = nn.Sequential(nn.Flatten(), nn.Linear(16 * 2 * 2, 24), nn.Tanh(), nn.Linear(24, CLASSES))
        self.mask = nn.Conv2d(16, 2, 1)

    def forward(self, x):
        high = self.stem(x)
        low = self.down(high)
        low = low + self.up(self.deep(low))
        high = self.lateral(high) + self.larger(low)
        high = self.activation(self.first(high))
        high = self.activation(self.second(high))
        pooled = nn.functional.adaptive_avg_pool2d(high, 2)
        return self.classifier(pooled), torch.sigmoid(self.mask(high))


class Branches(nn.Module):
    """As in GoogLeNet and Inception: pools that round up, kernels that are no squares, averages of padded borders."""

    def __init__(self):
        super().__init__()
        convolution = torchvision.models.inception.BasicConv2d
        self.stem = convolution(3, 8, kernel_size=3, stride=2)
        self.maxpool = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.branch1 = convolution(8, 6, kernel_size=1)
        self.branch2 = nn.Sequential(convolution(8, 4, kernel_size=1), convolution(4, 7, kernel_size=(1, 5), padding=(0, 2)))
        self.branch3 = nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1, ceil_mode=True), convolution(8, 5, kernel_size=1))
        self.branch4 = convolution(8, 3, kernel_size=(3, 1), padding=(1, 0))
        self.squeeze = nn.Conv2d(21, CLASSES, 1)
        self.average = nn.AvgPool2d(2, stride=2, ceil_mode=True, count_include_pad=False)

    def forward(self, x):
        x = self.maxpool(self.stem(x))
        pooled = nn.functional.avg_pool2d(x, kernel_size=3, stride=1, padding=1)
        x = torch.cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(pooled)], 1)
        x = self.average(torch.relu(self.squeeze(x)))
        return x.mean((2, 3))


class Swin(nn.Module):
    """Blocks of the Swin transformer without the levels of modules around them: plain and shifted windows."""

    def __init__(self):
        super().__init__()
        block = torchvision.models.swin_transformer.SwinTransformerBlock
        self.patches = nn.Conv2d(3, 16, 4, stride=4)
        self.plain = block(16, 2, [4, 4], [0, 0], mlp_ratio=2.0)
        self.shifted = block(16, 2, [4, 4], [2, 2], mlp_ratio=2.0)
        self.norm = nn.LayerNorm(16)
        self.head = nn.Linear(16, CLASSES)

    def forward(self, x):
        x = self.patches(x).permute(0, 2, 3, 1)
        x = self.norm(self.shifted(self.plain(x)))
        return self.head(x.mean((1, 2)))


class SwinV2(nn.Module):
    """The second version, with shifted windows, and what makes larger patches."""

    def __init__(self):
        super().__init__()
        parts = torchvision.models.swin_transformer
        self.patches = nn.Conv2d(3, 16, 8, stride=8)
        self.shifted = parts.SwinTransformerBlockV2(16, 2, [2, 2], [1, 1], mlp_ratio=2.0)
        self.merging = parts.PatchMergingV2(16, nn.LayerNorm)
        self.norm = nn.LayerNorm(32)
        self.head = nn.Linear(32, CLASSES)

    def forward(self, x):
        x = self.patches(x).permute(0, 2, 3, 1)
        x = self.norm(self.merging(self.shifted(x)))
        return self.head(x.mean((1, 2)))


class ShuffleNet(nn.Module):
    def __init__(self):
        super().__init__()
        unit = torchvision.models.shufflenetv2.InvertedResidual
        self.conv1 = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU(inplace=True))
        self.stage2 = nn.Sequential(unit(8, 16, 2), unit(16, 16, 1))
        self.fc = nn.Linear(16, CLASSES)

    def forward(self, x):
        return self.fc(self.stage2(self.conv1(x)).mean([2, 3]))


class Attentions(nn.Module):
    """Attention that is no plain one: rotary positions, heads that talk, channels that attend, a class token alone."""

    def __init__(self, width=12, heads=2, side=4):
        super().__init__()
        self.heads = heads
        self.patches = nn.Conv2d(3, width, 32 // side, 32 // side)
        self.cls = nn.Parameter(0.1 * torch.randn(1, 1, width))
        angles = torch.arange(side * side + 1)[:, None] * torch.tensor([1.0, 0.3, 0.1])
        self.register_buffer("sines", angles.sin().repeat_interleave(2, -1), persistent=False)
        self.register_buffer("cosines", angles.cos().repeat_interleave(2, -1), persistent=False)
        self.rotary = nn.Linear(width, 3 * width)
        self.talking = nn.Linear(width, 3 * width)
        self.before = nn.Conv2d(heads, heads, 1)
        self.after = nn.Linear(heads, heads)
        self.channels = nn.Linear(width, 3 * width)
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))
        self.pooled = nn.Conv1d(width, width, 3, padding=1, groups=width)
        self.head = nn.Linear(width, CLASSES)

    def rotated(self, x):
        other = torch.stack([-x[..., 1::2], x[..., ::2]], -1).reshape(x.shape)
        return x * self.cosines + other * self.sines

    def parts(self, x, layer):
        return layer(x).reshape(1, x.shape[1], 3, self.heads, -1).permute(2, 0, 3, 1, 4).unbind(0)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls, x], 1)
        q, k, v = self.parts(x, self.rotary)
        mixed = nn.functional.scaled_dot_product_attention(self.rotated(q), self.rotated(k), v)
        x = x + mixed.transpose(1, 2).reshape(x.shape)
        q, k, v = self.parts(x, self.talking)
        scores = self.before(q @ k.transpose(-2, -1)).softmax(-1)
        scores = self.after(scores.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        x = x + (scores @ v).transpose(1, 2).reshape(x.shape)
        q, k, v = self.parts(x, self.channels)
        q, k = (nn.functional.normalize(part.transpose(-2, -1), dim=-1) for part in (q, k))
        scores = ((q @ k.transpose(-2, -1)) * self.temperature).softmax(-1)
        x = x + (scores @ v.transpose(-2, -1)).permute(0, 3, 1, 2).reshape(x.shape)
        x = x + self.pooled(x.transpose(1, 2)).transpose(1, 2)
        weights = (x[:, :1] @ x.transpose(1, 2)).softmax(-1)
        return self.head((weights @ x).squeeze(1))


class Shapes(nn.Module):
    """Maps of other sizes and orders: windows that overlap, sizes that are no multiples, parts that are written over."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 2, 1)
        self.low = nn.Conv2d(8, 8, 3, 1, 1)
        self.high = nn.Conv2d(8, 8, 1)
        self.windows = nn.Conv2d(8, 8, 3, 1, 1, groups=4)
        self.planes = nn.Conv3d(1, 2, (3, 3, 1), padding=(1, 1, 0))
        self.head = nn.Linear(32, CLASSES)
        self.halves = nn.Linear(8, CLASSES)

    def forward(self, x):
        x = self.stem(x)
        low = self.low(nn.functional.interpolate(x, size=(11, 7), mode="bicubic", antialias=True))
        low = nn.functional.interpolate(low, size=(16, 16), mode="bilinear", align_corners=True)
        low = nn.functional.interpolate(low, size=(10, 10), mode="nearest")
        low = nn.functional.pad(low, (4, 2, 5, 1))
        x = x + nn.functional.pad(self.high(low), (-1, 1, 0, 0), value=0.5)
        parts = x.reshape(1, 8, 2, 8, 2, 8).permute(0, 2, 4, 1, 3, 5).reshape(4, 8, 8, 8)
        parts = self.windows(parts).reshape(1, 2, 2, 8, 8, 8).permute(0, 3, 1, 4, 2, 5).reshape(1, 8, 16, 16)
        x = x + parts.flip(1)
        around = nn.functional.unfold(x, 3, padding=1, stride=2).reshape(1, 8, 9, 64)
        x = nn.functional.avg_pool2d(x, 2) + (around * around.softmax(2)).sum(2).reshape(1, 8, 8, 8)
        x = x.clone()
        x[:, 2:5, :, 1:4] = x[:, 2:5, :, 1:4] * 2
        x[:, 0].add_(1.0)
        x = torch.maximum(x, -0.5 * x) - x.var((1, 3), keepdim=True)
        x = self.planes(x.unsqueeze(1).permute(0, 1, 3, 4, 2)).permute(0, 1, 4, 2, 3).flatten(1, 2)
        # Of neighbouring tokens the largest and the mean, side by side, and the largest of halves of the channels.
        tokens = x.flatten(2).transpose(1, 2).reshape(1, 4, 16, 16)
        tokens = torch.cat([tokens.amax(1), tokens.mean(1)], -1)
        halves = x.reshape(1, 2, 8, 8, 8).amax(1).flatten(2).amax(2)
        return self.head(tokens.amax(1)) + self.halves(halves)


class Resized(nn.Module):
    """Maps of sizes that are no multiples, normed and softened along all axes, and windows that hang over one edge."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, stride=2, padding=1)
        self.larger = nn.Upsample(scale_factor=1.3, mode="bilinear")
        self.nearest = nn.Upsample(scale_factor=0.7)
        self.corners = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
        self.norm = nn.LayerNorm([6, 16, 16])
        self.soft = nn.Softmax(dim=3)
        self.hanging = nn.AvgPool2d(3, 2, ceil_mode=True, count_include_pad=False)
        self.head = nn.Conv2d(6, 4, 1)

    def forward(self, x):
        x = self.stem(x)
        parts = [self.larger(x), self.nearest(x), self.corners(x), self.soft(self.norm(x)), self.hanging(x)]
        return self.head(sum(part[:, :, :8, :8] for part in parts))


def mobilenet():
    block = torchvision.models.mobilenetv3.InvertedResidualConfig
    blocks = [block(8, 5, 16, 8, True, "RE", 1, 1, 1.0)]
    return torchvision.models.MobileNetV3(blocks, last_channel=32, num_classes=CLASSES)


def convnext():
    block = torchvision.models.convnext.CNBlockConfig
    return torchvision.models.ConvNeXt([block(8, 16, 1), block(16, None, 1)], num_classes=CLASSES)


def vit():
    sizes = {"num_layers": 1, "num_heads": 2, "hidden_dim": 12, "mlp_dim": 24}
    return torchvision.models.VisionTransformer(SIZE, 8, num_classes=CLASSES, **sizes)


def timm_vit(depth, **more):
    sizes = {"embed_dim": 12, "depth": depth, "num_heads": 2, "mlp_ratio": 2.0, "init_values": 1e-5, **more}
    return timm.models.VisionTransformer(img_size=SIZE, patch_size=8, num_classes=CLASSES, **sizes)


def densenet():
    return torchvision.models.DenseNet(4, (1, 1), num_init_features=8, bn_size=2, num_classes=CLASSES)


NETWORKS = {
    "resnet": (ResNet, ".pt2 .onnx -script.onnx -external.onnx"),
    "grey": (Grey, ".pt2 .onnx -dynamic.pt2"),
    "grey-scaled": (GreyScaled, ".pt2 -script.onnx"),
    "normalised": (Normalised, ".pt2 -script.onnx"),
    "small": (Small, ".pt2 -core.pt2 -pure.pt2 -channels-last.pt2 -dynamic.pt2 -plain.onnx -dynamic.onnx"),
    "user": (User, ".pt2 .onnx"),
    "branches": (Branches, ".pt2 .onnx"),
    "mobilenet": (mobilenet, ".pt2 -core.pt2 .onnx"),
    "shufflenet": (ShuffleNet, ".pt2 .onnx"),
    "densenet": (densenet, ".pt2 .onnx"),
    "convnext": (convnext, ".pt2 .onnx"),
    "attentions": (Attentions, ".pt2 -core.pt2 .onnx"),
    "shapes": (Shapes, ".pt2 -core.pt2 .onnx"),
    "resized": (Resized, ".pt2 -script.onnx"),
    "vit": (vit, ".pt2 .onnx"),
    "swin": (Swin, ".pt2 .onnx"),
    "swin-v2": (SwinV2, ".pt2 .onnx"),
    "timm-vit": (lambda: timm_vit(2), ".pt2 .onnx"),
    "timm-qk-norm": (lambda: timm_vit(1, qk_norm=True), ".pt2 -script.onnx"),
    "timm-block": (lambda: timm_vit(1), "-core.pt2 -script.onnx"),
}


def program_of(model, dynamic):
    """The example for free sizes has none of the values that are taken as fixed."""
    channels = getattr(model, "image_channels", 3)
    example = torch.zeros(2, channels, 64, 96) if dynamic else torch.zeros(1, channels, SIZE, SIZE)
    free = {axis: torch.export.Dim.AUTO for axis in (0, 2, 3)} if dynamic else None
    program = torch.export.export(model, (example,), dynamic_shapes=(free,) if dynamic else None, strict=False)
    return without_sources(program)


def without_sources(program):
    modules = [module for module in program.graph_module.modules() if isinstance(module, torch.fx.GraphModule)]
    for node in [node for module in modules for node in module.graph.nodes]:
        for entry in ("stack_trace", "torch_fn", "from_node"):
            node.meta.pop(entry, None)
    program._example_inputs = None
    return program


def save_pt2(program, path):
    torch.export.save(without_sources(program), path)


def save_onnx(program, path, external=False, **options):
    saved = torch.onnx.export(program, (), None, dynamo=True, verbose=False, **options)
    saved.save(path, external_data=external)
    model = onnx.load(path, load_external_data=False)
    for node in [*model.graph.node, *[node for function in model.functions for node in function.node]]:
        kept = [entry for entry in node.metadata_props if not entry.key.endswith(LEFT_OUT)]
        del node.metadata_props[:]
        node.metadata_props.extend(kept)
    onnx.save(model, path)


def save(model, name, suffix):
    path = PLACE / (name + suffix)
    kind, extension = re.fullmatch(r"-?([a-z-]*)\.(pt2|onnx)", suffix).groups()
    if kind == "channels-last":
        model = model.to(memory_format=torch.channels_last)
    if kind == "script":
        example = torch.zeros(1, getattr(model, "image_channels", 3), SIZE, SIZE)
        torch.onnx.export(model, (example,), path, dynamo=False, opset_version=17, input_names=["image"])
    else:
        program = program_of(model, kind == "dynamic")
        if kind in ("core", "pure"):
            program = program.run_decompositions() if kind == "core" else program.run_decompositions({})
        if extension == "pt2":
            save_pt2(program, path)
        else:
            save_onnx(program, path, external=kind == "external", optimize=kind != "plain")
    model.to(memory_format=torch.contiguous_format)
    return path


def chosen(tensors):
    """Input, outputs and, of the taps that are small, as many as fit, evenly from first to last."""
    always = [name for name in tensors if name.split(".")[0] in ("input", "output")]
    taps = [name for name in tensors if name not in always and 4 * tensors[name].numel() <= MOST_TAP_BYTES // 2]
    for count in range(len(taps), 0, -1):
        some = [taps[round(n * (len(taps) - 1) / max(1, count - 1))] for n in range(count)]
        if 4 * sum(tensors[name].numel() for name in some) <= MOST_TAP_BYTES:
            break
    return {name: tensors[name] for name in always + some}


def save_references(model, name, image, files):
    idle = random_networks.idle_modules(model)
    wanted = lambda tap: tap not in idle
    tensors = chosen(random_networks.references(model, random_networks.normalised(image, model), wanted=wanted))
    height, width, _ = image.shape
    # In one entry, because the order of several changes from run to run.
    metadata = {"about": json.dumps({"network": name, "height": height, "width": width, "files": files})}
    safetensors.torch.save_file(tensors, PLACE / f"{name}.safetensors", metadata)
    if name in PICTURED:
        PIL.Image.fromarray(image).save(PLACE / f"{name}.png")
    return tensors


def write(name):
    make, suffixes = NETWORKS[name]
    torch.manual_seed(random_networks.seed_of(name))
    model = random_networks.fill(make(), name, SIZE)
    suffixes = suffixes.split()
    static = [name + suffix for suffix in suffixes if "dynamic" not in suffix]
    dynamic = [name + suffix for suffix in suffixes if "dynamic" in suffix]
    tensors = save_references(model, name, random_networks.image_of(name, SIZE), static)
    if dynamic:
        height, width = OTHER_SIZE
        image = random_networks.image_of(f"{name}-dynamic", max(OTHER_SIZE))[:height, :width].copy()
        save_references(model, f"{name}-dynamic", image, dynamic)
    sizes = {suffix: save(model, name, suffix).stat().st_size for suffix in suffixes}
    live = random_networks.liveness(model, name, SIZE)
    print(f"{name}: {len(tensors)} tensors, two images differ by {live:.2f};", end="")
    print("".join(f" {suffix} {size / 1024:.0f} KiB" for suffix, size in sizes.items()), flush=True)
    large = [suffix for suffix, size in sizes.items() if size > MOST_FILE_BYTES]
    if large:
        print(f"  too large: {', '.join(large)}")


def main():
    torch.set_num_threads(1)
    PLACE.mkdir(parents=True, exist_ok=True)
    for name in sys.argv[1:] or NETWORKS:
        write(name)
    total = sum(path.stat().st_size for path in PLACE.iterdir())
    print(f"{total / 1024:.0f} KiB in {len(list(PLACE.iterdir()))} files")


if __name__ == "__main__":
    main()
