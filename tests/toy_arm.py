"""Adds an arm to the table of arms, one to each stage, and prints what the package makes of it; for `test_arms.py`.

Runs in a process of its own: options and figures read the table when they are imported, as they do for real arms.
"""

import json
import sys
from pathlib import Path

from holdfast import arms

LOOK = arms.Look("toy", "ring", "#123456", "#abcdef")
arms.ARMS += (arms.Arm("toy", "verify", "toy_mask", "noise", "a toy", "toy noise", LOOK),)
arms.ARMS += (arms.Arm("toy", "enhance", "toy_mask", "toy", "a toy", "toy tuned", LOOK, options={"iterations": 3}),)
arms.ARMS += (arms.Arm("toy", "adapt", None, "toy_free", "a toy", "toy adapted", LOOK),)


def main(folder: Path) -> dict[str, object]:
    """What is known of the toy, by the part of the package that knows it."""
    from holdfast.intervene.train.holds import ALL_BUT_MASK
    from holdfast.intervene.train.methods import METHODS, Method
    from holdfast.intervene.train.parts import Parts
    from holdfast.pipeline.run.config_template import to_toml
    from holdfast.pipeline.run.demo import demo_config
    from holdfast.pipeline.run.layout import enhanced_files, masks_of
    from holdfast.pipeline.run.units import unfinished
    from holdfast.plan.advice import _arm
    from holdfast.plan.stages import Planned

    trains_mask = Method("toy", "a toy", Parts(hold=ALL_BUT_MASK), needs_mask=True)
    METHODS.update(toy=trains_mask, toy_free=Method("toy_free", "a toy", "parts:DEFAULTS"))
    config = demo_config()
    asked = type(config).model_validate(config.model_dump() | {"enhance_arms": ["toy"], "adapt_arms": ["toy"]})
    return {
        "config": [asked.enhance_arms, asked.adapt_arms],
        "left out": [config.enhance_arms, config.adapt_arms],
        "template": to_toml(config),
        "files": [str(path.relative_to(folder)) for path in enhanced_files(folder, "toy")],
        "masks": masks_of(config),
        "pieces": unfinished(asked, folder),
        "plan": list(Planned(asked, None).parts()),
        "advice": [_arm("enhance toy"), _arm("enhance top")],
        "run": run_of(asked, folder),
        "story": story_of(asked, folder),
        "page": page(),
    }


def run_of(config, folder):
    """The arguments that a run hands on to the tuning."""
    from holdfast.pipeline.run import pieces

    calls = []
    pieces.tuning.enhance_model = lambda model, mask, *_, options, method, **how: calls.append(
        [mask.name, method, options.iterations]
    )
    pieces.tuning.adapt_model = lambda model, mask, *_, method, **how: calls.append([mask, method])
    pieces.evaluate = lambda *_, **how: None
    pieces.enhance(config, folder, "toy")
    pieces.adapt(config, folder, "toy")
    return calls


def story_of(config, folder):
    """The sections of the report in which the toy's evaluations lie."""
    from holdfast.artifacts import save_evaluation, save_json
    from holdfast.outcomes import Answer, Evaluation, Outcome, Rate
    from holdfast.pipeline.run.story import tell

    save_json(folder / "manifest.json", {})
    whole, answers = Rate(0.5, 0.1, 0.9, 4), (Answer("prompt", "response", Outcome("safe", 1.0), "asr"),)
    for name in ("enhance/before", "adapt/start", "enhance/toy/evaluation", "adapt/toy/evaluation"):
        save_evaluation(folder / f"{name}.json", Evaluation(whole, whole, whole, 2.0, answers=answers))
    return [stage for stage in ("enhance", "adapt") if "toy" in tell(config, folder)[stage]]


def page():
    """The page of a run that measured the toy."""
    from holdfast.report.page import render_page
    from tests.report.sample import full_report, read

    report = full_report()
    report["verify"]["toy"] = report["verify"]["random"]
    report["enhance"]["toy"] = report["enhance"]["safety_only"]
    report["adapt"]["toy"] = report["adapt"]["safety_only"]
    return render_page(read(report))


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
