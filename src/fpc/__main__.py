"""``python -m fpc``."""

from fpc.cli.main import main

main()
