"""What `fpc try` says about a method's file that cannot be imported: one line, where, and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.workflow.broken_methods import FUTURE, L2, TERM, line_of, message_about, replaced, with_term

IMPORTS = {
    "no_future": (
        replaced(L2, (FUTURE, "")),
        line_of(L2, "    anchors: Tensor") - 1,
        "cannot be imported: NameError: name 'Tensor' is not defined",
        "make `from __future__ import annotations` the file's first import",
    ),
    "only_for_typing": (
        replaced(L2, ("    run_dimensions: int\n", "    run_dimensions: int\n    kind = Tensor\n")),
        line_of(L2, "    run_dimensions: int\n") + 1,
        "cannot be imported: NameError: name 'Tensor' is not defined",
        "use Tensor in annotations or inside functions alone, and import it there",
    ),
    "unknown_name": (
        replaced(L2, ('"L2"', "LABEL")),
        line_of(L2, "    label:"),
        "cannot be imported: NameError: name 'LABEL' is not defined",
        "define or import LABEL",
    ),
    "not_installed": (
        replaced(L2, ("from pydantic", "import no_such_package.part\nfrom pydantic")),
        line_of(L2, "from pydantic"),
        "cannot be imported: ModuleNotFoundError: No module named 'no_such_package'",
        "such as `pip install no_such_package`); or if it is a file of yours, move",
    ),
    "wrong_import": (
        replaced(L2, ("import NonNegativeFloat", "import NonNegativFloat")),
        line_of(L2, "from fpc.config.base"),
        "cannot be imported: ImportError: cannot import name 'NonNegativFloat' from 'fpc.config.base'",
        "correct this line",
    ),
    "raises": (
        replaced(L2, ("class L2(", "def first() -> int:\n    return [][0]\n\n\nfirst()\n\n\nclass L2(")),
        line_of(L2, "class L2(") + 1,
        "cannot be imported: IndexError: list index out of range",
        "correct this line",
    ),
    "exits": (
        replaced(L2, ("class L2(", "raise SystemExit(3)\n\n\nclass L2(")),
        line_of(L2, "class L2("),
        "cannot be imported: SystemExit: 3",
        "correct this line",
    ),
    "two_methods": (
        L2 + "\n\nclass Other(L2):\n    label = 'other'\n",
        L2.count("\n") + 3,
        "defines L2, Other",
        "put one retention method in each file",
    ),
    "syntax": (
        replaced(L2, ("class L2(", "class L2((")),
        line_of(L2, "class L2("),
        "is not Python: invalid syntax; correct this line",
        "correct this line",
    ),
}


@pytest.mark.parametrize("name", IMPORTS)
def test_a_file_that_cannot_be_imported(project: Path, name: str) -> None:
    text, line, problem, remedy = IMPORTS[name]
    message = message_about(project, name, text)
    assert message.startswith(f":{line}: {problem}"), message
    assert remedy in message
    assert "<unknown>" not in message


def test_a_module_that_a_function_lacks(project: Path) -> None:
    text = with_term(f"import no_such_package\n\nreturn {TERM.rstrip()}")
    message = message_about(project, "lacks_later", text)
    assert message.startswith(f":{line_of(text, 'import no_such')}: penalty fails with ModuleNotFoundError")
    assert "pip install no_such_package" in message
