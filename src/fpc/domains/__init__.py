"""The domains, each in its own folder behind ``interface.Domain``."""
