"""The recurrent policy and value network for NetHack's terminal.

The "30M LSTM" of Tuyls et al. 2023 (Scaling Laws for Imitation Learning in NetHack), from which the
paper fine-tunes, with configurable sizes. Keys, shapes and computation match the published weights.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fpc.core.seeds import seed_of
from fpc.domains.nethack.config import NetworkOptions
from fpc.domains.nethack.encoders import (
    FIRST_MAP_ROW,
    MAP_ROWS,
    BottomLinesEncoder,
    Crop,
    ScreenEncoder,
    TopLineEncoder,
    apply_crop_convolutions,
    crop_convolutions,
    crop_size,
)
from fpc.learners.recurrence import unroll

ACTIONS = 121
CHUNK = 64  # observations encoded at a time without gradients


class NetHackNetwork(nn.Module):
    """Encoder of the screen, LSTM, policy head and value head.

    Args:
        options: sizes.
        actions: number of actions, also the length of the one-hot previous action.

    Raises:
        ValueError: more IMPALA blocks than the map has room for.
    """

    def __init__(self, options: NetworkOptions, actions: int = ACTIONS) -> None:
        super().__init__()
        self.actions = actions
        embeddings = (options.character_embedding, options.colour_embedding)
        self.crop = Crop(options.crop_size)
        self.extract_crop_representation = crop_convolutions(sum(embeddings), options.crop_channels)
        self.topline_encoder = TopLineEncoder(options.message_hidden)
        self.bottomline_encoder = BottomLinesEncoder(options.status_channels, options.status_hidden)
        self.screen_encoder = ScreenEncoder(embeddings, options.screen_channels, options.screen_hidden)
        joint = options.message_hidden + options.status_hidden + options.screen_hidden + actions
        joint += crop_size(options.crop_channels, options.crop_size)
        hidden = options.hidden
        self.fc = nn.Sequential(nn.Linear(joint, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU())
        self.core = nn.LSTM(hidden, hidden)
        self.policy = nn.Linear(hidden, actions)
        self.baseline = nn.Linear(hidden, 1)
        self._encoder_is_frozen = False
        self._statistics_are_frozen = False

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.policy.weight.device

    @classmethod
    def seeded(cls, options: NetworkOptions, seed: int, actions: int = ACTIONS) -> Self:
        """A network with initial weights determined by the seed; leaves the global generator unchanged."""
        word = seed_of(seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(word)
            return cls(options, actions)

    @property
    def hidden(self) -> int:
        """Units of the LSTM; a recurrent state has twice this size."""
        return int(self.core.hidden_size)

    def initial_state(self, batch: int) -> Tensor:
        """The recurrent state at the start of a game: zeros ``[batch, 2 * hidden]``."""
        return self.policy.weight.new_zeros(batch, 2 * self.hidden)

    def encode(self, observations: Mapping[str, Tensor]) -> Tensor:
        """Features of observations: the input of the LSTM, after the two joint layers.

        Args:
            observations: ``tty_chars`` and ``tty_colors`` ``[N, 24, 80]``, ``tty_cursor`` ``[N, 2]``
                (row, column), ``previous_action`` ``[N, 1]``; all uint8 or a wider integer.

        Returns:
            ``[N, hidden]``.
        """
        characters = observations["tty_chars"]
        if self._encoder_is_frozen or not torch.is_grad_enabled():
            with torch.no_grad():
                # Small chunks keep activations in the CPU cache; batch statistics need the whole batch.
                count = len(characters)
                whole = self.screen_encoder.training or characters.is_cuda
                size = max(count, 1) if whole else CHUNK
                chunks = [
                    self._encode({name: value[begin : begin + size] for name, value in observations.items()})
                    for begin in range(0, max(count, 1), size)
                ]
                return chunks[0] if len(chunks) == 1 else torch.cat(chunks)
        return self._encode(observations)

    def _encode(self, observations: Mapping[str, Tensor]) -> Tensor:
        characters = observations["tty_chars"]
        cells = characters[:, FIRST_MAP_ROW : FIRST_MAP_ROW + MAP_ROWS]
        colours = observations["tty_colors"][:, FIRST_MAP_ROW : FIRST_MAP_ROW + MAP_ROWS]
        square = self.screen_encoder.embed(*self.crop((cells, colours), observations["tty_cursor"].long()))
        previous = F.one_hot(observations["previous_action"].long().flatten(), self.actions)
        parts = [
            self.topline_encoder(characters[:, 0]),
            self.bottomline_encoder(characters[:, -2:].flatten(1)),
            self.screen_encoder(self.screen_encoder.embed(cells, colours)),
            previous.to(self.policy.weight.dtype),
            apply_crop_convolutions(self.extract_crop_representation, square),
        ]
        features: Tensor = self.fc(torch.cat(parts, dim=1))
        return features

    def forward(
        self, observations: Mapping[str, Tensor], starts: Tensor, state: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Logits ``[T, B, actions]``, values ``[T, B]`` and the final state ``[B, 2 * hidden]``.

        Args:
            observations: as for ``encode``, with two leading dimensions ``[T, B]``.
            starts: bool ``[T, B]``, True where a game begins.
            state: ``[B, 2 * hidden]``.
        """
        steps, batch = starts.shape
        flat = {name: value.flatten(0, 1) for name, value in observations.items()}
        features = self.encode(flat).view(steps, batch, -1)
        outputs, state = unroll(self.core, features, starts, state)
        return self.policy(outputs), self.baseline(outputs).squeeze(-1), state

    def encoder_modules(self) -> Iterable[nn.Module]:
        """Modules before the LSTM."""
        yield self.extract_crop_representation
        yield self.topline_encoder
        yield self.bottomline_encoder
        yield self.screen_encoder
        yield self.fc

    def encoder_parameters(self) -> Iterable[nn.Parameter]:
        """Parameters before the LSTM."""
        return chain.from_iterable(module.parameters() for module in self.encoder_modules())

    def core_parameters(self) -> Iterable[nn.Parameter]:
        """Parameters of the LSTM."""
        return self.core.parameters()

    def head_parameters(self) -> Iterable[nn.Parameter]:
        """Parameters of the policy and value heads."""
        return chain(self.policy.parameters(), self.baseline.parameters())

    def freeze_encoder(self, *, moving_statistics: bool = False) -> None:
        """Disable gradients for the encoder.

        Args:
            moving_statistics: in training mode, let batch normalisation keep using and updating batch
                statistics, as in the released code; otherwise it stays in eval mode.
        """
        for parameter in self.encoder_parameters():
            parameter.requires_grad_(False)
        self._encoder_is_frozen = True
        self._statistics_are_frozen = not moving_statistics
        self.train(self.training)

    def train(self, mode: bool = True) -> Self:
        """Set training mode; an encoder with frozen statistics stays in eval mode."""
        super().train(mode)
        if mode and self._statistics_are_frozen:
            for module in self.encoder_modules():
                module.eval()
        return self
