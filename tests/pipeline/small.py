"""A whole run on the built-in models with few prompts and steps: every stage real, seconds instead of minutes."""

from pathlib import Path

from holdfast.intervene.options import AdaptOptions, EnhanceOptions
from holdfast.models.options import GenerateOptions
from holdfast.pipeline.options import EnhanceFiles, ScoreFiles, SuiteFiles, VerifyOptions
from holdfast.pipeline.run.config import RunConfig
from holdfast.testbed import prompts_path


def small_config(folder: Path, **changes: object) -> RunConfig:
    """A run on the first prompts of every built-in set, written to a folder."""

    def first(name: str, count: int = 8) -> str:
        path = folder / f"{name}.jsonl"
        path.write_text("".join(prompts_path(name).read_text().splitlines(keepends=True)[:count]))
        return str(path)

    config = RunConfig(
        model="testbed:aligned",
        unaligned="testbed:unaligned",
        judge="testbed:guard",
        calibration=ScoreFiles(harmful=first("harmful_calibration"), utility=first("questions_calibration")),
        suite=SuiteFiles(
            harmful=(first("harmful_seen"), first("harmful_heldout")),
            harmless=first("harmless"),
            borderline=first("borderline"),
            questions=first("questions"),
            task=first("task_evaluation"),
        ),
        refusals=EnhanceFiles(refusals=first("refusals"), harmless=first("harmless_exchanges")),
        task=first("task_train"),
        generate=GenerateOptions(max_new_tokens=12),
        verify=VerifyOptions(ratios=(0.38, 2.0), draws=1),
        enhance_objective="refusal_likelihood",
        enhance=EnhanceOptions(iterations=2, batch_size=4, learning_rate=3e-3),
        adapt=AdaptOptions(iterations=4, batch_size=4, learning_rate=5e-4, checkpoint_every=2),
    )
    return config.model_copy(update=changes)


def located_alone(folder: Path, *parts: str, **changes: object) -> RunConfig:
    """Nothing but to locate and to evaluate, and the parts that are named: `adapt`."""
    left_out: dict[str, object] = {"unaligned": None, "refusals": None, **({} if "adapt" in parts else {"task": None})}
    config = small_config(folder, **left_out, **changes)
    defaults = {
        name: RunConfig.model_fields[name].get_default(call_default_factory=True)
        for name in ("enhance", "adapt", "enhance_objective")
        if name not in parts
    }
    return config.model_copy(update=defaults | {"verify": config.verify.model_copy(update={"ratios": ()})})
