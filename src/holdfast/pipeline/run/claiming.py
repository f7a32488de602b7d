"""The folder of a run: it belongs to one config with the same inputs, and is refused to any other."""

import platform
from importlib.metadata import version
from pathlib import Path

import holdfast
from holdfast.artifacts import digest, save_json
from holdfast.json_files import JsonObject
from holdfast.models.load import load_model
from holdfast.pipeline import suites
from holdfast.pipeline.given_exchanges import load_to_enhance
from holdfast.pipeline.inputs import file_hash
from holdfast.pipeline.judges import Judge, load_judge, try_on
from holdfast.pipeline.outputs import refuse_foreign
from holdfast.pipeline.rendering import rendering_of
from holdfast.pipeline.run.config import RunConfig
from holdfast.pipeline.run.other_run import refuse_other_inputs, refuse_other_settings, settings_of

LIBRARIES = ("torch", "transformers", "trl", "accelerate", "safetensors")


def claim(config: RunConfig, out: Path) -> None:
    """Marks a new folder as this run's, or resumes it. A folder that holds anything else is refused."""
    path = out / "manifest.json"
    if not path.is_file():
        refuse_foreign(out)
    judge = load_judge(config.judge, config.judging)
    inputs = _inputs(config, judge)
    if path.is_file():
        refuse_other_settings(config, out)
        refuse_other_inputs(inputs, out)
        return
    harmful = [prompt.prompt for prompt in suites.load_suite(config.suite).harmful]
    manifest = {
        "run": digest([settings_of(config), inputs, holdfast.__version__]),
        "config": config.model_dump(mode="json"),
        "inputs": inputs,
        "versions": {"holdfast": holdfast.__version__, **{name: version(name) for name in LIBRARIES}},
        "hardware": {"machine": platform.machine(), "system": platform.system(), "python": platform.python_version()},
        "tried": {"judge": try_on(judge, config.judge, harmful)},
        "timings": {},
    }
    save_json(path, manifest)


def refuse_shared_prompts(config: RunConfig) -> JsonObject:
    """Counts evaluation prompts that resemble a calibration or training prompt. Raises ValueError for an equal one.

    It also raises ValueError for prompts that SET should both refuse and help with.
    """
    if config.refusals:
        load_to_enhance(config.refusals.refusals, config.refusals.harmless)
    return suites.refuse_overlap(_made_from(config), config.suite, config.calibration.harmful)


def _made_from(config: RunConfig) -> list[str]:
    """Lists the prompt files that make scores or train a model."""
    training_files = (config.refusals.refusals, config.refusals.harmless) if config.refusals else ()
    return list(filter(None, (config.calibration.harmful, config.calibration.utility, *training_files, config.task)))


def _inputs(config: RunConfig, judge: Judge) -> dict[str, str]:
    """Hashes all inputs: the models' weights and renderings, the judge, and the bytes of the prompt files."""
    suite = config.suite
    files = [*_made_from(config), *suite.harmful, suite.harmless, suite.borderline, suite.questions, suite.task]
    hashes = {}
    for name in filter(None, (config.model, config.unaligned)):
        loaded = load_model(name)
        hashes |= {name: loaded.base, f"{name}, as it renders": rendering_of(loaded.tokenizer)}
    hashes[config.judge] = judge.fingerprint
    for file in files:
        if file is not None:
            hashes[file] = file_hash(file)
    return hashes
