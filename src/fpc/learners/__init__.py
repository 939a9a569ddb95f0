"""Learners: gradient ascent, REINFORCE and Soft Actor-Critic."""
