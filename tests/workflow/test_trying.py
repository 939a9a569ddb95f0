"""`fpc try`: a broken method is one message before any run; a sound one runs alone and gets its verdict."""

from __future__ import annotations

import errno
import os
import re
import shutil
from pathlib import Path

import pytest
from tests.workflow.broken_methods import L2, RETURN, STATE
from tests.workflow.chain import ROOT, command_in, copy_project

from fpc.core.errors import ConfigError
from fpc.workflow.trying.trial import Asked, Trial, begun, plan_text, planned, prepare
from fpc.workflow.trying.variant import MARK

METHODS = ROOT / "examples" / "methods"
SCALE = """\
domains: [robotic_sequence]
experiments:
  robotic_sequence:
    methods: [vanilla, behavioral_cloning]
  robotic_sequence_two_stages:
    methods: [vanilla]
figure:
  names: [figure_7]
"""


def asked(path: Path, *options: str, name: str | None = None) -> Asked:
    return Asked(path, options, (), "laptop", None, name)


def tried(project: Path, name: str, text: str, *options: str) -> Trial:
    """A trial of a method with this text, in a file outside the project."""
    folder = project.parent / "elsewhere"
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.py"
    path.write_text(text, encoding="utf-8")
    return prepare(asked(path, *(options or ("coefficient=0.1",))))


