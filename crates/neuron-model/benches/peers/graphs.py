"""Networks as the bench describes them, with random weights, which change no time, as ONNX models.

A description is a line for each operation, in order: `KIND input,input key=value ...`. The first is the image; an operation's
number is that of its line. ONNX has channels first. What works at every position by its channels (layer norms, fully connected
layers) is put between transpositions, and attention is spelled out, as exporters write it.
"""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

FIRST, LAST, TOKENS = "channels first", "channels last", "tokens"


def pair(text):
    return [int(number) for number in text.split("x")]


class Model:
    """An ONNX graph that grows operation by operation."""

    def __init__(self, batch, size):
        self.nodes, self.weights, self.random = [], [], np.random.default_rng(0)
        self.batch, self.names, self.layouts, self.channels, self.sizes = batch, [], [], [], []
        self.names.append("input")
        self.layouts.append(FIRST)
        self.channels.append(3)
        self.sizes.append([size, size])

    def node(self, operation, inputs, **attributes):
        output = f"{operation}{len(self.nodes)}"
        self.nodes.append(helper.make_node(operation, inputs, [output], **attributes))
        return output

    def constant(self, values, dtype=np.float32):
        name = f"constant{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def weight(self, *shape):
        scale = (2 / np.prod(shape[1:])) ** 0.5
        return self.constant(self.random.standard_normal(shape) * scale)

    def value(self, index, layout=FIRST):
        """The name of a value in a layout."""
        if self.layouts[index] in (layout, TOKENS) or self.sizes[index] is None:
            return self.names[index]
        order = [0, 2, 3, 1] if layout == LAST else [0, 3, 1, 2]
        return self.node("Transpose", [self.names[index]], perm=order)

    def add(self, kind, inputs, options):
        layout, channels, size = FIRST, self.channels[inputs[0]], self.sizes[inputs[0]]
        is_tokens = self.layouts[inputs[0]] == TOKENS
        if "shape" in options:
            channels, height, width = map(int, options["shape"].split("x"))
            size = None if size is None else [height, width]
        window = {}
        if "kernel" in options:
            kernel, stride, padding = (pair(options[key]) for key in ("kernel", "stride", "padding"))
            window = dict(kernel_shape=kernel, strides=stride, pads=padding * 2)
        operation = kind
        x = None if kind in ("LayerNorm", "Linear", "Activation", "Relu", "Add", "PatchMerging", "Attention") else self.value(inputs[0])
        if kind == "Convolution":
            groups, inner = int(options["groups"]), self.channels[inputs[0]]
            operands = [x, self.weight(channels, inner // groups, *window["kernel_shape"])]
            if options["bias"] == "true":
                operands.append(self.constant(np.zeros(channels)))
            name = self.node("Conv", operands, group=groups, dilations=pair(options["dilation"]), **window)
        elif kind == "BatchNorm":
            one, zero = np.ones(channels), np.zeros(channels)
            norm = [self.constant(values) for values in (one, zero, zero, one)]
            name = self.node("BatchNormalization", [x, *norm], epsilon=float(options["eps"]))
        elif kind in ("Relu", "Activation"):
            layout = self.layouts[inputs[0]]
            name = self.activation(options.get("function", "Relu"), self.names[inputs[0]])
        elif kind == "MaxPool":
            name = self.node("MaxPool", [x], ceil_mode=int(options["ceil"] == "true"), **window)
        elif kind == "AveragePool":
            counted = int(options["padded"] == "true")
            name = self.node("AveragePool", [x], ceil_mode=int(options["ceil"] == "true"), count_include_pad=counted, **window)
        elif kind == "AdaptiveAveragePool":
            inner = self.sizes[inputs[0]]
            assert all(n % m == 0 for n, m in zip(inner, size)), "bins of one size"
            kernel = [n // m for n, m in zip(inner, size)]
            name = self.node("AveragePool", [x], kernel_shape=kernel, strides=kernel)
        elif kind == "Add":
            layout = self.layouts[inputs[0]]
            name = self.node("Add", [self.value(index, layout) for index in inputs])
        elif kind == "GlobalAveragePool":
            name = self.node("GlobalAveragePool", [x])
        elif kind == "Flatten":
            name, size = self.node("Flatten", [x]), None
        elif kind == "Concatenation":
            layout = TOKENS if is_tokens else FIRST
            name = self.node("Concat", [self.value(index) for index in inputs], axis=2 if is_tokens else 1)
        elif kind == "ChannelSlice":
            first, count = int(options["first"]), int(options["count"])
            bounds = [self.constant([number], np.int64) for number in (first, first + count, 1)]
            name = self.node("Slice", [x, *bounds])
        elif kind == "ChannelShuffle":
            groups = int(options["groups"])
            apart = self.constant([self.batch, groups, channels // groups, *size], np.int64)
            together = self.constant([self.batch, channels, *size], np.int64)
            name = self.node("Transpose", [self.node("Reshape", [x, apart])], perm=[0, 2, 1, 3, 4])
            name = self.node("Reshape", [name, together])
        elif kind == "Gate":
            name = self.node("Mul", [x, self.value(inputs[1])])
        elif kind == "LayerScale":
            name = self.node("Mul", [x, self.constant(np.ones((channels, 1, 1)))])
        elif kind == "Rescale":
            factor, term = (self.constant(np.full((3, 1, 1), number)) for number in (0.5, -0.1))
            name = self.node("Add", [self.node("Mul", [x, factor]), term])
        elif kind == "LayerNorm":
            layout = TOKENS if is_tokens else LAST
            operands = [self.constant(np.ones(channels)), self.constant(np.zeros(channels))]
            x = self.value(inputs[0], LAST)
            name = self.node("LayerNormalization", [x, *operands], axis=-1, epsilon=float(options["eps"]))
        elif kind == "Linear":
            inner, bias = self.channels[inputs[0]], self.constant(np.zeros(channels))
            if size is None or (size == [1, 1] and not is_tokens):
                x = self.node("Flatten", [self.value(inputs[0])]) if size else self.names[inputs[0]]
                name, size = self.node("Gemm", [x, self.weight(channels, inner), bias], transB=1), None
            else:
                layout = TOKENS if is_tokens else LAST
                x = self.value(inputs[0], LAST)
                name = self.node("Add", [self.node("MatMul", [x, self.weight(inner, channels)]), bias])
        elif kind == "TokenInsertion":
            layout, count = TOKENS, int(options["extra"])
            flat = self.constant([self.batch, channels, size[0] * size[1]], np.int64)
            x = self.node("Transpose", [self.node("Reshape", [x, flat])], perm=[0, 2, 1])
            token = self.constant(self.random.standard_normal((self.batch, count, channels)))
            name = self.node("Concat", [token, x], axis=1)
        elif kind == "PositionTable":
            layout, positions = TOKENS, int(options["extra"]) + size[0] * size[1]
            name = self.node("Add", [x, self.constant(self.random.standard_normal((1, positions, channels)))])
        elif kind == "TokenSelection":
            name, size = self.node("Gather", [x, self.constant(int(options["position"]), np.int64)], axis=1), None
        elif kind == "PatchMerging":
            layout, x = LAST, self.value(inputs[0], LAST)
            axes, steps = self.constant([1, 2], np.int64), self.constant([2, 2], np.int64)
            ends = self.constant(self.sizes[inputs[0]], np.int64)
            starts = [self.constant(start, np.int64) for start in ([0, 0], [1, 0], [0, 1], [1, 1])]
            parts = [self.node("Slice", [x, start, ends, axes, steps]) for start in starts]
            name = self.node("Concat", parts, axis=3)
        elif kind == "Attention":
            layout = TOKENS if is_tokens else LAST
            positions = int(options["extra"]) + size[0] * size[1]
            name = self.attention(self.value(inputs[0], LAST), channels, (size, positions), options)
        else:
            raise ValueError(f"no ONNX operation is known for {kind}")
        self.names.append(name)
        self.layouts.append(layout)
        self.channels.append(channels)
        self.sizes.append(size)

    def reshape(self, x, *shape):
        return self.node("Reshape", [x, self.constant(shape, np.int64)])

    def rolled(self, x, shift):
        """Moved up and left round the edges."""
        for axis in (1, 2):
            bounds = [self.constant([number], np.int64) for number in (0, shift, 2**31, axis)]
            tail, head = ([bounds[1], bounds[2]], [bounds[0], bounds[1]])
            parts = [self.node("Slice", [x, *part, bounds[3]]) for part in (tail, head)]
            x = self.node("Concat", parts, axis=axis)
        return x

    def attention(self, x, channels, place, options):
        """Of queries, keys and values in one map: all positions, or windows of it."""
        (height, width), positions = place
        heads, side, shift = (int(options[key]) for key in ("heads", "side", "shift"))
        length, inner = (positions, channels // heads) if options["reach"] == "all" else (side * side, channels // heads)
        groups, down, right = self.batch, 1, 1
        if options["reach"] != "all":
            assert height % side == 0 and width % side == 0, "whole windows"
            down, right = height // side, width // side
            shift = shift if down > 1 else 0
            x = self.rolled(x, shift) if shift else x
            shape = [down, side, right, side] if options["reach"] == "windows" else [side, down, side, right]
            order = [0, 1, 3, 2, 4, 5] if options["reach"] == "windows" else [0, 2, 4, 1, 3, 5]
            x = self.node("Transpose", [self.reshape(x, self.batch, *shape, 3 * channels)], perm=order)
            groups = self.batch * down * right
        x = self.node("Transpose", [self.reshape(x, groups, length, 3, heads, inner)], perm=[2, 0, 3, 1, 4])
        parts = [self.node("Gather", [x, self.constant(third, np.int64)], axis=0) for third in range(3)]
        query = self.node("Mul", [parts[0], self.constant(inner**-0.5)])
        similar = self.node("MatMul", [query, self.node("Transpose", [parts[1]], perm=[0, 1, 3, 2])])
        if options["reach"] != "all":
            similar = self.node("Add", [similar, self.constant(np.zeros((1, heads, length, length)))])
        if shift:
            windows = self.reshape(similar, self.batch, down * right, heads, length, length)
            windows = self.node("Add", [windows, self.constant(np.zeros((1, down * right, 1, length, length)))])
            similar = self.reshape(windows, groups, heads, length, length)
        mixed = self.node("MatMul", [self.node("Softmax", [similar], axis=-1), parts[2]])
        mixed = self.node("Transpose", [mixed], perm=[0, 2, 1, 3])
        if options["reach"] == "all":
            return self.reshape(mixed, self.batch, positions, channels)
        order = [0, 1, 3, 2, 4, 5] if options["reach"] == "windows" else [0, 3, 1, 4, 2, 5]
        mixed = self.reshape(mixed, self.batch, down, right, side, side, channels)
        mixed = self.reshape(self.node("Transpose", [mixed], perm=order), self.batch, height, width, channels)
        return self.rolled(mixed, height - shift) if shift else mixed

    def activation(self, function, x):
        if function == "Relu6":
            bounds = [self.constant(number) for number in (0.0, 6.0)]
            return self.node("Clip", [x, *bounds])
        if function == "Silu":
            return self.node("Mul", [x, self.node("Sigmoid", [x])])
        if function == "HardSigmoid":
            return self.node("HardSigmoid", [x], alpha=1 / 6, beta=0.5)
        if function == "QuickGelu":
            return self.node("Mul", [x, self.node("Sigmoid", [self.node("Mul", [x, self.constant(1.702)])])])
        return self.node(function, [x])


def network(path, batch, size):
    """The serialised model of the description at `path`."""
    with open(path) as file:
        lines = file.read().splitlines()
    model = Model(batch, size)
    for line in lines[1:]:
        kind, inputs, *options = line.split(" ")
        model.add(kind, [int(index) for index in inputs.split(",")], dict(option.split("=") for option in options))
    ends = [
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [batch, 3, size, size])],
        [helper.make_empty_tensor_value_info(model.names[-1])],
    ]
    graph = helper.make_graph(model.nodes, "network", *ends, model.weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9).SerializeToString()
