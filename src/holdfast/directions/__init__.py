"""Directions in the residual stream: found from prompts with and without a concept, and tested on others."""
