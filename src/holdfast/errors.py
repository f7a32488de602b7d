"""Errors with an exit code of their own. A user's mistake is a ValueError, which has exit code 2."""


class InvariantError(RuntimeError):
    """Weights changed that had to keep every bit."""


class GateError(RuntimeError):
    """A checkpoint meets a condition under which its release fails.

    `exit_code` is the exit code with which `holdfast compare` ends for the same reason: 1, 2 or 3.
    """

    exit_code = 1


class UndecidedError(GateError):
    """The data of a gate cannot decide a condition of the release. The command line gives it exit code 3."""

    exit_code = 3


class InvalidGateError(GateError, ValueError):
    """A gate decides nothing: it has no conditions, none can fail, or a strict gate overlooks a loss of safety.

    It is a kind of GateError, and of ValueError because the conditions are at fault. The command line gives it exit
    code 2.
    """

    exit_code = 2


class LostProcessError(ConnectionError):
    """Another process of this run has ended. The command line gives it exit code 75, by which schedulers try again."""
