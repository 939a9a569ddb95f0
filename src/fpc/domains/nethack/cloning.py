"""Behavioural cloning of an expert's actions; resumes bit-exactly after a kill (on one CPU).

Follows Tuyls et al. 2023 (Scaling Laws for Imitation Learning in Single-Agent Games), who trained the
paper's pi*: cross-entropy of the expert's actions over sequences from many games in parallel, with the
LSTM state carried from one batch to the next and zeroed where a game starts.

The policy head's bias is initialised to the log frequency of each action. Starting from zero, a small
network spends its first updates learning these frequencies, saturates the LSTM and stops learning.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from fpc.core.checkpoint import Checkpoint, load_checkpoint, save_checkpoint, selected
from fpc.core.errors import UserError
from fpc.core.metric_log import MetricLog
from fpc.core.prefetch import Prefetched
from fpc.core.seeds import rng_of
from fpc.domains.nethack.config import CloneOptions
from fpc.domains.nethack.frames import Games
from fpc.domains.nethack.games import GameStreams
from fpc.domains.nethack.network import NetHackNetwork
from fpc.domains.nethack.replaying import replay_games

if TYPE_CHECKING:
    import pandas as pd

LOSS_ROWS = 100  # rows of the training loss over the whole of training
MEASUREMENTS = 5  # measurements on held-out games over the whole of training
ADAM = ("step", "exp_avg", "exp_avg_sq")

Report = Callable[[int, dict[str, float]], None]


def clone(
    network: NetHackNetwork,
    games: Games,
    held_out: Games,
    actions: Sequence[int],
    options: CloneOptions,
    *,
    seed: int,
    state: Path,
    report: Report,
    checkpoint_seconds: float = 60.0,
) -> pd.DataFrame:
    """Fit ``network`` to the actions in ``games``, resuming from the newest checkpoint in ``state``, if any.

    Args:
        network: trained in place, on its device, and left in evaluation mode.
        games: training games.
        held_out: games to measure on; may be empty.
        actions: how often each action is taken in ``games``; their sum is the number of steps, which
            together with ``options.passes`` determines the number of updates.
        options: optimisation.
        seed: for the order of the games.
        state: checkpoint folder.
        report: called after every update with the number of steps learned from and the measures.
        checkpoint_seconds: time between checkpoints, i.e. the most that a kill loses.

    Returns:
        Columns step (steps learned from), seed, metric, value. Metrics: ``training_cross_entropy`` (nats)
        and, on held-out games, ``cross_entropy`` (nats), ``accuracy`` and ``perplexity``.

    Raises:
        UserError: the loss is not finite.
        NoUsableCheckpoint: checkpoints exist, but none can be read.
    """
    session = Cloning(network, games, options, updates_of(sum(actions), options), seed)
    checkpoint = load_checkpoint(state)
    if checkpoint is not None:
        session.restore(checkpoint)
    else:
        initialise_policy_bias(network, actions)
    saved = time.monotonic()
    with closing(session.streams):
        while session.update < session.updates:
            loss = session.learn()
            if held_out.games and session.is_due(MEASUREMENTS):
                measures = measure(network, held_out)
                session.log.add(session.steps, **measures)
                report(session.steps, measures)
            report(session.steps, {"training_cross_entropy": loss})
            if time.monotonic() - saved >= checkpoint_seconds:
                session.save(state)
                saved = time.monotonic()
    if checkpoint is None or checkpoint.step < session.update:
        session.save(state)
    network.eval()
    return session.log.table(seed)


@torch.no_grad()
def initialise_policy_bias(network: NetHackNetwork, actions: Sequence[int]) -> None:
    """Set the policy head's bias to each action's log frequency, with 0.1 added to every count."""
    counts = torch.tensor(actions, dtype=torch.float64) + 0.1
    network.policy.bias.copy_((counts / counts.sum()).log())


def updates_of(steps: int, options: CloneOptions) -> int:
    """Gradient steps needed to learn from ``steps`` environment steps ``options.passes`` times each."""
    return max(1, math.ceil(options.passes * steps / (options.streams * options.sequence_length)))


def measure(network: NetHackNetwork, games: Games) -> dict[str, float]:
    """Cross-entropy (nats), accuracy and perplexity of the recorded actions, averaged over all steps."""
    steps, hits, loss = 0, 0, 0.0
    for _, found in replay_games(network, games):
        steps += len(found.actions)
        hits += int((found.logits.argmax(-1) == found.actions).sum())
        loss += float(functional.cross_entropy(found.logits.double(), found.actions, reduction="sum"))
    return {"cross_entropy": loss / steps, "accuracy": hits / steps, "perplexity": math.exp(loss / steps)}


class Cloning:
    """The complete training state; ``save`` and ``restore`` cover all of it."""

    def __init__(
        self, network: NetHackNetwork, games: Games, options: CloneOptions, updates: int, seed: int
    ) -> None:
        self.network, self.options, self.updates = network, options, updates
        self.streams = Prefetched(GameStreams(games, options.streams, options.sequence_length, seed))
        self.optimiser = torch.optim.Adam(network.parameters(), options.learning_rate)
        self.state = network.initial_state(options.streams)
        self.log, self.update = MetricLog(), 0
        self._sum = torch.zeros((), dtype=torch.float64)  # of losses since the last row of the log
        self._count = 0

    @property
    def steps(self) -> int:
        """Steps learned from so far; a step counts every time it is seen."""
        return self.update * self.options.streams * self.options.sequence_length

    def is_due(self, times: int) -> bool:
        """Whether the last update is one of ``times`` evenly spaced updates, the final one included."""
        return self.update * times // self.updates > (self.update - 1) * times // self.updates

    def learn(self) -> float:
        """Take one gradient step and return its cross-entropy in nats."""
        for group in self.optimiser.param_groups:
            done = self.update / self.updates
            group["lr"] = self.options.learning_rate * 0.5 * (1 + math.cos(math.pi * done))
        self.network.train()
        batch, device = self.streams.next(), self.state.device
        observations = {name: value.to(device) for name, value in batch.observations.items()}
        logits, _, state = self.network(observations, batch.starts.to(device), self.state)
        loss = functional.cross_entropy(logits.flatten(0, 1), batch.actions.flatten().to(device))
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.options.max_grad_norm)
        self.optimiser.step()
        self.state = state.detach()
        self.update += 1
        value = loss.item()
        if not math.isfinite(value):
            raise UserError(
                f"cloning: the loss is {value} after {self.update} updates; "
                "lower pretrain.clone.learning_rate"
            )
        self._record_loss(value)
        return value

    def _record_loss(self, loss: float) -> None:
        self._sum += loss
        self._count += 1
        if self.is_due(LOSS_ROWS):
            self.log.add(self.steps, training_cross_entropy=float(self._sum) / self._count)
            self._sum.zero_()
            self._count = 0

    def save(self, folder: Path) -> None:
        """Write a checkpoint."""
        tensors = {f"network.{name}": value for name, value in self.network.state_dict().items()}
        for number, parameter in enumerate(self.network.parameters()):
            kept = self.optimiser.state[parameter]  # empty before the first gradient
            tensors |= {f"adam.{number}.{name}": kept[name] for name in ADAM if name in kept}
        tensors |= {"state": self.state, "metrics": self.log.tensor(), "sum": self._sum}
        tensors |= {f"streams.{name}": value for name, value in self.streams.state_dict().items()}
        state = {"metrics": self.log.names, "count": self._count}
        save_checkpoint(folder, self.update, tensors, state)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Restore what ``save`` wrote."""
        tensors, state = checkpoint.tensors, checkpoint.state
        self.network.load_state_dict(selected(tensors, "network."))
        for number, parameter in enumerate(self.network.parameters()):
            kept = {name: tensors.get(f"adam.{number}.{name}") for name in ADAM}
            self.optimiser.state[parameter] = {
                name: value if name == "step" else _in_layout_of(parameter, value)
                for name, value in kept.items()
                if value is not None
            }
        self.state = tensors["state"].to(self.state.device)
        self.log.restore(state["metrics"], tensors["metrics"])
        self._sum, self._count = tensors["sum"], int(state["count"])
        self.streams.load_state_dict(selected(tensors, "streams."))
        self.update = checkpoint.step


def _in_layout_of(parameter: Tensor, values: Tensor) -> Tensor:
    """``values`` in the parameter's memory layout, which Adam uses for its moments."""
    return torch.zeros_like(parameter, memory_format=torch.preserve_format).copy_(values)


def split(games: Games, held_out: float, seed: int) -> tuple[list[int], list[int]]:
    """Training and held-out games; if ``held_out`` is not 0, at least one of two or more is held out."""
    numbers = list(games.games)
    count = min(len(numbers) - 1, math.ceil(held_out * len(numbers))) if held_out > 0 else 0
    order = rng_of(seed, len(numbers)).permutation(len(numbers))
    chosen = {numbers[int(index)] for index in order[:count]}
    return [game for game in numbers if game not in chosen], [game for game in numbers if game in chosen]
