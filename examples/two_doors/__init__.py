"""Two doors: the left one is new, the right one is what pi* knows."""
