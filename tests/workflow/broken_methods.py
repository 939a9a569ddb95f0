"""Methods that break a promise, made from the example L2, and what `fpc try` says about them."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import pytest
from tests.workflow.chain import ROOT

from fpc.core.errors import ConfigError
from fpc.workflow.trying.trial import Asked, prepare

L2 = (ROOT / "examples" / "methods" / "l2.py").read_text(encoding="utf-8")
KICKSTARTING = (ROOT / "src" / "fpc" / "retention" / "kickstarting.py").read_text(encoding="utf-8")
TERM = "(self._flat_parameters(batch.student) - self.anchors).square().sum(-1) * coefficient\n"
RETURN = f"        return {TERM}"
ANCHORS = "self.anchors = self._flat_parameters(context.student).detach().clone()\n"
STATE = '        return {"anchors": self.anchors}\n'
RESTORED = 'self.anchors = state["anchors"].to(self._flat_parameters(context.student).device)\n'
FUTURE = "from __future__ import annotations\n"


def replaced(text: str, *changes: tuple[str, str]) -> str:
    """A method's text with changes, each of which finds its place."""
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return text


def with_term(new: str, *changes: tuple[str, str]) -> str:
    """L2 with another term, which may be several statements."""
    return replaced(L2, (RETURN, "".join(f"        {line}\n" for line in new.splitlines())), *changes)


def with_factor(factor: str) -> str:
    return replaced(L2, (TERM, f"{TERM.rstrip()} * {factor}\n"))


def message_about(
    project: Path, name: str, text: str, domains: tuple[str, ...] = (), option: str = "coefficient=0.1"
) -> str:
    """The error of a method with this text, in a file outside the project; there is no warning beside it."""
    path = project.parent / "elsewhere" / f"{name}.py"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    asked = Asked(path, (option,), domains, "laptop", None, None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ConfigError) as caught:
            prepare(asked)
    message = str(caught.value)
    assert "\n" not in message
    assert re.match(rf"{re.escape(str(path))}:\d+: ", message), message
    return message.removeprefix(str(path))


def line_of(text: str, part: str) -> int:
    return text[: text.index(part)].count("\n") + 1
