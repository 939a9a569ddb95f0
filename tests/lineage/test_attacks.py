"""What someone may do to results, one test each; the audit detects all of it and says what it is."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fpc.cli.main import app
from fpc.core.files import sha256_of
from fpc.lineage.artifact import Row
from fpc.lineage.digests import Digests
from fpc.lineage.dvc_cache import _cache_folder
from fpc.lineage.verdict import Verdict
from fpc.lineage.verify import verify
from fpc.workflow.loader import load
from fpc.workflow.phases.collect import collect
from fpc.workflow.phases.finetune import finetune
from fpc.workflow.phases.pretrain import pretrain
from fpc.workflow.run import RunError

from .conftest import CHAIN, COLLECT, EVALUATE, FIGURE, FINETUNE, PRETRAIN, findings, forge, rewrite

pytestmark = pytest.mark.usefixtures("chain")
OTHER_SEED = Row("tiny", "finetune", "two_state_mdp", "vanilla", (1,))


def flip(file: Path) -> None:
    """Flip one bit in the middle of a file."""
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def verdict(row: Row, *reason: str) -> Verdict:
    """The verdict on a row; its reasons must contain these words."""
    found = findings()[row.manifest]
    for words in reason:
        assert any(words in text for text in found.reasons), found.reasons
    return found.verdict


@pytest.mark.parametrize(
    ("row", "name"),
    [
        (PRETRAIN, "policy.safetensors"),
        (EVALUATE, "episodes.parquet"),
        (FIGURE, "figure_9.svg"),
        (FIGURE, "figure_9.png"),
        (FIGURE, "figure_9.csv"),
    ],
)
def test_flipped_bit(row: Row, name: str) -> None:
    flip(row.folder / name)
    assert verdict(row, f"{name} is not the file that was made") == Verdict.TAMPERED


def test_a_flipped_bit_with_the_old_time_is_detected_by_the_quick_audit() -> None:
    cache, place = Path("cache.json"), [PRETRAIN.folder]
    file = PRETRAIN.folder / "policy.safetensors"
    assert [item.verdict for item in verify(place, {}, digests=Digests(cache))] == [Verdict.VERIFIED]
    before = file.stat()
    flip(file)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file.stat().st_mtime_ns == before.st_mtime_ns
    assert [item.verdict for item in verify(place, {}, digests=Digests(cache))] == [Verdict.TAMPERED]


def test_edited_manifest() -> None:
    text = COLLECT.manifest.read_text(encoding="utf-8")
    seconds = json.loads(text)["predicate"]["runDetails"]["metadata"]["seconds"]
    COLLECT.manifest.write_text(text.replace(f'"seconds": {seconds}', '"seconds": 1.25'), encoding="utf-8")
    assert verdict(COLLECT, "the manifest was altered") == Verdict.TAMPERED


def test_edited_section() -> None:
    def change(statement: dict[str, Any]) -> None:
        statement["predicate"]["buildDefinition"]["externalParameters"]["section"]["pretrain"]["updates"] = 1

    rewrite(PRETRAIN.manifest, change)
    assert verdict(PRETRAIN, "section does not match its digest") == Verdict.TAMPERED


def test_manifest_and_artifact_replaced_together() -> None:
    file = FINETUNE.folder / "training.parquet"
    forge(FINETUNE.folder, file.name, file.read_bytes() + b"more")
    assert verdict(FINETUNE) == Verdict.VERIFIED  # consistent on its own, but not with what was made from it
    assert verdict(EVALUATE, "not made again since: it was replaced") == Verdict.TAMPERED
    assert verdict(FIGURE, f"parent {EVALUATE.manifest} is tampered") == Verdict.STALE


def test_a_parent_that_was_made_again_is_not_a_forgery() -> None:
    shutil.rmtree(PRETRAIN.folder)
    pretrain(load("tiny"), "two_state_mdp", (0,))
    assert verdict(COLLECT, "it was made again since") == Verdict.STALE


def test_swapped_seeds() -> None:
    finetune(load("tiny"), "two_state_mdp", "vanilla", (1,))
    FINETUNE.folder.rename("aside")
    OTHER_SEED.folder.rename(FINETUNE.folder)
    Path("aside").rename(OTHER_SEED.folder)
    assert verdict(FINETUNE, "the manifest is that of finetune", "seed_1") == Verdict.TAMPERED
    assert verdict(OTHER_SEED, "seed_0") == Verdict.TAMPERED


def test_swapped_inputs() -> None:
    """The digests of two parents are swapped in the child's manifest."""

    def change(statement: dict[str, Any]) -> None:
        first, second = statement["predicate"]["buildDefinition"]["resolvedDependencies"][:2]
        first["digest"], second["digest"] = second["digest"], first["digest"]

    rewrite(EVALUATE.manifest, change)
    assert verdict(EVALUATE, "is not the one it was made from") == Verdict.TAMPERED


