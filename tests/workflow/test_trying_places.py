"""`fpc try`: where a method's file may lie, what it may be called, and what becomes of other variants."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from tests.workflow.broken_methods import L2, message_about, replaced
from tests.workflow.chain import ROOT

from fpc.core.errors import ConfigError
from fpc.workflow.loader import load
from fpc.workflow.run_table import RunTable
from fpc.workflow.trying.trial import Asked, Trial, begun, parts, plan_text, planned, prepare
from fpc.workflow.trying.variant import MARK

EWC = ROOT / "src" / "fpc" / "retention" / "ewc.py"


def asked(path: Path, *options: str, name: str | None = None, seeds: int | None = None) -> Asked:
    return Asked(path, options or ("coefficient=0.1",), (), "laptop", seeds, name)


def written(project: Path, name: str, text: str | bytes = L2) -> Path:
    """A method's file outside the project."""
    path = project.parent / f"{project.name}_elsewhere" / f"{name}.py"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def tried(project: Path, name: str, text: str | bytes = L2) -> Trial:
    return prepare(asked(written(project, name, text)))


def test_a_method_of_the_package_needs_no_trial(project: Path) -> None:
    folder = project / "src" / "fpc"
    folder.parent.mkdir()
    folder.symlink_to(EWC.parents[1], target_is_directory=True)  # as in a checkout
    with pytest.raises(ConfigError, match=r"ewc\.py is part of the package and needs no listing"):
        prepare(asked(Path("src/fpc/retention/ewc.py")))


def test_an_extension_changes_no_configuration_that_does_not_list_it(
    project: Path, example_method: str
) -> None:
    """A method in the package that a variant lists as well: the scale's own run stays as it is."""
    scale = project / "configs" / "tiny.yaml"
    added = "methods:\n  l2: {two_state_mdp: {coefficient: 1.0}}\n"
    scale.write_text(scale.read_text(encoding="utf-8") + added, encoding="utf-8")
    before = load("tiny").section_digest("finetune", "two_state_mdp", example_method)
    shutil.copy(project / "examples" / "methods" / "l2.py", project / "l2.py")
    (project / "configs" / "variants" / "lists.yaml").write_text("extensions: [l2.py]\n", encoding="utf-8")
    variant = load("tiny", "lists")
    assert "source" in variant.section("finetune", "two_state_mdp", example_method)
    assert load("tiny").section_digest("finetune", "two_state_mdp", example_method) == before


def test_a_variant_keeps_the_methods_that_its_scale_lists(project: Path) -> None:
    """A variant's own list replaces the scale's; runs of the scale's methods are shared all the same."""
    shutil.copy(project / "examples" / "methods" / "l2.py", project / "own_method.py")
    scale = project / "configs" / "tiny.yaml"
    added = "extensions: [examples/methods/l2.py]\nmethods:\n  l2: {two_state_mdp: {coefficient: 1.0}}\n"
    scale.write_text(scale.read_text(encoding="utf-8") + added, encoding="utf-8")
    (project / "configs" / "variants" / "more.yaml").write_text(
        "extensions: [own_method.py]\n", encoding="utf-8"
    )
    of_scale, of_variant = (
        configuration.section("finetune", "two_state_mdp", "l2")
        for configuration in (load("tiny"), load("tiny", "more"))
    )
    assert of_variant == of_scale
    assert "source" in of_scale


@pytest.mark.parametrize("name", ["true", "NaN", "inf"])
def test_names_of_variants_that_mean_something_else(project: Path, name: str) -> None:
    with (
        pytest.raises(ConfigError, match=f"--name {name}: this word means something else"),
        begun(asked(written(project, "mine"), name=name)),
    ):
        pass


@pytest.mark.parametrize("name", ["pi_star", "NaN", "null", "inf"])
def test_names_that_mean_something_else_in_results(project: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=f"'{name}' means something else in results; rename the file"):
        tried(project, name)


