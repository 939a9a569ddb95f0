"""Montezuma's Revenge: a policy good from Room 7 on (state coverage gap on pixels)."""
