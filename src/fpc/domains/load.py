"""Policies outside this project's runs: a torch module in eval mode from an artifact's or an exported folder.

What is particular to a domain is in its ``portable.py``: how its files become complete weights, and its
network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from fpc.core.errors import DataError
from fpc.core.files import read_json, read_tensors, sha256_of
from fpc.core.milestones import milestone_path
from fpc.domains.finetuning import POLICY
from fpc.domains.registry import domain_names, has_module

if TYPE_CHECKING:
    from torch import Tensor, nn

MANIFEST, CONFIG, MODEL = "manifest.json", "config.json", "model.safetensors"
PHASES = ("pretrain", "finetune")


class PolicyError(DataError):
    """A folder has no policy that can be loaded; the message says why and what to do."""


class Portable(Protocol):
    """A domain's ``portable.py``."""

    EXAMPLE: str
    """Code that loads ``model.safetensors`` with ``config.json`` in the current folder, and acts."""

    def weights(self, saved: Saved) -> dict[str, Tensor]:
        """All weights of the policy."""

    def arguments(self, section: Mapping[str, Any], weights: Mapping[str, Tensor]) -> dict[str, Any]:
        """What the network is made of, as JSON values."""

    def network(self, arguments: Mapping[str, Any], weights: Mapping[str, Tensor]) -> nn.Module:
        """The network with these weights."""


@dataclass(frozen=True)
class Saved:
    """A policy as an artifact holds it: pi*, or one milestone of a fine-tuned run.

    Every file is read only if its sha256 is the one in the manifest.
    """

    folder: Path
    step: int | None = None  # of the milestone; None for pi*

    @classmethod
    def of(cls, folder: Path, step: int | None = None) -> Saved:
        """The policy in ``folder``: pi*, the milestone at ``step``, or the last one.

        Raises:
            PolicyError: the artifact has no policy, or not this milestone.
        """
        saved = cls(folder)
        phase, name = saved.run["phase"], str(folder / MANIFEST)
        if phase not in PHASES:
            raise PolicyError(f"{name}: {phase} makes no policy; give a folder of {' or '.join(PHASES)}")
        if phase == "pretrain":
            if step is not None:
                raise PolicyError(f"{name}: pi* has no milestones; leave the step out")
            return saved
        steps = sorted(
            int(Path(file).stem.removeprefix("step_"))
            for file in saved.files
            if file.startswith("milestones/")
        )
        if not steps:
            raise PolicyError(f"{name}: the run has no milestones; make it again")
        if step is not None and step not in steps:
            raise PolicyError(f"{name}: no milestone at step {step}. Allowed: {', '.join(map(str, steps))}.")
        return cls(folder, steps[-1] if step is None else step)

    @cached_property
    def manifest(self) -> Mapping[str, Any]:
        """The content of the manifest.

        Raises:
            PolicyError: there is none, or it is not one of this project.
        """
        path = self.folder / MANIFEST
        if not path.is_file():
            raise PolicyError(f"{path} is not here; give the folder of a run, such as .../pretrain/seed_0")
        content = read_json(path)
        try:
            parameters = content["predicate"]["buildDefinition"]["externalParameters"]
            parameters["section"]["domain"], parameters["run"]["phase"]
        except (KeyError, TypeError) as error:
            raise PolicyError(f"{path} is not the manifest of a run; give the folder of one") from error
        return cast(Mapping[str, Any], content)

    @property
    def _definition(self) -> Mapping[str, Any]:
        return cast(Mapping[str, Any], self.manifest["predicate"]["buildDefinition"])

    @property
    def run(self) -> Mapping[str, Any]:
        """The run: label, phase, experiment, method, seeds."""
        return cast(Mapping[str, Any], self._definition["externalParameters"]["run"])

    @property
    def section(self) -> Mapping[str, Any]:
        """The section of the configuration that the run was made with."""
        return cast(Mapping[str, Any], self._definition["externalParameters"]["section"])

    @property
    def files(self) -> dict[str, str]:
        """File -> sha256."""
        return {item["name"]: item["digest"]["sha256"] for item in self.manifest["subject"]}

    @property
    def path(self) -> Path:
        """The file of weights."""
        return self.folder / POLICY if self.step is None else milestone_path(self.folder, self.step)

    def tensors(self, name: str | None = None) -> dict[str, Tensor]:
        """The tensors in the file of weights, or in another file of the artifact.

        Raises:
            PolicyError: the file is not here.
            DataError: it is not the file that the manifest names.
        """
        path = self.path if name is None else self.folder / name
        if not path.is_file():
            raise PolicyError(f"{path} is not here; fetch it (dvc pull {path}), or make the run again")
        return read_tensors(path, self.files.get(path.relative_to(self.folder).as_posix()))

    def pi_star(self) -> Saved:
        """The policy that the run started from.

        Raises:
            PolicyError: the manifest names none, or what is here is not it.
        """
        for item in self._definition["resolvedDependencies"]:
            parts = Path(item["uri"]).parts
            if parts[-1] == MANIFEST and "pretrain" in parts:
                below = parts[parts.index("pretrain") : -1]
                found = Saved(self.folder.absolute().parents[2].joinpath(*below))
                path = found.folder / MANIFEST
                if not path.is_file() or sha256_of(path) != item["digest"]["sha256"]:
                    raise PolicyError(f"{path} is not that of the pi* that {self.folder} was made from")
                return found
        raise PolicyError(f"{self.folder / MANIFEST} names no pi* that the run was made from")


def policy(folder: str | Path, step: int | None = None) -> nn.Module:
    """The policy in a folder, as a torch module in eval mode, on the CPU and without gradients.

    Args:
        folder: an artifact (``results/<scale>/<experiment>/pretrain/seed_0`` or
            ``.../finetune/<method>/seed_0``), or a folder written by ``fpc export-model``.
        step: of the milestone; by default the last one.

    Raises:
        DataError: there is no policy, its weights are not here, or they are not those of the manifest.
    """
    folder = Path(folder)
    if (folder / MODEL).is_file():
        config = read_json(folder / CONFIG)
        weights = read_tensors(folder / MODEL)
        module = portable(config["domain"]).network(config["network"], weights)
    else:
        saved = Saved.of(folder, step)
        domain = portable(saved.section["domain"])
        weights = domain.weights(saved)
        module = domain.network(domain.arguments(saved.section, weights), weights)
    return module.requires_grad_(False).eval()


def portable(domain: str) -> Portable:
    """The ``portable.py`` of a domain.

    Raises:
        PolicyError: it has none.
    """
    if domain not in domain_names() or not has_module(domain, "portable"):
        raise PolicyError(
            f"the domain '{domain}' has no portable.py here, which says how its policy is loaded"
        )
    return cast(Portable, import_module(f"fpc.domains.{domain}.portable"))
