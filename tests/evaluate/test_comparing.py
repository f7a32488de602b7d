"""`holdfast.compare` in a script: by value or by path, as careful as the command, and readable when printed."""

import json
import re
from dataclasses import replace

import pytest

import holdfast
from holdfast.artifacts import save_evaluation
from holdfast.errors import GateError
from holdfast.pipeline.gate_record import comparison_of
from tests.evaluate.constructed import PINNED, aligned, answers, evaluation, first, held_fast, of, plainly_tuned
from tests.evaluate.logs.constructed import inspect_log, inspect_sample


@pytest.mark.parametrize("kind", [str, lambda path: path])
def test_a_path_is_read(tmp_path, kind):
    for name, make in (("before", aligned), ("after", plainly_tuned)):
        save_evaluation(tmp_path / f"{name}.json", make())
    found = holdfast.compare(kind(tmp_path / "before.json"), kind(tmp_path / "after.json"))
    assert found.measures["asr"].paired.only_after == 24
    assert not found.passed, "nothing is gated without a condition"
    with pytest.raises(ValueError, match="nothing is gated without a condition; give one"):
        found.refuse_failed()


def test_conditions_decide_as_those_of_the_command():
    found = holdfast.compare(aligned(), plainly_tuned(), ["asr > before + 0.02", "utility < before and p < 0.05"])
    assert not found.passed
    with pytest.raises(GateError, match="1 of 2 conditions is met"):
        found.refuse_failed()


def test_printed_it_begins_with_the_verdict_then_has_every_condition_and_every_measure():
    files = aligned(perplexity=3.0, made_by=of("a")), held_fast(made_by=of("b"))
    gate = holdfast.compare(*files, ["asr > before + 0.5 and p < 0.05", "asr.unscored > 3"])
    told = print_lines(gate)
    assert told[0] == "The gate passed (exit code 0)."
    assert told[1].startswith("asr > before + 0.5 and p < 0.05: passed: change +0.005, at least ")
    assert told[1].endswith(", threshold +0.500, n=200 prompts")
    assert told[2] == "asr.unscored > 3: passed"
    assert told[3].startswith("asr was 0.000 [0.000, 0.019] n=200 and is 0.005")
    assert told[5:] == ["perplexity was 3 and is not measured"]
    assert repr(gate) == "<Gate: 3 measures compared, the gate passed>"


def test_a_printed_gate_that_fails_or_cannot_decide_says_so_first_and_why():
    failed = print_lines(holdfast.compare(aligned(made_by=of("a")), plainly_tuned(made_by=of("b")), ["asr > before"]))
    assert failed[0] == "The gate failed: 1 of 1 conditions is met (exit code 1)."
    assert failed[1].startswith("asr > before: FAILED: change +0.120, at least +0.0")
    opened = print_lines(holdfast.compare(aligned(made_by=of("a")), held_fast(made_by=of("b")), ["asr > before"]))
    assert opened[0] == "The gate cannot decide 1 of 1 conditions with these prompts (exit code 3)."
    assert re.match(r"asr > before: UNDECIDED: change .* n=200 prompts: .*take about", opened[1])


def test_a_printed_comparison_without_conditions_says_that_nothing_is_gated_and_unchanged_measures_are_one_line():
    before = aligned(made_by=of("before"))
    nothing, unchanged, warning = print_lines(holdfast.compare(before, replace(before, made_by=of("after"))))
    assert nothing.startswith("Nothing is gated, because no condition was given.")
    assert unchanged == "unchanged on every prompt: asr, utility"
    assert warning.startswith("warning: all 400 responses of the two models are the same to the letter")


def test_a_finding_is_one_short_line_and_a_gate_is_plain_json_without_prompts():
    gate = holdfast.compare(aligned(made_by=of("a")), plainly_tuned(made_by=of("b")), ["asr > before"])
    assert re.fullmatch(
        r"<Finding: 'asr > before' FAILED, change \+0\.120, at least .*, n=200 prompts>", repr(gate.findings[0])
    )
    text = json.dumps(gate.to_json())
    assert json.loads(text) == gate.to_json()
    assert "asr 1" not in text
    found = gate.to_json()
    assert (found["passed"], found["exit_code"], found["models"]) == (False, 1, ["./a", "./b"])
    assert found["conditions"][0]["bounds"]["bar"] == 0
    assert found["measures"]["asr"]["after"]["value"] == 0.12
    assert holdfast.compare(aligned(made_by=of("a")), plainly_tuned(made_by=of("b"))).to_json()["passed"] is None


