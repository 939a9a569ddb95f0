"""What cannot be read is said to be that; nobody is accused, and nothing is made again."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fpc.cli.main import app
from fpc.lineage.dvc_cache import _cache_folder
from fpc.lineage.verdict import Verdict
from fpc.workflow.explain import explain_text
from fpc.workflow.loader import load
from fpc.workflow.phases.pretrain import pretrain
from fpc.workflow.run import RunError
from fpc.workflow.status import run_states

from .conftest import CHAIN, COLLECT, EVALUATE, FIGURE, FINETUNE, PRETRAIN, findings

pytestmark = pytest.mark.usefixtures("chain")
NOBODY = 65534


@contextmanager
def as_another_user() -> Iterator[None]:
    """Act as a user without special rights; others are so already."""
    if os.geteuid() != 0:
        yield
        return
    if not all(folder.stat().st_mode & 0o001 for folder in Path(__file__).parents):
        pytest.skip("other users cannot reach this checkout, thus not import its modules")
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@contextmanager
def closed(path: Path) -> Iterator[None]:
    """A file or folder that others may not read, nor its owner if that is not root."""
    modes = {path: path.stat().st_mode}
    for folder in (Path.cwd(), *Path.cwd().parents):  # pytest's own are its user's alone
        if folder.stat().st_uid == os.geteuid() and not folder.stat().st_mode & 0o001:
            modes[folder] = folder.stat().st_mode
            folder.chmod(0o755)
    path.chmod(0)
    try:
        with as_another_user():
            yield
    finally:
        for changed, mode in modes.items():
            changed.chmod(mode)


@pytest.mark.parametrize("name", ["policy.safetensors", "manifest.json", "."])
def test_a_file_that_cannot_be_read_is_not_tampered_with(name: str) -> None:
    path = PRETRAIN.folder / name
    with closed(path):
        found = findings()
    own = found[PRETRAIN.manifest] if name != "." else found[PRETRAIN.folder]
    assert own.verdict == Verdict.UNVERIFIED
    assert "cannot be read: results/tiny/two_state_mdp/pretrain/seed_0" in own.reasons[0]
    assert "Permission denied; " in own.reasons[0]
    for row in (COLLECT, FINETUNE, EVALUATE, FIGURE):
        assert found[row.manifest].verdict == Verdict.UNVERIFIED
    assert {findings()[row.manifest].verdict for row in CHAIN} == {Verdict.VERIFIED}


def test_an_alteration_beside_a_file_that_cannot_be_read_is_still_found() -> None:
    (EVALUATE.folder / "episodes.parquet").write_bytes(b"other")
    closed_file = next(
        path for path in EVALUATE.folder.iterdir() if path.name not in ("episodes.parquet", "manifest.json")
    )
    with closed(closed_file):
        found = findings()[EVALUATE.manifest]
    assert found.verdict == Verdict.TAMPERED
    assert any("episodes.parquet is not the file that was made" in reason for reason in found.reasons)
    assert any(f"{closed_file.name} cannot be read" in reason for reason in found.reasons)


def test_what_cannot_be_read_is_not_made_again() -> None:
    before = PRETRAIN.manifest.read_bytes()
    with closed(PRETRAIN.folder / "policy.safetensors"):
        with pytest.raises(RunError, match=r"policy\.safetensors cannot be read: .*Permission denied"):
            pretrain(load("tiny"), "two_state_mdp", (0,))
        text = explain_text(PRETRAIN.folder)
        states = {item.row: item.state for item in run_states(load("tiny"))}
    assert {states[row] for row in CHAIN} == {"unverified"}
    assert "cannot be judged" in text
    assert "To make it" not in text
    assert PRETRAIN.manifest.read_bytes() == before


def test_the_audit_says_who_may_give_permission() -> None:
    with closed(PRETRAIN.folder / "policy.safetensors"):
        finished = CliRunner().invoke(app, ["audit", "verify", str(PRETRAIN.folder)])
    assert finished.exit_code == 1
    assert "tampered" not in finished.output
    assert "unverified" in finished.output
    assert "belongs to root" in finished.output or "chmod u+rwX" in finished.output


@pytest.mark.parametrize("level", ["system", "global"])
def test_a_cache_of_dvc_that_its_configuration_elsewhere_names(
    level: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, cached = PRETRAIN.folder / "policy.safetensors", tmp_path / "shared" / "files" / "md5" / "00" / "11"
    cached.parent.mkdir(parents=True)
    file.rename(cached)
    file.symlink_to(cached)
    for name in ("SYSTEM", "GLOBAL"):
        monkeypatch.setenv(f"DVC_{name}_CONFIG_DIR", str(tmp_path / name.lower()))
    found = findings()[PRETRAIN.manifest]
    assert found.verdict == Verdict.TAMPERED
    assert "if it leads into a cache of DVC, say so: dvc cache dir --local" in found.reasons[0]
    (tmp_path / level).mkdir()
    (tmp_path / level / "config").write_text(f"[cache]\n    dir = {tmp_path / 'shared'}\n", encoding="utf-8")
    _cache_folder.cache_clear()  # as in the next command
    assert findings()[PRETRAIN.manifest].verdict == Verdict.VERIFIED
    (tmp_path / level / "config").write_text("[cache\n", encoding="utf-8")
    _cache_folder.cache_clear()
    assert findings()[PRETRAIN.manifest].verdict == Verdict.TAMPERED
