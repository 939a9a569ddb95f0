"""Unrolling an LSTM over sequences that contain game boundaries."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn


def unroll(core: nn.LSTM, features: Tensor, starts: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
    """Run an LSTM over sequences, resetting its state to zero wherever a game starts.

    Consecutive steps without a start are processed in one call.

    Args:
        core: a one-layer LSTM.
        features: ``[T, B, inputs]``.
        starts: bool ``[T, B]``; where True, the state is zeroed before that step.
        state: ``[B, 2 * hidden]``: h and c concatenated.

    Returns:
        Outputs ``[T, B, hidden]``, and the state after the last step.
    """
    steps = features.shape[0]
    boundaries = [step for step in starts.any(dim=1).nonzero().flatten().tolist() if step > 0]
    hidden, cell = state.chunk(2, dim=-1)
    pieces = []
    for begin, end in zip([0, *boundaries], [*boundaries, steps], strict=True):
        keep = (~starts[begin]).to(state.dtype)[:, None]
        output, hidden, cell = run_segment(core, features[begin:end], hidden * keep, cell * keep)
        pieces.append(output)
    outputs = pieces[0] if len(pieces) == 1 else torch.cat(pieces)
    return outputs, torch.cat([hidden, cell], dim=-1)


def run_segment(
    core: nn.LSTM, features: Tensor, hidden: Tensor, cell: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Run steps without a start: outputs ``[T, B, hidden]`` and the final h and c, each ``[B, hidden]``."""
    if len(features) == 1:  # acting: lstm_cell takes a quarter of the time
        weights = cast(tuple[Tensor, Tensor, Tensor, Tensor], tuple(core.all_weights[0]))
        hidden, cell = torch.lstm_cell(features[0], (hidden, cell), *weights)
        return hidden[None], hidden, cell
    output, (last, last_cell) = core(features, (hidden[None], cell[None]))
    return output, last[0], last_cell[0]
