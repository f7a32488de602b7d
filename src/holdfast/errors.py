"""Errors of failed checks, which have exit code 1 or 3. A user's mistake is a ValueError and has exit code 2."""


class InvariantError(RuntimeError):
    """Weights changed that had to keep every bit."""


class GateError(RuntimeError):
    """A checkpoint meets a condition under which its release fails."""


class UndecidedError(GateError):
    """The data of a gate cannot decide a condition of the release. The command line gives it exit code 3."""