@pytest.mark.parametrize("name", ["grün", "a-b", "1st", "_own", "a" * 65])
def test_names_that_are_none(project: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=f"'{name}' cannot be a name here; rename the file: a letter"):
        tried(project, name)


def test_a_method_s_name_that_an_example_has(project: Path) -> None:
    other = r"configs/variants/example_methods\.yaml uses examples/methods/l2\.py, a method of the same name"
    with pytest.raises(ConfigError, match=rf"{other}; rename your file$"):
        tried(project, "l2")
    assert prepare(asked(Path("examples/methods/l2.py"), name="mine")).method == "l2"


def test_two_trials_of_one_file_share_its_copy_until_the_file_changes(project: Path) -> None:
    path = written(project, "mine")
    prepare(asked(path))
    assert prepare(asked(path, "coefficient=1", name="other")).configuration.label == "laptop+other"
    copy = project / "configs" / "variants" / "mine.py"
    path.write_text(L2 + "# changed\n", encoding="utf-8")
    message = r"other\.yaml uses configs/variants/mine\.py, the copy of another version of your file; rename"
    with pytest.raises(ConfigError, match=message), planned(asked(path)):
        pass
    assert copy.read_text(encoding="utf-8") == L2
    (project / "configs" / "variants" / "other.yaml").unlink()
    prepare(asked(path))
    assert copy.read_text(encoding="utf-8") == L2 + "# changed\n"


def test_a_plan_takes_no_copy_away_that_a_trial_has_come_to_use(project: Path) -> None:
    """The plan begins first, puts a copy there and removes it in the end: no trial may begin in between."""
    path = written(project, "mine")
    with (
        planned(asked(path)),
        pytest.raises(ConfigError, match=r"mine\.py is being prepared; repeat"),
        begun(asked(path, name="other")),
    ):
        pass
    with begun(asked(path, name="other")):
        assert (project / "configs" / "variants" / "mine.py").exists()


ENCODED = {
    "byte_order_mark": L2.encode("utf-8-sig"),
    "encoding_line": b"# -*- coding: latin-1 -*-\n" + L2.replace('"L2"', '"Gr\xf6\xdfe"').encode("latin-1"),
    "line_ends": L2.replace("\n", "\r\n").encode(),
}


@pytest.mark.parametrize("name", ENCODED)
def test_a_file_may_be_encoded_as_python_allows(project: Path, name: str) -> None:
    trial = tried(project, name, ENCODED[name])
    assert "source" in trial.configuration.section("finetune", "robotic_sequence", name)


def test_the_source_s_digest_does_not_depend_on_a_byte_order_mark(project: Path) -> None:
    digests = set()
    for text in (L2.encode(), L2.encode("utf-8-sig"), L2.replace("\n", "\r\n").encode()):
        found = tried(project, "mine", text).configuration.section("finetune", "robotic_sequence", "mine")
        digests.add(found["source"])
    assert len(digests) == 1


LABELS = {
    "symbol": (r"r'$\no$'", r"cannot be drawn by matplotlib: .*Unknown symbol: \\no"),
    "brace": ("'$x_{$'", "cannot be drawn by matplotlib: .*found end of text"),
    "line": (r"'two\nlines'", "cannot be drawn by matplotlib: it has a line break"),
    "escape": (r"'$\upsilon$'", r"is not Python: .*truncated .*; write a text with backslashes as r'\.\.\.'"),
}


@pytest.mark.parametrize("name", LABELS)
def test_a_label_that_figures_cannot_show(project: Path, name: str) -> None:
    label, problem = LABELS[name]
    assert re.search(problem, message_about(project, name, replaced(L2, ('"L2"', label))))


def test_a_label_with_mathematics_or_a_dollar_sign(project: Path) -> None:
    for label in (r"r'$\lambda$-L2'", "'cheap ($)'", r"'L2\u00a0norm'"):
        assert tried(project, "mine", replaced(L2, ('"L2"', label))).method == "mine"


