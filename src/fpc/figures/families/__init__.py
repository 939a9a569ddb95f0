"""Figures that are alike: one file a family, one function for the data and one to draw them."""
