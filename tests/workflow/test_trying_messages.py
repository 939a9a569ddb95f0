"""What `fpc try` says about methods that break a promise: which one, where, and what to do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.workflow.broken_methods import (
    ANCHORS,
    FUTURE,
    KICKSTARTING,
    L2,
    RESTORED,
    STATE,
    TERM,
    line_of,
    message_about,
    replaced,
    with_factor,
    with_term,
)
from tests.workflow.chain import ROOT

from fpc.workflow.trying.trial import Asked, prepare

EPISODIC = (ROOT / "src" / "fpc" / "retention" / "episodic_memory.py").read_text(encoding="utf-8")


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


@pytest.mark.parametrize("name", DETACHED | CHANGES)
def test_what_is_not_detached_or_changes_or_is_lost(project: Path, name: str) -> None:
    text, problem, remedy = (DETACHED | CHANGES)[name]
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