def test_missing_parent() -> None:
    COLLECT.manifest.unlink()
    assert verdict(FINETUNE, f"parent {COLLECT.manifest} is not here") == Verdict.STALE
    assert CliRunner().invoke(app, ["audit", "verify", str(FINETUNE.folder)]).exit_code == 1


def test_configuration_changed_afterwards(chain: Path) -> None:
    path = chain / "configs" / "tiny.yaml"
    text = path.read_text(encoding="utf-8")
    changed = text.replace("two_state_mdp:\n", "two_state_mdp:\n    pretrain: {updates: 7}\n", 1)
    assert changed != text
    path.write_text(changed, encoding="utf-8")
    assert verdict(PRETRAIN, "its configuration section has changed") == Verdict.STALE
    assert verdict(FIGURE, "is stale") == Verdict.STALE


def lock(row: Row, name: str, md5: str, size: int) -> None:
    Path("dvc.lock").write_text(
        f"schema: '2.0'\nstages:\n  one:\n    cmd: x\n    outs:\n    - path: {row.folder / name}\n"
        f"      hash: md5\n      md5: {md5}\n      size: {size}\n",
        encoding="utf-8",
    )


def test_dvc_lock_disagrees() -> None:
    file = PRETRAIN.folder / "policy.safetensors"
    md5, size = Digests(None).md5(file), file.stat().st_size
    lock(PRETRAIN, file.name, md5, size)
    assert verdict(PRETRAIN) == Verdict.VERIFIED
    lock(PRETRAIN, file.name, "0" * 32, size)
    assert verdict(PRETRAIN, "dvc.lock records a different policy.safetensors (md5 differs)") == Verdict.STALE
    lock(PRETRAIN, file.name, md5, size + 1)
    file.unlink()
    assert verdict(PRETRAIN, "(size differs)") == Verdict.STALE


def test_dvc_lock_of_a_folder() -> None:
    folder = FINETUNE.folder / "milestones"
    size = sum(file.stat().st_size for file in folder.iterdir())
    lock(FINETUNE, "milestones", Digests(None).md5(folder), size)
    assert verdict(FINETUNE) == Verdict.VERIFIED
    lock(FINETUNE, "milestones", "0" * 32 + ".dir", size)
    assert verdict(FINETUNE, "records a different milestones") == Verdict.STALE


def test_an_invalid_dvc_lock_is_one_error() -> None:
    Path("dvc.lock").write_text("stages: [nothing]\n", encoding="utf-8")
    finished = CliRunner().invoke(app, ["audit", "verify"])
    assert "dvc.lock: not a DVC lock file" in str(finished.exception)
    assert str(finished.exception).count("restore it") == 1


@pytest.mark.parametrize("name", ["policy.safetensors", "."])
def test_link_out_of_the_tree(name: str, tmp_path: Path) -> None:
    victim = PRETRAIN.folder / name
    outside = tmp_path / "outside"
    victim.rename(outside)
    victim.symlink_to(outside)
    if name == ".":
        found = findings()[PRETRAIN.folder]
        assert (found.verdict, found.reasons) == (Verdict.TAMPERED, ("it is a link out of the results",))
    else:
        assert verdict(PRETRAIN, "is a link out of") == Verdict.TAMPERED


def test_a_link_into_the_cache_of_dvc_is_allowed() -> None:
    file, cached = PRETRAIN.folder / "policy.safetensors", Path(".dvc/cache/files/md5/00/11")
    cached.parent.mkdir(parents=True)
    file.rename(cached)
    file.symlink_to(cached.resolve())
    assert verdict(PRETRAIN) == Verdict.VERIFIED


@pytest.mark.parametrize("name", ["../../collect/seed_0/expert.safetensors", "/etc/hostname"])
def test_path_outside_in_a_manifest(name: str) -> None:
    def change(statement: dict[str, Any]) -> None:
        statement["subject"][0] |= {"name": name}

    rewrite(PRETRAIN.manifest, change)
    assert verdict(PRETRAIN, "lies outside the artifact's folder") == Verdict.TAMPERED


@pytest.mark.parametrize("uri", ["../other/manifest.json", "/etc/manifest.json"])
def test_parent_outside_in_a_manifest(uri: str) -> None:
    def change(statement: dict[str, Any]) -> None:
        statement["predicate"]["buildDefinition"]["resolvedDependencies"][0] |= {"uri": uri}

    rewrite(COLLECT.manifest, change)
    assert verdict(COLLECT, f"parent {uri} lies outside the project") == Verdict.TAMPERED


