"""Which external inputs an experiment's runs read, whether they are there, and the commands that get them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fpc.core.files import read_json, sha256_of
from fpc.domains.interface import NeededInput
from fpc.domains.nethack.config import NetHackExperiment
from fpc.domains.nethack.external_inputs import EXTERNAL, problem_of

# Bytes and files, unpacked. NLD-AA: 109,545 games (Hambro et al. 2022); the sizes are approximate.
SIZES = {"nld_aa": (90_000_000_000, 110_000), "nld_aa_taster": (1_600_000_000, 2_000)}
SIZES_FROM = "number of published games; bytes are approximate"
WEIGHTS_SIZE = (132_000_000, 2, "33M numbers of four bytes")
WEIGHTS, CHECKPOINT = "tuyls_lstm", "model_115.tar"


def needed_inputs(experiment: NetHackExperiment) -> list[NeededInput]:
    """Published weights and recorded games of an experiment, present or not."""
    found = [*_weights(experiment), *_recordings(experiment)]
    return list({item.name: item for item in found}.values())


def _weights(experiment: NetHackExperiment) -> Iterator[NeededInput]:
    options = experiment.pretrain
    if options.recipe != "published":
        return
    assert options.published is not None  # checked by the configuration
    path = Path(options.published)
    problem = _weights_problem(path)
    commands = [] if problem is None or problem_of(WEIGHTS) is None else [f"fpc fetch {WEIGHTS}"]
    if problem is not None:
        commands.append(f"fpc import-policy {EXTERNAL / WEIGHTS / CHECKPOINT} {path}")
    yield NeededInput(path.stem, path, ("pretrain",), problem, tuple(commands), *WEIGHTS_SIZE)


def _weights_problem(path: Path) -> str | None:
    """What is wrong with imported weights: missing, or altered since ``fpc import-policy`` wrote them."""
    if not path.is_file():
        return "missing"
    note = path.with_suffix(".json")
    if note.is_file() and read_json(note).get("sha256") != sha256_of(path):
        return f"is not the file that {note} describes"
    return None


def _recordings(experiment: NetHackExperiment) -> Iterator[NeededInput]:
    pretrain, collect = experiment.pretrain, experiment.collect
    later = ("collect", "finetune") if collect.recipe == "streamed" else ("collect",)
    sources = [(collect.source or pretrain.source, later)]
    if pretrain.recipe == "clone":
        both = ("pretrain", *later) if sources[0][0].kind == pretrain.source.kind else ("pretrain",)
        sources.append((pretrain.source, both))
    for source, phases in sources:
        if source.kind != "expert":
            problem = problem_of(source.kind)
            commands = () if problem is None else (f"fpc fetch {source.kind}",)
            size, files = SIZES[source.kind]
            place = EXTERNAL / source.kind
            yield NeededInput(source.kind, place, phases, problem, commands, size, files, SIZES_FROM)
