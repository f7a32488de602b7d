"""What a run is made of and where its pieces lie, for those that make them and those that read them."""

from pathlib import Path

from holdfast.arms import STAGES, STARTS, Arm, Stage, arm_named, arms_of, masks
from holdfast.intervene.options import EnhanceOptions
from holdfast.intervene.train.methods import METHODS
from holdfast.pipeline import verifying
from holdfast.pipeline.run.config import RunConfig


def arms_in(config: RunConfig, stage: Stage) -> list[Arm]:
    """The arms that a run has in a stage; none in a stage that it leaves out."""
    if stage == "verify":
        return [arm for arm in arms_of(stage).values() if config.calibration.utility or not arm.needs_utility]
    asked = {
        "enhance": config.enhance_arms if config.unaligned else (),
        "adapt": config.adapt_arms if config.task else (),
    }
    return [arm_named(stage, name) for name in asked[stage]]


def masks_of(config: RunConfig) -> tuple[str, ...]:
    """The masks that a run cuts: those of noise, and those of the arms that it tunes."""
    return masks(arm for stage in STAGES for arm in arms_in(config, stage))


def trains_mask_alone(arm: Arm) -> bool:
    """Whether the method of an arm trains the mask's entries and no other, so that a patch holds all that changed."""
    return METHODS[arm.method].hold.is_sparse


def enhance_options(config: RunConfig, arm: str) -> EnhanceOptions:
    """SET's options in an arm, under the run's seed; tuning all weights may have a learning rate of its own."""
    row = arm_named("enhance", arm)
    rate = None if trains_mask_alone(row) else config.full_learning_rate
    changes = {"seed": config.seed, "learning_rate": rate or config.enhance.learning_rate, **row.options}
    return config.enhance.model_copy(update=changes)


def enhanced_files(out: Path, arm: str) -> list[Path]:
    """What the tuning of an arm of SET leaves beside its checkpoint; tuning all weights leaves no patch."""
    names = ("result.json", *(("patch.safetensors",) if trains_mask_alone(arm_named("enhance", arm)) else ()))
    return [out / "enhance" / arm / name for name in names]


def start_file(out: Path, stage: Stage) -> Path:
    """The evaluation of the untouched model that a stage begins with."""
    return out / stage / f"{STARTS[stage]}.json"


def noise_draws(config: RunConfig, ratio: float) -> list[verifying.NoiseDraw]:
    """The draws of noise of one strength that a run makes."""
    return verifying.noise_draws(ratio, config.verify.draws, config.seed)


def noise_paths(config: RunConfig, out: Path, arm: str, ratio: float) -> list[Path]:
    """The evaluation of each of those draws."""
    return [out / "verify" / arm / f"{draw.stem}.json" for draw in noise_draws(config, ratio)]
