"""What is made from the types is what the types say now, and editors get it for every configuration file."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML

from fpc.workflow.reference import REFERENCE, SCHEMA, reference, schema, schema_text

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted(
    path.relative_to(ROOT) for place in ("configs", "tests") for path in (ROOT / place).rglob("*.yaml")
)


def content(file: Path) -> Any:
    return YAML(typ="safe", pure=True).load(ROOT / file)


def test_schema_and_reference_are_in_step_with_the_types() -> None:
    remedy = "run `fpc config reference`"
    assert (ROOT / SCHEMA).read_text(encoding="utf-8") == schema_text(), remedy
    assert json.loads(schema_text()) == schema()
    assert (ROOT / REFERENCE).read_text(encoding="utf-8") == reference(), remedy


@pytest.mark.parametrize("file", FILES, ids=str)
def test_an_editor_finds_the_schema_of_a_file_and_the_file_in_order(file: Path) -> None:
    first = (ROOT / file).read_text(encoding="utf-8").partition("\n")[0]
    found = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", first)
    assert found is not None
    assert Path(os.path.normpath(file.parent / found[1])) == SCHEMA
    jsonschema.validate(content(file), schema())


@pytest.mark.parametrize(
    ("file", "keys", "value", "said"),
    [
        ("configs/demo.yaml", ("sclae",), "demo", "'sclae' was unexpected"),
        ("configs/laptop.yaml", ("experiments", "nethack", "finetune", "setps"), 1, "'setps' was unexpected"),
        ("configs/laptop.yaml", ("experiments", "robotic_sequence", "seeds"), 0, "0 is less than or equal"),
        (
            "configs/paper.yaml",
            ("methods", "ewc", "nethack", "coeficient"),
            1.0,
            "'coeficient' was unexpected",
        ),
        ("configs/paper.yaml", ("methods", "ecw"), {}, "'ecw' was unexpected"),
        ("configs/variants/figure_13.yaml", ("experiments", "new", "finetunee"), {}, "not valid under any"),
        ("tests/tiny.yaml", ("figure", "interval"), "quantile", "'quantile' is not one of"),
    ],
)
def test_an_editor_marks_what_is_wrong(file: str, keys: tuple[str, ...], value: Any, said: str) -> None:
    whole = content(Path(file))
    part = whole
    for key in keys[:-1]:
        part = part.setdefault(key, {})
    part[keys[-1]] = value
    with pytest.raises(jsonschema.ValidationError, match=said) as error:
        jsonschema.validate(whole, schema())
    assert list(error.value.absolute_path) == list(keys)[: len(error.value.absolute_path)]
