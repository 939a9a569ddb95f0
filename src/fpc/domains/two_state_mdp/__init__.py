"""The two-state MDP (paper, Figure 9)."""
