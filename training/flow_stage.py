"""Second stage: latents of every sprite, and the flow that learns to draw them."""

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from training import colours
from training.autoencoder import Autoencoder
from training.captions import unit
from training.flow import LATENT, SIZES, Flow, flow_loss, sample
from training.sheets import save_sheet
from training.sprites import HOUSE, STYLES, Sprites, edge_energy, moved, on_white
from training.steady import Average, Rescue, late_fall, set_rate
from training.weights import save_weights

if TYPE_CHECKING:
    from training.train import Run

RATE, WARM_STEPS = 1e-3, 300
RESERVE_SECONDS = 40  # for saving, sheets and metrics at the end
HOUSE_WEIGHT = 4.0  # a sprite of the house style is drawn this much more often
JITTER = 0.3  # noise on a sentence vector, relative to its own length, at most
SILENT = 0.12
MEMORY_STEP = 1 / 12  # of a latent of unit variance; the decoder bears far more noise than that
STARTS = (0.0, 0.2, 0.35, 0.5)  # on the sheet: how much of the remembered drawing is kept


@dataclass(frozen=True)
class Latents:
    """values [n,12,16,16] half; per sprite its first row and its number of rows.

    The first row of a sprite is the sprite as it is: what the runtime remembers.
    """

    values: torch.Tensor
    first: torch.Tensor
    count: torch.Tensor


class Words:
    """Caption vectors and the tables that say which captions a concept may be called by."""

    def __init__(self, run: "Run") -> None:
        data = np.load(run.data / "captions.npz")
        self.vectors = torch.from_numpy(unit(data["vectors"])).to(run.device)
        self.deck = torch.from_numpy(data["deck"]).long().to(run.device)
        self.prompts = json.loads(str(data["prompts"]))
        self.prompt_vectors = torch.from_numpy(unit(data["prompt_vectors"])).to(run.device)
        self.names = [c["english"] for c in json.loads(str(data["concepts"]))]


def go_on(
    run: "Run",
    sprites: Sprites,
    autoencoder: Autoencoder,
    words: Words,
    latents: Latents,
    finish: bool,
) -> None:
    model = train(run, Draw(run, sprites, latents, words), finish)
    save_weights(model, run.out, "flow")
    run.say("weights saved")
    show(run, model, autoencoder, sprites, words, latents)


def obtain_latents(run: "Run", sprites: Sprites, autoencoder: Autoencoder, keep: bool) -> Latents:
    """The latents in the state folder, and those of the sprites that came after them."""
    kept = run.state / "latents.pt"
    known = Latents(*(t.to(run.device) for t in torch.load(kept))) if kept.exists() else None
    if known and len(known.first) == len(sprites):
        run.say("latents taken from the state folder")
        return known
    latents = encode_all(run, sprites, autoencoder, len(known.first) if known else 0)
    if known:
        latents = Latents(
            torch.cat([known.values, latents.values]),
            torch.cat([known.first, latents.first + len(known.values)]),
            torch.cat([known.count, latents.count]),
        )
    if keep:
        torch.save((latents.values, latents.first, latents.count), kept)
    return latents


def remember(run: "Run", sprites: Sprites, latents: Latents) -> None:
    """memory.npz: the latent of every sprite as it is, in int8, for the runtime."""
    drawn = sprites.pixels.flatten(1).amax(1) > 0  # what could not be drawn is left out
    values = latents.values[latents.first[drawn.to(run.device)]].float().cpu().numpy()
    for folder in (run.state, run.out):
        np.savez_compressed(
            folder / "memory.npz",
            latents=np.clip(np.rint(values / MEMORY_STEP), -127, 127).astype(np.int8),
            step=np.float32(MEMORY_STEP),
            concept=sprites.concept[drawn].numpy(),
            style=sprites.style[drawn].numpy(),
        )
    run.say(f"memory written: {len(values)} drawings")


