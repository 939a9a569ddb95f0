"""What `fpc try` says about methods that break a promise: which one, where, and what to do."""

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
EPISODIC = (ROOT / "src" / "fpc" / "retention" / "episodic_memory.py").read_text(encoding="utf-8")
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


LATE = {
    "late_nan": (
        "(1.0 if batch.update <= 100 else math.nan)",
        "penalty is not finite at update 101: nan",
        "bound what grows or shrinks with the updates",
    ),
    "late_overflow": (
        "1.5**batch.update",
        "fails with OverflowError: (34, 'Numerical result out of range') at update 10000",
        "bound what grows or shrinks with the updates",
    ),
    "late_infinity": ("1e308 * (1 + batch.update)", "penalty is not finite at update", "bound what grows"),
    "late_complex": (
        "(1 - batch.update / 500) ** 0.5",
        "penalty returns a tensor of complex128 at update 1000",
        "bound its base, as in max(0, 1 - batch.update / n)",
    ),
}


@pytest.mark.parametrize("name", LATE)
def test_a_term_that_fails_late_in_a_run(project: Path, name: str) -> None:
    factor, problem, remedy = LATE[name]
    text = replaced(with_factor(factor), (FUTURE, f"{FUTURE}\nimport math\n"))
    message = message_about(project, name, text)
    assert problem in message
    assert remedy in message


def test_a_term_that_ends_is_no_error(project: Path) -> None:
    path = project.parent / "ends.py"
    path.write_text(with_factor("max(0.0, 1 - batch.update / 500)"), encoding="utf-8")
    asked = Asked(path, ("coefficient=0.1",), ("apple_retrieval",), "laptop", None, None)
    assert prepare(asked).checked == ["side by side"]


def test_a_gradient_that_is_not_finite_where_the_student_is_pi_star(project: Path) -> None:
    message = message_about(project, "root", replaced(L2, (".sum(-1) * coeff", ".sum(-1).sqrt() * coeff")))
    assert "penalty has a gradient that is not finite at update 0, where its value is 0" in message
    assert "(x + 1e-8).sqrt()" in message


DETACHED = {
    "attached": (
        replaced(L2, (ANCHORS, ANCHORS.replace(".detach()", ""))),
        f":{line_of(L2, 'def prepare')}: prepare keeps 'anchors' with the graph of the student's parameters",
        "keep a copy: .detach().clone()",
    ),
    "attached_and_hidden": (
        replaced(
            L2,
            (ANCHORS, ANCHORS.replace(".detach()", "")),
            (STATE, STATE.replace("self.anchors", "self.anchors.detach()")),
        ),
        "penalty has another gradient than its value",
        "something that prepare or an earlier update computed from the student, such as an anchor, is not "
        "detached: keep it as .detach().clone()",
    ),
    "attached_average": (
        with_term(
            "self.anchors = 0.9 * self.anchors + 0.1 * self._flat_parameters(batch.student)\n"
            f"return {TERM.rstrip()}",
        ),
        "penalty keeps 'anchors' with the graph of the student's parameters",
        "keep a copy: .detach().clone()",
    ),
    "not_a_copy": (
        with_term(
            f"return {TERM.rstrip()} + 0 * self.first.sum()",
            (
                ANCHORS,
                f"{ANCHORS}        self.first = next(iter(context.student.anchored_parameters().values()))\n",
            ),
            (STATE, '        return {"anchors": self.anchors, "first": self.first}\n'),
            (RESTORED, f'{RESTORED}        self.first = state["first"]\n'),
        ),
        "prepare keeps the student's own parameters as 'first', which change with it",
        "keep a copy: .detach().clone()",
    ),
    "detached": (
        with_term(
            f"weight = self._flat_parameters(batch.student).detach().sum(-1)\nreturn {TERM.rstrip()} * weight"
        ),
        "penalty has another gradient than its value",
        "either a part of the term that depends on the student is detached (do not: no .detach(), .item() or "
        "no_grad there), or something kept from before, such as an anchor, is not (detach it)",
    ),
}


@pytest.mark.parametrize("name", DETACHED)
def test_what_is_detached_and_what_is_not(project: Path, name: str) -> None:
    text, problem, remedy = DETACHED[name]
    message = message_about(project, name, text)
    assert problem in message
    assert remedy in message


