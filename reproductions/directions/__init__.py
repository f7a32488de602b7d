"""Pieces that the reproductions on directions share."""
