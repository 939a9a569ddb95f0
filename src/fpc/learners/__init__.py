"""Learners: gradient ascent, REINFORCE, Soft Actor-Critic and APPO; ``interface`` says what they share."""
