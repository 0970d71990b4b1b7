"""First stage: the autoencoder, by likeness alone at first, then also by what a critic notices."""

import copy
import time
from typing import TYPE_CHECKING

import torch
from torch import nn

from training import colours
from training.autoencoder import (
    WIDTHS,
    Autoencoder,
    Critic,
    critic_loss,
    likeness_loss,
    matching_loss,
)
from training.sheets import save_sheet
from training.sprites import HOUSE, SIDE, Sprites, edge_energy, moved, on_white
from training.steady import Average, Rescue, cosine, set_rate
from training.weights import has_weights, load_weights, save_weights

if TYPE_CHECKING:
    from training.train import Run

RATE, CRITIC_RATE = 1e-3, 2e-4
POLISH_RATE = 0.4  # of the rate, when only the decoder learns on
AFTERWARDS_SECONDS = 110  # of the run's clock, left for what follows
ADVERSE_SHARE, MATCH_SHARE = (
    0.30,
    0.60,
)  # gradient sizes, relative to likeness, of the critic's two losses
FALL_DB = 1.5  # a critic that costs more than this is not let into the weights


def obtain(run: "Run", sprites: Sprites, minutes: float, polish: float = 0) -> Autoencoder:
    """The autoencoder that an earlier run left in the state or data folder, or a new one.

    `polish`: minutes in which the decoder of a kept one learns on; its latents stay what they are.
    """
    model = (
        Autoencoder(WIDTHS[run.preset.nets]).to(run.device).to(memory_format=torch.channels_last)
    )
    for folder in (run.state, run.data):
        if has_weights(folder, "autoencoder"):
            load_weights(model, folder, "autoencoder")
            run.say(f"autoencoder taken from {folder}")
            if not polish:
                return model.eval()
            minutes = polish
            break
    model = train(run, sprites, model, minutes, decoder_alone=polish > 0)
    for folder in (run.state, run.out):
        save_weights(model, folder, "autoencoder")
    load_weights(model, run.state, "autoencoder")  # go on with exactly what will be shipped
    return model.eval()


