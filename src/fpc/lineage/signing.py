"""Signatures of manifests: DSSE envelopes, as used by in-toto, with Ed25519 keys.

An envelope contains the manifest's bytes and is stored beside it: the signature of ``manifest.json`` is
``manifest.dsse.json``. A manifest names its files and parents by digest, so its signature covers them too.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from fpc.core.errors import ConfigError, UserError
from fpc.core.files import canonical_json, write_text
from fpc.lineage.manifest import read

if TYPE_CHECKING:
    from securesystemslib.dsse import Envelope
    from securesystemslib.signer import CryptoSigner, Key

    PublicKey: TypeAlias = Key

PAYLOAD_TYPE = "application/vnd.in-toto+json"
SUFFIX = ".dsse.json"
PASSPHRASE = "FPC_KEY_PASSPHRASE"
AskPassphrase = Callable[[], str]


class SigningError(UserError):
    """A key cannot be made or read; the text names the file and how to fix it."""


def signature_of(manifest: Path) -> Path:
    """Path of a manifest's signature: ``figure_7.manifest.dsse.json`` for ``figure_7.manifest.json``."""
    return manifest.with_name(manifest.name.removesuffix(".json") + SUFFIX)


def is_signature(name: str) -> bool:
    """Whether a file of this name is a manifest's signature, which no manifest names."""
    return name.endswith(f"manifest{SUFFIX}")


def make_key(path: Path, passphrase: str | None = None) -> Path:
    """Write a new private key (PEM, PKCS8, mode 0600) and its public key ``<path>.pub``; returns the latter.

    Args:
        path: outside any project, so that it is never committed.
        passphrase: encrypts the private key.

    Raises:
        ConfigError: the path is a folder, or is inside a project.
        SigningError: a file exists already, or the path cannot be written.
    """
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    if os.path.isdir(path):  # noqa: PTH112 - pathlib's raises if the name is too long
        raise ConfigError(f"{path} is a folder; give the name of a file, such as {path / 'key'}")
    if (project := _project_around(path)) is not None:
        raise ConfigError(
            f"{path} is inside the project {project}, where it could be committed; give another path"
        )
    public = path.with_name(f"{path.name}.pub")
    key = Ed25519PrivateKey.generate()
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase:
        encryption = serialization.BestAvailableEncryption(passphrase.encode())
    private_text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
    )
    public_text = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    if os.path.lexists(public):
        raise SigningError(f"{public} exists already; give another name, or move it away")
    _write_new(path, private_text, 0o600)
    _write_new(public, public_text, 0o644)
    return public


def _project_around(path: Path) -> Path | None:
    """The project that contains a path, whatever the current folder; None if there is none."""
    real = Path(os.path.realpath(path))
    return next((folder for folder in real.parents if (folder / "Snakefile").is_file()), None)


def _write_new(path: Path, content: bytes, mode: int) -> None:
    """Write a file that must not exist yet, at no time more readable than ``mode``."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError as error:
        raise SigningError(f"{path} exists already; give another name, or move it away") from error
    except OSError as error:
        raise SigningError(f"{path}: cannot be written ({error.strerror})") from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)


def read_private_key(path: Path, ask: AskPassphrase | None = None) -> CryptoSigner:
    """Read the signer from a private key's file.

    Args:
        path: PEM, PKCS8, as written by ``make_key``.
        ask: called for the passphrase of an encrypted key if ``FPC_KEY_PASSPHRASE`` is not set.

    Raises:
        SigningError: it cannot be read, its passphrase is missing or wrong, or it is not an Ed25519 key.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from securesystemslib.signer import CryptoSigner

    text = _bytes_of(path)
    passphrase: str | None = None
    if b"ENCRYPTED" in text:
        passphrase = os.environ.get(PASSPHRASE) or (ask() if ask is not None else None)
        if not passphrase:
            raise SigningError(f"{path}: the key is encrypted; set {PASSPHRASE}")
    try:
        key = load_pem_private_key(text, passphrase.encode() if passphrase else None)
    except (ValueError, TypeError) as error:
        remedy = "wrong passphrase, or a damaged file" if passphrase else "give the file that keygen wrote"
        raise SigningError(f"{path}: not a readable private key in PEM; {remedy}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise SigningError(f"{path}: not an Ed25519 key; make one with fpc audit keygen")
    return CryptoSigner(key)


def read_public_key(path: Path) -> PublicKey:
    """Read a public key, ``KEY.pub``.

    Raises:
        SigningError: it cannot be read or is not an Ed25519 public key.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key
    from securesystemslib.signer import SSlibKey

    text = _bytes_of(path)
    try:
        key = load_pem_public_key(text)
    except (ValueError, TypeError) as error:
        raise SigningError(
            f"{path}: not a public key in PEM; give the .pub file that keygen wrote"
        ) from error
    if not isinstance(key, Ed25519PublicKey):
        raise SigningError(f"{path}: not an Ed25519 key; make one with fpc audit keygen")
    return SSlibKey.from_crypto(key)


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SigningError(f"{path}: the key cannot be read ({error.strerror})") from error


def sign(manifest: Path, signer: CryptoSigner) -> Path:
    """Sign a manifest's bytes; returns the signature's path. Other keys' signatures of these bytes are kept.

    Raises:
        ManifestError: it is not a manifest of this project.
    """
    from securesystemslib.dsse import Envelope

    read(manifest)
    target = signature_of(manifest)
    if signature_problem(manifest, [signer.public_key]) is None:
        return target
    content = manifest.read_bytes()
    envelope = _envelope(target)
    if envelope is None or envelope.payload != content or envelope.payload_type != PAYLOAD_TYPE:
        envelope = Envelope(content, PAYLOAD_TYPE, {})
    envelope.sign(signer)
    write_text(target, canonical_json(envelope.to_dict()) + "\n")
    return target


def signature_problem(manifest_path: Path, keys: Sequence[PublicKey]) -> str | None:
    """Why a manifest is not validly signed, as a short clause; None if it is.

    It is if the signature file beside it contains a valid signature by one of ``keys`` over exactly the
    manifest's bytes. Whether the files match the manifest is not checked here; the audit does that.

    Args:
        manifest_path: the manifest; its signature is expected at ``signature_of(manifest_path)``.
        keys: from ``read_public_key``; a signature by any one of them is enough.
    """
    from securesystemslib.exceptions import VerificationError

    path = signature_of(manifest_path)
    if not path.is_file():
        return "it is not signed"
    envelope = _envelope(path)
    if envelope is None:
        return f"its signature {path.name} is not a readable DSSE envelope"
    if envelope.payload_type != PAYLOAD_TYPE:
        return f"its signature {path.name} is not that of an in-toto statement"
    if not set(envelope.signatures) & {key.keyid for key in keys}:
        return "it is signed by another key"
    try:
        envelope.verify(list(keys), 1)
    except VerificationError:
        return f"its signature {path.name} is not valid"
    try:
        same = manifest_path.read_bytes() == envelope.payload
    except OSError as error:
        return f"it cannot be read ({error.strerror})"
    return (
        None
        if same
        else "it is not the manifest that was signed (changed since, or the signature of another)"
    )


def _envelope(path: Path) -> Envelope | None:
    """The envelope in a file; None if it contains none."""
    from securesystemslib.dsse import Envelope
    from securesystemslib.exceptions import Error

    try:
        return Envelope.from_dict(json.loads(path.read_bytes()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, Error):
        return None
