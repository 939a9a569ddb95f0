"""Converts published weights from torch checkpoints to safetensors, and back.

A torch checkpoint is a pickle, which can run code when it is loaded. Checkpoints are therefore only read
with ``weights_only=True``, which builds tensors and plain containers and refuses everything else.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from fpc.core.errors import UserError
from fpc.core.file_kinds import not_a_checkpoint
from fpc.core.files import sha256_of, write_json, write_tensors, write_with
from fpc.domains.nethack.config import NetworkOptions
from fpc.domains.nethack.encoders import COLUMNS, MAP_ROWS
from fpc.domains.nethack.milestone_weights import complete_weights
from fpc.domains.nethack.network import NetHackNetwork

# Keys that lead to the weights in checkpoints of the paper's code and of Tuyls et al. 2023.
NESTINGS = (("learner_state", "model"), ("model_state_dict",))
# Running moments of the reward, stored with the weights by Tuyls et al.; not part of the network.
DROPPED = ("reward_sum", "reward_m2", "reward_count")
Layout = dict[str, tuple[tuple[int, ...], torch.dtype]]


class PolicyFileError(UserError):
    """A file of weights is unusable; the message says why and what to do."""


@dataclass(frozen=True)
class Provenance:
    """Origin of imported weights; saved beside them as JSON."""

    source: str
    source_sha256: str
    source_bytes: int
    nesting: str
    dropped: tuple[str, ...]
    numbers: int
    sha256: str


def layout_of(options: NetworkOptions) -> Layout:
    """Key, shape and dtype of every tensor of a network of this size."""
    with torch.device("meta"):
        return _layout(NetHackNetwork(options).state_dict())


def _layout(state: Mapping[str, Tensor]) -> Layout:
    return {key: (tuple(value.shape), value.dtype) for key, value in state.items()}


def import_policy(
    checkpoint: Path, output: Path, options: NetworkOptions, *, sha256: str | None = None
) -> Provenance:
    """Convert a published checkpoint to safetensors and record its origin.

    Args:
        checkpoint: a file written by ``torch.save``.
        output: ``*.safetensors``; the origin is written to ``*.json``.
        options: expected sizes of the network.
        sha256: expected digest of the checkpoint.

    Raises:
        PolicyFileError: it is no checkpoint, the digest differs, the file cannot be read without running
            code, it has no weights, or the weights do not fit the network (all differences are listed).
    """
    _needs_suffix(output)
    if not checkpoint.is_file():
        raise PolicyFileError(f"{checkpoint} is not a file; give the published checkpoint")
    if (found := not_a_checkpoint(checkpoint)) is not None:
        raise PolicyFileError(
            f"{checkpoint} is {found}; give the published checkpoint (fpc fetch tuyls_lstm)"
        )
    digest = sha256_of(checkpoint)
    if sha256 is not None and digest != sha256.lower():
        raise PolicyFileError(
            f"{checkpoint}: sha256 is {digest}, expected {sha256}; download it again, or correct the digest"
        )
    nesting, state = _weights(checkpoint, _read(checkpoint))
    dropped = tuple(name for name in DROPPED if state.pop(name, None) is not None)
    check_weights(checkpoint, state, options)
    write_tensors(output, {key: value.clone() for key, value in state.items()})
    provenance = Provenance(
        checkpoint.name,
        digest,
        checkpoint.stat().st_size,
        "/".join(nesting),
        dropped,
        sum(value.numel() for value in state.values()),
        sha256_of(output),
    )
    write_json(output.with_suffix(".json"), asdict(provenance))
    return provenance


def export_policy(policy: Path, output: Path, options: NetworkOptions, pi_star: Path | None = None) -> str:
    """Write a policy as the paper's code reads it (``learner_state`` -> ``model``); returns the sha256.

    Args:
        policy: safetensors of a policy or of a milestone.
        output: the checkpoint.
        options: sizes of the network.
        pi_star: safetensors of pi*, whose weights a milestone lacks where it has not changed them.

    Raises:
        PolicyFileError: a file is not safetensors, or the weights do not fit the network.
    """
    for path in filter(None, (policy, pi_star)):
        if not path.is_file():
            raise PolicyFileError(f"{path} is not a file; give a policy.safetensors")
    try:
        state: Mapping[str, Tensor] = complete_weights(policy, pi_star)
    except ValueError as error:
        raise PolicyFileError(f"{error}; give a policy.safetensors") from error
    if pi_star is None and state.keys() < layout_of(options).keys():
        raise PolicyFileError(
            f"{policy} has a part of a network's weights, like a milestone; give --pi-star, the "
            "policy.safetensors that it was fine-tuned from"
        )
    check_weights(policy, state, options)
    ordered = {key: state[key] for key in layout_of(options)}
    write_with(output, lambda path: torch.save({"learner_state": {"model": ordered}}, path))
    return sha256_of(output)


def _needs_suffix(output: Path) -> None:
    if output.suffix != ".safetensors":
        raise PolicyFileError(
            f"{output}: the output is a safetensors file; its name must end in .safetensors"
        )


def _read(path: Path) -> object:
    """Containers and tensors of a checkpoint; code in it is refused, never run."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many exception types for broken or disallowed files
        reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
        raise PolicyFileError(
            f"{path} cannot be read without running code in it, so it was not read ({reason}). "
            "If you trust it, load it elsewhere and save only its weights: "
            'torch.save({"model_state_dict": model.state_dict()}, file)'
        ) from error


