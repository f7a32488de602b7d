"""Lists the commands that come after a change: measure the new model, check it, and take the change off again."""

from pathlib import Path
from shlex import quote

from holdfast.commands.console import unless_quiet


def next_commands(out: Path, *checks: str, reverts: bool = True) -> str:
    """Writes a line for each command. Empty with --quiet.

    Args:
        out: folder of the new model, `model`, and of the patch that leads back, `patch.safetensors`.
        checks: lines about checks of the new model.
        reverts: whether there is such a patch.
    """
    after, patch = quote(str(out / "model")), quote(str(out / "patch.safetensors"))
    sets = "--harmful FILE --harmless FILE --borderline FILE"
    measure = f"Measure it beside the model before: holdfast evaluate {after} {sets} --out FILE"
    revert = [f"Take it off: holdfast patch revert {after} {patch} --out FOLDER"] if reverts else []
    return unless_quiet("\n".join([measure, *checks, *revert]))
