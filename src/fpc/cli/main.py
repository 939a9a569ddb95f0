"""The command line: one command per phase, and others to plan, inspect and audit them."""

from __future__ import annotations

import os
import sys
from concurrent.futures import BrokenExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from fpc.cli.audit import audit
from fpc.cli.benchmark import benchmark
from fpc.cli.inspection import check_machine, config, explain, measure, plan, status
from fpc.cli.model import export_model
from fpc.cli.options import Experiment, Method, Scale, Seeds, Variant, check_run, load_configuration
from fpc.cli.share import export, keygen, sign
from fpc.cli.trying import try_method
from fpc.cli.versions import record
from fpc.core import interruption, logs
from fpc.core.errors import TEMPORARY, ConfigError, UserError
from fpc.core.file_errors import PASSING, remedy_of
from fpc.domains.registry import domain_commands
from fpc.lineage.places import wrong_kind
from fpc.workflow.checkout import require_checkout
from fpc.workflow.loader import no_figure

app = typer.Typer(
    no_args_is_help=True,
    help="Fine-tuning forgets: pre-train, collect, fine-tune, evaluate, draw, claim, report.\n\n"
    "The whole chain: `snakemake --cores 2`. A single phase: `fpc finetune --method vanilla --seeds 0 "
    "--experiment robotic_sequence`. To resume an interrupted run, repeat its command.",
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("check")(check_machine)
app.command()(plan)
app.command()(measure)
app.command()(status)
app.command()(explain)
app.command("try")(try_method)
app.command()(benchmark)
for command in domain_commands(lambda scale: load_configuration(scale, None).experiments):
    app.command()(command)
audit.command()(export)
audit.command()(keygen)
audit.command()(sign)
app.command()(record)
app.command()(export_model)
app.add_typer(audit, name="audit")
app.add_typer(config, name="config")
# Old lines of a shell's profile, which would end a run or give it another ROM: how MuJoCo renders (we render
# nothing with it), and a folder of ROMs (ours comes with ale-py).
OF_OTHER_PROJECTS = ("MUJOCO_GL", "PYOPENGL_PLATFORM", "ALE_ROMS_DIR")
ELSEWHERE = {"--help", "keygen"}  # what can be asked for in any folder
Name = Annotated[str, typer.Option(help="Name of the figure, such as figure_7.")]


@app.callback()
def _setup(verbose: Annotated[bool, typer.Option(help="Show debugging messages.")] = False) -> None:
    logs.configure(verbose)
    if not ELSEWHERE & set(sys.argv):
        require_checkout()


@app.command()
def pretrain(
    experiment: Experiment, seeds: Seeds = "0", scale: Scale = "demo", variant: Variant = None
) -> None:
    """Pre-train pi*, the policy that all methods start from."""
    configuration = load_configuration(scale, variant)
    run = check_run(configuration, experiment, None, seeds, "pretrain")
    from fpc.workflow.phases.pretrain import pretrain as phase

    phase(configuration, experiment, run)


@app.command()
def collect(
    experiment: Experiment, seeds: Seeds = "0", scale: Scale = "demo", variant: Variant = None
) -> None:
    """Collect the expert data of pi* and the start states of the probes."""
    configuration = load_configuration(scale, variant)
    run = check_run(configuration, experiment, None, seeds, "collect")
    from fpc.workflow.phases.collect import collect as phase

    phase(configuration, experiment, run)


@app.command()
def finetune(
    experiment: Experiment, method: Method, seeds: Seeds = "0", scale: Scale = "demo", variant: Variant = None
) -> None:
    """Fine-tune pi* with one method; an interrupted run resumes from its last checkpoint."""
    configuration = load_configuration(scale, variant)
    run = check_run(configuration, experiment, method, seeds, "finetune")
    from fpc.workflow.phases.finetune import finetune as phase

    phase(configuration, experiment, method, run)


@app.command()
def evaluate(
    experiment: Experiment, method: Method, seeds: Seeds = "0", scale: Scale = "demo", variant: Variant = None
) -> None:
    """Run every Close and Far probe on every milestone of a fine-tuned run."""
    configuration = load_configuration(scale, variant)
    run = check_run(configuration, experiment, method, seeds, "evaluate")
    from fpc.workflow.phases.evaluate import evaluate as phase

    phase(configuration, experiment, method, run)


@app.command()
def figure(name: Name, scale: Scale = "demo", variant: Variant = None) -> None:
    """Draw one figure: SVG, PNG, and the plotted data as CSV."""
    configuration = load_configuration(scale, variant)
    if name not in configuration.figure.names:
        raise ConfigError(f"scale {configuration.label}: {no_figure(configuration, name)}")
    from fpc.workflow.phases.figure import figure as phase

    phase(configuration, name)


@app.command()
def claims(scale: Scale = "demo", variant: Variant = None) -> None:
    """Test every claim of the paper against the tables; write claims.json and claims.md."""
    configuration = load_configuration(scale, variant)
    from fpc.workflow.phases.claims import claims as phase

    phase(configuration)


@app.command()
def report(scale: Scale = "demo", variant: Variant = None) -> None:
    """Write the one-page report with every figure and claim."""
    configuration = load_configuration(scale, variant)
    from fpc.workflow.phases.report import report as phase

    phase(configuration)


def main() -> None:
    """Entry point: exits with 2 on wrong usage and 1 if a run cannot be done, each with one message.

    A run stopped by a signal exits with 128 plus the signal's number, and one that may succeed if repeated
    with 75: one of its processes was killed, another process holds it, a network disk was away.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # networks are small; runs are parallel instead
    _ignore_own_matplotlib()
    for name in OF_OTHER_PROJECTS:
        os.environ.pop(name, None)
    interruption.install()
    try:
        app()
    except (KeyboardInterrupt, SystemExit):
        if (number := interruption.received()) is None:
            raise
        _exit(f"stopped by {number.name}; run the same command again to resume", 128 + number)
    except UserError as error:
        _exit(error, error.exit_code)
    except BrokenExecutor as error:
        _exit(f"a process of this run was killed ({error}); the same command continues", TEMPORARY)
    except OSError as error:
        if (message := remedy_of(error) or wrong_kind(error)) is None:
            raise
        _exit(message, TEMPORARY if error.errno in PASSING else 1)


def _ignore_own_matplotlib() -> None:
    """Keep a person's settings of matplotlib from ending a run as it draws, perhaps after days of training.

    A notebook's kernel names a backend that may not be installed here, and a file may not be readable. That
    in the current folder, which matplotlib reads whatever else is named, is refused at once.
    """
    try:
        if (here := Path("matplotlibrc")).is_file():
            here.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        _exit(f"matplotlibrc: matplotlib could not read this file ({error}); remove or rename it", 2)
    os.environ["MPLBACKEND"] = "agg"
    if (found := find_spec("matplotlib")) is not None and found.origin is not None:
        os.environ["MATPLOTLIBRC"] = str(Path(found.origin).parent / "mpl-data" / "matplotlibrc")


def _exit(error: Exception | str, code: int) -> None:
    print(f"fpc: {error}", file=sys.stderr)
    raise SystemExit(code)
