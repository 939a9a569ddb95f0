"""What is made from the types is what the types say now, and it accepts the configuration."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from ruamel.yaml import YAML

from fpc.workflow.loader import load, scales
from fpc.workflow.reference import REFERENCE, SCHEMA, as_yaml, reference, schema

ROOT = Path(__file__).resolve().parents[1]


def test_schema_and_reference_are_in_step_with_the_types() -> None:
    mend = "run `fpc config reference`"
    assert json.loads((ROOT / SCHEMA).read_text(encoding="utf-8")) == schema(), mend
    assert (ROOT / REFERENCE).read_text(encoding="utf-8") == reference(), mend


@pytest.mark.usefixtures("project")
def test_schema_accepts_every_scale_and_refuses_a_wrong_value() -> None:
    for scale in scales():
        content = YAML(typ="safe", pure=True).load(as_yaml(load(scale)))
        jsonschema.validate(content, schema())
        content["claims"]["level"] = 2
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(content, schema())
