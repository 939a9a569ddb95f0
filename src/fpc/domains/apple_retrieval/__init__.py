"""AppleRetrieval (paper, Figures 10 and 11)."""
