"""Gymnasium's Taxi-v3: pi* knows how to carry a passenger, but has never picked one up."""
