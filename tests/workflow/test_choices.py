"""What a person may say to snakemake and make, and where the project may lie."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.workflow.chain import BIN, ROOT, copy_project, environment

from fpc.core.errors import ConfigError
from fpc.workflow.snakemake_options import check_folder, check_given_once, choices


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"scal": "laptop"}, "unknown key 'scal'. Did you mean 'scale'?"),
        ({"scale": "demo", "varient": "trial"}, "Did you mean 'variant'?"),
        ({"seeds": 3}, "unknown key 'seeds'"),
        ({"scale": None}, "--config scale= is empty"),
        ({"variant": ""}, "--config variant= is empty"),
        ({"scale": 2024}, "Snakemake reads 2024 (int)"),
        ({"scale": ["demo", "laptop"]}, "give one name"),
    ],
)
def test_a_wrong_choice_is_refused(config: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        choices(config)
    assert words in str(caught.value)


def test_config_is_given_once() -> None:
    check_given_once(["snakemake", "--config", "scale=laptop", "variant=trial"])
    with pytest.raises(ConfigError, match="--config is given twice"):
        check_given_once(["snakemake", "--config", "scale=laptop", "--config", "variant=trial"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["experiment=two_state_mdp"], "experiment=two_state_mdp restricts the target `tables` alone"),
        (
            ["experiment=two_state", "--", "tables"],
            "unknown experiment 'two_state'. Did you mean 'two_state_mdp'?",
        ),
        (
            ["--", "results/laptop/figures/figure_7.svg"],
            "is a result of scale=laptop: add --config scale=laptop",
        ),
        (
            ["--", "results/tiny+trial/two_state_mdp/evaluate/vanilla/seed_0/manifest.json"],
            "is a result of scale=tiny variant=trial: add --config scale=tiny variant=trial, before --",
        ),
        (
            ["--", "results/tiny/figures/figure_13.svg"],
            "figure_13 is drawn by a variant only; choose variant figure_13.",
        ),
        (["--", "results/tiny/figures/figure_99.png"], "unknown figure 'figure_99'"),
    ],
)
def test_a_target_that_does_not_fit_is_one_line(project: Path, words: list[str], message: str) -> None:
    command = [BIN / "snakemake", "--cores", "1", "-n", "--config", "scale=tiny", *words]
    finished = subprocess.run(
        command, cwd=project, env=environment(project), capture_output=True, text=True, check=False
    )
    assert finished.returncode == 2, finished.stderr
    assert message in finished.stderr
    assert "Traceback" not in finished.stderr
    assert len(finished.stderr.strip().splitlines()) <= 2


def test_targets_that_fit(project: Path) -> None:
    for words in (
        ["experiment=two_state_mdp", "--", "tables"],
        [
            "--",
            "results/tiny/figures/figure_9.svg",
            "results/tiny/two_state_mdp/pretrain/seed_0/manifest.json",
        ],
    ):
        command = [BIN / "snakemake", "--cores", "1", "-n", "--config", "scale=tiny", *words]
        finished = subprocess.run(
            command, cwd=project, env=environment(project), capture_output=True, text=True, check=False
        )
        assert finished.returncode == 0, finished.stderr


def test_snakemake_says_it_in_one_line_and_makes_nothing(project: Path) -> None:
    command = [BIN / "snakemake", "--cores", "1", "--config", "scal=laptop"]
    finished = subprocess.run(
        command, cwd=project, env=environment(project), capture_output=True, text=True, check=False
    )
    assert finished.returncode == 2
    assert "fpc: --config or --configfile: unknown key 'scal'. Did you mean 'scale'?" in finished.stderr
    assert "Traceback" not in finished.stderr
    assert not (project / "results").exists()


def test_a_job_runs_in_folders_with_any_name(tmp_path: Path) -> None:
    folder = tmp_path / "a b$HOME`id`'\"[x]50%#;&(*)~!,=\\ü:-<>|?" / ("L" * 150)
    folder.mkdir(parents=True)
    copy_project(folder, "tiny")
    (folder / "environment").symlink_to(Path(sys.executable).parents[1])  # jobs call it by this path
    made = folder / "results/tiny/two_state_mdp/pretrain/seed_0/manifest.json"
    command = [folder / "environment" / "bin" / "python", "-m", "snakemake", "--cores", "1"]
    finished = subprocess.run(
        [*command, "--config", "scale=tiny", "--", made.relative_to(folder)],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr[-2000:]
    assert made.is_file()


def test_braces_in_the_path_are_refused() -> None:
    with pytest.raises(ConfigError, match="takes braces in a path for wildcards"):
        check_folder(Path("/tmp/{0}/fpc"))


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("SCAL=laptop", "unknown variable SCAL; allowed are SCALE"),
        ("SCALE=", "SCALE is ''"),
        ("SCALE=a b", "SCALE is 'a b'"),
        ("CORES=", "CORES is ''"),
    ],
)
def test_make_refuses_a_wrong_variable(word: str, message: str) -> None:
    finished = subprocess.run(
        ["make", "-n", "plan", word], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert finished.returncode == 2
    assert message in finished.stderr


def test_make_setup_refuses_a_folder_where_commands_cannot_be_installed(tmp_path: Path) -> None:
    folder = tmp_path / "a:b"
    folder.mkdir()
    (folder / "Makefile").symlink_to(ROOT / "Makefile")
    for name in ("requirements.lock", "requirements-cpu.lock", "requirements-cuda.lock", "pyproject.toml"):
        (folder / name).touch()
    finished = subprocess.run(
        ["make", "setup"], cwd=folder, capture_output=True, text=True, check=False, timeout=60
    )
    assert finished.returncode == 2
    assert "a:b: commands cannot be installed in a folder with : " in finished.stdout
    assert not (folder / ".venv").exists()
