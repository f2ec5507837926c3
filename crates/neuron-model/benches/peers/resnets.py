"""Residual networks with random weights, which change no time, as ONNX models."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

# Blocks of each layer, channels of the first layer's 3x3 convolutions, groups, and what a block's output is wider by.
# A `-v1` has the strides in its 1x1 convolutions.
NETWORKS = {
    "resnet18": ([2, 2, 2, 2], 64, 1, 1),
    "resnet50": ([3, 4, 6, 3], 64, 1, 4),
    "resnet50-v1": ([3, 4, 6, 3], 64, 1, 4),
    "resnext50_32x4d": ([3, 4, 6, 3], 128, 32, 4),
}


class Graph:
    """An ONNX graph that grows by layers, with batch norms as every exporter writes them."""

    def __init__(self):
        self.nodes, self.weights, self.random = [], [], np.random.default_rng(0)

    def node(self, operation, inputs, **attributes):
        output = f"{operation}{len(self.nodes)}"
        self.nodes.append(helper.make_node(operation, inputs, [output], **attributes))
        return output

    def weight(self, values):
        name = f"weight{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(values.astype(np.float32), name))
        return name

    def convolution(self, x, channels, kernel, stride=1, groups=1, relu=True):
        inputs, outputs = channels
        scale = (2 / (inputs // groups * kernel * kernel)) ** 0.5
        weight = self.random.standard_normal((outputs, inputs // groups, kernel, kernel)) * scale
        attributes = dict(kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[kernel // 2] * 4, group=groups)
        x = self.node("Conv", [x, self.weight(weight)], **attributes)
        one, zero = np.ones(outputs), np.zeros(outputs)
        norm = [self.weight(values) for values in (one, zero, zero, one)]
        x = self.node("BatchNormalization", [x, *norm], epsilon=1e-5)
        return self.node("Relu", [x]) if relu else x


def network(name, batch, size):
    """The serialised model, from `input` to layer4."""
    depths, first_width, groups, expansion = NETWORKS[name]
    graph = Graph()
    x = graph.convolution("input", (3, 64), 7, stride=2)
    x = graph.node("MaxPool", [x], kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    inputs = 64
    for layer, depth in enumerate(depths):
        width, outputs = first_width << layer, (64 << layer) * expansion
        for index in range(depth):
            stride = 2 if layer > 0 and index == 0 else 1
            if expansion == 1:
                y = graph.convolution(x, (inputs, width), 3, stride)
                y = graph.convolution(y, (width, outputs), 3, relu=False)
            else:
                first, second = (stride, 1) if name.endswith("-v1") else (1, stride)
                y = graph.convolution(x, (inputs, width), 1, first)
                y = graph.convolution(y, (width, width), 3, second, groups)
                y = graph.convolution(y, (width, outputs), 1, relu=False)
            shortcut = x
            if stride != 1 or inputs != outputs:
                shortcut = graph.convolution(x, (inputs, outputs), 1, stride, relu=False)
            x = graph.node("Relu", [graph.node("Add", [y, shortcut])])
            inputs = outputs
    side = -(-size // 32)
    ends = [
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [batch, 3, size, size])],
        [helper.make_tensor_value_info(x, TensorProto.FLOAT, [batch, inputs, side, side])],
    ]
    model = helper.make_graph(graph.nodes, name, *ends, graph.weights)
    return helper.make_model(model, opset_imports=[helper.make_opsetid("", 13)], ir_version=8).SerializeToString()
