"""Every public function says one sentence where its arguments are swapped, of another kind, surplus or misspelt."""

import inspect
from itertools import combinations

import pytest
import torch
from peft import LoraConfig, get_peft_model

import holdfast
from holdfast import Exchange, Prompt, RefusalJudge, Suite
from holdfast.config import Options
from holdfast.evaluate import evaluate
from holdfast.evaluate.finding import Finding
from holdfast.evaluate.gate import Gate
from holdfast.outcomes import Evaluation, Rate
from holdfast.values import Direction, Patch, Scores
from tests.intervene.given import HARMLESS, REFUSALS, load_tiny, random_mask, users_trainer

RATE = Rate(0.125, 0.07, 0.2, 200)
BASE = "0123456789abcdef"


class Other:
    """An object of no kind that any function takes."""


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """Values of every kind, by name."""
    loaded, folder = load_tiny(torch.float32), tmp_path_factory.mktemp("misuse")
    mask = random_mask(loaded.model)
    adapted = get_peft_model(load_tiny(torch.float32).model, LoraConfig(r=2, target_modules=["q_proj", "v_proj"]))
    return {
        "loaded": loaded,
        "model": loaded.model,
        "tokenizer": loaded.tokenizer,
        "adapted": adapted,
        "folder": str(folder),
        "path": str(folder / "file"),
        "page": str(folder / "page.html"),
        "mask": mask,
        "scores": Scores({"a": torch.ones(10, 20)}, "log-odds", BASE, 300),
        "other_scores": Scores({"a": torch.arange(200.0).reshape(10, 20)}, "log-odds", BASE, 300),
        "patch": Patch({"a": torch.arange(3)}, {"a": torch.ones(3)}, {"a": (10, 20)}, BASE),
        "direction": Direction(torch.ones(16), 0, 1.0, BASE),
        "evaluation": Evaluation(RATE, RATE, RATE, 12.0),
        "gate": Gate({}, (), settings_known=True),
        "optimizer": torch.optim.SGD(loaded.model.parameters(), lr=0.1),
        "suite": Suite(harmless=[Prompt("how ?")]),
        "judge": RefusalJudge(),
        "trainer": users_trainer(load_tiny(torch.float32).model, folder),
        "generator": torch.Generator(),
        "prompts": [Prompt("how ?")],
        "ten": [Prompt(f"how {number} ?") for number in range(10)],
        "exchanges": [Exchange("how ?", "so .")],
        "refusals": REFUSALS,
        "harmless": HARMLESS,
    }


CALLS = {
    "load_scores": ("path",),
    "load_direction": ("path",),
    "load_mask": ("path",),
    "load_patch": ("path",),
    "load_evaluation": ("path",),
    "save_direction": ("path", "direction"),
    "save_scores": ("path", "scores"),
    "save_mask": ("path", "mask"),
    "save_patch": ("path", "patch"),
    "save_evaluation": ("path", "evaluation"),
    "save_gate": ("page", "gate"),
    "plan_gate": (["refusal < before - 0.05"],),
    "save_page": ("page", "evaluation"),
    "compare": ("evaluation", "evaluation"),
    "Direction": (torch.ones(16), 0, 1.0, BASE),
    "edit_direction": ("path", "path", 0.5, "path"),
    "direction_turn_probe": ("tokenizer", "ten", "ten"),
    "steered": ("model", "direction", 0.5),
    "perturbed": ("model", "mask", 0.1, "generator"),
    "zeroed": ("model", "mask"),
    "verify": ("loaded", "mask", "suite"),
    "ProtectCallback": ("mask",),
    "load_protected": ("model", "folder"),
    "merge_protected": ("adapted", "mask"),
    "protect_lora": ("adapted", "mask"),
    "save_protected": ("adapted", "mask", "folder"),
    "SafetyProbe": ("trainer", len),
    "protect": ("optimizer", "mask", "model"),
    "apply_patch": ("model", "patch"),
    "revert_patch": ("model", "patch"),
    "adapt": ("loaded", "mask", "exchanges"),
    "train_only": ("model", "mask"),
    "preserve": ("trainer", "ema"),
    "own_answers": ("loaded", "prompts"),
    "combined_loss": ([torch.ones(())], [torch.ones(())]),
    "load_model": ("path",),
    "list_sites": ("model",),
    "check_hold": ("path", "path", "mask"),
    "check_only_mask_moved": ("path", "path", "mask"),
    "load_card": ("path",),
    "make_card": ("path", "path"),
    "corrected_rates": ("evaluation", {}),
    "vllm_patches": ("path", "path"),
    "restore": ("path", "path", "path"),
    "safe_lora": ("path", "path", "path", "path"),
    "load_judge": ("path",),
    "attack_success_probe": ("tokenizer", "judge", "prompts"),
    "not_refused_probe": ("tokenizer", "prompts"),
    "top_mask_refresh": ("tokenizer", "judge", "prompts"),
    "score_likelihood": ("path", "path", "path"),
    "score_neurons": ("path", "path", "path"),
    "find_direction": ("path", "path", "path", "path"),
    "score_safety": ("path", "path", "path", "path"),
    "neuron_weights": ("model", "mask"),
    "load_exchanges": ("path",),
    "load_prompts": ("path",),
    "select_top": ("scores", 0.01),
    "select_random": ("scores", 0.01),
    "select_safety_only": ("scores", "other_scores", 0.01),
    "overlap": ("mask", "mask"),
    "overlap_table": ("mask", "mask"),
    "layer_table": ("mask",),
    "stability": ("path",),
    "random_direction": ("direction",),
    "print_progress": ("text", 1, 2),
    "evaluate": ("loaded", "judge", "suite"),
    "enhance": ("loaded", "mask"),
    "Suite": (),
    "LoadedModel": ("model", "tokenizer"),
    "Prompt": ("text",),
    "Exchange": ("text", "text"),
    "Outcome": ("safe",),
    "Rate": (0.5, 0.1, 0.9, 10),
    "Evaluation": (RATE, RATE, RATE, 12.0),
    "Scores": ({"a": torch.ones(3)}, "log-odds", BASE, 300),
    "Mask": ({"a": torch.arange(3)}, {"a": (10, 20)}, BASE, 300),
    "Patch": ({"a": torch.arange(3)}, {"a": torch.ones(3)}, {"a": (10, 20)}, BASE),
}
"""Arguments without names that a call takes, as values or as names of what is given."""
NAMED = {"enhance": ("refusals", "harmless")}
"""Needed arguments with a name that are of one kind, by function."""
UNCHECKED = {"Rate", "Evaluation"}
"""Values that only holdfast makes. `compare` and `load_evaluation` check them, with words for a damaged file."""