def _weights(path: Path, content: object) -> tuple[tuple[str, ...], dict[str, Tensor]]:
    for nesting in NESTINGS:
        inner = content
        for name in nesting:
            inner = inner.get(name) if isinstance(inner, Mapping) else None
        if isinstance(inner, Mapping):
            strange = [str(key) for key, value in inner.items() if not isinstance(value, Tensor)]
            if strange:
                raise PolicyFileError(
                    f"{path}: {', '.join(strange)} under {'/'.join(nesting)} are not tensors"
                )
            return nesting, {str(key): value for key, value in inner.items()}
    allowed = " or ".join("/".join(nesting) for nesting in NESTINGS)
    found = ", ".join(map(str, content)) if isinstance(content, Mapping) else type(content).__name__
    raise PolicyFileError(f"{path}: no weights under {allowed}; found: {found}")


def check_weights(path: Path, state: Mapping[str, Tensor], options: NetworkOptions) -> None:
    """Check that these are the weights of a network of this size.

    Raises:
        PolicyFileError: lists every difference, or both sizes if the network only differs in size.
    """
    found, expected = _layout(state), layout_of(options)
    if found != expected:
        size = _size_of(found)
        if size is not None and size != options:
            raise PolicyFileError(
                f"{path} has a network of a different size: {_size_differences(options, size)}"
            )
        raise PolicyFileError(
            "\n  ".join([f"{path} does not fit this network:", *_differences(found, expected)])
        )
    broken = [key for key, value in state.items() if not bool(torch.isfinite(value).all())]
    broken += [key for key in _between_cells(state) if key not in broken]
    if broken:
        raise PolicyFileError(f"{path}: invalid values in {', '.join(broken)}; download the file again")


def _differences(found: Layout, expected: Layout) -> Iterable[str]:
    for key in sorted(expected.keys() - found.keys()):
        yield f"missing: {key} {_text(*expected[key])}"
    for key in sorted(found.keys() - expected.keys()):
        yield f"unknown: {key} {_text(*found[key])}"
    for key, value in expected.items():
        if key in found and found[key] != value:
            yield f"differs: {key} is {_text(*found[key])}, expected {_text(*value)}"


def _text(shape: tuple[int, ...], dtype: torch.dtype) -> str:
    return f"{'x'.join(map(str, shape)) or 'scalar'} {str(dtype).removeprefix('torch.')}"


def _size_differences(wanted: NetworkOptions, found: NetworkOptions) -> str:
    items = [
        f"network.{key} is {getattr(wanted, key)} in the experiment, {getattr(found, key)} in the file"
        for key in type(wanted).model_fields
        if getattr(wanted, key) != getattr(found, key)
    ]
    return (
        "; ".join(items) + ". Choose the scale and experiment that the file was made for, or set these keys."
    )


def _size_of(found: Layout) -> NetworkOptions | None:
    """Sizes of the network with this layout; None if there is none."""

    def out_size(key: str) -> int:
        return found[f"{key}.weight"][0][0]

    def out_sizes(pattern: str, step: int) -> tuple[int, ...]:
        numbers = range(0, step * len(found), step)
        keys = [pattern.format(number) for number in numbers]
        return tuple(out_size(key) for key in keys if f"{key}.weight" in found)

    try:
        size = NetworkOptions(
            message_hidden=out_size("topline_encoder.msg_fwd.0"),
            status_channels=(
                out_size("bottomline_encoder.conv_net.0"),
                out_size("bottomline_encoder.conv_net.2"),
            ),
            status_hidden=out_size("bottomline_encoder.fwd_net.0"),
            character_embedding=found["screen_encoder.char_embeddings.weight"][0][1],
            colour_embedding=found["screen_encoder.color_embeddings.weight"][0][1],
            screen_channels=out_sizes("screen_encoder.conv_net.{}.0", 1),
            screen_hidden=out_size("screen_encoder.fc_head.0"),
            crop_size=found["crop.width_grid"][0][0],
            crop_channels=out_sizes("extract_crop_representation.{}", 3),
            hidden=found["core.weight_hh_l0"][0][1],
        )
        return size if layout_of(size) == found else None
    except (KeyError, IndexError, ValueError):
        return None


def _between_cells(state: Mapping[str, Tensor]) -> Iterable[str]:
    """Keys of the crop's grids whose points do not coincide with cells of the map."""
    for key, cells in (("crop.width_grid", COLUMNS), ("crop.height_grid", MAP_ROWS)):
        distances = state[key].double() * ((cells - 1) / 2)
        if not math.isclose(float((distances - distances.round()).abs().max()), 0, abs_tol=1e-3):
            yield key