class Feed:
    """Batches of augmented sprites, made on the device; a few are kept for the proof."""

    def __init__(self, run: "Run", sprites: Sprites) -> None:
        self.device, self.pixels = run.device, sprites.pixels.to(run.device)
        order = torch.randperm(len(sprites), generator=torch.Generator().manual_seed(3))
        proof = max(8, min(128, len(sprites) // 50))
        self.proof, learn = order[:proof].to(run.device), order[proof:]
        weight = torch.where(sprites.style[learn] == HOUSE, 2.5, 1.0)
        self.learn, self.weight = learn.to(run.device), weight.to(run.device)

    def batch(self, size: int) -> torch.Tensor:
        """A third as they are, a third moved; of all, half in other hues."""
        pick = self.learn[torch.multinomial(self.weight, size, replacement=True)]
        x = self.pixels[pick].float() / 255
        part = size // 3
        x = torch.cat([moved(x[:part]), x[part:]])
        half = size // 2
        angle = (torch.rand(half, device=self.device) - 0.5) * 6.2832
        x = torch.cat([x[half:], turn(x[:half], angle)])
        name = colours.NAMES[int(torch.randint(len(colours.NAMES), ()))]
        x = torch.cat([colours.recolour(x[: part // 2], name), x[part // 2 :]])
        return x.contiguous(memory_format=torch.channels_last)

    def proofs(self) -> torch.Tensor:
        return (self.pixels[self.proof].float() / 255).contiguous(memory_format=torch.channels_last)


def turn(x: torch.Tensor, angle: torch.Tensor) -> torch.Tensor:
    return colours.turn_hue(x, angle, 0.6 + 0.7 * torch.rand_like(angle))


class Critique:
    """The critic and the gradients it sends back to a picture."""

    def __init__(self, run: "Run") -> None:
        self.run = run
        self.model = (
            Critic({"full": 64, "cpu": 32}.get(run.preset.nets, 16))
            .to(run.device)
            .to(memory_format=torch.channels_last)
        )
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), CRITIC_RATE, betas=(0.5, 0.9), weight_decay=1e-4
        )
        self.loss = self.doubt = torch.ones((), device=run.device)

    def gradient(
        self, real: torch.Tensor, fake: torch.Tensor, size: torch.Tensor, ramp: float
    ) -> torch.Tensor:
        """What to add to the likeness gradient of norm size; then the critic itself takes a step.

        A critic that is never wrong has nothing to teach, so its adverse share falls with its loss.
        """
        picture = fake.detach().requires_grad_(True)
        self.model.requires_grad_(False)
        with self.run.cast():
            score, features = self.model(picture)
            with torch.no_grad():
                _, wanted = self.model(real)
            match, adverse = matching_loss(wanted, features), -score.float().mean()
        (g_match,) = torch.autograd.grad(match, picture, retain_graph=True)
        (g_adverse,) = torch.autograd.grad(adverse, picture)
        self.model.requires_grad_(True)
        self._step(real, picture.detach())
        doubt = self.doubt = 0.98 * self.doubt + 0.02 * self.loss.detach().clamp(max=1)
        match_part = MATCH_SHARE * g_match / (g_match.norm() + 1e-12)
        adverse_part = ADVERSE_SHARE * doubt * g_adverse / (g_adverse.norm() + 1e-12)
        return ramp * size * (match_part + adverse_part)

    def _step(self, real: torch.Tensor, fake: torch.Tensor) -> None:
        with self.run.cast():
            scores, _ = self.model(torch.cat([real, fake]))
        self.loss = critic_loss(*scores.float().chunk(2))
        self.optimizer.zero_grad(set_to_none=True)
        self.loss.backward()
        self.optimizer.step()


def train(
    run: "Run", sprites: Sprites, model: Autoencoder, minutes: float, decoder_alone: bool = False
) -> Autoencoder:
    feed, size = Feed(run, sprites), run.preset.ae_batch
    if decoder_alone:
        model.encoder.requires_grad_(False)
        model.unit.eval()
    average, critique = Average(model, 0.999), Critique(run)
    learning = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(
        learning, RATE, betas=(0.9, 0.99), weight_decay=1e-3, foreach=True
    )

    def trial(net: nn.Module) -> torch.Tensor:
        with run.cast():
            return net(
                feed.batch(size), torch.zeros(size, dtype=torch.bool, device=run.device)
            ).float()

    forward, rate = run.compiled(model, trial), RATE * (POLISH_RATE if decoder_alone else 1)
    start, step, said, plain = time.monotonic(), 0, 0.0, None
    counted, counted_at, rescue, calm = 0, start, Rescue(model, average, optimizer), 1.0
    length = max(min(60 * minutes, run.left() - AFTERWARDS_SECONDS), 20)
    while (fraction := (time.monotonic() - start) / length) < 1:
        set_rate(optimizer, calm * rate * min(1, (step + 1) / 200) * cosine(fraction))
        x, turned = feed.batch(size), torch.rand(size, device=run.device) < 0.3
        with run.cast():
            y = forward(x, turned)
        y = y.float()
        target = torch.where(turned[:, None, None, None], x.flip(-1), x)
        picture = y.detach().requires_grad_(True)
        loss = likeness_loss(picture, target)
        (gradient,) = torch.autograd.grad(loss, picture)
        if fraction > run.preset.critic_from:
            if plain is None:
                plain = copy.deepcopy(average.model)
                run.say("the critic joins")
            ramp = min(1.0, (fraction - run.preset.critic_from) / 0.1)
            gradient = gradient + critique.gradient(target, y.detach(), gradient.norm(), ramp)
        optimizer.zero_grad(set_to_none=True)
        y.backward(gradient)
        nn.utils.clip_grad_norm_(learning, 1.0)
        optimizer.step()
        average.follow(model)
        step, counted = step + 1, counted + size
        if time.monotonic() - said > 5:
            said = time.monotonic()
            speed, counted, counted_at = counted / (said - counted_at), 0, said
            critic = (
                f" critic {critique.loss.item():.3f} doubt {critique.doubt.item():.2f}"
                if plain is not None
                else ""
            )
            figures = f"step {step} loss {loss.item():.4f}{critic} {speed:.0f} pictures/s"
            run.progress("autoencoder", fraction, figures)
            if not rescue.check(loss.item()):
                calm *= 0.5
                run.say("taken back to the last good weights")
    run.measured(autoencoder_steps=step, autoencoder_pictures=step * size)
    if not decoder_alone:
        for net in (average.model, plain):
            if net is not None:
                settle(run, feed, net)
    return choose(run, feed, average.model, plain)


def choose(run: "Run", feed: Feed, final: Autoencoder, plain: Autoencoder | None) -> Autoencoder:
    """The final weights, unless the critic spoilt them."""
    score = prove(run, feed, final.eval(), "final")
    if plain is not None:
        before = prove(run, feed, plain.eval(), "plain")
        if not score > before - FALL_DB:
            run.say("the critic spoilt the decoder: keeping the weights from before it joined")
            run.measured(critic="rejected")
            final = plain
    show(run, feed, final)
    return final


@torch.no_grad()
def settle(run: "Run", feed: Feed, model: Autoencoder) -> None:
    """Measures the latent's mean and spread again, for the averaged weights."""
    model.unit.reset_running_stats()
    model.unit.momentum = None
    model.unit.train()
    for _ in range(24):
        with run.cast():
            model.encode(feed.batch(run.preset.ae_batch))
    model.unit.momentum = 0.02
    model.eval()


@torch.no_grad()
def prove(run: "Run", feed: Feed, model: Autoencoder, name: str) -> float:
    """Peak signal-to-noise ratio, in dB, on sprites that were never trained on."""
    x = feed.proofs()
    with run.cast():
        y = torch.cat([model.decode(model.encode(part)).float() for part in x.split(32)]).clamp(
            0, 1
        )
    score = float(-10 * torch.log10((y - x).square().mean()))
    edges = edge_energy(y) / edge_energy(x)
    run.say(f"{name}: {score:.2f} dB, edges {edges:.3f} of the original's")
    run.measured(
        **{
            f"autoencoder_{name}_psnr_db": round(score, 3),
            f"autoencoder_{name}_edges": round(edges, 4),
        }
    )
    return score


@torch.no_grad()
def show(run: "Run", feed: Feed, model: Autoencoder) -> None:
    x = feed.proofs()[:24]
    with run.cast():
        y = model.decode(model.encode(x)).float()
    pairs = torch.stack([x, y], 1).flatten(0, 1)
    save_sheet(
        run.out / "autoencoder.jpg", on_white(pairs), ["original", "decoded"] * len(x), 8, SIDE
    )
