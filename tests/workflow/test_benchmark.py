"""Which runs the benchmark compares: current ones of a scale, and of variants that bring a method."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest
from tests.workflow.chain import ROOT, command_in, copy_project

from fpc import extensions
from fpc.claims.testing import benchmark_of
from fpc.core.errors import ConfigError
from fpc.lineage.manifest import read
from fpc.reporting.benchmark import DomainTable, Line
from fpc.reporting.benchmark_csv import tidy
from fpc.reporting.benchmark_pages import table_text
from fpc.workflow.benchmark import benchmark, committed
from fpc.workflow.execution import execute_domain_phase
from fpc.workflow.loader import load

DOMAIN = "apple_retrieval"
SCALE = """\
scale: tiny
experiments:
  apple_retrieval:
    seeds: 6
    seeds_per_run: 3
    methods: [vanilla]
    environment: {max_steps: 20, conditions: [{distance: 3, signal: 0.5}, {distance: 5, signal: 0.5}]}
    pretrain: {updates: 100}
    collect: {states: 10}
    finetune: {updates: 20, milestones: 4}
    evaluate: {episodes: 5}
figure: {names: [figure_10], resamples: 50}
claims: {resamples: 200}
"""
OVERLAY = """\
extensions: [mine/l2.py]
experiments: {apple_retrieval: {methods: [vanilla, l2]}}
methods: {l2: {apple_retrieval: {coefficient: 100}}}
"""
CHANGED = """\
experiments: {apple_retrieval: {methods: [vanilla, l2], finetune: {milestones: 5}}}
"""
GROUPS = ((0, 1, 2), (3, 4, 5))


@pytest.fixture(scope="module", name="runs")
def runs_fixture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Vanilla of scale tiny, and a variant with one more method."""
    project = tmp_path_factory.mktemp("project")
    copy_project(project, "tiny")
    (project / "mine").mkdir()
    shutil.copy(ROOT / "examples" / "methods" / "l2.py", project / "mine" / "l2.py")
    (project / "configs" / "tiny.yaml").write_text(SCALE, encoding="utf-8")
    (project / "configs" / "variants" / "mine.yaml").write_text(OVERLAY, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project)
        patch.setenv(extensions.VARIABLE, "")
        scale, variant = load("tiny"), load("tiny", "mine")
        for seeds in GROUPS:
            for phase in ("pretrain", "collect"):
                execute_domain_phase(scale, phase, DOMAIN, None, seeds)
            for configuration, method in ((scale, "vanilla"), (variant, "l2")):
                for phase in ("finetune", "evaluate"):
                    execute_domain_phase(configuration, phase, DOMAIN, method, seeds)
    return project


