"""Turns trained weights into what is shipped: `python -m training.export WEIGHTS DATA OUT`."""

import argparse
import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import nn

from training.autoencoder import WIDTHS, Autoencoder
from training.flow import LATENT, SIZES, TEXT, Flow
from training.lexicon import write_lexicon
from training.sprites import STYLES
from training.weights import load_weights

OPSET = 18
STEPS, GUIDANCE, GUIDED_UNTIL, START = 8, 1.5, 0.8, 0.75
FLOW_INPUTS = ("z", "t", "text", "style")


class Decoder(nn.Module):
    """Latent [n,12,16,16] -> premultiplied RGBA [n,4,128,128] in 0..1."""

    def __init__(self, autoencoder: Autoencoder) -> None:
        super().__init__()
        self.autoencoder = autoencoder

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return self.autoencoder.decode(z).clamp(0, 1)


class Encoder(Decoder):
    """Premultiplied RGBA [n,4,128,128] in 0..1 -> latent [n,12,16,16]."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.autoencoder.encode(x)


def session(path: Path, threads: int = 2) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def to_onnx(
    model: nn.Module,
    arguments: tuple[torch.Tensor, ...],
    inputs: tuple[str, ...],
    output: str,
    path: Path,
    allowed: float = 2e-3,
) -> None:
    """Exports with a free batch size and compares both runtimes at two batch sizes."""
    model.eval()  # the exporter puts a model back into the mode it found it in
    free = {name: {0: "n"} for name in (*inputs, output)}
    torch.onnx.export(
        model,
        arguments,
        str(path),
        input_names=list(inputs),
        output_names=[output],
        opset_version=OPSET,
        dynamo=False,
        dynamic_axes=free,
    )
    runtime = session(path)
    for n in (len(arguments[0]), 1):
        part = [a[:n] for a in arguments]
        with torch.no_grad():
            wanted = model(*part).numpy()
        got = runtime.run(None, {k: v.numpy() for k, v in zip(inputs, part, strict=True)})[0]
        error = float(np.abs(wanted - got).max() / max(1.0, wanted.std()))
        print(f"{path.name}: batch {n}, largest difference from torch {error:.1e}")
        if not error < allowed:
            raise RuntimeError(f"{path.name} does not agree with torch")


def halve(source: Path, target: Path) -> None:
    """Stores large weights as fp16, cast back on load: half the file, the same arithmetic."""
    model = onnx.load(str(source))
    graph, casts = model.graph, []
    for tensor in graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT and np.prod(tensor.dims) > 1024:
            name, values = tensor.name, onnx.numpy_helper.to_array(tensor)
            tensor.CopyFrom(onnx.numpy_helper.from_array(values.astype(np.float16), name + "_half"))
            casts.append(
                onnx.helper.make_node("Cast", [name + "_half"], [name], to=onnx.TensorProto.FLOAT)
            )
    save_before(model, casts, target)


def quarter(source: Path, target: Path) -> None:
    """Stores matrices and kernels as int8 with a scale for each output, multiplied out on load."""
    model = onnx.load(str(source))
    graph, factors = model.graph, []
    first = {node.input[1] for node in graph.node if node.op_type in ("Conv", "Gemm")}
    for tensor in graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.ndim < 2 or values.size <= 1024:
            continue
        name, axis = tensor.name, 0 if tensor.name in first else values.ndim - 1
        others = tuple(k for k in range(values.ndim) if k != axis)
        scale = np.maximum(np.abs(values).max(others), 1e-8) / 127
        steps = values / np.expand_dims(scale, others)
        tensor.CopyFrom(
            onnx.numpy_helper.from_array(np.rint(steps).astype(np.int8), name + "_steps")
        )
        graph.initializer.append(
            onnx.numpy_helper.from_array(scale.astype(np.float32), name + "_scale")
        )
        parts = [name + "_steps", name + "_scale"]
        factors.append(onnx.helper.make_node("DequantizeLinear", parts, [name], axis=axis))
    save_before(model, factors, target)


def save_before(model: onnx.ModelProto, nodes: list[onnx.NodeProto], target: Path) -> None:
    """The model with these nodes ahead of its own."""
    following = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*nodes, *following])
    onnx.save(model, str(target))


def load_nets(weights: Path, nets: str) -> tuple[Autoencoder, Flow]:
    autoencoder = Autoencoder(WIDTHS[nets])
    flow = Flow(SIZES[nets], len(STYLES))
    load_weights(autoencoder, weights, "autoencoder")
    load_weights(flow, weights, "flow")
    return autoencoder.eval(), flow.eval()


def export(weights: Path, out: Path, nets: str) -> None:
    autoencoder, flow = load_nets(weights, nets)
    z = torch.randn(3, *LATENT)
    text = nn.functional.normalize(torch.randn(3, TEXT), dim=-1)
    conditions = (torch.rand(3), text, torch.tensor([0, 1, 2]))
    whole = out / "whole"
    whole.mkdir(parents=True, exist_ok=True)
    to_onnx(flow, (z, *conditions), FLOW_INPUTS, "v", whole / "flow.onnx")
    to_onnx(Decoder(autoencoder), (z,), ("z",), "x", whole / "decoder.onnx")
    to_onnx(
        Encoder(autoencoder), (torch.rand(3, 4, 128, 128),), ("x",), "z", whole / "encoder.onnx"
    )
    quarter(whole / "flow.onnx", out / "flow.onnx")
    for name in ("decoder", "encoder"):
        halve(whole / f"{name}.onnx", out / f"{name}.onnx")


def recipe(out: Path) -> None:
    """model.json: what the runtime has to know of the nets beside it."""
    described = {
        "name": "mini-2",
        "licence": "Apache-2.0",
        "flow": "flow.onnx",
        "decoder": "decoder.onnx",
        "memory": "memory.npy",
        "lexicon": "lexicon.npz",
        "styles": STYLES,
        "steps": STEPS,
        "guidance": GUIDANCE,
        "guided_until": GUIDED_UNTIL,
        "start": START,
    }
    (out / "model.json").write_text(json.dumps(described, indent=2) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", type=Path, help="autoencoder.00, flow.00 ..., memory.npz")
    parser.add_argument("data", type=Path, help="the archive that training.data built")
    parser.add_argument("out", type=Path)
    parser.add_argument("--nets", choices=SIZES, default="cpu")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    export(args.weights, args.out, args.nets)
    write_lexicon(args.data, args.weights / "memory.npz", args.out)
    recipe(args.out)
    for path in sorted(args.out.glob("*.*")):
        print(f"{path.name} {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
