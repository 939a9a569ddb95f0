"""Families of similar figures: one file each, with a function for the data and one for drawing."""
