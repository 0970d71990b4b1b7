"""Turns trained weights into what is shipped: `python -m training.export WEIGHTS DATA OUT`."""

import argparse
import json
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from torch import nn

from training import colours
from training.autoencoder import WIDTHS, Autoencoder
from training.captions import unit
from training.flow import LATENT, SIZES, TEXT, Flow, times
from training.sheets import save_sheet
from training.sprites import STYLES, on_white
from training.weights import load_weights

OPSET = 18
FLOW_INPUTS = ("z", "t", "text", "colour", "style")


class Decoder(nn.Module):
    """Latent [n,24,16,16] -> premultiplied RGBA [n,4,256,256] in 0..1."""

    def __init__(self, autoencoder: Autoencoder) -> None:
        super().__init__()
        self.autoencoder = autoencoder

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return self.autoencoder.decode(z).clamp(0, 1)


class Encoder(Decoder):
    """Premultiplied RGBA [n,4,256,256] in 0..1 -> latent [n,24,16,16]."""

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
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.save(model, str(target))


def load_nets(weights: Path, nets: str) -> tuple[Autoencoder, Flow]:
    autoencoder = Autoencoder(WIDTHS[nets])
    flow = Flow(SIZES[nets], colours.COUNT, len(STYLES))
    load_weights(autoencoder, weights, "autoencoder")
    load_weights(flow, weights, "flow")
    return autoencoder.eval(), flow.eval()


def export(weights: Path, out: Path, nets: str, signed: bool) -> None:
    autoencoder, flow = load_nets(weights, nets)
    z = torch.randn(3, *LATENT)
    text = nn.functional.normalize(torch.randn(3, TEXT), dim=-1)
    conditions = (torch.rand(3), text, torch.tensor([0, 1, 5]), torch.tensor([0, 1, 2]))
    whole = out / "whole"
    whole.mkdir(parents=True, exist_ok=True)
    to_onnx(flow, (z, *conditions), FLOW_INPUTS, "v", whole / "flow.onnx")
    to_onnx(Decoder(autoencoder), (z,), ("z",), "x", whole / "decoder.onnx")
    to_onnx(
        Encoder(autoencoder), (torch.rand(3, 4, 256, 256),), ("x",), "z", whole / "encoder.onnx"
    )
    # On processors without VNNI signed weights would overflow 16 bits and spoil the picture.
    kind = QuantType.QInt8 if signed else QuantType.QUInt8
    quantize_dynamic(
        str(whole / "flow.onnx"), str(out / "flow.onnx"), weight_type=kind, per_channel=True
    )
    for name in ("decoder", "encoder"):
        halve(whole / f"{name}.onnx", out / f"{name}.onnx")


def write_lexicon(data: Path, out: Path) -> None:
    """Names, tags and caption vectors of every concept, and which concept a word calls first."""
    captions = np.load(data / "captions.npz")
    concepts = json.loads(str(captions["concepts"]))
    ranks: dict[str, tuple] = {}
    for k, concept in enumerate(concepts):
        for name, tags in (
            (concept["english"], concept["english_tags"]),
            (concept["korean"], concept["korean_tags"]),
        ):
            for word in [name, *tags]:
                _rank(ranks, word.lower(), name.lower(), concept["group"], k)
    rows = np.unique(captions["deck"])
    owner = np.zeros(len(captions["vectors"]), np.int32)
    for k, deck in enumerate(captions["deck"]):
        owner[deck] = k
    np.savez_compressed(
        out / "lexicon.npz",
        vectors=captions["vectors"][rows],
        owner=owner[rows],
        name_rows=np.searchsorted(rows, captions["deck"][:, 0]),
        recolours=captions["recolours"],
        concepts=json.dumps(concepts, ensure_ascii=False),
        styles=json.dumps(STYLES),
        words=json.dumps({word: rank[-1] for word, rank in ranks.items()}, ensure_ascii=False),
        colours=json.dumps(
            {n: {"id": colours.IDS[n], "korean": c.korean} for n, c in colours.COLOURS.items()},
            ensure_ascii=False,
        ),
    )


def _rank(ranks: dict[str, tuple], word: str, name: str, group: int, k: int) -> None:
    """A name beats a tag, and a short name a long one."""
    if not word:
        return
    rank = (
        word != name,
        not name.startswith(word),
        word not in name,
        group in (0, 1),
        len(name),
        k,
    )
    if word not in ranks or rank < ranks[word]:
        ranks[word] = rank


class Sampler:
    """The shipped nets, called as the runtime calls them."""

    def __init__(self, folder: Path) -> None:
        self.flow, self.decoder = session(folder / "flow.onnx"), session(folder / "decoder.onnx")

    def __call__(
        self,
        noise: np.ndarray,
        text: np.ndarray,
        colour: np.ndarray,
        style: np.ndarray,
        steps: int = 12,
        guidance: float = 3.0,
        until: float = 0.7,
    ) -> np.ndarray:
        """noise [n,24,16,16], text [n,512], colour and style [n] int64 -> [n,4,256,256]."""
        z, n, schedule = noise, len(noise), times(steps).tolist()
        for now, after in pairwise(schedule):
            guided = guidance != 1 and now < until
            v = (
                self.velocity(
                    now,
                    *(
                        np.concatenate(pair)
                        for pair in ((z, z), (text, 0 * text), (colour, 0 * colour), (style, style))
                    ),
                )
                if guided
                else self.velocity(now, z, text, colour, style)
            )
            v = v[n:] + guidance * (v[:n] - v[n:]) if guided else v
            z = (z + (after - now) * v).astype(np.float32)
        return self.decoder.run(None, {"z": z})[0]

    def velocity(
        self, t: float, z: np.ndarray, text: np.ndarray, colour: np.ndarray, style: np.ndarray
    ) -> np.ndarray:
        times_now = np.full(len(z), t, np.float32)
        return self.flow.run(
            None, dict(zip(FLOW_INPUTS, (z, times_now, text, colour, style), strict=True))
        )[0]


def draw_sheet(folder: Path, data: Path, count: int) -> None:
    captions = np.load(data / "captions.npz")
    prompts, vectors = (
        json.loads(str(captions["prompts"]))[:count],
        unit(captions["prompt_vectors"]),
    )
    sampler, pictures, start = Sampler(folder), [], time.monotonic()
    for k, prompt in enumerate(prompts):
        noise = np.random.default_rng(k).standard_normal((1, *LATENT)).astype(np.float32)
        ids = (np.array([prompt["colour"]]), np.array([prompt["style"]]))
        pictures.append(sampler(noise, vectors[k : k + 1], *ids))
    print(f"{(time.monotonic() - start) / len(prompts):.2f} s per picture")
    images = on_white(torch.from_numpy(np.concatenate(pictures)))
    save_sheet(folder / "sheet.jpg", images, [p["label"] for p in prompts], 10)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", type=Path, help="folder with autoencoder.00 and flow.00 ...")
    parser.add_argument("data", type=Path, help="the archive that training.data built")
    parser.add_argument("out", type=Path)
    parser.add_argument("--nets", choices=SIZES, default="full")
    parser.add_argument(
        "--signed", action="store_true", help="faster on VNNI processors, wrong on older ones"
    )
    parser.add_argument("--prompts", type=int, default=64, help="pictures on the sheet")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    export(args.weights, args.out, args.nets, args.signed)
    write_lexicon(args.data, args.out)
    draw_sheet(args.out, args.data, args.prompts)
    draw_sheet(args.out / "whole", args.data, min(20, args.prompts))
    for path in sorted(args.out.glob("*.*")):
        print(f"{path.name} {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
