"""Errors that the command line tells apart by their type. A user's mistake is a ValueError, and needs no type."""


class InvariantError(RuntimeError):
    """Weights that had to keep every bit did not."""


class GateError(RuntimeError):
    """The checkpoint does what a release must not do."""
