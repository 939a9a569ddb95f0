"""Trying a retention method of one's own: checks before any run, a variant for it, and what it will run."""
