"""What a person can cause ends in one message; what the program causes keeps its traceback."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from fpc.workflow.speeds import speeds_file
from tests.workflow.chain import command_in

FPC = Path(sys.executable).parent / "fpc"
PRETRAIN = ("pretrain", "--scale=tiny", "--experiment=two_state_mdp")


def fpc(folder: Path, *words: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return command_in(folder, "fpc", *words, **settings)


def assert_one_message(finished: subprocess.CompletedProcess[str], code: int, words: str) -> None:
    assert finished.returncode == code, finished.stderr
    assert words in finished.stderr
    assert finished.stderr.startswith("fpc: ")
    assert "Traceback" not in finished.stderr


def test_a_setting_in_the_environment(project: Path) -> None:
    finished = fpc(project, *PRETRAIN, FPC_CHECKPOINT_SECONDS="soon")
    assert_one_message(
        finished, 2, "FPC_CHECKPOINT_SECONDS must be a number of seconds, such as 60, not 'soon'"
    )


def test_weights_that_are_none(project: Path) -> None:
    (project / "weights.bin").write_text("<html>not found</html>", encoding="utf-8")
    finished = fpc(project, "import-policy", "weights.bin", "policy.safetensors", "--scale=paper")
    assert_one_message(finished, 1, "weights.bin")


def test_a_file_of_measured_speeds_that_is_no_json(project: Path) -> None:
    path = speeds_file("tiny")
    path.parent.mkdir(parents=True)
    path.write_text("{", encoding="utf-8")
    assert_one_message(fpc(project, "plan", "--scale=tiny"), 2, str(path))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("benchmark", "--csv", "configs"), "configs is a folder; give the name of a file"),
        (("benchmark", "--csv", "Snakefile/x.csv"), "Snakefile/x.csv cannot be written, as "),
        (
            ("audit", "trace", "results", "--picture", "Snakefile/x.svg"),
            "Snakefile is a file; choose another",
        ),
        (("export-model", "results", "Snakefile/model"), "Snakefile is a file; choose another place"),
        (("audit", "sign", "--key", "key", "configs"), "no manifest below configs"),
        (("audit", "sign", "--key", "key", "Snakefile"), "no manifest below Snakefile"),
    ],
)
def test_a_place_that_is_none(project: Path, words: tuple[str, ...], message: str) -> None:
    assert_one_message(fpc(project, *words), 2, message)


@pytest.mark.parametrize("error", ["ValueError", "KeyError"])
def test_an_error_of_the_program_keeps_its_traceback(project: Path, error: str) -> None:
    program = (
        "from fpc.domains.two_state_mdp.domain import TwoStateMDP\n"
        f"def broken(self, experiment, run): raise {error}('a bug')\n"
        "TwoStateMDP.pretrain = broken\n"
        "from fpc.cli.main import main; main()"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program, *PRETRAIN], cwd=project, capture_output=True, text=True, check=False
    )
    assert finished.returncode == 1
    assert "Traceback" in finished.stderr
    assert "a bug" in finished.stderr


@pytest.mark.parametrize("words", ["plan", "audit verify", "figure --name=figure_7", "config reference"])
def test_outside_a_checkout_every_verb_says_so(tmp_path: Path, words: str) -> None:
    finished = fpc(tmp_path, *words.split())
    assert_one_message(finished, 2, f"{tmp_path} is no checkout of FPC: it has no configs/paper.yaml")
    assert not list(tmp_path.iterdir())


def test_inside_a_checkout_the_message_names_its_top(project: Path) -> None:
    finished = fpc(project / "configs" / "variants", "status")
    assert_one_message(finished, 2, f"cd {project}")


def test_help_and_keys_need_no_checkout(tmp_path: Path) -> None:
    assert fpc(tmp_path, "plan", "--help").returncode == 0
    made = fpc(tmp_path, "audit", "keygen", "key")
    assert made.returncode == 0, made.stderr
