"""The config of the demo: a whole run on the built-in models, for two cores and a few minutes, without a network."""

import os

from holdfast.intervene.options import AdaptOptions, EnhanceOptions
from holdfast.models.options import GenerateOptions
from holdfast.pipeline.options import CalibrationFiles, EnhanceFiles, ScoringOptions, SuiteFiles, VerifyOptions
from holdfast.pipeline.run.config import RunConfig

MAX_WORKERS = 4


def demo_config(seed: int = 0) -> RunConfig:
    """Returns the config of `holdfast demo`. Its learning rates are for a million weights, not for billions."""
    return RunConfig(
        model="testbed:aligned",
        unaligned="testbed:unaligned",
        judge="testbed:guard",
        calibration=CalibrationFiles(harmful="testbed:refusals#first=256", utility="testbed:questions_calibration"),
        suite=SuiteFiles(
            harmful=("testbed:harmful_seen", "testbed:harmful_heldout"),
            harmless="testbed:harmless",
            borderline="testbed:borderline",
            questions="testbed:questions",
            task="testbed:task_evaluation",
        ),
        refusals=EnhanceFiles(refusals="testbed:refusals", harmless="testbed:harmless_exchanges"),
        task="testbed:task_train",
        generate=GenerateOptions(max_new_tokens=32),
        # Whole refusals. Chosen on verbs and a seed that no result uses: the judge's gradient preserves less of SPA's
        # safety there, and the base complies with near certainty, so that its own answers have no refusal to prefer.
        score=ScoringOptions(objective="refusal_likelihood", convergence=True),
        enhance_objective="refusal_likelihood",
        # The rate at which the mask learns to refuse on those verbs, and random weights do not. At 3e-3 they do too.
        enhance=EnhanceOptions(iterations=100, learning_rate=1e-3, scheduler="constant_with_warmup"),
        full_learning_rate=1e-3,
        verify=VerifyOptions(limit=128),
        # In every arm the usual weight decay, and frozen embedding and head, which no mask can hold.
        adapt=AdaptOptions(
            # The rate at which plain fine-tuning loses two thirds of the refusals of those verbs.
            iterations=500,
            learning_rate=1.5e-3,
            weight_decay=0.01,
            checkpoint_every=250,
            freeze=("embedding", "head"),
        ),
        seed=seed,
        workers=min(os.cpu_count() or 1, MAX_WORKERS),
        threads=1,
    )
