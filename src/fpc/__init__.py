"""Fine-tuning forgets: a reproduction pipeline of Wolczyk et al., ICML 2024 (arXiv 2402.02868)."""

from fpc import extensions

__version__ = "0.1.0"
extensions.install()
