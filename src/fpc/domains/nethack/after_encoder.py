"""What follows the encoder: LSTM and policy head, run over whole games from the encoder's features."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from fpc.core.errors import DataError
from fpc.core.files import read_tensors
from fpc.domains.nethack.games import bounds_of
from fpc.learners.recurrence import unroll

GAMES_AT_ONCE = 64
STEPS_AT_ONCE = 64  # of each game; bounds memory, as the recurrent state is carried over


class AfterEncoder(Protocol):
    """The part of a network that acts on features; a whole network has it, too."""

    core: nn.LSTM
    policy: nn.Linear


class PolicyHead(nn.Module):
    """LSTM and policy head alone, with the sizes of their weights."""

    def __init__(self, inputs: int, hidden: int, actions: int) -> None:
        super().__init__()
        self.core = nn.LSTM(inputs, hidden)
        self.policy = nn.Linear(hidden, actions)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read it from a policy's safetensors.

        Raises:
            DataError: the file has no LSTM or no policy head, or they do not fit each other.
        """
        found = {
            name: value for name, value in read_tensors(path).items() if name.startswith(("core.", "policy."))
        }
        try:
            gates, inputs = found["core.weight_ih_l0"].shape
            with torch.device("meta"):  # initial weights would be drawn from the process's generator
                head = cls(inputs, gates // 4, len(found["policy.bias"]))
            head.load_state_dict(found, assign=True)
        except (KeyError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise DataError(f"{path}: not a policy with an LSTM ({reason}); run pretrain again") from error
        return head.eval()


def next_steps(
    network: AfterEncoder, features: Sequence[Tensor], starts: Sequence[Tensor], state: Tensor
) -> tuple[list[Tensor], Tensor]:
    """Logits of the next steps of several games, which are walked side by side.

    Args:
        network: on the device of ``state``.
        features: the LSTM's inputs ``[T, inputs]`` of each game, with a ``T`` of its own.
        starts: bool ``[T]`` of each game.
        state: ``[B, 2 * hidden]``, where each game stands.

    Returns:
        Logits ``[T, actions]`` of each game, and the state after the longest ``T``: meaningless for a game
        with fewer steps.
    """
    padded = pad_sequence(list(features)).to(state.device, state.dtype)
    outputs, state = unroll(network.core, padded, pad_sequence(list(starts)).to(state.device), state)
    logits = network.policy(outputs)
    return [logits[: len(part), row] for row, part in enumerate(features)], state


@torch.no_grad()
def walk(
    network: AfterEncoder, features: Tensor, starts: Tensor, alive: Callable[[], None] = lambda: None
) -> Iterator[tuple[slice, Tensor]]:
    """Log-probabilities of every step of whole games, in parts; the same whatever is done with the parts.

    Args:
        network: in eval mode.
        features: the LSTM's inputs ``[N, inputs]``, of any float type, of concatenated games.
        starts: bool ``[N]``, True at the first step of each game.
        alive: called now and then, to show that the walk goes on.

    Returns:
        Steps of one game, and their log-probabilities float32 ``[steps, actions]`` on the network's device.
    """
    weight = network.policy.weight
    waiting = bounds_of(starts)
    while waiting:
        games, waiting = waiting[:GAMES_AT_ONCE], waiting[GAMES_AT_ONCE:]
        state = weight.new_zeros(len(games), 2 * network.core.hidden_size)
        while games:
            parts = [slice(begin, min(begin + STEPS_AT_ONCE, end)) for begin, end in games]
            of_games = [features[part] for part in parts], [starts[part] for part in parts]
            logits, state = next_steps(network, *of_games, state)
            for part, values in zip(parts, logits, strict=True):
                yield part, F.log_softmax(values, dim=-1)
            left = [
                row for row, (part, (_, end)) in enumerate(zip(parts, games, strict=True)) if part.stop < end
            ]
            games = [(parts[row].stop, games[row][1]) for row in left]
            state = state[left]
            alive()


def outputs_of_pi_star(
    pi_star: Path, features: Tensor, starts: Tensor, dtype: torch.dtype = torch.float32
) -> Tensor:
    """pi*'s log-probabilities ``[N, actions]`` at every step of whole games, computed on the CPU.

    Args:
        pi_star: its safetensors.
        features: of its encoder, ``[N, hidden]``.
        starts: bool ``[N]``, True at the first step of each game.
        dtype: of the result.

    Raises:
        DataError: the features have another size than pi*'s LSTM takes.
    """
    head = PolicyHead.load(pi_star)
    if features.shape[1:] != (head.core.input_size,):
        raise DataError(
            f"features have shape {tuple(features.shape)}, the LSTM of {pi_star} takes "
            f"{head.core.input_size} numbers a step; run collect again"
        )
    found = torch.empty(len(features), head.policy.out_features, dtype=dtype)
    for part, values in walk(head, features, starts):
        found[part] = values.to(dtype)
    return found
