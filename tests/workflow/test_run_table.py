"""The run table: number of jobs, paths of artifacts, and their parents."""

from __future__ import annotations

from math import ceil
from pathlib import Path

import pytest

from fpc.core.errors import ConfigError
from fpc.core.tables import PI_STAR
from fpc.domains.registry import domain_names, measures_pi_star
from fpc.lineage.artifact import Row, parse_seeds, scale_and_variant, seeds_name
from fpc.workflow.configuration import Configuration
from fpc.workflow.loader import load, scales, variants
from fpc.workflow.run_table import parents, rows, used_experiments


def jobs(configuration: Configuration) -> int:
    """The README's formula, from the configuration alone."""
    total = len(configuration.figure.names) + 2
    for name in used_experiments(configuration):
        experiment = configuration.experiments[name]
        groups = ceil(experiment.seeds / experiment.seeds_per_run)
        policies = groups if experiment.pretrain_per_seed else 1
        measured = policies * measures_pi_star(experiment.domain)
        total += 2 * policies + measured + 2 * len(configuration.methods_of(name)) * groups
    return total


@pytest.mark.usefixtures("project")
def test_number_of_jobs_equals_the_formula_of_the_readme() -> None:
    for scale in scales():
        for variant in [None, *variants()]:
            try:
                configuration = load(scale, variant)
            except ConfigError as error:  # a scale of some domains, and figures of others
                assert scale == "workstation", error  # noqa: PT017  (the only such scale)
                continue
            assert len(rows(configuration)) == jobs(configuration), configuration.label
            assert scale_and_variant(configuration.label) == (scale, variant)


@pytest.mark.usefixtures("project")
def test_rows_are_distinct_and_parents_come_first() -> None:
    configuration = load("paper")
    table = rows(configuration)
    assert len({row.manifest for row in table}) == len(table)
    place = {row: number for number, row in enumerate(table)}
    for row in table:
        for parent in parents(configuration, row):
            assert place[parent] < place[row], (row, parent)


@pytest.mark.usefixtures("project")
def test_scratch_needs_no_pretrained_policy_and_vanilla_does() -> None:
    configuration = load("paper")

    def phases(method: str) -> set[str]:
        row = Row("paper", "finetune", "robotic_sequence", method, (3,))
        return {parent.phase for parent in parents(configuration, row)}

    assert phases("scratch") == set()
    assert phases("vanilla") == {"pretrain", "collect"}


def test_paths_of_artifacts() -> None:
    run = Row("laptop", "finetune", "robotic_sequence", "ewc", (3,))
    assert run.manifest == Path("results/laptop/robotic_sequence/finetune/ewc/seed_3/manifest.json")
    together = Row("laptop", "evaluate", "apple_retrieval", "ewc", tuple(range(20)))
    assert together.folder == Path("results/laptop/apple_retrieval/evaluate/ewc/seeds_0-19")
    figure = Row("laptop+figure_22", "figure", name="figure_22")
    assert figure.manifest == Path("results/laptop+figure_22/figures/figure_22.manifest.json")
    assert Row("demo", "claims", name="claims").manifest == Path("results/demo/claims.manifest.json")


@pytest.mark.parametrize("seeds", [(0,), (7,), tuple(range(20)), tuple(range(20, 40))])
def test_seeds_and_their_names(seeds: tuple[int, ...]) -> None:
    assert parse_seeds(seeds_name(seeds)) == seeds
    assert parse_seeds(seeds_name(seeds).partition("_")[2]) == seeds


@pytest.mark.parametrize("text", ["", "a", "3-1", "1-b"])
def test_wrong_seeds_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_seeds(text)


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    ("figure", "reads"),
    [
        *((name, True) for name in ("table_4", "figure_4", "figure_5", "figure_6", "figure_7")),
        *((name, False) for name in ("figure_2", "figure_3c", "figure_19", "film_6", "film_7")),
    ],
)
def test_figures_that_show_pi_star_by_itself_read_its_own_measurement(figure: str, reads: bool) -> None:
    """Also where the figure names its methods, as figure 4 does."""
    read = parents(load("paper"), Row("paper", "figure", name=figure))
    own = {row for row in read if row.method == PI_STAR}
    assert {(row.phase, row.seeds) for row in own} == ({("evaluate", (0,))} if reads else set())


def test_the_plan_decides_the_device_of_every_phase() -> None:
    phases = ("pretrain", "collect", "finetune", "evaluate")
    for scale in ("demo", "laptop"):
        plan = load(scale).plan
        assert {plan.device(name, phase) for name in domain_names() for phase in phases} == {"cpu"}
    plan = load("paper").plan
    assert plan.device("nethack", "finetune") == "cuda"
    assert plan.device("montezuma", "pretrain") == "cuda"
    assert plan.device("robotic_sequence", "finetune") == "cpu"