@pytest.fixture(name="made")
def made_fixture(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the project for a test to change, as the current directory."""
    monkeypatch.setenv(extensions.VARIABLE, "")
    monkeypatch.chdir(shutil.copytree(runs, tmp_path / "project", symlinks=True))
    return Path.cwd()


def lines_of(found: list[DomainTable]) -> dict[str, Line]:
    (table,) = found
    assert table.domain == DOMAIN
    return {line.entrant.name: line for line in table.lines}


def test_a_variant_s_method_is_listed_beside_the_scale_s(made: Path) -> None:
    (variant,) = committed("tiny")
    found = benchmark(load("tiny"), [variant])
    assert table_text(benchmark(variant)) == table_text(found)  # a variant stands for its scale
    both = lines_of(found)
    assert set(both) == {"vanilla", "l2 (mine)"}
    assert benchmark(variant, domains=["nethack"]) == []
    against = lines_of(benchmark(variant, against="l2 (mine)"))["vanilla"].other
    assert against is not None
    assert against.other == "l2 (mine)"
    with pytest.raises(ConfigError, match="Did you mean 'vanilla'"):
        benchmark(variant, against="vanila")
    line = both["l2 (mine)"]
    folder = made / "results" / "tiny+mine" / DOMAIN / "finetune" / "l2"
    durations = [
        read(folder / name / "manifest.json").details["metadata"]["seconds"]
        for name in ("seeds_0-2", "seeds_3-5")
    ]
    assert line.seconds == pytest.approx(sum(durations) / 2)
    assert (line.seeds, line.entrant.seeds) == (6, 6)
    assert line.score is not None
    assert line.vanilla is not None
    assert both["vanilla"].score is not None
    assert line.vanilla.estimate is not None
    difference = line.score.value - both["vanilla"].score.value
    assert line.vanilla.estimate.value == pytest.approx(difference)
    assert line.vanilla.words in ("better", "not better", "undecided")
    episodes = [
        pd.read_parquet(folder.parents[1] / "evaluate" / "l2" / name / "episodes.parquet")
        for name in ("seeds_0-2", "seeds_3-5")
    ]
    whole = pd.concat(episodes).query("probe == 'whole' and measure == 'success'")
    means = whole.groupby(["seed", "step"])["value"].mean().unstack()
    # Five equal steps weighted by the trapezoidal rule; of six seeds the middle four.
    by_seed = sorted(means.to_numpy() @ [0.125, 0.25, 0.25, 0.25, 0.125])
    assert line.score.value == pytest.approx(sum(by_seed[1:5]) / 4)


def test_what_is_not_current_is_not_used(made: Path) -> None:
    method = made / "mine" / "l2.py"
    text = method.read_text(encoding="utf-8")
    method.write_text(text.replace("* coefficient", "* 2 * coefficient"), encoding="utf-8")
    found = benchmark(load("tiny", "mine"))
    line = lines_of(found)["l2 (mine)"]
    assert (line.score, line.seconds, line.seeds) == (None, None, 0)
    assert [(run.seeds, run.verdict) for run in line.entrant.absent] == [(3, "stale")] * 2
    assert "not current, stale (seeds): l2 (mine) 6" in table_text(found)
    assert lines_of(found)["vanilla"].score is not None

    method.write_text(text, encoding="utf-8")
    table = made / "results" / "tiny" / DOMAIN / "evaluate" / "vanilla" / "seeds_3-5" / "episodes.parquet"
    table.write_bytes(table.read_bytes() + b"0")
    lines = lines_of(benchmark(load("tiny", "mine")))
    assert (lines["vanilla"].seeds, lines["vanilla"].entrant.seeds) == (3, 6)
    assert [run.verdict for run in lines["vanilla"].entrant.absent] == ["tampered"]
    comparison = lines["l2 (mine)"].vanilla
    assert comparison is not None
    assert (comparison.words, comparison.reason) == ("not tested", "3 seed(s); 5 are asked for")


def test_a_variant_that_changes_more_is_left_out_and_named(made: Path) -> None:
    overlay = made / "configs" / "variants" / "mine.yaml"
    extension, _, methods = OVERLAY.splitlines(keepends=True)
    overlay.write_text(extension + CHANGED + methods, encoding="utf-8")
    found = benchmark(load("tiny", "mine"))
    assert set(lines_of(found)) == {"vanilla"}
    assert "l2 of variant mine is left out: the variant changes more" in table_text(found)


def test_a_variant_that_is_wrong_keeps_no_one_from_the_others(made: Path) -> None:
    (made / "configs" / "variants" / "longer.yaml").write_text("no_such_key: 1\n", encoding="utf-8")
    (made / "results" / "tiny+longer").mkdir()
    with pytest.raises(ConfigError, match="no_such_key"):
        committed("tiny")
    found = command_in(made, "fpc", "benchmark", "--scale", "tiny")
    assert found.returncode == 0, found.stderr
    assert (
        "the methods of variant longer are left out: configs/variants/longer.yaml: no_such_key"
        in found.stderr
    )
    assert "l2 (mine)" in found.stdout


def test_a_domain_without_a_table_is_an_error_before_any_is_made(made: Path) -> None:
    found = command_in(made, "fpc", "benchmark", "--scale", "tiny", "--domain", "two_state_mdp")
    assert found.returncode == 2
    wanted = "unknown domain with a benchmark 'two_state_mdp'. Allowed: apple_retrieval."
    assert found.stderr == f"fpc: --domain two_state_mdp: {wanted}\n"


def test_every_empty_value_of_the_data_has_its_reason(made: Path) -> None:
    shutil.rmtree(made / "results" / "tiny" / DOMAIN / "finetune" / "vanilla")
    data = tidy(benchmark(load("tiny", "mine")))
    empty = data[data["value"].isna()]
    assert set(empty["method"]) == {"vanilla", "l2"}
    assert (empty["reason"] != "").all()
    assert (data.loc[data["method"] == "vanilla", "reason"] == "no run is current").all()
    reasons = data[data["method"] == "l2"].set_index("metric")["reason"]
    assert reasons["minus_vanilla"] == "vanilla has no score"
    assert reasons["minus_best_other"] == "no other method has a score"
    alone = tidy(benchmark(load("tiny"), [])).set_index("metric")["reason"]
    assert alone["score"] == "no run is current"


def test_a_method_alone_has_no_other_and_is_not_compared_with_itself(made: Path) -> None:
    reasons = tidy(benchmark(load("tiny"))).set_index("metric")["reason"]
    assert reasons["minus_vanilla"] == "it is the method that others are compared with"
    assert reasons["minus_best_other"] == "no other method has a score"


def test_variants_without_a_method_of_their_own_add_no_line(made: Path) -> None:
    overlay = made / "configs" / "variants" / "longer.yaml"
    changed = "experiments: {apple_retrieval: {finetune: {milestones: 5}}}\n"
    overlay.write_text(changed, encoding="utf-8")
    (made / "results" / "tiny+longer").mkdir()
    assert [variant.variant for variant in committed("tiny")] == ["mine"]
    found = benchmark(load("tiny"), [load("tiny", "longer")])
    assert set(lines_of(found)) == {"vanilla"}
    assert found[0].notes == ()


def test_a_domain_outside_the_package_declares_its_own(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(extensions.VARIABLE, "")
    shutil.copytree(ROOT / "examples" / "two_doors", project / "mine" / "three_doors")
    (project / "mine" / "three_doors" / "claims.py").write_text(
        "from fpc.claims.apple_retrieval import BENCHMARK as OTHER\n"
        "from dataclasses import replace\n"
        "BENCHMARK = replace(OTHER, experiment='three_doors')\n",
        encoding="utf-8",
    )
    assert benchmark_of("three_doors") is None
    extensions.use(["mine/three_doors"])
    found = benchmark_of("three_doors")
    assert found is not None
    assert found.experiment == "three_doors"
