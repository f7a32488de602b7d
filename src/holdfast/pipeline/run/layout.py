"""The pieces of a run and the paths of their files, for the code that makes them and the code that reads them."""

from pathlib import Path
from typing import NamedTuple

from holdfast.arms import STAGES, STARTS, Arm, Stage, arm_named, arms_of, masks
from holdfast.intervene.options import EnhanceOptions
from holdfast.intervene.train.methods import method_named
from holdfast.pipeline import verifying
from holdfast.pipeline.run.config import RunConfig


class StartingNames(NamedTuple):
    """Names of the pieces that come first. A run has no pieces for SET where one piece serves both models."""

    locate: str
    evaluate: str
    locate_for_set: str
    evaluate_for_set: str


TWO_MODELS = StartingNames("locate", "evaluate aligned", "locate in unaligned", "evaluate unaligned")
ONE_MODEL = StartingNames("locate", "evaluate", "locate for SET", "evaluate for SET")


def starting_names(config: RunConfig) -> StartingNames:
    """Names the first pieces of a run. A run of one model calls it neither aligned nor unaligned."""
    return ONE_MODEL if config.is_one_model else TWO_MODELS


def arms_in(config: RunConfig, stage: Stage) -> list[Arm]:
    """Returns a run's arms in a stage. Empty for a stage that the run leaves out."""
    if stage == "verify":
        return [arm for arm in arms_of(stage).values() if config.calibration.utility or not arm.needs_utility]
    arm_names = {
        "enhance": config.enhance_arms if config.unaligned else (),
        "adapt": config.adapt_arms if config.task else (),
    }
    return [arm_named(stage, name) for name in arm_names[stage]]


def masks_of(config: RunConfig) -> tuple[str, ...]:
    """Returns the masks that a run selects: those for noise, and those of the arms that it tunes."""
    return masks(arm for stage in STAGES for arm in arms_in(config, stage))


def trains_mask_alone(arm: Arm) -> bool:
    """True where an arm trains only the mask's entries, so that a patch holds all changes."""
    return method_named(arm.method).parts.hold.is_sparse


def enhance_options(config: RunConfig, arm: str) -> EnhanceOptions:
    """Returns SET's options in an arm, with the run's seed. Tuning all weights may have its own learning rate."""
    row = arm_named("enhance", arm)
    rate = None if trains_mask_alone(row) else config.full_learning_rate
    changes = {"seed": config.seed, "learning_rate": rate or config.enhance.learning_rate, **row.options}
    return config.enhance.model_copy(update=changes)


def enhanced_files(out: Path, arm: str) -> list[Path]:
    """Returns the files beside the checkpoint of an arm of SET. Tuning all weights makes no patch."""
    names = ("result.json", *(("patch.safetensors",) if trains_mask_alone(arm_named("enhance", arm)) else ()))
    return [out / "enhance" / arm / name for name in names]


def start_file(out: Path, stage: Stage) -> Path:
    """Returns the path of the untouched model's evaluation, with which a stage begins."""
    return out / stage / f"{STARTS[stage]}.json"


def noise_draws(config: RunConfig, ratio: float) -> list[verifying.NoiseDraw]:
    """Returns a run's draws of noise of one strength."""
    return verifying.noise_draws(ratio, config.verify.draws, config.seed)


def noise_paths(config: RunConfig, out: Path, arm: str, ratio: float) -> list[Path]:
    """Returns the path of the evaluation of each draw of noise."""
    return [out / "verify" / arm / f"{draw.stem}.json" for draw in noise_draws(config, ratio)]
