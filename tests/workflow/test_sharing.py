"""A variant shares the runs that it does not change, and may bring a method from outside the package."""

from __future__ import annotations

import json
import re
import shutil
import zipfile
from pathlib import Path

import pytest
from tests.workflow.chain import ROOT, command_in, run_chain

from fpc import extensions
from fpc.cli.audit import known_projects
from fpc.core.errors import ConfigError
from fpc.lineage.artifact import Row
from fpc.lineage.manifest import read
from fpc.workflow.dvc_record import targets, unsound
from fpc.workflow.loader import load
from fpc.workflow.run_table import RunTable, parents, rows

OVERLAY = """\
extensions: [mine/l2.py]
methods:
  l2:
    two_state_mdp: {coefficient: 0.1}
"""
RUN = "results/tiny+mine/two_state_mdp"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scale tiny, then a variant of it with one more method."""
    project = tmp_path_factory.mktemp("project")
    run_chain(project, "tiny")
    (project / "mine").mkdir()
    shutil.copy(ROOT / "examples" / "methods" / "l2.py", project / "mine" / "l2.py")
    (project / "configs" / "variants" / "mine.yaml").write_text(OVERLAY, encoding="utf-8")
    return project


def jobs(project: Path) -> dict[str, int]:
    """Rule -> number of jobs that Snakemake would run for the variant."""
    listed = command_in(project, "snakemake", "--cores", "2", "-n", "--config", "scale=tiny", "variant=mine")
    assert listed.returncode == 0, listed.stderr[-3000:]
    counted = re.findall(r"^(\w+) +(\d+)$", listed.stdout.partition("total")[0], re.MULTILINE)
    return {rule: int(number) for rule, number in counted if rule != "all"}


def audit(project: Path) -> tuple[int, dict[str, str]]:
    """Exit code of the audit, and the verdict of each artifact of the variant."""
    found = command_in(project, "fpc", "audit", "verify", "--json")
    verdicts = {one["artifact"]: one["verdict"] for one in json.loads(found.stdout)["findings"]}
    return found.returncode, {name: word for name, word in verdicts.items() if "tiny+mine" in name}


def test_only_the_new_method_runs_and_everything_verifies(made: Path) -> None:
    assert jobs(made) == {"finetune": 1, "evaluate": 1, "figure": 1, "claims": 1, "report": 1}
    done = command_in(made, "snakemake", "--cores", "2", "--config", "scale=tiny", "variant=mine")
    assert done.returncode == 0, done.stderr[-3000:]
    own = sorted(
        path.parent.relative_to(made / RUN).as_posix() for path in (made / RUN).rglob("manifest.json")
    )
    assert own == ["evaluate/l2/seed_0", "finetune/l2/seed_0"]
    manifest = read(made / RUN / "finetune" / "l2" / "seed_0" / "manifest.json")
    assert "mine/l2.py" in manifest.details["builder"]["code"]["modules"]
    assert (made / RUN / "finetune" / "l2" / "seed_0" / "l2.py").read_bytes() == (
        made / "mine" / "l2.py"
    ).read_bytes()
    assert "l2.py" in manifest.subjects
    assert "results/tiny/two_state_mdp/pretrain/seed_0/manifest.json" in manifest.parents
    code, verdicts = audit(made)
    assert (code, set(verdicts.values())) == (0, {"verified"})

    for name in ("CITATION.cff", "LICENSE", "requirements.lock", "README.md"):
        shutil.copy(ROOT / name, made / name)
    packed = command_in(made, "fpc", "audit", "export", "crate.zip", "--scale", "tiny", "--variant", "mine")
    assert packed.returncode == 0, packed.stderr
    with zipfile.ZipFile(made / "crate.zip") as crate:
        assert {"mine/l2.py", "configs/variants/mine.yaml"} <= set(crate.namelist())

    method = made / "mine" / "l2.py"
    text = method.read_text(encoding="utf-8")
    method.write_text("# A comment changes nothing.\n" + text, encoding="utf-8")
    assert jobs(made) == {}
    method.write_text(text.replace("* coefficient", "* 2 * coefficient"), encoding="utf-8")
    assert jobs(made)["finetune"] == 1
    code, verdicts = audit(made)
    assert (code, verdicts[f"{RUN}/finetune/l2/seed_0/manifest.json"]) == (1, "stale")
    method.write_text(text, encoding="utf-8")
    assert audit(made)[0] == 0


def test_what_a_variant_changes_is_its_own(project: Path) -> None:
    overlay = project / "configs" / "variants" / "mine.yaml"
    overlay.write_text("experiments: {two_state_mdp: {finetune: {milestones: 8}}}\n", encoding="utf-8")
    configuration = load("tiny", "mine")
    labels = {(row.phase, row.method): row.label for row in rows(configuration) if row.experiment}
    assert labels["pretrain", None] == labels["collect", None] == "tiny"
    assert labels["finetune", "vanilla"] == labels["evaluate", "vanilla"] == "tiny+mine"
    finetuned = Row("tiny+mine", "finetune", "two_state_mdp", "vanilla", (0,))
    assert {parent.label for parent in parents(configuration, finetuned)} == {"tiny"}
    overlay.write_text("experiments: {two_state_mdp: {seeds: 2}}\n", encoding="utf-8")
    seeds = {row.seeds: row.label for row in rows(load("tiny", "mine")) if row.phase == "finetune"}
    assert seeds == {(0,): "tiny", (1,): "tiny+mine"}
    overlay.write_text("experiments: {two_state_mdp: {pretrain: {updates: 7}}}\n", encoding="utf-8")
    assert {row.label for row in rows(load("tiny", "mine"))} == {"tiny+mine"}


def test_runs_that_a_variant_shares_are_recorded_with_their_scale(project: Path) -> None:
    overlay = project / "configs" / "variants" / "mine.yaml"
    overlay.write_text("experiments: {two_state_mdp: {finetune: {milestones: 8}}}\n", encoding="utf-8")
    configuration = load("tiny", "mine")
    groups = targets(configuration)
    assert {row.label for group in groups.values() for row in group} == {"tiny+mine"}
    assert "weights/tiny+mine/two_state_mdp/finetune.dvc" in groups
    assert "weights/tiny+mine/two_state_mdp/pretrain.dvc" not in groups
    assert unsound(RunTable(configuration), groups) == {}  # what is shared is not asked about


@pytest.mark.parametrize(
    ("listed", "message"),
    [
        ("[absent/l2.py]", "absent/l2.py does not exist"),
        ("[../l2.py]", "must lie in the project"),
        ("[mine/my-l2.py]", "'my-l2' cannot be a name here"),
        ("[mine/ewc.py]", "fpc.retention.ewc exists already; rename the file"),
        ("[mine]", "neither a method's file (*.py) nor a domain's folder"),
        ("[mine/l2.py, mine/more/l2.py]", "have the same name; rename one"),
    ],
)
def test_a_wrong_extension_is_one_error(project: Path, listed: str, message: str) -> None:
    for name in ("l2.py", "my-l2.py", "ewc.py", "more/l2.py"):
        (project / "mine" / name).parent.mkdir(parents=True, exist_ok=True)
        (project / "mine" / name).touch()
    overlay = project / "configs" / "variants" / "mine.yaml"
    overlay.write_text(f"extensions: {listed}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=re.escape(message)) as caught:
        load("tiny", "mine")
    assert str(caught.value).startswith("configs/variants/mine.yaml: extensions: ")


def test_a_method_that_the_package_has_taken_over_may_stay_listed(project: Path) -> None:
    (project / "mine").mkdir()
    copied = shutil.copy(ROOT / "src" / "fpc" / "retention" / "ewc.py", project / "mine")
    (project / "configs" / "variants" / "mine.yaml").write_text(
        "extensions: [mine/ewc.py]\n", encoding="utf-8"
    )
    assert rows(load("tiny", "mine"))
    with Path(copied).open("a", encoding="utf-8") as file:
        file.write("# Not the package's any more.\n")
    with pytest.raises(ConfigError, match=r"fpc\.retention\.ewc exists already"):
        load("tiny", "mine")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import torch\nclass\n", "mine/new.py:2 cannot be imported: SyntaxError: invalid syntax"),
        (
            "\nimport absent_package\n",
            "mine/new.py:2 cannot be imported: ModuleNotFoundError: No module named",
        ),
        ("", "mine/new.py cannot be imported: ValueError: there is no retention method 'new'"),
    ],
)
def test_a_broken_file_is_one_error_and_not_in_use(project: Path, text: str, message: str) -> None:
    before = extensions.paths()
    (project / "mine").mkdir(exist_ok=True)
    (project / "mine" / "new.py").write_text(text, encoding="utf-8")
    overlay = project / "configs" / "variants" / "mine.yaml"
    overlay.write_text("extensions: [mine/new.py]\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=re.escape(f"extensions: {message}")):
        load("tiny", "mine")
    assert extensions.paths() == before


def test_a_domain_does_not_take_the_place_of_a_module_of_claims(project: Path) -> None:
    folder = project / "mine" / "scores"
    shutil.copytree(ROOT / "examples" / "domains" / "taxi", folder)
    overlay = project / "configs" / "variants" / "mine.yaml"
    overlay.write_text("extensions: [mine/scores]\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"fpc\.claims\.scores exists already; rename the folder"):
        load("tiny", "mine")


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("misspells", {"updatez": 5}, "are not valid: finetune.updatez"),
        ("divides", "1 / 0", "fail: ZeroDivisionError: division by zero"),
    ],
)
def test_invalid_changes_of_a_method_are_one_error(
    project: Path, name: str, changes: object, message: str
) -> None:
    (project / "mine").mkdir(exist_ok=True)
    shutil.copy(ROOT / "examples" / "methods" / "l2.py", project / "mine" / "l2.py")
    text = (project / "mine" / "l2.py").read_text(encoding="utf-8")
    text += f"""
    @classmethod
    def finetune_changes(cls, options, domain, finetune):
        return {changes}
