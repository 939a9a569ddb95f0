"""NetHack: the score task with a human monk (paper, section 4)."""
