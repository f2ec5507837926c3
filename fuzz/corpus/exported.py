#!/usr/bin/env python3
"""Writes the seeds of exported networks: small ones as PyTorch writes them, without what nobody reads. Needs torch and onnx;
other versions of them write other bytes."""

import io
import json
import re
import zipfile
from pathlib import Path

import onnx
import torch
import torch.nn.functional as F
from torch import nn

HERE = Path(__file__).parent
FLOAT, WHOLE = 7, 5


class Convolutions(nn.Module):
    SIDE = 8

    def __init__(self):
        super().__init__()
        self.conv, self.bn, self.fc = nn.Conv2d(3, 4, 3, 2, 1), nn.BatchNorm2d(4), nn.Linear(4, 3)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.bn(self.conv(x))), 2)
        return self.fc(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))


class Mobile(nn.Module):
    SIDE = 8

    def __init__(self):
        super().__init__()
        self.conv, self.deep, self.gate = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 3, 1, 1, groups=4), nn.Conv2d(4, 4, 1)

    def forward(self, x):
        x = F.hardswish(self.conv(F.pad(x, (0, 1, 0, 1))))
        y = self.deep(x)
        y = y * F.hardsigmoid(self.gate(y.mean((2, 3), keepdim=True)))
        batch, channels, height, width = y.shape
        y = (x + y).view(batch, 2, 2, height, width).transpose(1, 2).reshape(batch, channels, height, width)
        return F.avg_pool2d(y, 3, 2, 1)


class Tower(nn.Module):
    SIDE = 4

    def __init__(self):
        super().__init__()
        self.p, self.n, self.qkv = nn.Conv2d(3, 4, 2, 2), nn.LayerNorm(4), nn.Linear(4, 12)
        self.cls, self.pos = nn.Parameter(torch.randn(1, 1, 4)), nn.Parameter(torch.randn(1, 5, 4))

    def forward(self, x):
        x = torch.cat([self.cls.expand(1, -1, -1), self.p(x).flatten(2).transpose(1, 2)], 1) + self.pos
        q, k, v = self.qkv(self.n(x)).reshape(1, 5, 3, 2, 2).permute(2, 0, 3, 1, 4).unbind(0)
        return (x + F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(1, 5, 4))[:, 0]


class Table(nn.Module):
    SIDE = 2

    def __init__(self):
        super().__init__()
        self.c, self.t = nn.Conv2d(3, 4, 1), nn.Parameter(torch.randn(9, 2))
        self.register_buffer("i", torch.arange(16).reshape(4, 4) % 9)

    def forward(self, x):
        q = self.c(x).flatten(2).transpose(1, 2).reshape(1, 4, 2, 2).transpose(1, 2)
        places = self.t[self.i.view(-1)].view(4, 4, 2).permute(2, 0, 1).unsqueeze(0)
        a = ((q * 0.5) @ q.transpose(-2, -1) + places).softmax(-1)
        return F.gelu((a @ q).transpose(1, 2).reshape(1, 4, 4)).mean(1)


class Windows(nn.Module):
    SIDE = 4

    def __init__(self):
        super().__init__()
        self.c, self.qkv = nn.Conv2d(3, 2, 1), nn.Linear(2, 6)

    def forward(self, x):
        x = torch.roll(self.c(x).permute(0, 2, 3, 1), (-1, -1), (1, 2))
        x = x.view(1, 2, 2, 2, 2, 2).permute(0, 1, 3, 2, 4, 5).reshape(4, 4, 2)
        q, k, v = self.qkv(x).reshape(4, 4, 3, 1, 2).permute(2, 0, 3, 1, 4).unbind(0)
        x = ((q @ k.transpose(-2, -1)).softmax(-1) @ v).transpose(1, 2).reshape(4, 4, 2)
        x = x.view(1, 2, 2, 2, 2, 2).permute(0, 1, 3, 2, 4, 5).reshape(1, 4, 4, 2)
        return torch.roll(x, (1, 1), (1, 2))


class Constants(nn.Module):
    SIDE = 4

    def __init__(self):
        super().__init__()
        self.c = nn.Conv2d(3, 4, 1)

    def forward(self, x):
        y = self.c(x)
        y = y * torch.arange(4).reshape(1, 4, 1, 1).float() + torch.full((4, 1, 1), 0.5)
        a, b = y.chunk(2, 1)
        y = torch.cat([a * b.sigmoid(), F.pad(a, (1, 0, 1, 0))[:, :, 1:, 1:]], 1)
        return F.interpolate(y, scale_factor=2.0, mode="nearest")


class Norms(nn.Module):
    SIDE = 4

    def __init__(self):
        super().__init__()
        self.c, self.g = nn.Conv2d(3, 4, 1), nn.GroupNorm(2, 4)

    def forward(self, x):
        with torch.no_grad():
            y = F.pixel_shuffle(self.g(self.c(x)), 2)
        y = y / y.norm(dim=1, keepdim=True).clamp(min=1e-6)
        return F.leaky_relu(y).amax((2, 3))


