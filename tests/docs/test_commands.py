"""The commands that pages tell a reader to type exist, with these options and targets."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from snakemake.cli import get_argument_parser
from typer.main import get_command

from fpc.cli.main import app
from fpc.workflow.loader import load
from fpc.workflow.run_table import rows

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
CLUSTER = ROOT / "docs" / "how-to" / "run-on-a-cluster.md"
PAGES = (CLUSTER, ROOT / "docs" / "how-to" / "nethack-data.md")


def commands(page: Path, program: str) -> Iterator[list[str]]:
    """Arguments of every call of a program in the shell examples of a page, also behind srun and sbatch."""
    for block in re.findall(r"^```sh\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words and words[0] == "sbatch":
                words = shlex.split(words[words.index("--wrap") + 1])
            if program in words and words[0] in (program, "srun"):
                yield words[words.index(program) + 1 :]


def parsed(arguments: list[str]) -> click.Context:
    """The command line, parsed by the program itself and not run."""
    command: click.Command = get_command(app)
    context = click.Context(command, info_name="fpc")
    while isinstance(command, click.Group):
        name, *arguments = arguments
        found = command.get_command(context, name)
        assert found is not None, f"fpc {name}"
        command = found
        context = click.Context(command, info_name=name)
    command.parse_args(context, arguments)
    return context


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_fpc_command_is_accepted(page: Path) -> None:
    found = list(commands(page, "fpc"))
    assert len(found) >= 3
    for arguments in found:
        values = parsed(arguments).params
        if "scale" in values and values.get("experiment"):
            assert values["experiment"] in load(values["scale"], values.get("variant")).experiments


def test_every_make_target_exists() -> None:
    targets = {target for arguments in commands(CLUSTER, "make") for target in arguments if "=" not in target}
    assert targets == {"setup"}


def test_every_snakemake_command_is_accepted_and_its_targets_are_made() -> None:
    parser = get_argument_parser([])
    found = list(commands(CLUSTER, "snakemake"))
    assert len(found) >= 6
    for arguments in found:
        options, targets = arguments, list[str]()
        if "--" in arguments:
            split = arguments.index("--")
            options, targets = arguments[:split], arguments[split + 1 :]
        parser.parse_args([word for word in options if word not in ("--profile", "slurm")])
        given = dict(word.split("=") for word in options if word.startswith(("scale=", "variant=")))
        table = rows(load(given.get("scale", "paper"), given.get("variant")))
        made = {row.manifest.as_posix() for row in table}
        made |= {(row.folder / f"{row.name}.svg").as_posix() for row in table if row.phase == "figure"}
        assert set(targets) <= made


def test_the_trial_is_six_jobs_with_the_papers_sizes() -> None:
    trial, paper = load("paper", "trial"), load("paper")
    for name in ("nethack", "montezuma"):
        small, full = trial.experiments[name], paper.experiments[name]
        assert small.network == full.network  # type: ignore[attr-defined]
        budgets = ("warm_up_steps",)
        options, others = (item.finetune.appo.model_dump(exclude=budgets) for item in (small, full))  # type: ignore[attr-defined]
        assert options == others
        for phase in ("pretrain", "collect", "finetune", "evaluate"):
            own, whole = (item.plan.resources(name, phase) for item in (trial, paper))
            assert own.model_dump(exclude={"runtime"}) == whole.model_dump(exclude={"runtime"})
            assert own.runtime <= 120
    (arguments,) = (call for call in commands(CLUSTER, "snakemake") if "variant=trial" in call)
    planned = subprocess.run(
        [BIN / "snakemake", "--dry-run", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert planned.returncode == 0, planned.stderr
    jobs = dict(re.findall(r"^(\w+) +(\d+)$", planned.stdout + planned.stderr, re.MULTILINE))
    assert jobs == {"pretrain": "2", "collect": "2", "finetune": "2", "total": "6"}


def test_speeds_are_measured_with_the_cores_and_memory_of_the_jobs() -> None:
    text = CLUSTER.read_text(encoding="utf-8")
    found = re.findall(r"^srun (.*) fpc measure --scale paper --experiment (\w+)$", text, re.MULTILINE)
    assert [name for _, name in found] == ["nethack", "montezuma", "robotic_sequence"]
    for options, name in found:
        request = load("paper").plan.resources(name, "finetune")
        words = [f"--cpus-per-task={request.cpus}", f"--mem={request.mem_mb // 1000}G"]
        assert set(words) <= set(options.split()), f"{name}: {words}"
        assert ("--gpus=1" in options.split()) == (request.gpus == 1)
