"""Errors to which the command line gives exit code 1. A user's mistake is a ValueError and has exit code 2."""


class InvariantError(RuntimeError):
    """Weights changed that had to keep every bit."""


class GateError(RuntimeError):
    """The checkpoint does not meet a condition of its release."""