def short(exported):
    """The graph and the list of weights of an archive, as bytes."""
    buffer = io.BytesIO()
    torch.export.save(exported, buffer)
    archive = zipfile.ZipFile(buffer)
    read = lambda end: json.loads(next(archive.read(name) for name in archive.namelist() if name.endswith(end)))
    module = read("models/model.json")["graph_module"]
    listed = {**read("model_weights_config.json")["config"], **read("model_constants_config.json")["config"]}
    names = {}
    graph = trimmed(module["graph"], names)
    specs = [spec for spec in module["signature"]["input_specs"] if used(spec, names)]
    graph = {"graph_module": {"graph": graph, "signature": {"input_specs": renamed(specs, names)}}}
    files, config = [0, 6], {}
    for spec in specs:
        kind, spec = next(iter(spec.items()))
        name = spec.get("parameter_name") or spec.get("buffer_name") or spec.get("tensor_constant_name")
        if name:
            meta = listed[name]["tensor_meta"]
            is_whole = meta["dtype"] == WHOLE
            path = f"weight_{files[is_whole]}"
            files[is_whole] = min(files[is_whole] + 1, [5, 7][is_whole])
            meta = {key: meta[key] for key in ("dtype", "sizes", "strides")}
            config[name] = {"path_name": path, "tensor_meta": meta}
    compact = lambda value: json.dumps(value, separators=(",", ":")).encode()
    return compact(graph), compact({"config": config})


def trimmed(graph, names, is_inner=False):
    """A graph with short names and without what is not read."""
    nodes = []
    for node in graph["nodes"]:
        for argument in node["inputs"]:
            if "as_graph" in argument["arg"]:
                inner = argument["arg"]["as_graph"]
                argument["arg"] = {"as_graph": {"name": inner["name"], "graph": trimmed(inner["graph"], names, True)}}
        inputs = [{"name": i["name"], "arg": renamed(i["arg"], names)} for i in node["inputs"]]
        nodes.append({"target": node["target"], "inputs": inputs, "outputs": renamed(node["outputs"], names)})
    # One of them with its modules.
    stack = next((n["metadata"]["nn_module_stack"] for n in graph["nodes"] if "nn_module_stack" in n["metadata"]), None)
    if stack:
        nodes[0]["metadata"] = {"nn_module_stack": stack.replace("torch.nn.modules.", "").replace("__main__.", "")}
    if is_inner:
        return {"inputs": renamed(graph["inputs"], names), "nodes": nodes, "outputs": renamed(graph["outputs"], names)}
    # Weights come before it.
    image = graph["inputs"][-1]["as_tensor"]["name"]
    values = {names[image]: {"dtype": FLOAT, "sizes": graph["tensor_values"][image]["sizes"]}}
    return {"nodes": nodes, "outputs": renamed(graph["outputs"], names), "tensor_values": values}


def used(spec, names):
    """Whether an input of a graph is read by one of its nodes."""
    spec = next(iter(spec.values()))
    return (spec["arg"].get("name") or spec["arg"].get("as_tensor", {}).get("name")) in names


def renamed(value, names):
    """With a short name in the place of every value's own."""
    if isinstance(value, list):
        return [renamed(item, names) for item in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"name"}:
        return {"name": names.setdefault(value["name"], f"v{len(names)}")}
    return {key: renamed(item, names) for key, item in value.items() if key not in ("persistent",)}


def shorthand(text):
    """With `$name` for a tensor and `%1` for a number, as the target knows them."""
    text = text.replace(b"torch.ops.aten.", b"")
    text = re.sub(rb'{"as_tensor":{"name":"(\w+)"}}', rb"$\1", text)
    return re.sub(rb'{"as_int":(-?\d+)}', rb"%\1", text)


def archive(graph, weights):
    """A whole archive, with the same bytes every time."""
    buffer = io.BytesIO()
    files = {"archive_version": b"0", "models/model.json": graph, "data/weights/model_weights_config.json": weights}
    files |= {"data/weights/weight_0": bytes(144), "data/weights/weight_1": bytes(16)}
    with zipfile.ZipFile(buffer, "w") as out:
        for name, data in files.items():
            out.writestr(zipfile.ZipInfo(f"net/{name}"), data)
    return buffer.getvalue()


def write(target, name, data):
    folder = HERE / target
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(data)
    print(target, name, len(data))


def main():
    torch.manual_seed(0)
    for make in (Convolutions, Mobile, Tower, Table, Windows, Constants, Norms):
        network, image = make().eval(), torch.randn(1, 3, make.SIDE, make.SIDE)
        graph, weights = short(torch.export.export(network, (image,)))
        write("pt2_graph", f"ok-{make.__name__.lower()}", shorthand(weights) + b"\n" + shorthand(graph))
        buffer = io.BytesIO()
        torch.onnx.export(network, (image,), buffer, dynamo=False, opset_version=17)
        model = onnx.load_from_string(buffer.getvalue())
        del model.graph.value_info[:]
        if len(model.SerializeToString()) < 4096:
            write("onnx", f"ok-{make.__name__.lower()}", model.SerializeToString(deterministic=True))
    network = nn.Sequential(nn.Conv2d(3, 4, (1, 3)), nn.ReLU()).eval()
    write("pt2", "ok-convolution", archive(*short(torch.export.export(network, (torch.randn(1, 3, 4, 4),)))))


if __name__ == "__main__":
    main()
