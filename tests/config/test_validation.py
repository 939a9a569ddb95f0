"""Types of values: whatever a section accepts stays valid, but no truth value or text counts as a number."""

from __future__ import annotations

from enum import Enum
from typing import Any

import pytest
from pydantic import Field, field_validator

from fpc.config.base import Section
from fpc.core.errors import ConfigError
from fpc.workflow.validation import validated


class Mode(Enum):
    FAST = "fast"


class Own(Section):
    """A section as a method's author may write it."""

    count: int = 1
    rate: float = Field(default=0.5, gt=0)
    flag: bool = False
    names: tuple[str, ...] = ()
    mode: Mode = Mode.FAST
    kinds: frozenset[str] = frozenset()
    either: int | str = 0
    none: int | None = None

    @field_validator("names", mode="before")
    @classmethod
    def _one_name(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"count": 2.0, "rate": 1, "flag": "yes", "names": ["a", "b"], "mode": "fast", "kinds": ["x"]},
        {"names": "a", "either": "3", "none": None},
        Own(kinds=frozenset({"x"}), names=("a",)).model_dump(),
    ],
)
def test_what_a_section_accepts_is_valid(value: dict[str, Any]) -> None:
    assert validated(Own, value, (), {}) == Own.model_validate(value)


@pytest.mark.parametrize(("key", "value"), [("count", True), ("count", "3"), ("rate", "0.1"), ("none", "1")])
def test_no_truth_value_or_text_is_a_number(key: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=rf"mine\.yaml: own\.{key}: .*valid (integer|number).*found"):
        validated(Own, {key: value}, ("own",), {("own", key): "mine.yaml"})


def test_all_findings_are_listed_up_to_a_number() -> None:
    with pytest.raises(ConfigError) as caught:
        validated(Own, {f"unknown_{number}": 1 for number in range(20)}, (), {})
    lines = str(caught.value).splitlines()
    assert len(lines) == 9
    assert lines[-1] == "... and 12 more"
