"""Second stage: latents of every sprite in every colour, and the flow that learns to draw them."""

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
NATURAL_SHARE = 0.5  # of the draws of a sprite that has other colours too
HOUSE_WEIGHT = 4.0  # a sprite of the house style is drawn this much more often
JITTER = 0.3  # noise on a sentence vector, relative to its own length, at most
SILENT, PAINT_SAID = 0.12, 0.3


@dataclass(frozen=True)
class Latents:
    """values [n,24,16,16] half; per (sprite, colour) its first row and its number of rows."""

    values: torch.Tensor
    first: torch.Tensor
    count: torch.Tensor


class Words:
    """Caption vectors and the tables that say which captions a concept may be called by."""

    def __init__(self, run: "Run") -> None:
        data = np.load(run.data / "captions.npz")
        self.vectors = torch.from_numpy(unit(data["vectors"])).to(run.device)
        self.deck = torch.from_numpy(data["deck"]).long().to(run.device)
        self.paint = torch.from_numpy(data["paint"]).long().to(run.device)
        self.recolours, self.secret = (
            data["recolours"],
            {tuple(map(int, pair)) for pair in data["secret"]},
        )
        self.prompts = json.loads(str(data["prompts"]))
        self.prompt_vectors = torch.from_numpy(unit(data["prompt_vectors"])).to(run.device)


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
    judge(run, model, autoencoder, sprites, words)


def obtain_latents(
    run: "Run", sprites: Sprites, autoencoder: Autoencoder, words: Words, keep: bool
) -> Latents:
    kept = run.state / "latents.pt"
    if kept.exists():
        run.say("latents taken from the state folder")
        return Latents(*(t.to(run.device) for t in torch.load(kept)))
    latents = encode_all(run, sprites, autoencoder, words)
    if keep:
        torch.save((latents.values, latents.first, latents.count), kept)
    return latents


@torch.no_grad()
def encode_all(run: "Run", sprites: Sprites, autoencoder: Autoencoder, words: Words) -> Latents:
    """The first copy is the sprite as it is, the second its mirror image, others are moved."""
    pixels, concept = sprites.pixels.to(run.device), sprites.concept.numpy()
    house = (sprites.style == HOUSE).numpy()
    first = torch.zeros(len(sprites), colours.COUNT, dtype=torch.long)
    count = torch.zeros(len(sprites), colours.COUNT, dtype=torch.long)
    parts, rows, said, size = [], 0, 0.0, run.preset.latent_batch
    for colour in range(colours.NATURAL, colours.COUNT):
        name = colours.NAMES[colour - colours.NATURAL - 1] if colour > colours.NATURAL else ""
        for is_house in (True, False):
            allowed = [
                k
                for k in np.flatnonzero(house == is_house)
                if not name
                or (words.recolours[concept[k]] and (int(concept[k]), colour) not in words.secret)
            ]
            copies = run.preset.copies[2 * (not is_house) + bool(name)]
            for copy in range(copies):
                picks = torch.tensor(np.array(allowed, np.int64))
                if copy == 0:
                    first[picks, colour] = rows + torch.arange(len(picks)) * copies
                    count[picks, colour] = copies
                    block = torch.empty(
                        len(picks), copies, *LATENT, dtype=torch.half, device=run.device
                    )
                for start in range(0, len(picks), size):
                    x = pixels[picks[start : start + size].to(run.device)].float() / 255
                    x = colours.recolour(x, name) if name else x
                    x = x if copy == 0 else x.flip(-1) if copy == 1 else moved(x)
                    with run.cast():
                        z = autoencoder.encode(x.contiguous(memory_format=torch.channels_last))
                    block[start : start + size, copy] = z.half()
                if time.monotonic() - said > 5:
                    said = time.monotonic()
                    run.say(f"latents {rows} ({name or 'natural'})")
            if allowed:
                parts.append(block.flatten(0, 1))
                rows += len(block) * copies
    run.say(f"{rows} latents")
    return Latents(torch.cat(parts), first.to(run.device), count.to(run.device))


