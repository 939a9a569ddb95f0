"""One vocabulary: phase == rule == verb == module == configuration section == docs page."""

from __future__ import annotations

import re
from pathlib import Path

from typer.main import get_command

from fpc.cli.main import app
from fpc.domains.interface import Domain
from fpc.domains.registry import domain_names, experiment_type
from fpc.lineage.artifact import PHASES, RUN_PHASES
from fpc.workflow.configuration import Root

ROOT = Path(__file__).resolve().parents[1]


def test_every_phase_has_its_rule_verb_module_section_and_page() -> None:
    verbs = set(get_command(app).commands)  # type: ignore[attr-defined]
    for phase in PHASES:
        rules = (ROOT / "workflow" / "rules" / f"{phase}.smk").read_text(encoding="utf-8")
        assert re.findall(r"^rule (\w+):", rules, re.MULTILINE) == [phase]
        assert f'"workflow/rules/{phase}.smk"' in (ROOT / "Snakefile").read_text(encoding="utf-8")
        assert phase in verbs
        assert (ROOT / "src" / "fpc" / "workflow" / "phases" / f"{phase}.py").exists()
        assert (ROOT / "docs" / "reference" / "phases" / f"{phase}.md").exists()
    for phase in RUN_PHASES:
        assert hasattr(Domain, phase)
        for domain in domain_names():
            assert phase in experiment_type(domain).model_fields
    for phase in PHASES[len(RUN_PHASES) :]:
        assert phase in Root.model_fields


def test_there_is_no_other_phase() -> None:
    rules = {path.stem for path in (ROOT / "workflow" / "rules").glob("*.smk")} - {
        "common",
        "slurm",
        "record",
    }
    pages = {path.stem for path in (ROOT / "docs" / "reference" / "phases").glob("*.md")} - {"index"}
    assert rules == pages == set(PHASES)


def test_house_rules_that_a_program_can_check() -> None:
    assert len((ROOT / "Snakefile").read_text(encoding="utf-8").splitlines()) <= 60
    for path in [*ROOT.glob("workflow/rules/*.smk"), ROOT / "Snakefile"]:
        assert "lambda" not in path.read_text(encoding="utf-8"), path
    for path in (ROOT / "src").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"^\s*(from|import) (snakemake|pickle)", text, re.MULTILINE), path
        assert text.count("\n") <= 350, path
