"""Behavioral cloning added to training from a random initialisation: a baseline of Table 5."""

from __future__ import annotations

from typing import ClassVar

from fpc.retention.behavioral_cloning import BehavioralCloning


class ScratchBehavioralCloning(BehavioralCloning):
    """Behavioral cloning's term and data, without pi*'s weights to start from."""

    label: ClassVar[str] = "Scratch + BC"
    colour: ClassVar[str] = "#332288"
    pretrained: ClassVar[bool] = False
