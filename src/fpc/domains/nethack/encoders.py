"""Encoders of the top line, the bottom lines, the map and the square around the cursor.

Submodule names match the keys of the published weights and must not be changed.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fpc.core.errors import ConfigError

COLUMNS = 80
CHARACTERS = 256
COLOURS = 128
FIRST_MAP_ROW = 1
MAP_ROWS = 21


class TopLineEncoder(nn.Module):
    """Two layers over the one-hot characters of the top line."""

    _offsets: Tensor

    def __init__(self, hidden: int) -> None:
        super().__init__()
        first = nn.Linear(COLUMNS * CHARACTERS, hidden)
        # Each character selects one column of this weight. A column-major layout makes columns contiguous;
        # the shape stays that of a linear layer.
        first.weight = nn.Parameter(first.weight.detach().t().contiguous().t())
        self.msg_fwd = nn.Sequential(
            first, nn.ELU(inplace=True), nn.Linear(hidden, hidden), nn.ELU(inplace=True)
        )
        self.register_buffer(
            "_offsets", CHARACTERS * torch.arange(COLUMNS, dtype=torch.int32), persistent=False
        )

    def forward(self, line: Tensor) -> Tensor:
        """Encode top lines.

        Args:
            line: ``[N, 80]``, integers, character codes 0..255.

        Returns:
            ``[N, hidden]``; equal, up to rounding, to a matrix product with the 20,480-dimensional one-hot.
        """
        first = self.msg_fwd[0]
        assert isinstance(first, nn.Linear)
        picked = F.embedding_bag(line.int() + self._offsets, first.weight.t(), mode="sum")
        hidden: Tensor = self.msg_fwd[1:](picked + first.bias)
        return hidden


class BottomLinesEncoder(nn.Module):
    """1-D convolutions over the two bottom lines, concatenated, followed by two linear layers."""

    _table: Tensor

    def __init__(self, channels: tuple[int, int], hidden: int) -> None:
        super().__init__()
        first, second = channels
        width = (2 * COLUMNS - 8) // 4 + 1 - 3
        self.conv_net = nn.Sequential(
            nn.Conv1d(2, first, 8, stride=4),
            nn.ELU(inplace=True),
            nn.Conv1d(first, second, 4),
            nn.ELU(inplace=True),
        )
        self.fwd_net = nn.Sequential(
            nn.Linear(second * width, hidden),
            nn.ELU(inplace=True),
            nn.Linear(hidden, hidden),
            nn.ELU(inplace=True),
        )
        codes = torch.arange(CHARACTERS, dtype=torch.float32)
        # The offset is 47 (slash) rather than 48 (zero), because the published weights were trained with it.
        digits = torch.where((codes >= 45) & (codes <= 57), (codes - 47) / 10, 0.0)
        self.register_buffer("_table", torch.stack([(codes - 32) / 96, digits], dim=1), persistent=False)

    def forward(self, lines: Tensor) -> Tensor:
        """Encode both bottom lines.

        Args:
            lines: ``[N, 160]``, integers, character codes.

        Returns:
            ``[N, hidden]``.
        """
        numbers = F.embedding(lines.int(), self._table).transpose(1, 2)
        encoded: Tensor = self.fwd_net(self.conv_net(numbers).flatten(1))
        return encoded


def normalised_convolution(convolution: nn.Module, norm: nn.Module, inputs: Tensor) -> Tensor:
    """Convolution and batch normalisation; in eval mode folded into one convolution, which is faster."""
    assert isinstance(convolution, nn.Conv2d)
    assert isinstance(norm, nn.BatchNorm2d)
    if norm.training:
        normalised: Tensor = norm(convolution(inputs))
        return normalised
    assert convolution.bias is not None
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
    return F.conv2d(
        inputs,
        convolution.weight * scale[:, None, None, None],
        (convolution.bias - norm.running_mean) * scale + norm.bias,
        padding=1,
    )


class ResidualBlock(nn.Module):
    """Two batch-normalised 3x3 convolutions, each followed by ELU, with a skip connection."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(2):
            layers += [
                nn.Conv2d(channels, channels, 3, padding=1),
                nn.BatchNorm2d(channels),
                nn.ELU(inplace=True),
            ]
        self.net = nn.Sequential(*layers)

    def forward(self, inputs: Tensor) -> Tensor:
        """Same shape as the input, ``[N, channels, height, width]``."""
        hidden = F.elu(normalised_convolution(self.net[0], self.net[1], inputs), inplace=True)
        return F.elu(normalised_convolution(self.net[3], self.net[4], hidden), inplace=True) + inputs


