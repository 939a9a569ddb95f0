"""Signatures of manifests are valid for exactly what was signed, by the required key."""

from __future__ import annotations

import base64
import json
import shutil
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from typer.testing import CliRunner

from fpc.cli.main import app
from fpc.core.errors import ConfigError
from fpc.core.files import write_json
from fpc.lineage.manifest import ManifestError
from fpc.lineage.signing import (
    PASSPHRASE,
    SigningError,
    is_signature,
    make_key,
    read_private_key,
    read_public_key,
    sign,
    signature_of,
    signature_problem,
)
from fpc.workflow.loader import load
from fpc.workflow.phases.figure import figure

from .conftest import CHAIN, COLLECT, FIGURE, PRETRAIN, forge


@pytest.fixture
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A private key outside any project, with its public key beside it."""
    key = tmp_path_factory.mktemp("keys") / "key"
    make_key(key)
    return key


def problem(manifest: Path, key: Path) -> str | None:
    return signature_problem(manifest, [read_public_key(key.with_name(f"{key.name}.pub"))])


def signed(key: Path) -> None:
    for row in (PRETRAIN, COLLECT):
        sign(row.manifest, read_private_key(key))


@pytest.mark.usefixtures("chain")
def test_what_was_signed_has_no_problem_and_is_a_dsse_envelope(keys: Path) -> None:
    assert problem(COLLECT.manifest, keys) == "it is not signed"
    signed(keys)
    assert problem(PRETRAIN.manifest, keys) is None
    assert problem(COLLECT.manifest, keys) is None
    path = signature_of(COLLECT.manifest)
    assert path.name == "manifest.dsse.json"
    envelope = json.loads(path.read_text(encoding="utf-8"))
    assert set(envelope) == {"payload", "payloadType", "signatures"}
    kind, payload = envelope["payloadType"], base64.b64decode(envelope["payload"])
    assert kind == "application/vnd.in-toto+json"
    assert payload == COLLECT.manifest.read_bytes()
    encoded = f"DSSEv1 {len(kind)} {kind} {len(payload)} ".encode() + payload  # as specified by DSSE
    public = load_pem_public_key(keys.with_name("key.pub").read_bytes())
    assert isinstance(public, Ed25519PublicKey)
    public.verify(base64.b64decode(envelope["signatures"][0]["sig"]), encoded)
    before = path.read_bytes()
    signed(keys)
    assert path.read_bytes() == before


def test_only_a_signature_has_the_name_of_one() -> None:
    assert is_signature("manifest.dsse.json")
    assert is_signature(signature_of(Path("results/tiny/figures/figure_9.manifest.json")).name)
    assert not is_signature("manifest.json")
    assert not is_signature("figure_9.manifest.json")
    assert not is_signature("start_states.json")


@pytest.mark.usefixtures("chain")
def test_one_changed_byte_of_the_manifest_is_found(keys: Path) -> None:
    signed(keys)
    content = bytearray(COLLECT.manifest.read_bytes())
    content[-2] = ord(" ")  # still valid JSON, but other bytes
    COLLECT.manifest.write_bytes(content)
    assert "not the manifest that was signed" in str(problem(COLLECT.manifest, keys))


@pytest.mark.usefixtures("chain")
def test_a_signature_of_another_manifest_is_found(keys: Path) -> None:
    signed(keys)
    shutil.copy(signature_of(PRETRAIN.manifest), signature_of(COLLECT.manifest))
    assert "not the manifest that was signed" in str(problem(COLLECT.manifest, keys))


@pytest.mark.usefixtures("chain")
def test_another_key_is_found_and_two_may_sign(keys: Path) -> None:
    other = keys.with_name("other")
    make_key(other)
    signed(other)
    assert problem(COLLECT.manifest, keys) == "it is signed by another key"
    signed(keys)
    assert problem(COLLECT.manifest, keys) is None
    assert problem(COLLECT.manifest, other) is None


@pytest.mark.usefixtures("chain")
def test_another_key_under_our_name_is_found(keys: Path) -> None:
    other = keys.with_name("other")
    make_key(other)
    signed(other)
    path = signature_of(COLLECT.manifest)
    envelope = json.loads(path.read_text(encoding="utf-8"))
    envelope["signatures"][0]["keyid"] = read_private_key(keys).public_key.keyid
    path.write_text(json.dumps(envelope), encoding="utf-8")
    assert problem(COLLECT.manifest, keys) == "its signature manifest.dsse.json is not valid"


@pytest.mark.usefixtures("chain")
@pytest.mark.parametrize("cut", ["half", "nothing", "other", "list", "deep"])
def test_a_broken_signature_file_is_found(keys: Path, cut: str) -> None:
    signed(keys)
    path = signature_of(COLLECT.manifest)
    content = path.read_bytes()
    broken = {
        "half": content[: len(content) // 2],
        "nothing": b"",
        "other": b'{"payload": 3, "payloadType": "x", "signatures": [{}]}',
        "list": b"[]",
        "deep": b"[" * 100_000,
    }
    path.write_bytes(broken[cut])
    assert problem(COLLECT.manifest, keys) == (
        "its signature manifest.dsse.json is not a readable DSSE envelope"
    )


@pytest.mark.usefixtures("chain")
def test_another_type_of_payload_is_found(keys: Path) -> None:
    from securesystemslib.dsse import Envelope

    envelope = Envelope(COLLECT.manifest.read_bytes(), "text/plain", {})
    envelope.sign(read_private_key(keys))
    write_json(signature_of(COLLECT.manifest), envelope.to_dict())
    assert "not that of an in-toto statement" in str(problem(COLLECT.manifest, keys))


@pytest.mark.usefixtures("chain")
def test_an_artifact_and_its_manifest_replaced_together_are_found(keys: Path) -> None:
    signed(keys)
    forge(COLLECT.folder, "start_states.json", b"[]")
    verified = CliRunner().invoke(app, ["audit", "verify", str(COLLECT.folder), "--scale", "tiny", "--json"])
    verdicts = {item["artifact"]: item["verdict"] for item in json.loads(verified.output)["findings"]}
    assert verdicts[str(COLLECT.manifest)] == "verified", "digests alone do not detect it"
    assert "not the manifest that was signed" in str(problem(COLLECT.manifest, keys))


@pytest.mark.usefixtures("chain")
def test_a_figure_that_is_made_again_loses_its_signature(keys: Path) -> None:
    sign(FIGURE.manifest, read_private_key(keys))
    assert problem(FIGURE.manifest, keys) is None
    FIGURE.manifest.unlink()
    figure(load("tiny"), "figure_9")
    assert problem(FIGURE.manifest, keys) == "it is not signed"


@pytest.mark.usefixtures("chain")
def test_the_commands_make_a_key_and_sign(keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = keys.with_name("mine")
    monkeypatch.setenv(PASSPHRASE, "long and known to one")
    made = CliRunner().invoke(app, ["audit", "keygen", str(key)])
    assert made.exit_code == 0, made.output
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert b"ENCRYPTED" in key.read_bytes()
    finished = CliRunner().invoke(app, ["audit", "sign", "--key", str(key), "results/tiny"])
    assert finished.exit_code == 0, finished.output
    assert "5 manifests signed" in finished.output
    assert problem(COLLECT.manifest, key) is None
    monkeypatch.setenv(PASSPHRASE, "wrong")
    refused = CliRunner().invoke(app, ["audit", "sign", "--key", str(key)])
    assert "wrong passphrase" in str(refused.exception)
    monkeypatch.delenv(PASSPHRASE)
    with pytest.raises(SigningError, match=f"set {PASSPHRASE}"):
        read_private_key(key)


@pytest.mark.parametrize("key", ["../key", "key", "new/folder/key", "/", ".", "..", "a" * 300])
def test_a_key_is_a_file_outside_the_project(
    project: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.chdir(project / "configs")
    before = set(project.rglob("*"))
    with pytest.raises(ConfigError, match=f"is inside the project {project}|is a folder"):
        make_key(Path(key))
    assert set(project.rglob("*")) == before


def test_a_key_inside_is_wrong_usage_and_one_outside_is_made(project: Path, keys: Path) -> None:
    (project / "link").symlink_to(keys.parent)
    for place, code in (
        (project / "key", 2),
        (Path("/"), 2),
        (keys.parent / "new", 0),
        (Path("link/two"), 0),
    ):
        made = subprocess.run(
            [Path(sys.executable).parent / "fpc", "audit", "keygen", place],
            capture_output=True,
            text=True,
            check=False,
        )
        assert made.returncode == code, made.stderr
        assert len(made.stderr.splitlines()) == (1 if code else 0)


def test_keys_that_cannot_be_used_are_one_clear_error(keys: Path) -> None:
    with pytest.raises(SigningError, match="exists already"):
        make_key(keys)
    public = keys.with_name("key.pub")
    content = keys.read_bytes()
    keys.unlink()
    with pytest.raises(SigningError, match=r"key\.pub exists already"):
        make_key(keys)
    assert not keys.exists(), "half a key pair must not be left behind"
    keys.write_bytes(content[:40])
    with pytest.raises(SigningError, match="not a readable private key"):
        read_private_key(keys)
    with pytest.raises(SigningError, match="not a readable private key"):
        read_private_key(public)
    with pytest.raises(SigningError, match="not a public key"):
        read_public_key(keys)
    with pytest.raises(SigningError, match="cannot be read"):
        read_private_key(keys.with_name("none"))
    with pytest.raises(SigningError, match="cannot be read"):
        read_public_key(keys.parent)


def test_a_file_that_is_not_a_manifest_is_not_signed(tmp_path: Path, keys: Path) -> None:
    path = tmp_path / "manifest.json"
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(ManifestError):
        sign(path, read_private_key(keys))
    assert not signature_of(path).exists()


def test_no_manifest_to_sign_is_one_clear_error(project: Path, keys: Path) -> None:
    (project / "results").mkdir()
    refused = CliRunner().invoke(app, ["audit", "sign", "--key", str(keys)])
    assert "no manifest below results" in str(refused.exception)


@pytest.mark.usefixtures("chain")
def test_a_tree_of_two_hundred_manifests_is_signed_fast(keys: Path) -> None:
    text = COLLECT.manifest.read_text(encoding="utf-8")
    manifests = [Path(f"results/tiny/many/{number}/manifest.json") for number in range(200)]
    for manifest in manifests:
        manifest.parent.mkdir(parents=True)
        manifest.write_text(text, encoding="utf-8")
    signer = read_private_key(keys)
    start = time.process_time()
    for manifest in manifests:
        sign(manifest, signer)
    assert time.process_time() - start < 2
    assert all(problem(manifest, keys) is None for manifest in manifests)


def checked(key: Path) -> tuple[int, dict[str, tuple[str, str]]]:
    """Exit code of ``fpc audit verify --key``; artifact -> verdict and reasons."""
    places = ("results/tiny/two_state_mdp", "results/tiny/figures")
    public = key.with_name(f"{key.name}.pub")
    finished = CliRunner().invoke(app, ["audit", "verify", *places, "--key", str(public), "--json"])
    found = {
        item["artifact"]: (item["verdict"], " ".join(item["reasons"]))
        for item in json.loads(finished.output)["findings"]
    }
    return finished.exit_code, found


@pytest.mark.usefixtures("chain")
def test_verify_with_a_key_succeeds_when_everything_is_signed(keys: Path) -> None:
    signed(keys)
    code, found = checked(keys)
    assert code == 1
    unsigned = {str(row.manifest) for row in CHAIN} - {str(PRETRAIN.manifest), str(COLLECT.manifest)}
    assert {name for name, (verdict, _) in found.items() if verdict == "unverified"} == unsigned
    for row in CHAIN:
        sign(row.manifest, read_private_key(keys))
    assert checked(keys) == (0, {str(row.manifest): ("verified", "") for row in CHAIN})


def test_a_stale_parent_that_is_not_signed_makes_its_children_stale(chain: Path, keys: Path) -> None:
    for row in CHAIN:
        if row != PRETRAIN:
            sign(row.manifest, read_private_key(keys))
    path = chain / "configs" / "tiny.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(
        text.replace("two_state_mdp:\n", "two_state_mdp:\n    pretrain: {updates: 7}\n", 1), encoding="utf-8"
    )
    code, found = checked(keys)
    assert code == 1
    _, reasons = found[str(PRETRAIN.manifest)]
    assert "its configuration section has changed" in reasons
    assert "it is not signed" in reasons
    for row in (COLLECT, FIGURE):
        assert found[str(row.manifest)][0] == "stale"
    assert found[str(COLLECT.manifest)][1] == f"parent {PRETRAIN.manifest} is stale"
