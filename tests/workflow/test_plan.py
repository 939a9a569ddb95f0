"""`fpc plan` and `fpc measure`: hours and disk, and where each number comes from."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from tests.workflow.chain import ROOT, command_in

from fpc.core.errors import ConfigError
from fpc.core.files import read_json, write_json
from fpc.lineage.manifest import read
from fpc.workflow.disk import parts
from fpc.workflow.loader import load
from fpc.workflow.measuring import speed_of_marks
from fpc.workflow.plan import phase_plans, plan_text
from fpc.workflow.speeds import MeasuredSpeed, read_speeds, speeds_file, write_speeds

H100 = MeasuredSpeed(
    8000.0, 960_000, 120.0, "NVIDIA H100", "EPYC 9654", 12, "2026-05-01T10:00:00+00:00", None
)


def fpc(project: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return command_in(project, "fpc", *words, **variables)


def test_the_start_up_is_not_counted() -> None:
    # 30 seconds in all: the first ten are left out, then 1,000 steps in 20 seconds.
    assert speed_of_marks([(0.0, 0), (9.0, 5), (10.0, 100), (20.0, 600), (30.0, 1100)]) == (50.0, 1000, 20.0)
    assert speed_of_marks([(0.0, 0), (6.0, 300)]) is None  # a single report after the start-up
    assert speed_of_marks([(3.0, 7)]) is None
    assert speed_of_marks([]) is None


def test_a_measured_speed_replaces_the_assumed_one_and_is_named(project: Path) -> None:
    paper = load("paper")
    before = {(plan.domain, plan.phase): plan for plan in phase_plans(paper, {})}
    assert before["nethack", "finetune"].source == "assumed"
    assert "A100" in before["nethack", "finetune"].origin
    assert "CPU" in before["montezuma", "finetune"].origin
    write_speeds("paper", {"nethack": {"finetune": H100, "pretrain": replace(H100, steps_per_second=1.0)}})
    write_speeds("paper", {"nethack": {"pretrain": H100}})  # keeps the other
    measured = read_speeds("paper")
    assert measured["nethack"] == {"finetune": H100, "pretrain": H100}
    after = {(plan.domain, plan.phase): plan for plan in phase_plans(paper, measured)}
    found = after["nethack", "finetune"]
    # 25 runs of 500M steps, on one GPU each
    assert (found.source, found.seconds, found.gpu_seconds) == ("measured", 25 * 62_500, 25 * 62_500)
    cores = paper.plan.resources("nethack", "finetune").cpus
    assert found.core_seconds == 25 * 62_500 * cores
    assert after["montezuma", "finetune"] == before["montezuma", "finetune"]
    text = plan_text(paper, measured)
    assert "  measured nethack (pretrain, finetune): NVIDIA H100, EPYC 9654, 12 cores, 2026-05-01" in text
    assert read_speeds("laptop") == {}
    speeds_file("paper").write_text('{"nethack": {"finetune": {"speed": 1}}}', encoding="utf-8")
    with pytest.raises(ConfigError, match=r"results/.speeds/paper.json.*remove it and measure again"):
        read_speeds("paper")
    content = {"nethack": {"finetune": {**asdict(H100), "steps_per_second": "fast"}}}
    write_json(speeds_file("paper"), content)
    with pytest.raises(ConfigError, match=r"paper\.json: .*valid number.*remove it and measure again"):
        read_speeds("paper")


def test_runs_that_were_made_are_believed_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    laptop = load("laptop")
    found = {
        (plan.experiment, plan.phase): plan for plan in phase_plans(laptop, {"nethack": {"finetune": H100}})
    }
    plan = found["nethack", "finetune"]
    assert (plan.source, plan.runs) == ("runs", 25)
    folder = ROOT / "results" / "laptop" / "nethack" / "finetune"
    made = [read(path) for path in folder.glob("*/*/manifest.json")]
    sizes = [sum(item["size"] for item in manifest.statement["subject"]) for manifest in made]
    assert plan.disk.made_bytes == sum(sizes)
    assert plan.disk.bytes == pytest.approx(25 * sum(sizes) / len(sizes), rel=0.001)
    assert plan.disk.source == "made"


def test_the_disk_of_paper_counts_every_part_once() -> None:
    found = {part.name: part for part in parts(load("paper"), cuda=True)}
    assert list(found) == [
        "results",
        "results/.runs",
        ".dvc/cache",
        "data/external/nethack_pi_star.safetensors",
        "data/external/nld_aa",
        ".venv",
    ]
    # NetHack alone: 25 runs of 24 milestones; scratch keeps 33M numbers of four bytes, others change 24M.
    assert found["results"].bytes > 25 * 24 * 4 * (0.2 * 32_000_000 + 0.8 * 23_000_000)
    assert found["data/external/nethack_pi_star.safetensors"].bytes == pytest.approx(4 * 33e6, rel=0.02)
    assert found["data/external/nld_aa"].files > 109_545
    assert found[".dvc/cache"].bytes < found["results"].bytes
    assert "data/external/nld_aa" not in {part.name for part in parts(load("demo"), cuda=False)}


def test_dvcs_cache_holds_only_what_is_recorded(project: Path) -> None:
    laptop = load("laptop")  # the last milestone of one seed
    everything = laptop.record.model_copy(update={"milestones": "all", "seeds": "all", "max_file_mb": None})
    whole = replace(laptop, record=everything)
    kept, all_kept = (
        {part.name: part for part in parts(item, cuda=False)}[".dvc/cache"] for item in (laptop, whole)
    )
    assert 10 * kept.bytes < all_kept.bytes
    assert 10 * kept.files < all_kept.files


def copied(project: Path, scale: str) -> None:
    (project / "configs" / f"{scale}.yaml").write_bytes((ROOT / "tests" / f"{scale}.yaml").read_bytes())


WORKERS = """
experiments:
  nethack:
    finetune:
      appo: {asynchronous: true, workers: 2, environments_per_worker: 4, splits: 2}
