"""Domains: all that is particular to one lies in its folder, behind ``interface.Domain``."""