def test_the_names_of_its_json_are_those_of_the_command():
    gate = holdfast.compare(aligned(made_by=of("a")), plainly_tuned(made_by=of("b")), ["asr > before"])
    found, record = gate.to_json(), comparison_of(gate).to_json()
    assert found.keys() <= record.keys()
    assert found["conditions"][0].keys() <= record["conditions"][0].keys()
    for name in ("passed", "verdict", "exit_code", "warnings", "models", "fingerprints"):
        assert list(found[name]) == list(record[name]) if isinstance(found[name], list) else found[name] == record[name]


@pytest.mark.parametrize(
    ("after", "condition", "code"),
    [(24, "asr > before", 1), (1, "asr > before", 3), (1, "asr > before + 0.05 and asr < before", 2)],
)
def test_the_error_of_a_gate_has_the_exit_code_of_the_command(after, condition, code):
    new = evaluation(answers("asr", first(after, 200)), made_by=of("b"))
    gate = holdfast.compare(evaluation(answers("asr", first(0, 200)), made_by=of("a")), new, [condition])
    with pytest.raises(GateError) as refused:
        gate.refuse_failed()
    assert refused.value.exit_code == gate.exit_code == code


def print_lines(found):
    return str(found).splitlines()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((aligned(), aligned()), "the evaluation before and the evaluation after hold the same evaluation; give"),
        ((aligned(), 3), "Evaluation was expected, got int; give what `evaluate` returns, or the path"),
        ((aligned(), "nowhere.json"), "does not exist"),
        ((aligned(), held_fast(), "asr > 0.1"), r"fail_if is a list of conditions, got one text; give \['asr > 0.1'\]"),
        ((aligned(), held_fast(), ["asr >"]), "does not parse"),
        ((aligned(), held_fast(), 5), r"fail_if is a list of conditions, got 5; give one such as \["),
        ((aligned(), held_fast(), [5]), r"a condition of fail_if is a text, got 5; give one such as \["),
        ((aligned(), held_fast(), ["asr < before"]), r"or give allow_inverted=True if the gate must fail a gain"),
    ],
)
def test_a_mistake_is_one_sentence(arguments, sentence):
    with pytest.raises(ValueError, match=sentence) as refused:
        holdfast.compare(*arguments)
    assert "\n" not in str(refused.value)


def test_a_strict_gate_without_a_condition_is_refused():
    with pytest.raises(
        ValueError, match=r"^strict=True asks that every condition can fail, and there is none; give one"
    ):
        holdfast.compare(aligned(), held_fast(), [], strict=True)


@pytest.mark.parametrize("switch", ["allow_inverted", "allow_mismatch", "allow_unchanged", "strict"])
def test_a_text_switches_nothing_on(switch):
    with pytest.raises(ValueError, match=rf"^{switch} is 'false'; give True or False\.$"):
        holdfast.compare(aligned(), held_fast(), ["asr > 0.5"], **{switch: "false"})


@pytest.mark.parametrize("pinned", ["before_fingerprint", "after_fingerprint"])
@pytest.mark.parametrize("wrong", [12, b"ab" * 12, "abc"])
def test_what_is_no_fingerprint_is_one_sentence(pinned, wrong):
    with pytest.raises(ValueError, match="is no fingerprint of a model; give 12 to 64") as refused:
        holdfast.compare(aligned(), held_fast(), **{pinned: wrong})
    assert "\n" not in str(refused.value)


def test_both_models_can_be_pinned():
    made = [{"model": {"name": name, "fingerprint": digits * 32}} for name, digits in (("old", "ab"), ("new", "cd"))]
    files = aligned(made_by=made[0]), held_fast(made_by=made[1])
    pins = {"before_fingerprint": "ab" * 6, "after_fingerprint": "cd" * 6}
    assert holdfast.compare(*files, ["asr > before + 0.5"], **pins).passed
    with pytest.raises(ValueError, match="the evaluation after is of 'new' with fingerprint cdcdcdcdcdcd, and ababab"):
        holdfast.compare(*files, after_fingerprint="ab" * 6)


