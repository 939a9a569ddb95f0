"""RoboticSequence: Meta-World tasks in a row (paper, section 4)."""
