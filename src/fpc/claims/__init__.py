"""The paper's claims, each measured by a rule that was written down before the results were seen."""

from __future__ import annotations