def test_both_models_can_be_pinned_by_their_names_and_a_swap_is_said():
    made = [{"model": {"name": name, "fingerprint": digits * 32}} for name, digits in (("old", "ab"), ("new", "cd"))]
    files = aligned(made_by=made[0]), held_fast(made_by=made[1])
    assert holdfast.compare(*files, ["asr > before + 0.5"], before_model="old", after_model="new").passed
    swapped = "^the file before names the model 'new', and 'old' is asked for; the other file names it, so swap the two"
    with pytest.raises(ValueError, match=swapped):
        holdfast.compare(*reversed(files), before_model="old")
    with pytest.raises(
        ValueError, match="the file after names the model 'new', and 'newer' is asked for; give the file"
    ):
        holdfast.compare(*files, after_model="newer")
    with pytest.raises(ValueError, match="the file after names no model, so nobody can see whether it is of 'new'"):
        holdfast.compare(files[0], held_fast(), after_model="new")


def test_strict_refuses_a_condition_that_cannot_fail_beside_others():
    conditions = ["asr > before + 0.05 and asr < before", "asr > before + 0.03"]
    files = aligned(made_by=of("before")), held_fast(made_by=of("after"))
    assert holdfast.compare(*files, conditions).passed
    assert holdfast.compare(*files, conditions[1:], **PINNED, strict=True).passed
    assert not holdfast.compare(*files, conditions, **PINNED, strict=True).passed


def test_a_strict_gate_refuses_evaluations_of_which_nobody_could_see_a_swap():
    files = aligned(made_by=of("before")), held_fast(made_by=of("after"))
    strict = {"fail_if": ["asr > before + 0.5"], "strict": True}
    for order in (files, files[::-1]):
        with pytest.raises(ValueError, match=r"^nothing says which evaluation is of the released model, and the gate"):
            holdfast.compare(*order, **strict)
    for pin in ("before_model", "before_fingerprint"):
        wanted = {"before_model": "./before", "before_fingerprint": of("before")["model"]["fingerprint"][:12]}[pin]
        assert holdfast.compare(*files, **strict, **{pin: wanted}).passed
        with pytest.raises(ValueError, match="is asked for"):
            holdfast.compare(*files[::-1], **strict, **{pin: wanted})


def test_a_strict_gate_on_models_of_one_name_needs_a_fingerprint_and_on_one_model_is_refused():
    made = of("before") | {"model": {"name": "./before", "fingerprint": "f" * 64}}
    files = aligned(made_by=of("before")), held_fast(made_by=made)
    strict = {"fail_if": ["asr > before + 0.5"], "strict": True}
    with pytest.raises(ValueError, match="give before_fingerprint and after_fingerprint, which a strict gate needs"):
        holdfast.compare(*files, **strict, before_model="./before")
    assert holdfast.compare(*files, **strict, after_fingerprint="f" * 12).passed
    nameless = [replace(one, made_by=made | {"model": {"name": "./before"}}) for one in files]
    with pytest.raises(ValueError, match=r"^both evaluations are of './before', and the gate would pass .* two names,"):
        holdfast.compare(*nameless, **strict, before_model="./before")
    control = [replace(one, made_by=made) for one in files]
    assert holdfast.compare(*control, **strict, allow_unchanged=True).passed, "a swap changes nothing"


def test_an_evaluation_that_does_not_record_how_it_was_made_is_warned_of_and_a_strict_gate_refuses_it():
    files = aligned(made_by=of("before")), held_fast()
    gate = holdfast.compare(*files, ["asr > before + 0.5"])
    lacks = "its model, its judge, the rules that found refusals or the settings of its responses"
    assert gate.warnings[0] == gate.losses[0]
    assert gate.warnings[0].startswith(f"the evaluation after does not record {lacks}, so nobody can see whether")
    with pytest.raises(ValueError, match=f"^the evaluation after does not record {lacks}, so a strict gate cannot"):
        holdfast.compare(*files, ["asr > before + 0.5"], **PINNED, strict=True)


def test_measures_of_two_logs_are_chosen_by_name_and_those_of_evaluations_are_not(tmp_path):
    logs = [
        str(inspect_log(tmp_path / f"{name}.json", [], samples=[inspect_sample("q", {"a": score, "b": 1})]))
        for name, score in (("before", 1), ("after", 0))
    ]
    assert list(holdfast.compare(*logs).measures) == ["a", "b"]
    assert list(holdfast.compare(*logs, measure=["b"]).measures) == ["b"]
    with pytest.raises(ValueError, match=r"measure is a list of names, got one text; give \['b'\]"):
        holdfast.compare(*logs, measure="b")
    with pytest.raises(ValueError, match=r"measure \['asr'\] chooses among the measures of logs of other programs"):
        holdfast.compare(aligned(), held_fast(), measure=["asr"])
