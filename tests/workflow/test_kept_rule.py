"""What DVC keeps of a run: the section `record` of the configuration."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from pydantic import ValidationError

from fpc.core.errors import ConfigError
from fpc.lineage.artifact import Row
from fpc.lineage.manifest import heavy_sizes, read
from fpc.workflow.configuration import RecordSection
from fpc.workflow.loader import load
from fpc.workflow.run_table import RunTable

ROOT = Path(__file__).resolve().parents[2]

FIRST = Row("tiny", "finetune", "apple_retrieval", "vanilla", (0,))
GROUP = Row("tiny", "finetune", "apple_retrieval", "vanilla", tuple(range(5, 10)))
COLLECT = Row("tiny", "collect", "apple_retrieval", seeds=(3,))
MILESTONES = {f"milestones/step_{step}.safetensors": 2_000_000 for step in (0, 1000, 20000, 9000)}
LAST = {"milestones/step_20000.safetensors"}


@pytest.mark.parametrize(
    ("milestones", "seeds", "row", "expected"),
    [
        ("all", "all", FIRST, set(MILESTONES)),
        ("last", "all", FIRST, LAST),  # by number, not by name
        ("last", "all", GROUP, LAST),
        ("last", (0,), FIRST, LAST),
        ("last", (0,), GROUP, set()),
        ("all", (0, 7), GROUP, set(MILESTONES)),  # one file has the weights of all seeds of a run
    ],
)
def test_milestones_and_seeds_of_fine_tuned_runs(
    milestones: str, seeds: str | tuple[int, ...], row: Row, expected: set[str]
) -> None:
    rule = RecordSection.model_validate({"milestones": milestones, "seeds": seeds, "max_file_mb": None})
    assert rule.kept(row, MILESTONES) == expected


def test_a_folder_counts_as_a_whole() -> None:
    rule = RecordSection(milestones="all", seeds="all", max_file_mb=2)
    games = {f"games/{number}.ttyrec": 300_000 for number in range(6)}
    assert rule.kept(COLLECT, games) == set(games)
    assert rule.kept(COLLECT, games | {"games/6.ttyrec": 300_000, "policy.safetensors": 9}) == {
        "policy.safetensors"
    }


def test_a_file_above_the_limit_is_kept_of_no_phase_and_no_earlier_milestone_takes_its_place() -> None:
    rule = RecordSection(milestones="last", seeds=(0,), max_file_mb=2)
    large = MILESTONES | dict.fromkeys(LAST, 2_000_001)
    assert rule.kept(FIRST, MILESTONES) == LAST
    assert rule.kept(FIRST, large) == set()
    assert rule.kept(COLLECT, {"expert.safetensors": 3_000_000, "analysis.safetensors": 5}) == {
        "analysis.safetensors"
    }


@pytest.mark.parametrize("seeds", ["none", [], [-1], [True], 0])
def test_seeds_are_all_or_a_list(seeds: object) -> None:
    with pytest.raises(ValidationError, match="must be `all`, or a list of seeds"):
        RecordSection.model_validate({"milestones": "all", "seeds": seeds, "max_file_mb": None})


def test_a_milestone_that_a_film_shows_is_kept_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    configuration = load("laptop")
    row = Row("laptop", "finetune", "robotic_sequence", "vanilla", (0,))
    monkeypatch.chdir(tmp_path)
    row.folder.mkdir(parents=True)
    shutil.copy(ROOT / row.manifest, row.manifest)
    manifest = read(row.manifest)
    sizes, last = heavy_sizes(manifest), "milestones/step_100000.safetensors"
    assert RunTable(configuration).kept(row, sizes) == {last}

    shown = "milestones/step_20000.safetensors"
    film = Row("laptop", "figure", name="film_7").folder / "film_7.csv"
    film.parent.mkdir(parents=True)
    film.write_text(f"policy,weights\nvanilla,{manifest.subjects[shown]}\n", encoding="utf-8")
    assert RunTable(configuration).kept(row, sizes) == {last, shown}
    assert RunTable(configuration).kept(COLLECT, {}) == set()


def test_nothing_is_kept_of_an_experiment_that_is_left_out() -> None:
    rule = RecordSection(milestones="all", seeds="all", max_file_mb=None, without=("apple_retrieval",))
    montezuma = Row("tiny", "collect", "montezuma", seeds=(3,))
    assert rule.kept(FIRST, MILESTONES) == rule.kept(COLLECT, {"expert.safetensors": 1}) == set()
    assert rule.kept(montezuma, {"expert.safetensors": 1}) == {"expert.safetensors"}


def test_an_experiment_that_is_left_out_is_a_configured_one(tmp_path: Path) -> None:
    for name in ("paper", "demo"):
        shutil.copy(ROOT / "configs" / f"{name}.yaml", tmp_path)
    with (tmp_path / "demo.yaml").open("a") as file:
        file.write("\nrecord: {without: [nethak]}\n")
    with pytest.raises(ConfigError, match=r"demo\.yaml.*record\.without.*nethak.*Did you mean 'nethack'"):
        load("demo", folder=tmp_path)
