"""Reads logs of other evaluation programs, and compares two of them by the same paired statistics as evaluations."""
