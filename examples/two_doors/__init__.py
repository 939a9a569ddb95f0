"""Two doors: pi* knows the right one; the left one is new."""