CHANGES = {
    "writes_student": (
        with_term(
            "for value in batch.student.anchored_parameters().values():\n"
            "    value.data.mul_(0.5)\n"
            f"return {TERM.rstrip()}"
        ),
        "penalty changes the student's parameters",
        "leave that to the learner",
    ),
    "prepare_writes_student": (
        replaced(
            L2,
            (
                ANCHORS,
                f"{ANCHORS}        for value in context.student.anchored_parameters().values():\n"
                "            value.data.mul_(0.5)\n",
            ),
        ),
        "prepare changes the student's parameters",
        "work on a copy",
    ),
    "loses_state": (
        replaced(L2, (STATE, "        return {}\n"), (RESTORED, "self.prepare(context)\n")),
        f":{line_of(L2, 'def load_state_dict')}: load_state_dict loses state: a batch gave",
        "a resumed student is no longer pi*",
    ),
    "restores_nothing": (
        replaced(L2, (STATE, "        return {}\n"), (RESTORED, "pass\n")),
        "penalty fails with AttributeError: 'L2' object has no attribute 'anchors' after a resume",
        "put what prepare creates and what changes between updates into state_dict",
    ),
    "hides_state": (
        with_term(f'self.seen = getattr(self, "seen", 0) + 1\nreturn {TERM.rstrip()} * self.seen'),
        "penalty changes hidden state: a batch gave",
        "keep whatever changes between updates in state_dict",
    ),
    "draws": (
        with_term(f"import torch\n\nreturn {TERM.rstrip()} * torch.rand(())"),
        "penalty changes a global random generator",
        "draw from context.generator alone",
    ),
    "state_of_numbers": (
        replaced(L2, (STATE, '        return {"anchors": self.anchors, "seen": 3}\n')),
        "state_dict holds int as 'seen'",
        "store tensors alone",
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_changes_and_what_is_lost(project: Path, name: str) -> None:
    text, problem, remedy = CHANGES[name]
    message = message_about(project, name, text)
    assert problem in message
    assert remedy in message


KINDS = {
    "float": (f"return float(({TERM.rstrip()}).sum())", "returns float at update 0, not a tensor", "float()"),
    "complex": (f"return ({TERM.rstrip()}) * 1j", "returns a tensor of complex128", "bound its base"),
    "integer": (f"return ({TERM.rstrip()}).long()", "returns a tensor of int64", "integers have no gradient"),
}


@pytest.mark.parametrize("name", KINDS)
def test_a_term_that_is_not_a_real_tensor(project: Path, name: str) -> None:
    term, problem, remedy = KINDS[name]
    message = message_about(project, f"gives_{name}", with_term(term), ("apple_retrieval",))
    assert f"penalty {problem}" in message
    assert remedy in message
    if name == "float":
        assert (
            "return a tensor of shape [3] computed from batch.outputs or the student's parameters" in message
        )


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
        "such as `pip install no_such_package`), or remove this import",
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


def without_need(text: str, need: str) -> str:
    """A method's text that does not declare one of its needs."""
    fewer = re.sub(rf"(frozenset\(\{{.*?)(, )?Need\.{need}(?:, )?", r"\1", text)
    assert fewer != text
    return fewer


UNDECLARED = {
    # its own check of the context must not look as if the method refused the policy
    "undeclared_teacher": (without_need(KICKSTARTING, "TEACHER"), "TEACHER", "context.teacher"),
    "unchecked_teacher": (
        with_term(
            f"return {TERM.rstrip()} + 0 * self.teacher.outputs(batch.observations).sum()",
            (ANCHORS, f"{ANCHORS}        self.teacher = context.teacher\n"),
        ),
        "TEACHER",
        "context.teacher",
    ),
    "undeclared_data": (
        replaced(L2, (ANCHORS, f"{ANCHORS}        context.expert.sampler(4, context.generator)\n")),
        "EXPERT_DATA",
        "context.expert",
    ),
    "undeclared_buffer": (
        without_need(EPISODIC, "REPLAY_BUFFER"),
        "REPLAY_BUFFER",
        "context.replay_buffer",
    ),
}


@pytest.mark.parametrize("name", UNDECLARED)
def test_what_a_method_uses_without_declaring_it(project: Path, name: str) -> None:
    text, need, what = UNDECLARED[name]
    option = "memory_size=4" if name == "undeclared_buffer" else "coefficient=0.1"
    message = message_about(project, name, text, option=option)
    assert f"needs does not declare Need.{need}, so {what} is None, but the method uses it" in message
    assert f"add Need.{need} to needs" in message


NEEDS_A_MODULE = with_term(f"list(batch.student.parameters())\nreturn {TERM.rstrip()}")


def test_what_the_policies_of_other_domains_lack(project: Path) -> None:
    message = message_about(project, "parameters", NEEDS_A_MODULE, ("apple_retrieval",))
    assert "'RecurrentCategoricalPolicy' object has no attribute 'parameters'" in message
    assert "(checked on a student of kind 'recurrent')" in message
    assert "if the method is not meant for such a policy, which NetHack has, let prepare raise" in message


def test_a_policy_that_the_method_refuses_is_no_error(project: Path) -> None:
    refusal = (
        "        from torch import nn\n\n"
        "        if not isinstance(context.student, nn.Module):\n"
        '            raise ValueError("only for policies that are modules")\n'
        f"        {ANCHORS}"
    )
    path = project.parent / "refuses.py"
    path.write_text(replaced(NEEDS_A_MODULE, (f"        {ANCHORS}", refusal)), encoding="utf-8")
    found = prepare(Asked(path, ("coefficient=0.1",), ("apple_retrieval",), "laptop", None, None))
    assert found.checked == ["side by side"]
