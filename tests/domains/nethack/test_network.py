"""The network against its definition and the layout of the published weights."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fpc.domains.nethack.config import NetworkOptions
from fpc.domains.nethack.network import NetHackNetwork
from fpc.learners.recurrence import unroll

LAYOUT = Path(__file__).with_name("checkpoint_layout.csv")
PAPER = NetworkOptions(
    message_hidden=64,
    status_channels=(32, 64),
    status_hidden=128,
    character_embedding=16,
    colour_embedding=16,
    screen_channels=(16, 32),
    screen_hidden=512,
    crop_size=9,
    crop_channels=(16, 16, 16, 16, 8),
    hidden=1738,
)
SMALL = NetworkOptions(
    message_hidden=8,
    status_channels=(3, 4),
    status_hidden=6,
    character_embedding=5,
    colour_embedding=3,
    screen_channels=(4, 6),
    screen_hidden=16,
    crop_size=9,
    crop_channels=(4, 3),
    hidden=12,
)


def observations(count: int, seed: int = 0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)

    def draw(low: int, high: int, *shape: int) -> Tensor:
        return torch.randint(low, high, (count, *shape), generator=generator, dtype=torch.uint8)

    cursor = torch.cat([draw(0, 24, 1), draw(0, 80, 1)], dim=1)
    return {
        "tty_chars": draw(0, 256, 24, 80),
        "tty_colors": draw(0, 128, 24, 80),
        "tty_cursor": cursor,
        "previous_action": draw(0, 121, 1),
    }


def network(seed: int = 0) -> NetHackNetwork:
    """A small network whose batch normalisation is not the identity."""
    found = NetHackNetwork.seeded(SMALL, seed)
    generator = torch.Generator().manual_seed(seed)
    for module in found.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_(generator=generator)
            module.running_var.uniform_(0.5, 2, generator=generator)
            module.weight.data.uniform_(0.5, 2, generator=generator)
            module.bias.data.normal_(generator=generator)
    return found


def defined_features(net: NetHackNetwork, inputs: Mapping[str, Tensor]) -> Tensor:
    """The published computation, spelt out: one-hot top line, bilinear sampling, plain layers."""
    dtype = net.policy.weight.dtype
    characters, colours = inputs["tty_chars"].long(), inputs["tty_colors"].long()
    top = net.topline_encoder.msg_fwd(F.one_hot(characters[:, 0], 256).flatten(1).to(dtype))
    bottom = characters[:, 22:].flatten(1).to(dtype)
    digits = ((bottom > 44) & (bottom < 58)) * (bottom - 47) / 10
    numbers = torch.stack([(bottom - 32) / 96, digits], dim=1)
    status = net.bottomline_encoder.fwd_net(net.bottomline_encoder.conv_net(numbers).flatten(1))
    screen = net.screen_encoder

    def embedded(cells: Tensor, paint: Tensor) -> Tensor:
        both = torch.cat([screen.char_embeddings(cells), screen.color_embeddings(paint)], dim=-1)
        return both.permute(0, 3, 1, 2).contiguous()

    image = embedded(characters[:, 1:22], colours[:, 1:22])
    for block in screen.conv_net:
        assert isinstance(block, nn.Sequential)
        image = block[1](block[0](image))
        for residual in (block[2], block[3]):
            image = residual.net(image) + image  # type: ignore[operator]
    map_features = screen.fc_head(image.flatten(1))

    row = (inputs["tty_cursor"][:, 0] - 1).to(dtype)  # in bytes: 0 becomes 255
    column = inputs["tty_cursor"][:, 1].to(dtype)
    x = net.crop.width_grid + (2 / 79 * (column - 39.5))[:, None, None]
    y = net.crop.height_grid + (2 / 20 * (row - 10))[:, None, None]
    grid = torch.stack([x, y], dim=3)
    squares = [
        F.grid_sample(cells[:, None, 1:22].to(dtype), grid, align_corners=True).round().long().squeeze(1)
        for cells in (characters, colours)
    ]
    crop = net.extract_crop_representation(embedded(squares[0], squares[1])).flatten(1)
    previous = F.one_hot(inputs["previous_action"].long().flatten(), 121).to(dtype)
    return net.fc(torch.cat([top, status, map_features, previous, crop], dim=1))  # type: ignore[no-any-return]


def test_keys_shapes_and_types_are_those_of_the_published_weights() -> None:
    with torch.device("meta"):
        state = NetHackNetwork(PAPER).state_dict()
    with LAYOUT.open(encoding="utf-8") as file:
        rows = [(row["key"], row["shape"], row["dtype"]) for row in csv.DictReader(file)]
    assert [
        (key, "x".join(map(str, value.shape)) or "scalar", str(value.dtype).removeprefix("torch."))
        for key, value in state.items()
    ] == rows
    assert sum(value.numel() for value in state.values()) == 32_932_055


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("gradients", [False, True])
def test_features_match_the_definition(training: bool, gradients: bool) -> None:
    inputs = observations(70)  # more than one chunk
    net, plain = network().train(training), network().train(training)
    with torch.set_grad_enabled(gradients):
        found = net.encode(inputs)
    torch.testing.assert_close(found, defined_features(plain, inputs), rtol=1e-4, atol=1e-5)


def test_gradients_match_the_definition() -> None:
    inputs = observations(6)
    net, plain = network().double().train(), network().double().train()
    torch.autograd.backward(net.encode(inputs).square().sum())
    torch.autograd.backward(defined_features(plain, inputs).square().sum())
    expected = dict(plain.named_parameters())
    for name in [name for name, parameter in net.named_parameters() if parameter.grad is not None]:
        gradient = net.get_parameter(name).grad
        torch.testing.assert_close(gradient, expected[name].grad, rtol=1e-7, atol=1e-9)
    assert all(parameter.grad is not None for parameter in net.encoder_parameters())


def test_the_square_reaches_five_cells_up_and_left_and_three_down_and_right() -> None:
    cells = torch.arange(21 * 80).view(1, 21, 80)
    crop = NetHackNetwork(SMALL).crop
    (square,) = crop([cells], torch.tensor([[11, 40]]))
    assert square[0, 5, 5] == 10 * 80 + 40  # screen row 11 is row 10 of the map
    assert square[0, 0, 0] == 5 * 80 + 35
    assert square[0, 8, 8] == 13 * 80 + 43
    (corner,) = crop([cells + 1], torch.tensor([[1, 0]]))
    assert corner[0, :5].eq(0).all()
    assert corner[0, :, :5].eq(0).all()
    assert corner[0, 5, 5:].tolist() == [1, 2, 3, 4]
    (top_line,) = crop([cells + 1], torch.tensor([[0, 40]]))
    assert top_line.eq(0).all()


def test_the_square_follows_the_buffers_of_loaded_weights() -> None:
    crop = NetHackNetwork(SMALL).crop
    crop.load_state_dict({"width_grid": crop.width_grid + 2 / 79, "height_grid": crop.height_grid + 2 / 20})
    (square,) = crop([torch.arange(21 * 80).view(1, 21, 80)], torch.tensor([[11, 40]]))
    assert square[0, 4, 4] == 10 * 80 + 40


@pytest.mark.parametrize("steps", [1, 7])
def test_unroll_is_equal_to_single_steps(steps: int) -> None:
    generator = torch.Generator().manual_seed(1)
    core = network().core
    features = torch.randn(steps, 5, 12, generator=generator)
    starts = torch.rand(steps, 5, generator=generator) < 0.3
    assert starts.any()
    state = torch.randn(5, 24, generator=generator)
    outputs, last = unroll(core, features, starts, state)
    hidden, cell = state[:, :12], state[:, 12:]
    for step in range(steps):
        keep = (~starts[step]).float()[:, None]
        _, (hidden, cell) = core(features[step][None], ((hidden * keep)[None], (cell * keep)[None]))
        hidden, cell = hidden[0], cell[0]
        torch.testing.assert_close(outputs[step], hidden, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(last, torch.cat([hidden, cell], dim=1), rtol=1e-5, atol=1e-6)


def test_the_recurrent_state_is_reset_between_games() -> None:
    net = network().eval()
    starts = torch.zeros(4, 2, dtype=torch.bool)
    starts[2, 1] = True
    inputs = {name: value.view(4, 2, *value.shape[1:]) for name, value in observations(8).items()}
    logits, values, state = net(inputs, starts, net.initial_state(2))
    assert logits.shape == (4, 2, 121)
    assert values.shape == (4, 2)
    fresh, _, fresh_state = net(
        {name: value[2:, 1:] for name, value in inputs.items()},
        torch.zeros(2, 1, dtype=torch.bool),
        net.initial_state(1),
    )
    torch.testing.assert_close(logits[2:, 1:], fresh)
    torch.testing.assert_close(state[1:], fresh_state)


def test_parameters_are_partitioned_into_three_parts() -> None:
    net = network()
    parts = [*net.encoder_parameters(), *net.core_parameters(), *net.head_parameters()]
    assert {id(part) for part in parts} == {id(parameter) for parameter in net.parameters()}
    assert len(parts) == len(list(net.parameters()))


def _statistics(net: NetHackNetwork) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in net.named_buffers() if "running" in name}


@pytest.mark.parametrize("moving", [False, True])
def test_a_frozen_encoder_updates_its_statistics_only_if_asked(moving: bool) -> None:
    net = network().train()
    net.freeze_encoder(moving_statistics=moving)
    net.train(False).train()
    before = _statistics(net)
    features = net.encode(observations(4))
    changed = [name for name, value in _statistics(net).items() if not torch.equal(value, before[name])]
    assert len(changed) == (len(before) if moving else 0)
    assert net.training
    assert not features.requires_grad
    assert not any(parameter.requires_grad for parameter in net.encoder_parameters())
    assert all(parameter.requires_grad for parameter in net.core_parameters())
    net.core.requires_grad_(False)
    trained = [name for name, parameter in net.named_parameters() if parameter.requires_grad]
    assert trained == ["policy.weight", "policy.bias", "baseline.weight", "baseline.bias"]


def test_a_trained_encoder_updates_its_statistics() -> None:
    net = network().train()
    before = _statistics(net)
    net.encode(observations(4))
    assert all(not torch.equal(value, before[name]) for name, value in _statistics(net).items())


def test_initial_weights_depend_only_on_the_seed() -> None:
    torch.manual_seed(5)
    first = NetHackNetwork.seeded(SMALL, 3).state_dict()
    drawn = torch.rand(1)
    torch.manual_seed(6)
    again, other = NetHackNetwork.seeded(SMALL, 3).state_dict(), NetHackNetwork.seeded(SMALL, 4).state_dict()
    assert all(torch.equal(value, again[name]) for name, value in first.items())
    assert not torch.equal(first["policy.weight"], other["policy.weight"])
    torch.manual_seed(5)
    assert torch.equal(drawn, torch.rand(1))


def test_a_map_too_small_for_the_blocks_is_refused() -> None:
    with pytest.raises(ValueError, match="screen_channels"):
        NetHackNetwork(SMALL.model_copy(update={"screen_channels": (4,) * 5}))


def test_no_observations_give_no_features() -> None:
    net = network().eval()
    with torch.no_grad():
        assert net.encode(observations(0)).shape == (0, 12)
