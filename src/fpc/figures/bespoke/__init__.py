"""Figures that are their own, one file each."""