"""


@pytest.mark.parametrize(
    ("scale", "experiment"),
    [("laptop", "robotic_sequence"), ("dungeon", "nethack"), ("temple", "montezuma")],
)
def test_measuring_trains_for_a_while_publishes_nothing_and_is_what_the_plan_uses(
    project: Path, scale: str, experiment: str
) -> None:
    if scale != "laptop":
        copied(project, scale)
    chosen = ["--scale", scale]
    if (
        scale == "dungeon"
    ):  # as at `paper`: the sampler, the policy and the learner are processes of their own
        (project / "configs" / "variants" / "workers.yaml").write_text(WORKERS, encoding="utf-8")
        chosen += ["--variant", "workers"]
    finished = fpc(project, "measure", *chosen, "--experiment", experiment, "--seconds", "3")
    assert finished.returncode == 0, finished.stderr
    assert [path.name for path in (project / "results").iterdir()] == [".speeds"]
    label = "+".join(chosen[1::2])
    assert [path.name for path in (project / "results" / ".speeds").iterdir()] == [f"{label}.json"]
    found = read_json(speeds_file(label))[experiment]["finetune"]
    assert found["steps"] / found["steps_per_second"] == pytest.approx(found["seconds"], abs=0.06)  # rounded
    assert (found["device"], found["cores"]) == ("cpu", len(os.sched_getaffinity(0)))
    plan = fpc(project, "plan", *chosen)
    assert re.search(rf"^{experiment} +finetune .* measured$", plan.stdout, re.MULTILINE)


def test_what_needs_a_gpu_is_not_measured_without_one(project: Path) -> None:
    arguments = ("measure", "--scale", "paper", "--experiment", "nethack", "--seconds", "3")
    finished = fpc(project, *arguments, CUDA_VISIBLE_DEVICES="")
    assert finished.returncode == 1
    assert finished.stderr.startswith("nethack: not measured: plan.jobs.nethack.finetune.gpus asks for a GPU")
    assert not (project / "results").exists()


def test_measuring_an_unknown_experiment_lists_the_known_ones(project: Path) -> None:
    finished = fpc(project, "measure", "--scale", "tiny", "--experiment", "nethak")
    assert finished.returncode == 2
    assert "unknown experiment 'nethak'. Allowed: two_state_mdp." in finished.stderr
