"""The paper's figures: one file each, drawn from tidy tables only."""
