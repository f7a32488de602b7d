"""The check that a command has prompts to measure on, before libraries are loaded."""

from holdfast.pipeline.options import SuiteFiles


def require_prompts(files: SuiteFiles, more: str = "") -> None:
    """Raises ValueError if no prompt set is given. `more` names a further option that would do."""
    if not files.names:
        options = ["--harmful", "--harmless", "--borderline", "--questions", *filter(None, [more])]
        raise ValueError(f"there are no prompts to measure on; give {', '.join(options)} or --task.")
