"""Montezuma's Revenge: a pre-trained policy that is good from Room 7 on (state coverage gap on pixels)."""