def called(name):
    return evaluate if name == "evaluate" else getattr(holdfast, name)


def values(name, given):
    return [given.get(one, one) if isinstance(one, str) else one for one in CALLS[name]]


def refused(name, *arguments, **named):
    """The sentence with which a call is refused."""
    with pytest.raises(ValueError) as told:  # noqa: PT011 - every test looks at the sentence
        called(name)(*arguments, **named)
    sentence = str(told.value)
    assert "\n" not in sentence, sentence
    assert sentence.endswith((".", "?")), sentence
    return sentence


def test_every_name_that_scripts_import_is_called_here():
    def is_called(name):
        found = getattr(holdfast, name)
        return not (inspect.isclass(found) and issubclass(found, (Options, Exception, RefusalJudge, Gate, Finding)))

    assert {*filter(is_called, holdfast.__all__), "evaluate"} == set(CALLS)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("name", CALLS)
def test_a_misspelt_name_of_an_argument_is_told_with_the_right_one(name):
    known = [one.name for one in inspect.signature(called(name)).parameters.values()]
    for right in known:
        sentence = refused(name, **{f"{right}s": 1})
        assert sentence.startswith(f"{name} takes no '{right}s'; did you mean '{right}'? known: {', '.join(known)}.")


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("name", CALLS)
def test_surplus_arguments_and_missing_ones_are_told(name, given):
    surplus = [None] * 30
    assert refused(name, *surplus).startswith(f"{name} takes ")
    if CALLS[name]:
        needed = [one.name for one in inspect.signature(called(name)).parameters.values() if one.default is one.empty]
        sentence = refused(name)
        assert sentence.startswith(f"{name} needs {needed[0]}")
        assert f"call {name}({needed[0]}" in sentence


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("name", [name for name in CALLS if name not in UNCHECKED])
def test_an_argument_of_another_kind_is_one_sentence(name, given):
    right = values(name, given)
    named = {one: given[one] for one in NAMED.get(name, ())}
    for place in range(len(right)):
        refused(name, *right[:place], Other(), *right[place + 1 :], **named)
    for one in named:
        refused(name, *right, **{**named, one: Other()})


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("name", [name for name, taken in CALLS.items() if len(taken) > 1 and name not in UNCHECKED])
def test_swapped_arguments_are_one_sentence(name, given):
    right = values(name, given)
    for one, other in combinations(range(len(right)), 2):
        if type(right[one]) is type(right[other]):
            continue
        swapped = list(right)
        swapped[one], swapped[other] = right[other], right[one]
        refused(name, *swapped, **{key: given[key] for key in NAMED.get(name, ())})


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("name", CALLS)
def test_options_of_another_kind_are_one_sentence(name, given):
    taken = inspect.signature(called(name)).parameters.values()
    for option in (one.name for one in taken if "Options" in str(one.annotation)):
        if name.startswith("select_") or option not in [*CALLS[name]]:
            named = {key: given[key] for key in NAMED.get(name, ())}
            right = values(name, given)[:-1] if name.startswith("select_") else values(name, given)
            assert "Options was expected, got Other" in refused(name, *right, **named, **{option: Other()})