"""
    (project / "mine" / f"{name}.py").write_text(text, encoding="utf-8")
    overlay = project / "configs" / "variants" / "mine.yaml"
    overlay.write_text(OVERLAY.replace("l2", name), encoding="utf-8")
    with pytest.raises(ConfigError, match=re.escape(message)) as caught:
        load("tiny", "mine")
    assert "finetune_changes for experiment 'two_state_mdp'" in str(caught.value)


def test_a_wrong_variant_keeps_nobody_from_the_other_results(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("first", "second"):
        (project / "mine" / name).mkdir(parents=True)
        shutil.copy(ROOT / "examples" / "methods" / "l2.py", project / "mine" / name / "l2.py")
        overlay = OVERLAY.replace("mine/l2.py", f"mine/{name}/l2.py")
        (project / "configs" / "variants" / f"{name}.yaml").write_text(overlay, encoding="utf-8")
    for label in ("tiny", "tiny+first", "tiny+second"):
        (project / "results" / label).mkdir(parents=True)
    assert list(known_projects(None, None)) == ["tiny", "tiny+first"]
    said = capsys.readouterr().err
    assert said.startswith("fpc: results/tiny+second is not compared with its configuration: ")
    assert "have the same name; rename one" in said
    with pytest.raises(ConfigError, match="have the same name"):
        known_projects("tiny", "second")