def test_another_number_of_seeds_leaves_runs_that_share_seeds_alone(project: Path) -> None:
    for more in (20, 30):  # further runs, beside that of the scale
        assert prepare(asked(written(project, "mine"), seeds=more)).own_seeds == []
    trial = prepare(asked(written(project, "mine"), seeds=2))
    assert trial.own_seeds == ["apple_retrieval"]
    experiments = trial.configuration.experiments
    assert (experiments["apple_retrieval"].seeds, experiments["robotic_sequence"].seeds) == (20, 2)
    rows = [row for row in RunTable(trial.configuration).rows() if row.label == "laptop+mine"]
    assert {row.method for row in rows if row.phase == "finetune"} == {"mine"}
    found = {part.domain: part for part in parts(trial)}
    assert (found["apple_retrieval"].runs, found["robotic_sequence"].runs) == (1, 2)
    assert "--seeds is not used for apple_retrieval" in plan_text(trial, list(found.values()))


def test_runs_of_other_methods_are_not_counted_as_the_method_s(project: Path) -> None:
    """Seeds that the scale does not have are run for all methods."""
    trial = prepare(
        Asked(written(project, "mine"), ("coefficient=1",), ("robotic_sequence",), "laptop", 11, None)
    )
    (part,) = parts(trial)
    assert part.runs == 11
    assert part.to_make > 22


def test_an_option_that_is_missing_in_some_domains_names_them(project: Path) -> None:
    option = '    strength: NonNegativeFloat = Field(description="Strength.")\n'
    text = replaced(L2, ("    coefficient: NonNegative", f"{option}    coefficient: NonNegative"))
    path = written(project, "two_options", text)
    with pytest.raises(ConfigError) as caught:
        prepare(asked(path, "coefficient=1", "robotic_sequence:strength=1"))
    assert str(caught.value) == (
        "for apple_retrieval, nethack, montezuma: --option strength: is missing; give it a value."
    )
    with pytest.raises(ConfigError) as caught:
        prepare(asked(path, "coefficient=1"))
    assert str(caught.value) == "--option strength: is missing; give it a value."


def test_what_a_method_imports_from_its_own_folder(project: Path) -> None:
    written(project, "helper", "VALUE = 1\n")
    with pytest.raises(ConfigError, match=r"if it is a file of yours, move what you use of it into this one"):
        tried(project, "imports_helper", replaced(L2, ("from pydantic", "import helper\nfrom pydantic")))


def test_a_folder_with_a_separator_of_paths(project: Path) -> None:
    (project / "a:b").mkdir()
    (project / "a:b" / "mine.py").write_text(L2, encoding="utf-8")
    with pytest.raises(ConfigError, match="':' separates paths; rename the file or folder"):
        prepare(asked(Path("a:b/mine.py")))


def test_an_error_about_the_variant_names_no_file_that_is_gone(project: Path) -> None:
    changes = (
        "    @classmethod\n    def finetune_changes(cls, options, domain, finetune):\n"
        "        return {'no_such_key': 1}\n\n"
    )
    with pytest.raises(ConfigError) as caught:
        tried(project, "changes_wrongly", replaced(L2, ("    def prepare(", f"{changes}    def prepare(")))
    assert "the variant of this trial: methods.changes_wrongly" in str(caught.value)
    assert "changes_wrongly.yaml" not in str(caught.value)


@pytest.mark.parametrize("content", ["methods: [a]\n", "methods: {mine: [a]}\n", "extensions: 3\n"])
def test_a_trial_s_file_that_was_edited_is_replaced(project: Path, content: str) -> None:
    path = project / "configs" / "variants" / "mine.yaml"
    path.write_text(f"{MARK}\n{content}", encoding="utf-8")
    assert tried(project, "mine").experiments
    assert "coefficient: 0.1" in path.read_text(encoding="utf-8")
