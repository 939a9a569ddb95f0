"""Kickstarting added to training from a random initialisation: a baseline of Table 5."""

from __future__ import annotations

from typing import ClassVar

from fpc.retention.kickstarting import Kickstarting


class ScratchKickstarting(Kickstarting):
    """Kickstarting's term with the teacher pi*, without pi*'s weights to start from."""

    label: ClassVar[str] = "Scratch + KS"
    colour: ClassVar[str] = "#882255"
    pretrained: ClassVar[bool] = False
