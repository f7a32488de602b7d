"""What a run is made of and where its pieces lie, for those that make them and those that read them."""

from pathlib import Path

from holdfast.pipeline import verifying
from holdfast.pipeline.run.config import SAFETY_ONLY, RunConfig

MASKS = ("top", "safety_only", "random", "bottom")
"""All that there are; see `masks_of`."""
ALONE = "refusals_alone"
"""SET on the plain top mask without harmless examples: what these are good for."""
ADAPT_ARMS = {"plain": None, "protected": "top", "safety_only": "safety_only", "random_protected": "random"}
"""The mask that each arm holds fast."""


def masks_of(config: RunConfig) -> tuple[str, ...]:
    """The masks of a run: the safety-only one takes utility scores."""
    return tuple(name for name in MASKS if name != SAFETY_ONLY or config.calibration.utility)


def enhanced_files(out: Path, arm: str) -> list[Path]:
    """What the tuning of an arm of SET leaves beside its checkpoint; tuning all weights leaves no patch."""
    names = ("result.json", *(() if arm == "full" else ("patch.safetensors",)))
    return [out / "enhance" / arm / name for name in names]


def noise_draws(config: RunConfig, ratio: float) -> list[verifying.NoiseDraw]:
    """The draws of noise of one strength that a run makes."""
    return verifying.noise_draws(ratio, config.verify.draws, config.seed)


def noise_paths(config: RunConfig, out: Path, mask: str, ratio: float) -> list[Path]:
    """The evaluation of each of those draws."""
    return [out / "verify" / mask / f"{draw.stem}.json" for draw in noise_draws(config, ratio)]
