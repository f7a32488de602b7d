"""The whole story on the built-in models: small enough for two cores and a few minutes, without a network."""

import os

from holdfast.intervene.options import AdaptOptions, EnhanceOptions
from holdfast.models.options import GenerateOptions
from holdfast.pipeline.options import EnhanceFiles, ScoreFiles, ScoringOptions, SuiteFiles, VerifyOptions
from holdfast.pipeline.run.config import RunConfig

MAX_WORKERS = 4


def demo_config(seed: int = 0) -> RunConfig:
    """The run that `holdfast demo` makes. Learning rates are for models of a million weights, not of billions."""
    return RunConfig(
        model="testbed:aligned",
        unaligned="testbed:unaligned",
        judge="testbed:guard",
        calibration=ScoreFiles(harmful="testbed:harmful_calibration", utility="testbed:questions_calibration"),
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
        # Whether a model refuses is decided in its first token; the rest of the answer scores the wording.
        calibrate=GenerateOptions(max_new_tokens=1),
        score=ScoringOptions(convergence=True),
        # The base complies with near certainty, so its own answers hold no refusal that a judge could prefer.
        enhance_objective="refusal_likelihood",
        # Constant: the base is about 19 nats from refusing, and in 100 steps a falling rate covers half of that.
        enhance=EnhanceOptions(iterations=100, learning_rate=1e-2, scheduler="constant_with_warmup"),
        full_learning_rate=1e-3,
        verify=VerifyOptions(limit=128),
        # The usual decay, and what no mask can hold left alone, in every arm.
        adapt=AdaptOptions(
            iterations=1000,
            learning_rate=2.75e-4,
            weight_decay=0.01,
            checkpoint_every=250,
            freeze=("embedding", "head"),
        ),
        seed=seed,
        workers=min(os.cpu_count() or 1, MAX_WORKERS),
        threads=1,
    )