class ScreenEncoder(nn.Module):
    """IMPALA blocks over the embedded map (Espeholt et al. 2018, with batch normalisation and ELU)."""

    def __init__(self, embeddings: tuple[int, int], channels: Sequence[int], hidden: int) -> None:
        super().__init__()
        height, width = MAP_ROWS, COLUMNS
        blocks: list[nn.Module] = []
        in_channels = sum(embeddings)
        for out_channels in channels:
            blocks.append(
                nn.Sequential(
                    nn.Conv2d(in_channels, out_channels, 3, padding=1),
                    nn.MaxPool2d(3, stride=2),
                    ResidualBlock(out_channels),
                    ResidualBlock(out_channels),
                )
            )
            height, width, in_channels = (height - 1) // 2, (width - 1) // 2, out_channels
        if height < 1:
            raise ConfigError(
                f"network.screen_channels has {len(channels)} blocks; the map is too small for more than 4"
            )
        self.conv_net = nn.Sequential(*blocks)
        self.fc_head = nn.Sequential(nn.Linear(in_channels * height * width, hidden), nn.ELU(inplace=True))
        self.char_embeddings = nn.Embedding(CHARACTERS, embeddings[0])
        self.color_embeddings = nn.Embedding(COLOURS, embeddings[1])

    def embed(self, characters: Tensor, colours: Tensor) -> Tensor:
        """Concatenated character and colour embeddings, as a batch of images in channels-last layout.

        Args:
            characters: ``[N, height, width]``, integers 0..255.
            colours: the same shape, 0..127.

        Returns:
            ``[N, sum of both embedding sizes, height, width]``.
        """
        by_character, by_colour = self.char_embeddings.weight, self.color_embeddings.weight
        sizes = by_character.shape[1], by_colour.shape[1]
        if torch.is_grad_enabled() and by_character.requires_grad:
            # One lookup per cell in a table of pairs: its backward pass takes half as long as two embeddings.
            left = by_character[:, None].expand(-1, COLOURS, -1)
            table = torch.cat([left, by_colour.expand(CHARACTERS, -1, -1)], dim=2).flatten(0, 1)
            pairs = (characters.long() * COLOURS + colours).reshape(-1, 1)
            both = table.gather(0, pairs.expand(-1, sum(sizes)))
        else:
            padded = torch.cat([F.pad(by_character, (0, sizes[1])), F.pad(by_colour, (sizes[0], 0))])
            codes = torch.stack([characters.int(), colours.int() + CHARACTERS], dim=-1)
            both = F.embedding_bag(codes.reshape(-1, 2), padded, mode="sum")
        return both.view(*characters.shape, sum(sizes)).permute(0, 3, 1, 2)

    def forward(self, embedded: Tensor) -> Tensor:
        """``[N, hidden]`` from embedded maps ``[N, sum of both embedding sizes, 21, 80]``."""
        # The published layer expects features flattened channel by channel.
        encoded: Tensor = self.fc_head(self.conv_net(embedded).contiguous().flatten(1))
        return encoded


class Crop(nn.Module):
    """Crops a square around the cursor from the map; cells outside the map are 0.

    The published module samples bilinearly at grid points that coincide with cells, then rounds; indexing
    the cells directly is equivalent. Its two buffers give the offsets from the cursor, in units of half the
    map. For a side of 9 the published code uses offsets -5..3, one cell up and left of centre.
    """

    width_grid: Tensor
    height_grid: Tensor

    def __init__(self, side: int) -> None:
        super().__init__()
        distances = torch.arange(-side // 2, side // 2, dtype=torch.float32)
        width = (2 / (COLUMNS - 1)) * distances
        height = (2 / (MAP_ROWS - 1)) * distances
        self.register_buffer("width_grid", width[None, :].repeat(side, 1))
        self.register_buffer("height_grid", height[:, None].repeat(1, side))

    def forward(self, cells: Sequence[Tensor], cursor: Tensor) -> list[Tensor]:
        """Crop the same square from several maps.

        Args:
            cells: maps ``[N, 21, 80]``, integers.
            cursor: ``[N, 2]``, int64, screen row and column. Row 0, the top line, is not on the map; the
                released code computes map rows in uint8, so it becomes row 255 and all cells are 0.

        Returns:
            Squares ``[N, side, side]``, with the dtypes of the maps.
        """
        down = torch.round(self.height_grid * ((MAP_ROWS - 1) / 2)).long()
        right = torch.round(self.width_grid * ((COLUMNS - 1) / 2)).long()
        map_row = (cursor[:, 0] - FIRST_MAP_ROW) % 256
        rows = map_row[:, None, None] + down
        columns = cursor[:, 1, None, None] + right
        inside = (rows >= 0) & (rows < MAP_ROWS) & (columns >= 0) & (columns < COLUMNS)
        indices = (rows.clamp(0, MAP_ROWS - 1) * COLUMNS + columns.clamp(0, COLUMNS - 1)).flatten(1)
        return [cell.flatten(1).gather(1, indices).view(inside.shape) * inside for cell in cells]


def crop_convolutions(in_channels: int, channels: Sequence[int]) -> nn.Sequential:
    """Batch-normalised 3x3 convolutions with ELU, for the square around the cursor."""
    layers: list[nn.Module] = []
    for out_channels in channels:
        layers += [
            nn.Conv2d(in_channels, out_channels, 3, padding=1),
            nn.BatchNorm2d(out_channels),
            nn.ELU(inplace=True),
        ]
        in_channels = out_channels
    return nn.Sequential(*layers)


def apply_crop_convolutions(layers: nn.Sequential, square: Tensor) -> Tensor:
    """``[N, channels * side * side]`` from embedded squares, flattened channel by channel."""
    for number in range(0, len(layers), 3):
        square = F.elu(normalised_convolution(layers[number], layers[number + 1], square), inplace=True)
    return square.contiguous().flatten(1)


def crop_size(channels: Sequence[int], side: int) -> int:
    """Number of features per observation that ``apply_crop_convolutions`` returns."""
    return channels[-1] * side**2
