"""RoboticSequence: Meta-World tasks to be solved in sequence (paper, section 4)."""
