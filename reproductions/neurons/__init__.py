"""Pieces that the reproductions on neurons share."""
