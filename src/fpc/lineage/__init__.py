"""Manifests: what an artifact is, what made it, from what."""
