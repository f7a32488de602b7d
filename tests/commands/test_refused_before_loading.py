"""What can be seen to be wrong without a model is told before any model is loaded, in every command."""

import importlib.util
import re
import subprocess
import sys

import pytest
import torch

from holdfast.artifacts import save_mask
from holdfast.cli import call
from holdfast.pipeline import bakeoff, evaluating, judges, layerwise, reference, scoring, tuning
from holdfast.pipeline.bakeoff_config import BakeoffConfig
from holdfast.pipeline.options import EnhanceFiles
from holdfast.pipeline.run import claiming, run
from holdfast.values import Mask
from tests.commands.made import write_scores
from tests.pipeline.small import small_config

MODEL, GUARD = "testbed:aligned", "testbed:guard"
HARMFUL = "testbed:harmful_seen#first=4"


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Names for arguments; whoever loads a model fails."""

    def load(name, *arguments, **how):
        raise AssertionError(f"{name} was loaded")

    for module in (bakeoff, claiming, judges, scoring, tuning):
        monkeypatch.setattr(module, "load_model", load)
    for module in (evaluating, reference):
        monkeypatch.setattr(module, "load_checkpoint", load)
    monkeypatch.setattr(layerwise, "open_layered", load)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    save_mask(tmp_path / "mask", Mask({"a": torch.tensor([0])}, {"a": (4,)}, "base", 4))
    write_scores(tmp_path / "scores")
    (tmp_path / "full").mkdir()
    (tmp_path / "full/thesis.txt").write_text("years of work")
    (tmp_path / "taken").write_text("years of work")
    return {"tmp": str(tmp_path)}


SCORE = ["score", MODEL, "--prompts", "testbed:harmful_calibration#first=4", "--out", "{tmp}/new"]
EVALUATE = ["evaluate", MODEL, "--harmful", HARMFUL, "--out", "{tmp}/new"]
VERIFY = ["verify", MODEL, "--harmful", HARMFUL, "--out", "{tmp}/new", "--mask", "{tmp}/mask"]
ENHANCE = [
    "enhance",
    MODEL,
    "--refusals",
    "testbed:refusals#first=4",
    "--harmless",
    "testbed:harmless_exchanges#first=4",
]
ADAPT = ["adapt", MODEL, "--task", "testbed:task_train#first=4"]
NEW = ["--out", "{tmp}/new"]
JUDGED = ["--judge", GUARD]


@pytest.mark.parametrize("options", [["--safety", "none"], ["--method", "spa+mixed", "--safety", "none"]])
def test_methods_that_do_not_fit_are_refused_before_torch_is_imported(options):
    command = [*ADAPT, *options, "--out", "none"]
    code = f"import sys; from holdfast.cli import call; sys.exit(call({command}) + ('torch' in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 2


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([*VERIFY, "--ratios", "0.38", "-1"], "--ratios: got .-1., give 0 or more"),
        *[
            (command + more, sentence)
            for command in ([*SCORE, "--objective", "policy_gradient"], EVALUATE, VERIFY)
            for more, sentence in (
                (["--judge", "api:x"], "needs its key in the environment variable OPENAI_API_KEY"),
                (["--judge", "api:"], "names no model; write api:MODEL"),
                (["--judge", "refusals"], "no judge is called 'refusals'; did you mean 'refusal', the refusal rules"),
                (["--judge", "/no/such/judge"], "model folder '/no/such/judge' does not exist"),
            )
        ],
        *[
            ([*ADAPT, *NEW, *more], sentence)
            for more, sentence in (
                (["--method", "replya"], "unknown method 'replya'; did you mean 'replay'"),
                (["--method", "spa+replay"], "method spa\\+replay needs a mask and got none"),
                (["--method", "kl", "--mask", "{tmp}/mask"], "method kl reads no mask and got one; choose spa\\+kl"),
                (["--method", "mixed"], "method mixed needs harmful prompts with refusals and got none"),
                (["--method", "replay"], "method replay needs harmful prompts, to which the start model answers"),
                (["--method", "mixed"], "give them as --safety FILE, or choose method replay"),
                (["--method", "kl+ema"], "method kl\\+ema needs harmful prompts, to which the start model answers by"),
                (["--method", "ema", "--safety", HARMFUL], "method ema reads no safety data; choose method mixed"),
                (["--method", "ema", "--safety-share", "0.2"], "safety_share is an option of method mixed or replay"),
                (["--method", "mixed", "--safety-share", "1"], "--safety-share: got .1., give a number below 1"),
                (
                    ["--method", "mixed+gapo+mgda", "--safety", "testbed:refusals#first=4"],
                    "both combine the gradients; leave one out",
                ),
                (
                    ["--method", "replay", "--safety", HARMFUL, "--held-out", "testbed:harmful_seen"],
                    "4 safety prompts are also prompts that evaluate the model",
                ),
            )
        ],
        ([*SCORE[:1], "/no/such/model", *SCORE[2:], *JUDGED], "model folder '/no/such/model' does not exist"),
        (EVALUATE + JUDGED + ["--second-judge", "api:x"], "needs its key in the environment variable"),
        (EVALUATE + JUDGED + ["--second-judge", "/no/such/judge"], "'/no/such/judge' does not exist"),
        (EVALUATE + JUDGED + ["--refusal-judge", "api:x"], "needs its key in the environment variable"),
        (EVALUATE + JUDGED + ["--refusal-judge", GUARD], "says safe or unsafe, not refused or complied"),
        (
            EVALUATE + JUDGED + ["--reference", "/no/such/model", "--harmless", "testbed:harmless#first=4"],
            "'/no/such/model' does not exist",
        ),
        ([*EVALUATE[:-1], "{tmp}/taken", *JUDGED, "--second-judge", GUARD], "taken' exists already"),
        ([*VERIFY[:-1], "{tmp}/scores", *JUDGED], "is a file of scores, not a mask; cut a mask from it"),
        ([*VERIFY[:-4], "--out", "{tmp}/full", "--mask", "{tmp}/mask", *JUDGED], "is not empty and holds no run"),
        ([*VERIFY[:2], "--harmful", "{tmp}/none", *VERIFY[4:], *JUDGED], "prompt file"),
        *[
            (command + more, sentence)
            for command in (ENHANCE, ADAPT)
            for more, sentence in (
                (["--out", "{tmp}/full"], "is not empty and holds no run; choose another folder"),
                (["--out", "{tmp}/taken/new"], "taken' is a file; choose another path"),
                ([*NEW, "--mask", "{tmp}/none"], "mask file '.*none' does not exist"),
                ([*NEW, "--mask", "{tmp}/scores"], "is a file of scores, not a mask"),
            )
        ],
        ([*ADAPT[:2], "--task", "{tmp}/none", *NEW], "prompt file"),
        ([*ADAPT, *NEW, "--freeze", "bias"], "LlamaForCausalLM has no bias of its own to freeze; it has"),
        ([*ADAPT, *NEW, "--lora.targets", "qproj"], "LlamaForCausalLM has no linear layer 'qproj'; it has .*q_proj"),
        (
            [*ENHANCE[:4], "--harmless", "testbed:refusals#first=8", *NEW],
            "4 prompts are among the refusals and among the harmless exchanges, the first is '.*'; give two sets",
        ),
        ([*ENHANCE[:2], "--refusals", "{tmp}/none", *ENHANCE[4:], *NEW], "prompt file"),
    ],
)
def test_a_mistake_is_told_before_a_model_is_loaded(arguments, sentence, files, capsys):
    assert call([argument.format(**files) for argument in arguments]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert re.search(sentence, said), said


@pytest.mark.parametrize("command", [[*SCORE, "--objective", "policy_gradient"], EVALUATE, VERIFY])
def test_a_missing_package_is_told_before_a_model_is_loaded(command, files, capsys, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "key")
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "openai" else find_spec(name))
    assert call([one.format(**files) for one in [*command, "--judge", "api:x"]]) == 2
    assert "needs the package openai; install it with pip install openai" in capsys.readouterr().err


@pytest.mark.parametrize("out", ["new", "full"])
def test_a_run_and_a_bakeoff_tell_it_before_a_model_is_loaded(out, files, tmp_path):
    config, folder = small_config(tmp_path, judge="api:x"), tmp_path / out
    fields = {name: getattr(config, name) for name in ("model", "judge", "calibration", "suite")}
    sentence = "is not empty and holds no run" if out == "full" else "needs its key in the environment variable"
    with pytest.raises(ValueError, match="needs its key in the environment variable"):
        run.run(config, folder)
    with pytest.raises(ValueError, match=sentence):
        bakeoff.bakeoff(BakeoffConfig(**fields), folder)
    with pytest.raises(ValueError, match="is not empty and holds no run"):
        run.run(config.model_copy(update={"judge": GUARD}), tmp_path / "full")


def test_a_run_whose_refusals_are_its_harmless_exchanges_is_refused_before_a_model_is_loaded(files, tmp_path):
    config = small_config(tmp_path)
    same = EnhanceFiles(refusals=config.refusals.refusals, harmless=config.refusals.refusals)
    with pytest.raises(ValueError, match="8 prompts are among the refusals and among the harmless exchanges"):
        run.run(config.model_copy(update={"refusals": same}), tmp_path / "new")


@pytest.mark.parametrize("command", [ENHANCE, ADAPT])
def test_a_missing_mask_is_told_before_libraries_are_loaded(command, files, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "holdfast.pipeline", None)  # whoever imports it fails
    assert call([*command, *(one.format(**files) for one in ["--mask", "{tmp}/none", *NEW])]) == 2
    assert "none' does not exist" in capsys.readouterr().err
