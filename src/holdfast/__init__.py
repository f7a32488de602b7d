"""holdfast finds the weights by which a language model holds on to its safety and holds them fast."""

__version__ = "0.1.0"