class Bomb:
    """Leaves a mark when unpickled."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, ("executed",)


def test_pickle_in_place_of_weights_does_not_execute() -> None:
    forge(PRETRAIN.folder, "policy.safetensors", pickle.dumps(Bomb()))
    assert verdict(PRETRAIN, "does not contain weights") == Verdict.TAMPERED
    shutil.rmtree(COLLECT.folder)
    with pytest.raises((ValueError, RunError), match=r"policy\.safetensors"):
        collect(load("tiny"), "two_state_mdp", (0,))
    assert not Path("executed").exists()
    pickle.loads((PRETRAIN.folder / "policy.safetensors").read_bytes())  # the bomb is real
    assert Path("executed").exists()


def test_stray_file() -> None:
    stray = COLLECT.folder / "notes.txt"
    stray.write_text("whose?", encoding="utf-8")
    assert findings()[stray].verdict == Verdict.UNVERIFIED


def test_a_cycle_of_manifests_ends() -> None:
    def change(statement: dict[str, Any]) -> None:
        statement["predicate"]["buildDefinition"]["resolvedDependencies"] = [
            {"uri": COLLECT.manifest.as_posix(), "digest": {"sha256": "0" * 64}}
        ]

    rewrite(PRETRAIN.manifest, change)
    assert verdict(PRETRAIN, "made from different runs than the configuration now asks for") == Verdict.STALE
    assert verdict(COLLECT, "it was replaced") == Verdict.TAMPERED


NAMES = ["a\0b", "\ud800", "", 5, "\x1b[2J", "\u202etxt", None]


@pytest.mark.parametrize("name", NAMES)
def test_invalid_names(name: Any) -> None:
    rewrite(PRETRAIN.manifest, lambda statement: statement["subject"][0].update(name=name))
    assert verdict(PRETRAIN, "not a manifest of this project (subject.0.name") == Verdict.TAMPERED


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("externalParameters.run.seeds", ["0"]),
        ("externalParameters.run.phase", 5),
        ("externalParameters.run.more", "x"),
        ("externalParameters.section", []),
        ("resolvedDependencies", [{"uri": 5, "digest": {"sha256": "0" * 64}}]),
    ],
)
def test_parts_of_the_wrong_type(part: str, value: Any) -> None:
    def change(statement: dict[str, Any]) -> None:
        place = statement["predicate"]["buildDefinition"]
        *way, last = part.split(".")
        for key in way:
            place = place[key]
        place[last] = value

    rewrite(PRETRAIN.manifest, change)
    assert verdict(PRETRAIN, "not a manifest of this project (predicate.buildDefinition") == Verdict.TAMPERED


@pytest.mark.parametrize("text", ["[" * 200_000, "NaN", "[]", "", "\xff"])
def test_json_that_is_not_a_manifest(text: str) -> None:
    PRETRAIN.manifest.write_bytes(text.encode("latin-1"))
    assert verdict(PRETRAIN, "not a manifest of this project") == Verdict.TAMPERED


def test_a_file_named_twice() -> None:
    rewrite(PRETRAIN.manifest, lambda statement: statement["subject"].append(statement["subject"][0]))
    assert verdict(PRETRAIN, "a file is named twice") == Verdict.TAMPERED


@pytest.mark.parametrize("kind", ["folder", "pipe", "circle"])
def test_something_other_than_a_file(kind: str) -> None:
    for path in (PRETRAIN.folder / "policy.safetensors", COLLECT.manifest):
        path.unlink()
        if kind == "folder":
            path.mkdir()
        elif kind == "pipe":
            os.mkfifo(path)
        else:
            path.symlink_to(path.name)
    reason = "is a link out of" if kind == "circle" else "policy.safetensors is not a file"
    assert verdict(PRETRAIN, reason) == Verdict.TAMPERED
    assert verdict(FINETUNE, f"parent {COLLECT.manifest} is not here") == Verdict.STALE


def test_a_file_dropped_from_manifest_and_disk() -> None:
    (FIGURE.folder / "figure_9.png").unlink()

    def change(statement: dict[str, Any]) -> None:
        statement["subject"] = [item for item in statement["subject"] if item["name"] != "figure_9.png"]

    rewrite(FIGURE.manifest, change)
    assert verdict(FIGURE, "does not name figure_9.png") == Verdict.TAMPERED
    rewrite(PRETRAIN.manifest, lambda statement: statement.update(subject=[]))
    assert verdict(PRETRAIN, "does not name any file") == Verdict.TAMPERED


def test_weights_dropped_but_recorded_in_dvc_lock() -> None:
    file = PRETRAIN.folder / "policy.safetensors"
    lock(PRETRAIN, file.name, Digests(None).md5(file), file.stat().st_size)
    file.unlink()

    def change(statement: dict[str, Any]) -> None:
        statement["subject"] = [item for item in statement["subject"] if item["name"] != file.name]

    rewrite(PRETRAIN.manifest, change)
    assert verdict(PRETRAIN, "records policy.safetensors, which the manifest does not name") == Verdict.STALE


def test_dvc_lock_of_a_folder_of_several_artifacts() -> None:
    folder = EVALUATE.folder.parent
    Path("dvc.lock").write_text(
        f"schema: '2.0'\nstages: {{one: {{outs: [{{path: {folder}, md5: {'0' * 32}.dir, size: 1}}]}}}}\n",
        encoding="utf-8",
    )
    assert findings()[folder].verdict == Verdict.STALE


def test_a_run_that_the_configuration_does_not_have() -> None:
    target = Row("tiny", "evaluate", "two_state_mdp", "vanilla", (7,))
    shutil.copytree(EVALUATE.folder, target.folder)

    def change(statement: dict[str, Any]) -> None:
        statement["predicate"]["buildDefinition"]["externalParameters"]["run"]["seeds"] = [7]

    rewrite(target.manifest, change)
    assert verdict(target, "the configuration no longer asks for it") == Verdict.STALE


def test_a_manifest_without_code_or_digest_is_behind() -> None:
    rewrite(
        PRETRAIN.manifest,
        lambda statement: statement["predicate"]["runDetails"]["builder"]["code"].update(modules={}),
    )
    assert verdict(PRETRAIN, "names no code") == Verdict.BEHIND
    statement = json.loads(EVALUATE.manifest.read_text("utf-8"))
    del statement["statement_sha256"]
    EVALUATE.manifest.write_text(json.dumps(statement), "utf-8")
    assert "no digest of itself" in " ".join(findings()[EVALUATE.manifest].reasons)


@pytest.mark.parametrize("content", ["[1]", "null", "[" * 100_000, '{"sha256 x": 5}', "{"])
def test_a_damaged_cache_is_ignored(content: str) -> None:
    Path("cache.json").write_text(content, encoding="utf-8")
    found = list(verify([PRETRAIN.folder], {}, digests=Digests(Path("cache.json"))))
    assert [item.verdict for item in found] == [Verdict.VERIFIED]


def test_deep_does_not_trust_a_forged_cache() -> None:
    file, cache = PRETRAIN.folder / "policy.safetensors", Path("cache.json")
    digest = sha256_of(file)
    flip(file)
    status = file.stat()
    stamp = [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_dev]
    cache.write_text(json.dumps({f"sha256 {file}": [*stamp, digest]}), encoding="utf-8")
    quick, deep = (
        [item.verdict for item in verify([PRETRAIN.folder], {}, digests=Digests(cache, deep=deep))]
        for deep in (False, True)
    )
    assert quick == [Verdict.VERIFIED]  # the documented limit of quick audits
    assert deep == [Verdict.TAMPERED]


def test_results_on_another_disk_are_verified(tmp_path: Path) -> None:
    Path("results").rename(tmp_path / "disk")
    Path("results").symlink_to(tmp_path / "disk")
    assert {verdict(row) for row in CHAIN} == {Verdict.VERIFIED}
    finished = CliRunner().invoke(app, ["audit", "verify", str(PRETRAIN.folder)])
    assert finished.exit_code == 0, finished.output
    assert CliRunner().invoke(app, ["audit", "trace", "results/tiny/figures/figure_9.svg"]).exit_code == 0


def test_a_dvc_cache_in_another_folder(tmp_path: Path) -> None:
    file, cached = PRETRAIN.folder / "policy.safetensors", tmp_path / "cache" / "files" / "md5" / "00"
    cached.parent.mkdir(parents=True)
    file.rename(cached)
    file.symlink_to(cached)
    assert verdict(PRETRAIN) == Verdict.TAMPERED
    Path(".dvc").mkdir()
    Path(".dvc/config.local").write_text(f"[cache]\n    dir = {tmp_path / 'cache'}\n", encoding="utf-8")
    _cache_folder.cache_clear()  # as in the next command
    assert verdict(PRETRAIN) == Verdict.VERIFIED


def test_nothing_to_audit_is_not_a_success() -> None:
    shutil.rmtree("results")
    finished = CliRunner().invoke(app, ["audit", "verify"])
    assert (finished.exit_code, finished.output) == (3, "nothing found\n")
