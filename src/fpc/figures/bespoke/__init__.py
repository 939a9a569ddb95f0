"""Figures that belong to no family, one file each."""
