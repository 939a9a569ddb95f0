"""The rule for names that become folders, words of shell commands and values of ``--config``."""

from __future__ import annotations

import re

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
RULE = "a name begins with a letter, then has letters (a to z), digits, '_', '-' and '.', at most 64 in all"


def is_name(text: str) -> bool:
    """Whether a scale, variant or experiment may be called so.

    A shell and Snakemake leave such a name whole, YAML reads no number from it, and its folder is not hidden.
    """
    return NAME.fullmatch(text) is not None
