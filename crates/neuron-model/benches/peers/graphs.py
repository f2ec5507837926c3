"""Networks as the bench describes them, with random weights, which change no time, as ONNX models.

A description is a line for each operation, in order: `KIND input,input key=value ...`. The first is the image; an operation's
number is that of its line. ONNX has channels first. What works at every position by its channels (layer norms, fully connected
layers) is put between transpositions, as exporters write it.
"""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

FIRST, LAST = "channels first", "channels last"


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
        if self.layouts[index] == layout or self.sizes[index] is None:
            return self.names[index]
        order = [0, 2, 3, 1] if layout == LAST else [0, 3, 1, 2]
        return self.node("Transpose", [self.names[index]], perm=order)

    def add(self, kind, inputs, options):
        layout, channels, size = FIRST, self.channels[inputs[0]], self.sizes[inputs[0]]
        if "shape" in options:
            channels, height, width = map(int, options["shape"].split("x"))
            size = None if size is None else [height, width]
        window = {}
        if "kernel" in options:
            kernel, stride, padding = (pair(options[key]) for key in ("kernel", "stride", "padding"))
            window = dict(kernel_shape=kernel, strides=stride, pads=padding * 2)
        operation = kind
        x = None if kind in ("LayerNorm", "Linear", "Activation", "Relu", "Add") else self.value(inputs[0])
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
            name = self.node("Concat", [self.value(index) for index in inputs], axis=1)
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
            layout = LAST
            operands = [self.constant(np.ones(channels)), self.constant(np.zeros(channels))]
            x = self.value(inputs[0], LAST)
            name = self.node("LayerNormalization", [x, *operands], axis=-1, epsilon=float(options["eps"]))
        elif kind == "Linear":
            inner, bias = self.channels[inputs[0]], self.constant(np.zeros(channels))
            if size is None or size == [1, 1]:
                x = self.node("Flatten", [self.value(inputs[0])]) if size else self.names[inputs[0]]
                name, size = self.node("Gemm", [x, self.weight(channels, inner), bias], transB=1), None
            else:
                layout = LAST
                x = self.value(inputs[0], LAST)
                name = self.node("Add", [self.node("MatMul", [x, self.weight(inner, channels)]), bias])
        else:
            raise ValueError(f"no ONNX operation is known for {kind}")
        self.names.append(name)
        self.layouts.append(layout)
        self.channels.append(channels)
        self.sizes.append(size)

    def activation(self, function, x):
        if function == "Relu6":
            bounds = [self.constant(number) for number in (0.0, 6.0)]
            return self.node("Clip", [x, *bounds])
        if function == "Silu":
            return self.node("Mul", [x, self.node("Sigmoid", [x])])
        if function == "HardSigmoid":
            return self.node("HardSigmoid", [x], alpha=1 / 6, beta=0.5)
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
