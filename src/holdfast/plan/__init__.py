"""Predicts the memory, disk and time of a run from its config alone."""