BROKEN = {
    "not_python": (lambda: L2.replace("class L2(", "class L2(("), ":29: is not Python", "correct this line"),
    "no_subclass": (lambda: L2.replace("class L2(RetentionMethod)", "class L2"), "no subclass of", "derive"),
    "slow_import": (
        lambda: "import torch\n" + L2,
        ":1: imports torch when it is read",
        "inside the functions",
    ),
    "no_penalty": (lambda: L2.replace("def penalty", "def penality"), "does not define penalty", "add it"),
    "no_colour": (lambda: L2.replace('"#56B4E9"', '"blue"'), "L2.colour is 'blue'", "hexadecimal"),
    "no_bound": (
        lambda: L2.replace("coefficient: NonNegativeFloat", "coefficient: float"),
        ":26: option coefficient has no bound",
        "NonNegativeFloat",
    ),
    "not_finite": (
        lambda: L2.replace("* coefficient\n", "* coefficient / 0\n"),
        "penalty is not finite",
        "keep logarithms and quotients bounded",
    ),
    "ignores_runs": (
        lambda: L2.replace(".sum(-1) * coefficient", ".sum() * coefficient"),
        "penalty ignores runs: it gives [] where [3] is due",
        "reduce over the last dimensions alone",
    ),
    "hidden_state": (
        lambda: L2.replace(
            RETURN,
            '        self.seen = getattr(self, "seen", 0) + 1\n' + RETURN.replace("coefficient", "self.seen"),
        ),
        "penalty changes hidden state",
        "state_dict",
    ),
    "no_resume": (
        lambda: L2.replace(STATE, "        return {}\n").replace(
            'self.anchors = state["anchors"].to(self._flat_parameters(context.student).device)',
            "self.anchors = self._flat_parameters(context.student).detach().clone()",
        ),
        "load_state_dict loses state",
        "restore it from there",
    ),
    "no_gradient": (
        lambda: L2.replace("batch.student) - self.anchors)", "batch.student).detach() - self.anchors)"),
        "penalty has no gradient",
        "batch.outputs",
    ),
    "wrong_gradient": (
        lambda: L2.replace(
            ".square().sum(-1) * coefficient",
            ".square().sum(-1) * (self._flat_parameters(batch.student).detach().sum() + coefficient)",
        ),
        "another gradient than its value",
        "is detached (do not",
    ),
    "fails": (
        lambda: L2.replace("* coefficient\n", "* coefficiant\n"),
        "penalty fails with NameError",
        "correct",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_method_is_one_message_with_line_and_remedy(project: Path, name: str) -> None:
    text, problem, remedy = BROKEN[name]
    before = sorted(path for path in project.rglob("*"))
    with pytest.raises(ConfigError) as caught:
        tried(project, name, text())
    message = str(caught.value)
    assert problem in message
    assert remedy in message
    assert re.match(rf"{re.escape(str(project.parent))}/elsewhere/{name}\.py:\d+: ", message), message
    assert "\n" not in message
    assert sorted(path for path in project.rglob("*")) == before  # nothing was written


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("coefficient=-1",), "--option coefficient: Input should be greater than or equal to 0 (found -1)"),
        (("coeficient=1",), "Did you mean 'coefficient'?"),
        (("coefficient",), "--option coefficient: write name=value, or domain:name=value"),
        (
            ("coefficient=1", "coefficient=2"),
            "--option coefficient=2: coefficient is given twice; give it once",
        ),
        (
            ("netHack:coefficient=1",),
            "'netHack' is no domain that is tried; they are: apple_retrieval, robotic_sequence",
        ),
    ],
)
def test_a_wrong_option_is_one_message(project: Path, options: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        tried(project, "wrong_option", L2, *options)


def test_names_that_are_taken(project: Path) -> None:
    with pytest.raises(ConfigError, match=r"fpc\.retention\.ewc exists already; rename the file"):
        tried(project, "ewc", L2)
    with pytest.raises(ConfigError, match=r"figure_21\.yaml exists and was not written by `fpc try`"):
        tried(project, "figure_21", L2)
    assert tried(project, "mine", L2).configuration.label == "laptop+mine"
    own = project / "methods" / "mine.py"
    own.parent.mkdir()
    own.write_text(L2, encoding="utf-8")
    with pytest.raises(
        ConfigError, match=r"uses configs/variants/mine\.py, a method of the same name; rename"
    ):
        prepare(asked(own, "coefficient=0.1", name="other"))


def test_a_variant_of_another_method_is_not_replaced(project: Path) -> None:
    tried(project, "mine", L2)
    (project / "other.py").write_text(L2, encoding="utf-8")
    with pytest.raises(
        ConfigError, match=r"mine\.yaml is the trial of configs/variants/mine\.py; choose another"
    ):
        prepare(asked(project / "other.py", "coefficient=0.1", name="mine"))


@pytest.mark.parametrize("earlier", [False, True])
def test_a_plan_leaves_nothing(project: Path, earlier: bool) -> None:
    elsewhere = project.parent / "elsewhere"
    elsewhere.mkdir(exist_ok=True)
    (elsewhere / "mine.py").write_text(L2, encoding="utf-8")
    if earlier:
        prepare(asked(elsewhere / "mine.py", "coefficient=0.1"))
        (elsewhere / "mine.py").write_text(L2 + "# changed\n", encoding="utf-8")
    before = {path: path.read_bytes() for path in project.rglob("*") if path.is_file()}
    with planned(asked(elsewhere / "mine.py", "coefficient=0.2")) as trial:
        assert trial.replaces is earlier
        assert trial.configuration.methods["mine"]["robotic_sequence"].model_dump()["coefficient"] == 0.2
        assert ("what was made with them is no longer current" in plan_text(trial, [])) is earlier
    assert {path: path.read_bytes() for path in project.rglob("*") if path.is_file()} == before


def test_a_plan_and_a_trial_of_one_variant_wait_for_each_other(project: Path) -> None:
    shutil.copy(METHODS / "l2.py", project / "mine.py")
    with begun(asked(Path("mine.py"), "coefficient=0.1")):
        planning = command_in(project, "fpc", "try", "mine.py", "--option", "coefficient=0.2", "--plan")
        with planned(asked(Path("mine.py"), "coefficient=0.2", name="other")) as trial:
            assert trial.configuration.variant == "other"
    assert planning.returncode == 2
    assert "a trial or plan of variant mine is at work" in planning.stderr
    assert "coefficient: 0.1" in (project / "configs" / "variants" / "mine.yaml").read_text(encoding="utf-8")
    assert not (project / "configs" / "variants" / "other.yaml").exists()
    assert not (project / "results").exists() or not list((project / "results").iterdir())


def test_a_plan_without_flock_leaves_nothing(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr("fcntl.flock", flock)
    shutil.copy(METHODS / "l2.py", project / "mine.py")
    with planned(asked(Path("mine.py"), "coefficient=0.1")):
        assert (project / "results" / ".trials" / "mine" / "lock.lease").exists()
    assert not (project / "results" / ".trials").exists()


def test_only_other_options_replace_those_of_an_earlier_trial(project: Path) -> None:
    shutil.copy(METHODS / "l2.py", project / "mine.py")
    of_one = Asked(Path("mine.py"), ("coefficient=1",), ("robotic_sequence",), "laptop", None, None)
    of_all = Asked(Path("mine.py"), ("coefficient=1",), (), "laptop", None, None)
    assert [prepare(one).replaces for one in (of_one, of_one, of_all)] == [False] * 3
    assert prepare(asked(Path("mine.py"), "robotic_sequence:coefficient=2", "coefficient=1")).replaces


def test_domains_that_a_method_cannot_serve_are_named(project: Path) -> None:
    warm_up, l2 = (Path("examples", "methods", f"{name}.py") for name in ("warm_up", "l2"))
    found = prepare(Asked(warm_up, ("warm_up_steps=70",), (), "laptop", None, None))
    assert list(found.experiments) == ["robotic_sequence"]
    assert "its learner, appo, does not have replay_buffer" in found.refused["nethack"]
    section = found.configuration.section("finetune", "robotic_sequence", "warm_up")
    assert section["finetune"]["sac"]["update_after"] == 70
    with pytest.raises(
        ConfigError, match="--domain montezuma: its learner, appo, does not have replay_buffer"
    ):
        prepare(Asked(warm_up, (), ("montezuma",), "laptop", None, None))
    with pytest.raises(ConfigError, match="--domain two_state_mdp: it compares no methods"):
        prepare(Asked(l2, ("coefficient=1",), ("two_state_mdp",), "laptop", None, None))


def test_a_method_from_elsewhere_runs_alone_and_gets_its_verdict(tmp_path: Path) -> None:
    project = tmp_path / "project"
    copy_project(project, "small")
    scale = project / "configs" / "small.yaml"
    scale.write_text(_with_few(scale.read_text(encoding="utf-8")), encoding="utf-8")
    made = command_in(project, "snakemake", "--cores", "2", "--config", "scale=small", timeout=500)
    assert made.returncode == 0, made.stderr[-3000:]
    shutil.copy(METHODS / "l2.py", tmp_path / "mine.py")
    words = (tmp_path / "mine.py", "--option", "coefficient=0.1", "--scale", "small")
    planned = command_in(project, "fpc", "try", *words, "--plan")
    assert planned.returncode == 0, planned.stderr
    (line,) = (text for text in planned.stdout.splitlines() if text.startswith("robotic_sequence "))
    assert line.split()[1:5] == ["1", "2", "7", "0"]  # one run, two jobs; nothing else is made
    done = command_in(project, "fpc", "try", *words, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    finished = re.findall(r"Finished jobid: \d+ \(Rule: (\w+)\)", done.stderr)
    assert sorted(finished) == ["all", "claims", "evaluate", "figure", "finetune", "report"]
    curves = (project / "results" / "small+mine" / "figures" / "figure_7.csv").read_text(encoding="utf-8")
    assert {"vanilla", "behavioral_cloning", "mine"} <= set(
        re.findall(r"\b(vanilla|behavioral_cloning|mine)\b", curves)
    )
    audited = command_in(project, "fpc", "audit", "verify")
    assert audited.returncode == 0, audited.stdout
    again = command_in(project, "fpc", "try", *words)
    assert "Nothing to be done" in again.stderr + again.stdout
    assert "changed nothing" not in again.stdout
    idle = (*words[:1], "--option", "coefficient=0", *words[3:], "--name", "idle")
    without = command_in(project, "fpc", "try", *idle, timeout=300)
    assert without.returncode == 0, without.stderr[-3000:]
    assert "has no gradient at any student or update that was tried" in without.stdout
    assert "mine changed nothing on robotic_sequence: all its policies equal vanilla's" in without.stdout


def _with_few(text: str) -> str:
    """The scale `small` with two methods and one figure."""
    from io import StringIO

    from ruamel.yaml import YAML

    yaml = YAML()
    content, fewer = yaml.load(text), yaml.load(SCALE)
    for key, value in fewer["experiments"].items():
        content["experiments"][key].update(value)
    content["domains"] = fewer["domains"]
    content["figure"].update(fewer["figure"])
    out = StringIO()
    yaml.dump(content, out)
    return out.getvalue()


@pytest.mark.parametrize("text", ["2001-99-99", "!!int x", "[1"])
def test_an_option_that_is_no_yaml_is_one_message(project: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=rf"--option coefficient={re.escape(text)}: is not YAML"):
        tried(project, "own", L2, f"coefficient={text}")


def test_files_of_variants_may_be_anything(project: Path) -> None:
    (project / "configs" / "variants" / "notes.yaml").write_bytes(b"\xff\xfe")
    (project / "configs" / "variants" / "own.yaml").write_text(f"{MARK}\nextensions:\n", encoding="utf-8")
    assert tried(project, "own", L2).experiments