@torch.no_grad()
def encode_all(run: "Run", sprites: Sprites, autoencoder: Autoencoder, since: int = 0) -> Latents:
    """Of the sprites from number `since` on. A first copy is as it is, the others are moved."""
    pixels, size, said = sprites.pixels[since:].to(run.device), run.preset.latent_batch, 0.0
    house, others = run.preset.copies
    count = torch.where(sprites.style[since:] == HOUSE, house, others)
    first = count.cumsum(0) - count
    values = torch.empty(int(count.sum()), *LATENT, dtype=torch.half, device=run.device)
    for copy in range(max(house, others)):
        picks = torch.nonzero(count > copy)[:, 0]
        for part in picks.split(size):
            x = pixels[part.to(run.device)].float() / 255
            x = moved(x) if copy else x
            with run.cast():
                z = autoencoder.encode(x.contiguous(memory_format=torch.channels_last))
            values[(first[part] + copy).to(run.device)] = z.half()
            if time.monotonic() - said > 5:
                said = time.monotonic()
                run.say(f"latents: copy {copy + 1}, sprite {int(part[0])}")
    run.say(f"{len(values)} latents")
    return Latents(values, first.to(run.device), count.to(run.device))


class Draw:
    """Random batches: latent, sentence vector and style id, some of them left unsaid."""

    def __init__(self, run: "Run", sprites: Sprites, latents: Latents, words: Words) -> None:
        self.device, self.latents, self.words = run.device, latents, words
        self.concept, self.style = (
            sprites.concept.long().to(run.device),
            sprites.style.long().to(run.device),
        )
        self.weight = torch.where(self.style == HOUSE, HOUSE_WEIGHT, 1.0)

    def batch(self, n: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        sprite = torch.multinomial(self.weight, n, replacement=True)
        copy = (torch.rand(n, device=self.device) * self.latents.count[sprite]).long()
        z = self.latents.values[self.latents.first[sprite] + copy].float()
        z = torch.where(self._chance(n, 0.5)[:, None, None, None], z.flip(-1), z)
        slot = torch.randint(self.words.deck.shape[1], (n,), device=self.device)
        text = self.words.vectors[self.words.deck[self.concept[sprite], slot]]
        noise = torch.randn_like(text) * text.shape[1] ** -0.5
        text = nn.functional.normalize(
            text + JITTER * torch.rand(n, 1, device=self.device) * noise, dim=-1
        )
        text = text * ~self._chance(n, SILENT)[:, None]
        return z, text, torch.where(self._chance(n, 0.12), 0, self.style[sprite])

    def _chance(self, n: int, probability: float) -> torch.Tensor:
        return torch.rand(n, device=self.device) < probability


def train(run: "Run", draw: Draw, finish: bool) -> Flow:
    """Ends a reserve before the run's deadline and leaves in the state what it needs to go on."""
    model = Flow(SIZES[run.preset.nets], len(STYLES))
    model = model.to(run.device, memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(
        _groups(model), RATE, betas=(0.9, 0.98), fused=run.device.type == "cuda"
    )
    average, step, kept = Average(model, 0.999), 0, run.state / "flow.pt"
    if kept.exists():
        before = torch.load(kept, map_location=run.device)
        model.load_state_dict(before["model"])
        average.model.load_state_dict(before["average"])
        optimizer.load_state_dict(before["optimizer"])
        step = average.steps = before["step"]
        run.say(f"flow taken up at step {step}")
    run.say(f"flow: {sum(p.numel() for p in model.parameters()) / 1e6:.1f} M parameters")
    size = run.preset.flow_batch

    def trial(net: nn.Module) -> torch.Tensor:
        with run.cast():
            return flow_loss(net, *draw.batch(size))

    forward = run.compiled(model, trial)
    start, said, counted, first = time.monotonic(), 0.0, 0, step
    left = max(run.left(), 1.0)  # a run that is late already still ends
    length, losses = left - RESERVE_SECONDS * min(1.0, left / 120), []
    rescue, calm, safe_at = Rescue(model, average, optimizer), 1.0, 0.5
    while (fraction := (time.monotonic() - start) / length) < 1:
        set_rate(
            optimizer,
            calm * RATE * min(1, (step + 1) / WARM_STEPS) * (late_fall(fraction) if finish else 1),
        )
        batch = draw.batch(size)
        with run.cast():
            loss = flow_loss(forward, *batch)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        average.follow(model)
        losses.append(loss.detach())
        step, counted = step + 1, counted + size
        if time.monotonic() - said > 5:
            mean = torch.stack(losses).mean().item()
            now, losses = time.monotonic(), []
            speed = counted / (now - (said or start))
            figures = f"step {step} loss {mean:.4f} {speed:.0f} latents/s"
            run.progress("flow", fraction, figures)
            said, counted = now, 0
            if not rescue.check(mean):
                calm *= 0.5
                run.say("taken back to the last good weights")
        if fraction > safe_at:  # should the run be cut off, these came back
            safe_at += 0.3
            save_weights(average.model, run.out, "flow")
    run.measured(flow_steps=step, flow_latents_this_run=(step - first) * size)
    torch.save(
        {
            "model": model.state_dict(),
            "average": average.model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "step": step,
        },
        kept,
    )
    return average.model


def _groups(model: nn.Module) -> list[dict[str, object]]:
    """Only the weights of layers decay."""
    decayed = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    return [{"params": decayed, "weight_decay": 0.02}, {"params": others, "weight_decay": 0.0}]


@torch.no_grad()
def render(
    run: "Run",
    model: Flow,
    autoencoder: Autoencoder,
    text: torch.Tensor,
    style: torch.Tensor,
    seed: int,
    remembered: torch.Tensor | None = None,
    start: float = 0.0,
) -> torch.Tensor:
    """Sentence vectors [n,512] and styles [n] as pictures [n,4,128,128]."""
    random = torch.Generator().manual_seed(seed)
    noise = torch.randn(len(text), *LATENT, generator=random).to(run.device)
    with run.cast():
        z = sample(model, noise, text, style, remembered, start)
        return autoencoder.decode(z.to(memory_format=torch.channels_last)).float().clamp(0, 1)


def show(
    run: "Run",
    model: Flow,
    autoencoder: Autoencoder,
    sprites: Sprites,
    words: Words,
    latents: Latents,
) -> None:
    """Sheets for the eye: by words alone, from remembered drawings, by seed and style."""
    said = [p for p in words.prompts if p["concept"] < 0]
    text = words.prompt_vectors[: len(said)]
    style = torch.tensor([p["style"] for p in said], device=run.device)
    pictures = render(run, model, autoencoder, text, style, 1)
    for k, prompt in enumerate(said):
        if prompt["colour"] > colours.NATURAL:
            name = colours.NAMES[prompt["colour"] - colours.NATURAL - 1]
            pictures[k] = colours.recolour(pictures[k][None], name)[0]
    save_sheet(run.out / "prompts.jpg", on_white(pictures), [p["label"] for p in said], 10)
    rows = torch.nonzero(sprites.style == HOUSE)[:, 0]
    rows = rows[torch.linspace(0, len(rows) - 1, 24).long()].to(run.device)
    concept = sprites.concept.to(run.device)[rows].long()
    text, style = words.vectors[words.deck[concept, 0]], torch.full_like(rows, HOUSE)
    remembered = latents.values[latents.first[rows]].float()
    drawn = [render(run, model, autoencoder, text, style, 2, remembered, s) for s in STARTS]
    x = sprites.pixels[rows.cpu()].float().to(run.device) / 255
    names = [words.names[int(k)] for k in concept]
    captions = [f"{name} {start}" for name in names for start in (*STARTS, "original")]
    pairs = torch.stack([*drawn, x], 1).flatten(0, 1)
    save_sheet(run.out / "memory.jpg", on_white(pairs), captions, 10)
    seeds = ["cat", "castle", "robot", "car", "tree", "firefighter"]
    some = [words.names.index(name) for name in seeds if name in words.names]
    text = words.vectors[words.deck[torch.tensor(some, device=run.device), 0]]
    by_seed = render(
        run, model, autoencoder, text.repeat_interleave(4, 0),
        torch.full((4 * len(some),), HOUSE, device=run.device), 10,
    )  # fmt: skip
    styles = torch.arange(1, len(STYLES), device=run.device)
    by_style = render(
        run, model, autoencoder, text.repeat_interleave(len(styles), 0),
        styles.repeat(len(some)), 5,
    )  # fmt: skip
    captions = [words.names[k] for k in some for _ in range(4)]
    captions += [f"{words.names[k]}, {s}" for k in some for s in STYLES[1:]]
    save_sheet(run.out / "variety.jpg", on_white(torch.cat([by_seed, by_style])), captions, 8)
    run.measured(
        **{
            f"edges_from_{start}": round(edge_energy(y) / edge_energy(x), 4)
            for start, y in zip(STARTS, drawn, strict=True)
        }
    )
    run.say(f"metrics {json.dumps(run.metrics)}")