class Draw:
    """Random batches: latent, sentence vector, colour id and style id, some of them left unsaid."""

    def __init__(self, run: "Run", sprites: Sprites, latents: Latents, words: Words) -> None:
        self.device, self.latents, self.words = run.device, latents, words
        self.concept, self.style = (
            sprites.concept.long().to(run.device),
            sprites.style.long().to(run.device),
        )
        self.weight = torch.where(self.style == HOUSE, HOUSE_WEIGHT, 1.0)
        usable = (latents.count > 0).float()
        named = usable[:, colours.NATURAL + 1 :]
        natural = torch.where(named.sum(1) > 0, NATURAL_SHARE, 1.0)
        share = (1 - natural[:, None]) * named / named.sum(1, keepdim=True).clamp(min=1)
        self.colour_share = torch.cat([usable[:, :1] * 0, natural[:, None], share], 1)

    def _chance(self, n: int, probability: float) -> torch.Tensor:
        return torch.rand(n, device=self.device) < probability

    def batch(self, n: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        sprite = torch.multinomial(self.weight, n, replacement=True)
        colour = torch.multinomial(self.colour_share[sprite], 1)[:, 0]
        copy = (torch.rand(n, device=self.device) * self.latents.count[sprite, colour]).long()
        z = self.latents.values[self.latents.first[sprite, colour] + copy].float()
        concept, style = self.concept[sprite], self.style[sprite]
        slot = torch.randint(self.words.deck.shape[1], (n,), device=self.device)
        row, paint = self.words.deck[concept, slot], self.words.paint[concept, colour]
        painted = (paint >= 0) & self._chance(n, PAINT_SAID)
        text = self.words.vectors[torch.where(painted, paint, row)]
        noise = torch.randn_like(text) * text.shape[1] ** -0.5
        text = nn.functional.normalize(
            text + JITTER * torch.rand(n, 1, device=self.device) * noise, dim=-1
        )
        silent = self._chance(n, SILENT)
        text = text * ~silent[:, None]
        natural = colour == colours.NATURAL
        unsaid = silent | (natural & self._chance(n, 0.2)) | (painted & self._chance(n, 0.5))
        colour = torch.where(unsaid, colours.UNSAID, colour)
        style = torch.where(self._chance(n, 0.12), 0, style)
        return z, text, colour, style


def train(run: "Run", draw: Draw, finish: bool) -> Flow:
    """Ends a reserve before the run's deadline and leaves in the state what it needs to go on."""
    model = Flow(SIZES[run.preset.nets], colours.COUNT, len(STYLES)).to(run.device)
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
            run.say(
                f"flow step {step} {fraction:.0%} loss {mean:.4f} "
                f"{counted / (now - (said or start)):.0f} latents/s"
            )
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
    """Only matrices of the blocks decay."""
    decayed = [p for n, p in model.named_parameters() if p.ndim == 2 and n.startswith("blocks.")]
    ids = {id(p) for p in decayed}
    others = [p for p in model.parameters() if id(p) not in ids]
    return [{"params": decayed, "weight_decay": 0.02}, {"params": others, "weight_decay": 0.0}]


@torch.no_grad()
def render(
    run: "Run",
    model: Flow,
    autoencoder: Autoencoder,
    words: Words,
    rows: list[int],
    seed: int,
    styles: list[int] | None = None,
) -> torch.Tensor:
    """The prompts of the evaluation, by number, as pictures [n,4,256,256]."""
    noise = torch.randn(len(rows), *LATENT, generator=torch.Generator().manual_seed(seed)).to(
        run.device
    )
    text = words.prompt_vectors[rows]
    colour = torch.tensor([words.prompts[k]["colour"] for k in rows], device=run.device)
    style = torch.tensor(styles or [words.prompts[k]["style"] for k in rows], device=run.device)
    with run.cast():
        z = sample(model, noise, text, colour, style)
        return autoencoder.decode(z.to(memory_format=torch.channels_last)).float().clamp(0, 1)


def judge(
    run: "Run", model: Flow, autoencoder: Autoencoder, sprites: Sprites, words: Words
) -> None:
    """Sheets for the eye; numbers for colours on unseen pairs and for sharpness."""
    rows = list(range(sum(p["concept"] < 0 for p in words.prompts)))
    labels = [p["label"] for p in words.prompts]
    pictures = render(run, model, autoencoder, words, rows, 1)
    save_sheet(run.out / "prompts.jpg", on_white(pictures), [labels[k] for k in rows], 10)
    secret = list(range(len(rows), len(words.prompts)))
    unseen = render(run, model, autoencoder, words, secret, 2)
    save_sheet(run.out / "heldout.jpg", on_white(unseen), [labels[k][10:] for k in secret], 12)
    seeds = [
        labels.index(label)
        for label in ("cat", "castle", "robot", "a blue car", "tree", "firefighter")
    ]
    by_seed = torch.cat([render(run, model, autoencoder, words, [k] * 4, 10 + k) for k in seeds])
    by_style = torch.cat(
        [
            render(
                run,
                model,
                autoencoder,
                words,
                [k] * (len(STYLES) - 1),
                5,
                list(range(1, len(STYLES))),
            )
            for k in seeds
        ]
    )
    names = [labels[k] for k in seeds for _ in range(4)] + [
        f"{labels[k]}, {s}" for k in seeds for s in STYLES[1:]
    ]
    save_sheet(run.out / "variety.jpg", on_white(torch.cat([by_seed, by_style])), names, 8)
    run.say("sheets saved")
    originals, errors = [], []
    for picture, k in zip(unseen, secret, strict=True):
        match = torch.nonzero(
            (sprites.concept == words.prompts[k]["concept"]) & (sprites.style == HOUSE)
        )
        if len(match):
            x = sprites.pixels[match[0, 0]][None].float().to(run.device) / 255
            name = colours.NAMES[words.prompts[k]["colour"] - colours.NATURAL - 1]
            wanted = colours.recolour(x, name)
            originals.append(wanted)
            errors.append(colour_distance(picture[None], wanted))
    run.measured(
        heldout_colour_distance=round(float(np.mean(errors)), 4) if errors else None,
        edges_generated=round(edge_energy(unseen), 5),
        edges_original=round(edge_energy(torch.cat(originals)), 5) if originals else None,
    )
    run.say(f"metrics {json.dumps(run.metrics)}")


def colour_distance(a: torch.Tensor, b: torch.Tensor) -> float:
    """Distance of two sprites' mean colours, in 0..1 RGB."""
    means = [x[:, :3].sum((2, 3)) / x[:, 3:].sum((2, 3)).clamp(min=1) for x in (a, b)]
    return float((means[0] - means[1]).norm())
