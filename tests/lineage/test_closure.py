"""A manifest names the modules that determined its artifact, and no others."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from fpc.core.files import sha256_of
from fpc.lineage.artifact import Row
from fpc.lineage.closure import closure
from fpc.lineage.manifest import read
from fpc.lineage.origin import SOURCE, at_start, decides
from fpc.workflow.entry_points import entry_points

from .conftest import CHAIN, EVALUATE, FINETUNE

SAC = "fpc/learners/sac/"


def modules(domain: str, phase: str, method: str | None, source: Path = SOURCE) -> frozenset[str]:
    """Modules that determine a run."""
    row = Row("tiny", phase, "experiment", method, (0,))
    return closure(entry_points(row, {"domain": domain}), source, decides).modules


def packages_of(paths: Iterable[str]) -> set[str]:
    return {path.split("/")[1] for path in paths}


@pytest.mark.usefixtures("chain")
def test_the_toy_names_neither_sac_nor_other_domains() -> None:
    for row in CHAIN:
        names = read(row.manifest).details["builder"]["code"]["modules"]
        assert not any(name.startswith((SAC, "fpc/learners/appo/")) for name in names), row
        assert packages_of(names) <= {
            "core",
            "config",
            "domains",
            "figures",
            "learners",
            "retention",
            "__init__.py",
        }
    names = read(FINETUNE.manifest).details["builder"]["code"]["modules"]
    assert {"fpc/domains/two_state_mdp/mdp.py", "fpc/retention/vanilla.py"} <= names.keys()
    assert "fpc/retention/ewc.py" not in names
    assert not any(
        "two_state_mdp" not in name and "domains/" in name and name.count("/") > 2 for name in names
    )
    packages = read(EVALUATE.manifest).details["environment"]["packages"]
    assert {"numpy", "pandas"} <= packages.keys()
    assert not {"nle", "metaworld", "sample_factory"} & packages.keys()


def test_a_module_found_by_its_name_in_a_string_is_named() -> None:
    """Worker processes of APPO import the domain's functions that way."""
    names = modules("nethack", "finetune", "behavioral_cloning")
    assert {"fpc/domains/nethack/factories.py", "fpc/domains/nethack/expert_sequences.py"} <= names
    assert "fpc/domains/nethack/pretraining.py" not in names  # another phase
    assert "fpc/domains/nethack/pretraining.py" in modules("nethack", "pretrain", None)


def test_a_change_of_sac_leaves_nethack_verified(tmp_path: Path) -> None:
    shutil.copytree(SOURCE / "fpc", tmp_path / "fpc", ignore=shutil.ignore_patterns("__pycache__"))
    phases = (("pretrain", None), ("collect", None), ("finetune", "ewc"), ("evaluate", "ewc"))

    def digests() -> dict[tuple[str, str], dict[str, str]]:
        return {
            (domain, phase): {
                name: sha256_of(tmp_path / name) for name in modules(domain, phase, method, tmp_path)
            }
            for domain in ("nethack", "robotic_sequence", "two_state_mdp", "montezuma")
            for phase, method in phases
        }

    before = digests()
    for path in (tmp_path / SAC).glob("*.py"):
        path.write_text(path.read_text(encoding="utf-8") + "# changed\n", encoding="utf-8")
    after = digests()
    moved = {key for key in before if before[key] != after[key]}
    assert {domain for domain, _ in moved} == {"robotic_sequence"}
    assert ("robotic_sequence", "finetune") in moved


@pytest.mark.parametrize("domain", ["two_state_mdp", "robotic_sequence"])
def test_everything_that_a_process_loads_of_a_domain_is_named(domain: str) -> None:
    """The closure read from the source covers every module of the domain and its learner that is loaded."""
    names = modules(domain, "evaluate", "vanilla")
    program = (
        "import sys; from fpc.domains.registry import load_domain\n"
        f"before = set(sys.modules); load_domain({domain!r}); import fpc.retention.vanilla\n"
        "print(*(m.replace('.', '/') for m in set(sys.modules) - before if m.startswith('fpc.')))"
    )
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = [name for name in finished.stdout.split() if decides(f"{name}.py")]
    assert len(loaded) > 3
    for name in loaded:
        assert f"{name}.py" in names or f"{name}/__init__.py" in names, name


def test_type_checking_and_other_phases_do_not_count(tmp_path: Path) -> None:
    package = tmp_path / "fpc"
    package.mkdir()
    (package / "__init__.py").write_text("")
    for name in ("seen", "lazy", "typed", "other", "named", "above"):
        (package / f"{name}.py").write_text("import numpy\n" if name == "lazy" else "")
    (package / "domain.py").write_text(
        "from typing import TYPE_CHECKING\n"
        "from fpc import seen\n"
        "import fpc.above\n"
        "if TYPE_CHECKING:\n    from fpc.typed import x\n"
        "class Domain:\n"
        "    def finetune(self):\n        from .lazy import y\n        return 'fpc.named:function'\n"
        "    def evaluate(self):\n        from fpc.other import z\n"
    )
    found = closure(["fpc.domain:finetune"], tmp_path, lambda path: path != "fpc/above.py")
    assert found.modules == {f"fpc/{name}.py" for name in ("__init__", "domain", "seen", "lazy", "named")}
    assert found.packages == {"typing", "numpy"}


def test_figures_claims_and_report_name_what_shapes_them() -> None:
    """Tables, drawing, catalogue, and the methods whose labels, colours and starts figures show."""

    def modules_of(row: Row) -> frozenset[str]:
        return closure(entry_points(row, {}), SOURCE, decides).modules

    figure = modules_of(Row("laptop", "figure", name="figure_5"))
    assert {"fpc/core/tables.py", "fpc/figures/publication.py", "fpc/retention/scratch.py"} <= figure
    assert "fpc/figures/catalogue/nethack.py" in figure
    claims = modules_of(Row("laptop", "claims", name="claims"))
    assert {"fpc/core/tables.py", "fpc/claims/nethack.py", "fpc/reporting/ledger.py"} <= claims
    report = modules_of(Row("laptop", "report", name="report"))
    assert {"fpc/figures/catalogue/nethack.py", "fpc/reporting/page.py"} <= report
    templates = {f"fpc/reporting/templates/{name}" for name in ("report.html.j2", "filter.js")}
    assert templates <= report
    assert templates <= at_start().keys()
    assert not templates & figure
    assert not any(name.startswith("fpc/workflow/") for name in figure | claims | report)
