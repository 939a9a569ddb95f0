"""``python -m fpc``."""

from fpc.cli import main

main()
