"""Learners: gradient ascent, REINFORCE, Soft Actor-Critic and APPO; ``interface`` defines what they share."""
