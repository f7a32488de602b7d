"""What a script meets: files by path, values that print as one line, and one sentence for each usual mistake."""

import ast
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model

import holdfast
from holdfast import AdaptOptions, Exchange, LoadedModel, Prompt, RefusalJudge, SafetyProbe, Suite, TopOptions
from holdfast.cli import call
from holdfast.directions.random import random_direction
from holdfast.evaluate import evaluate
from holdfast.judge.ask import ask_judge
from holdfast.outcomes import Answer, Evaluation, Outcome, Rate
from holdfast.values import Direction, Mask, Patch, Scores, ScoresShard
from tests.intervene.given import load_tiny, random_mask, users_trainer
from tests.tiny import make_llama, make_tokenizer

BASE = "0123456789abcdef"
RATE = Rate(0.125, 0.0712345, 0.2, 200, 3)
MASK = Mask({"a": torch.arange(3)}, {"a": (10, 20), "b": (5,)}, BASE, 300)
SCORES = Scores({"a": torch.ones(10, 20)}, "log-odds", BASE, 300)
DIRECTION = Direction(torch.ones(4), 2, 1.5, BASE)
PATCH = Patch({"a": torch.arange(3)}, {"a": torch.ones(3)}, {"a": (10, 20)}, BASE)
ANSWER = Answer("how ?", "no", Outcome("refused"), "borderline")
NOTHING = Rate(None, None, None, 0)
EVALUATION = Evaluation(RATE, NOTHING, RATE, 12.34567, answers=(ANSWER,))
PEFT = LoraConfig(r=2, target_modules=["q_proj", "v_proj"])


@pytest.mark.parametrize(
    ("value", "line"),
    [
        (MASK, "<Mask: 3 of 205 weights (density 0.0146) in 1 parameter, base 0123456789ab>"),
        (SCORES, "<Scores: 200 weights in 1 parameter, unit 'log-odds', base 0123456789ab>"),
        (
            replace(MASK, made_by={"selector": "random"}),
            "<Mask: random control, 3 of 205 weights (density 0.0146) in 1 parameter, base 0123456789ab>",
        ),
        (DIRECTION, "<Direction: layer 2, 4 dimensions, base 0123456789ab>"),
        (random_direction(DIRECTION), "<Direction: random control, layer 2, 4 dimensions, base 0123456789ab>"),
        (PATCH, "<Patch: 3 weights in 1 parameter, without old values, base 0123456789ab>"),
        (RATE, "<Rate: 0.1250 [0.0712, 0.2000] n=200 (3 unscored)>"),
        (NOTHING, "<Rate: not measured n=0>"),
        (
            EVALUATION,
            "<Evaluation: asr 0.12 [0.07, 0.20] n=200 (3 unscored), utility 0.12 [0.07, 0.20] n=200 (3 unscored), "
            "perplexity 12.35, 1 answer>",
        ),
        (Suite(harmful=[Prompt("how ?")] * 3), "<Suite: 3 harmful>"),
    ],
)
def test_values_print_as_one_line(value, line):
    assert repr(value) == line


def test_a_hold_prints_as_one_line_with_how_many_weights_it_holds(mask_file, tmp_path):
    model, path = mask_file
    callback = holdfast.ProtectCallback(path)
    assert repr(callback) == f"<ProtectCallback: {holdfast.load_mask(path)!r}>"
    count = f"{len(holdfast.load_mask(path)):,} weights"
    hold = holdfast.protect(torch.optim.SGD(model.parameters(), lr=0.1), path, model)
    assert repr(hold) == f"<Protection: {count}>"
    hold.release()
    assert repr(hold) == f"<Protection: {count}, released>"
    with holdfast.train_only(model, path) as only:
        assert repr(only) == f"<TrainOnly: {count}, optimizers=(SparseAdamW, None)>"
    probe = SafetyProbe(users_trainer(make_llama(), tmp_path), lambda model: RATE, every=5, on_breach="roll_back")
    assert repr(probe) == "<SafetyProbe: asr every 5 steps, rolls back above 0.05>"
    assert repr(holdfast.protect_lora(get_peft_model(model, PEFT), path)) == f"<LoraProtection: {count}>"


@pytest.mark.parametrize(("name", "value"), [("scores", SCORES), ("mask", MASK), ("patch", PATCH)])
def test_a_value_equals_what_its_file_holds_and_nothing_else(name, value, tmp_path):
    getattr(holdfast, f"save_{name}")(tmp_path / name, value)
    loaded = getattr(holdfast, f"load_{name}")(tmp_path / name)
    assert loaded == value
    assert hash(loaded) == hash(value)
    assert replace(value, made_by={"seed": 1}) == value
    assert replace(value, base="another") != value
    assert value != "mask.safetensors"


def test_values_of_other_entries_are_not_equal():
    assert replace(MASK, indices={"a": torch.arange(4)}) != MASK
    assert replace(SCORES, entries={"a": torch.zeros(10, 20)}) != SCORES
    assert replace(PATCH, values={"a": torch.zeros(3)}) != PATCH
    assert replace(PATCH, values={"a": torch.ones(3).bfloat16()}) != PATCH
    assert replace(PATCH, old_values={"a": torch.zeros(3)}) != PATCH


def test_a_shard_of_scores_prints_as_one_line_too():
    shard = ScoresShard({"a": torch.ones(100)}, "log-odds", BASE, 300, whole_shapes={"a": (10, 20)}, starts={"a": 0})
    assert repr(shard) == "<ScoresShard: 200 weights in 1 parameter, unit 'log-odds', base 0123456789ab>"


def test_a_loaded_model_prints_as_one_line():
    assert repr(load_tiny()).startswith("<LoadedModel: tiny, LlamaForCausalLM of ")


@pytest.mark.parametrize(
    ("name", "value"), [("scores", SCORES), ("mask", MASK), ("patch", PATCH), ("evaluation", EVALUATION)]
)
def test_files_are_saved_and_loaded_by_a_path_that_is_text(name, value, tmp_path):
    path = str(tmp_path / name)
    getattr(holdfast, f"save_{name}")(path, value)
    assert repr(getattr(holdfast, f"load_{name}")(path)) == repr(value)
    with pytest.raises(ValueError, match="the path of a file comes first, got"):
        getattr(holdfast, f"save_{name}")(value, path)


@pytest.mark.parametrize("name", ["scores", "mask", "patch", "evaluation"])
def test_what_is_no_path_is_refused_where_a_file_is_loaded(name):
    with pytest.raises(ValueError, match=r"^the path of a file was expected, got NoneType; give the file to load\.$"):
        getattr(holdfast, f"load_{name}")(None)


@pytest.fixture
def mask_file(tmp_path):
    """A model, and the path of a mask of it."""
    model = make_llama()
    holdfast.save_mask(tmp_path / "mask.safetensors", random_mask(model))
    return model, str(tmp_path / "mask.safetensors")


def test_whatever_takes_a_mask_takes_the_path_of_its_file(mask_file):
    model, path = mask_file
    with holdfast.train_only(model, path), holdfast.perturbed(model, path, 0.38, torch.Generator()):
        pass
    with holdfast.protect(torch.optim.SGD(model.parameters(), lr=0.1), path, model):
        pass
    adapted = get_peft_model(model, PEFT)
    with holdfast.protect_lora(adapted, path) as hold:
        assert len(hold.mask) == len(holdfast.load_mask(path))
    assert holdfast.merge_protected(adapted, path) is not None


@pytest.mark.parametrize("given", [None, SCORES, 0.01])
def test_what_is_no_mask_is_refused_by_what_it_is(given):
    model = make_llama()
    with pytest.raises(ValueError, match=f"a mask was expected, got {type(given).__name__}"):
        holdfast.protect(torch.optim.SGD(model.parameters(), lr=0.1), given, model)


def test_swapped_arguments_of_protect_are_named(mask_file):
    model, path = mask_file
    with pytest.raises(ValueError, match=r"an optimizer, a mask and a model, in this order; got Llama.*, str, SGD"):
        holdfast.protect(model, path, torch.optim.SGD(model.parameters(), lr=0.1))


@pytest.mark.parametrize("call", [holdfast.protect_lora, holdfast.merge_protected])
def test_a_model_without_adapters_is_refused_where_adapters_are_held(call, mask_file):
    with pytest.raises(
        ValueError, match=r"LlamaForCausalLM carries no adapters of PEFT; give what peft.get_peft_model"
    ):
        call(*mask_file)


def test_the_folder_of_an_adapter_is_told_to_be_loaded_first(mask_file):
    _, path = mask_file
    for folder in ("lora-adapter", Path("lora-adapter")):
        with pytest.raises(ValueError, match=r"got the path 'lora-adapter'; load the folder with holdfast.load_prot"):
            holdfast.merge_protected(folder, path)  # pyright: ignore[reportArgumentType]


def test_a_name_in_place_of_a_loaded_base_is_refused():
    with pytest.raises(ValueError, match="load_protected takes a loaded model and then a folder, got str"):
        holdfast.load_protected("testbed:aligned", "adapter")  # pyright: ignore[reportArgumentType]


def test_a_callback_on_a_peft_model_holds_it_and_says_so(mask_file, tmp_path, capsys):
    model, path = mask_file
    users_trainer(get_peft_model(model, PEFT), tmp_path, [holdfast.ProtectCallback(path)]).train()
    assert "every bit checked at the end" in capsys.readouterr().out


def test_adapters_that_the_mask_does_not_touch_are_refused_when_the_trainer_is_made(mask_file, tmp_path):
    model, path = mask_file
    mask = holdfast.load_mask(path)
    shapes = mask.shapes | other_shape(model)
    embedding = Mask({"model.embed_tokens.weight": torch.arange(3)}, shapes, mask.base, 10**9)
    with pytest.raises(ValueError, match="no adapter changes a matrix that the mask selects from"):
        users_trainer(get_peft_model(model, PEFT), tmp_path, [holdfast.ProtectCallback(embedding)])


def other_shape(model):
    return {"model.embed_tokens.weight": tuple(model.get_input_embeddings().weight.shape)}


def test_a_mask_of_another_model_is_refused_by_a_peft_trainer_when_it_is_made(tmp_path):
    mask = random_mask(make_llama(width=32))
    with pytest.raises(ValueError, match="the mask was made for another model"):
        users_trainer(get_peft_model(make_llama(), PEFT), tmp_path, [holdfast.ProtectCallback(mask)])


def test_a_probe_without_a_measure_or_a_trainer_is_refused(tmp_path):
    trainer = users_trainer(make_llama(), tmp_path)
    for given in ((trainer, [Prompt("how ?")]), (len, trainer)):
        with pytest.raises(ValueError, match="SafetyProbe takes a trainer and a function that measures a model, got"):
            SafetyProbe(*given)  # pyright: ignore[reportArgumentType]


def test_a_probe_without_prompts_or_a_tokenizer_is_refused():
    with pytest.raises(ValueError, match="there are no harmful prompts; give"):
        holdfast.attack_success_probe(make_tokenizer(), RefusalJudge(), [])
    with pytest.raises(ValueError, match="the model's tokenizer was expected, got NoneType"):
        holdfast.attack_success_probe(None, RefusalJudge(), "testbed:harmful_seen")  # pyright: ignore[reportArgumentType]


def test_a_probe_takes_its_judge_and_prompts_by_name():
    loaded = holdfast.load_model("testbed:unaligned")
    options = holdfast.GenerateOptions(max_new_tokens=24)
    measure = holdfast.attack_success_probe(loaded.tokenizer, "testbed:guard", "testbed:harmful_seen#first=4", options)
    assert (measure(loaded.model).value, measure(loaded.model).n) == (1.0, 4)


SUITE = Suite(harmless=[Prompt("how do i mend the old clock ?")])


def test_swapped_arguments_of_evaluate_are_named():
    loaded = load_tiny()
    for given in ((loaded, SUITE, RefusalJudge()), (RefusalJudge(), loaded, SUITE), (loaded, None, "suite.json")):
        names = ", ".join(type(one).__name__ for one in given)
        with pytest.raises(
            ValueError, match=f"evaluate takes a loaded model, a judge or None, and a suite.*got {names}"
        ):
            evaluate(*given)  # pyright: ignore[reportArgumentType]


def test_names_in_place_of_a_loaded_model_or_judge_are_told_what_loads_them():
    for given, sentence in (
        (
            ("testbed:aligned", None, SUITE),
            r"a loaded model, got the name 'testbed:aligned'; give holdfast.load_model\(",
        ),
        ((load_tiny(), "testbed:guard", SUITE), r"a loaded judge, got the name 'testbed:guard'; give holdfast.load_ju"),
    ):
        with pytest.raises(ValueError, match=sentence):
            evaluate(*given)  # pyright: ignore[reportArgumentType]


def test_a_model_alone_is_refused_with_what_to_give_and_that_works():
    tiny = load_tiny()
    with pytest.raises(ValueError, match=r"got LlamaForCausalLM alone; give LoadedModel.of\(model, tokenizer\)"):
        evaluate(tiny.model, None, SUITE)  # pyright: ignore[reportArgumentType]
    loaded = LoadedModel.of(tiny.model, tiny.tokenizer)
    assert evaluate(loaded, None, SUITE, holdfast.GenerateOptions(max_new_tokens=2)).over_refusal.n == 1


@pytest.mark.parametrize("given", [(make_llama, lambda: None), (make_tokenizer, make_tokenizer)])
def test_a_loaded_model_is_made_of_a_model_and_its_tokenizer(given):
    with pytest.raises(ValueError, match="was expected, got"):
        LoadedModel.of(*(make() for make in given))


@pytest.mark.parametrize("given", ["testbed:harmless", Path("prompts.jsonl"), ["how do i mend it ?"]])
def test_a_suite_of_names_or_texts_is_refused_with_what_loads_them(given):
    with pytest.raises(
        ValueError, match=r"harmless of a suite must be a list of Prompt; give what holdfast.load_prompts"
    ):
        Suite(harmless=given)


def test_the_errors_that_a_script_catches_come_from_the_package():
    from holdfast import errors

    assert holdfast.GateError is errors.GateError
    assert holdfast.InvariantError is errors.InvariantError


def test_functions_that_share_a_packages_name_come_from_that_package():
    import holdfast.evaluate as package

    assert all(getattr(package, name).__name__ == name for name in package.__all__)
    with pytest.raises(AttributeError, match="no attribute 'measure_all'"):
        package.measure_all  # noqa: B018  # pyright: ignore


def test_the_page_names_all_that_the_package_exports():
    pages = [Path(__file__).parents[1] / "docs" / name for name in ("api.md", "api-reference.md")]
    tables, reference = (page.read_text(encoding="utf-8") for page in pages)
    tables = tables.partition("## Read a score file")[0]
    assert [name for name in holdfast.__all__ if name not in tables and f"### {name}\n" not in reference] == []


class OpeningJudge:
    """Judges by how a response begins, and gives what a test makes of its outcomes."""

    def __init__(self, given):
        self.given = given

    def judge(self, prompts, responses):
        return self.given([Outcome("unsafe" if response.startswith("sure") else "safe") for response in responses])


class OneArgument:
    def judge(self, responses):
        return [Outcome("safe") for _ in responses]


class OneWord(OpeningJudge):
    verdicts = "safe"


@pytest.mark.parametrize(
    ("judge", "sentence"),
    [
        (OneArgument(), r"method is judge\(responses\); write judge\(self, prompts, responses\)"),
        (OneWord(list), "declares its verdicts as the text 'safe'; give a set of words"),
    ],
)
def test_a_judge_of_another_form_is_refused_in_one_sentence(judge, sentence):
    with pytest.raises(ValueError, match=sentence):
        ask_judge(judge, ["a"], ["b"])


WRONG_OUTCOMES = [
    (
        lambda found: [*found, found[0]],
        r"the judge OpeningJudge returned (\d) outcomes for \d responses; it must return one",
    ),
    (
        lambda found: found[1:],
        r"the judge OpeningJudge returned \d outcomes for \d responses; it must return one Outcome",
    ),
    (iter, "the judge OpeningJudge returned a list_iterator; it must return a list with one Outcome for each response"),
    (
        lambda found: [one.verdict for one in found],
        "the judge OpeningJudge returned a str, 'unsafe'; it must return one",
    ),
]


@pytest.mark.parametrize(("given", "sentence"), WRONG_OUTCOMES)
def test_outcomes_of_a_judge_are_counted_wherever_it_is_asked(given, sentence):
    loaded, options = holdfast.load_model("testbed:unaligned"), holdfast.GenerateOptions(max_new_tokens=8)
    prompts = holdfast.load_prompts("testbed:harmful_seen#first=4")
    with pytest.raises(ValueError, match=sentence):
        evaluate(loaded, OpeningJudge(given), Suite(harmful=prompts), options)
    with pytest.raises(ValueError, match=sentence):
        holdfast.attack_success_probe(loaded.tokenizer, OpeningJudge(given), prompts, options)


def test_a_class_in_place_of_a_judge_is_refused_before_anything_is_generated():
    never = load_tiny()
    for judges in ({"judge": OpeningJudge}, {"judge": None, "refusal_judge": OpeningJudge}):
        with pytest.raises(ValueError, match=r"the judge OpeningJudge is a class; give an instance of it"):
            evaluate(never, suite=SUITE, generator=None, **judges)
    with pytest.raises(ValueError, match="the judge RefusalJudge is a class"):
        holdfast.attack_success_probe(never.tokenizer, RefusalJudge, SUITE.harmless)  # pyright: ignore
    with pytest.raises(ValueError, match="a judge was expected, got str"):
        evaluate(never, None, SUITE, refusal_judge="rules")  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: TopOptions(fraction=2), "TopOptions: fraction is 2; give a number below 1; write 2% as 0.02."),
        (
            lambda: TopOptions(fracton=0.1),
            "TopOptions: there is no setting fracton; did you mean 'fraction'? known: layers, components, fraction.",
        ),
        (
            lambda: TopOptions(components="v_proj, o_proj"),
            "TopOptions: components is 'v_proj, o_proj'; give a list of them, such as ['v_proj', 'o_proj'].",
        ),
        (lambda: TopOptions(layers=99), "TopOptions: layers is 99; give a list of them, such as [99]."),
        (
            lambda: AdaptOptions(lora={"rank": 0}),
            "AdaptOptions: lora.rank is 0; give 1 or more.",
        ),
        (
            lambda: AdaptOptions(lora=3),
            "AdaptOptions: lora is 3; input should be a valid dictionary or instance of LoraOptions.",
        ),
    ],
)
def test_wrong_options_are_one_sentence_in_python(make, sentence):
    with pytest.raises(ValueError, match=r"Options: .*\.$") as refused:
        make()
    assert str(refused.value) == sentence
    assert refused.value.__cause__ is None


def test_the_command_line_has_its_own_names_for_wrong_options(capsys):
    assert call(["select", "scores.safetensors", "--fraction", "2", "--out", "mask.safetensors"]) == 2
    assert (
        capsys.readouterr().err
        == "holdfast: --fraction: got '2', give a number below 1; write 2% as 0.02; see --help.\n"
    )


def test_a_check_of_a_hold_prints_as_one_line(tmp_path):
    mask = random_mask(holdfast.load_model("testbed:aligned").model)
    found = holdfast.check_hold("testbed:aligned", "testbed:aligned", mask, allow_unchanged=True)
    assert str(found) == f"{len(mask):,} held weights kept every bit; 0 others moved"
    assert repr(found) == f"<HoldCheck: {found}>"


@pytest.mark.usefixtures("unchecked")
def test_a_plain_fraction_selects_the_top():
    scores = Scores({"a": torch.arange(200.0).reshape(10, 20)}, "log-odds", BASE, 300)
    assert holdfast.select_top(scores, 0.01).equals(holdfast.select_top(scores, TopOptions(fraction=0.01)))
    with pytest.raises(ValueError, match=r"^fraction is 2; give a number below 1; write 2% as 0.02\.$"):
        holdfast.select_top(scores, 2)


EXCHANGES = [Exchange("how ?", "like this .")]


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (
            lambda tiny: holdfast.select_top(SCORES, "1%"),
            "^fraction is '1%'; give 0.01 in place of 1%.$",
        ),
        (lambda tiny: holdfast.select_top(SCORES, "a"), "got str; give a number such as 0.01, or TopOptions"),
        (lambda tiny: holdfast.layer_table(SCORES, fraction=1), "^fraction is 1; give a number below 1; write 1%"),
        (lambda tiny: holdfast.stability(SCORES, SCORES, fraction=1), "^fraction is 1; give a number below 1; write"),
        (lambda tiny: holdfast.select_top(SCORES, TopOptions), "TopOptions was expected, got the class TopOptions"),
        (
            lambda tiny: holdfast.select_top(MASK),
            "scores were expected, got Mask; give Scores, or the path of a file",
        ),
        (lambda tiny: evaluate(tiny, None, SUITE, 24), "GenerateOptions was expected, got int"),
        (lambda tiny: holdfast.adapt(tiny, None, EXCHANGES, {}), "AdaptOptions was expected, got dict"),
        (lambda tiny: holdfast.adapt(tiny.model, None, EXCHANGES), "LoadedModel was expected, got LlamaForCausalLM"),
        (
            lambda tiny: holdfast.adapt(tiny, None, "task.jsonl"),
            "the task must be a list of Exchange; give what holdfast",
        ),
        (
            lambda tiny: holdfast.enhance(tiny, None, refusals=EXCHANGES, harmless=EXCHANGES, options=3),
            "EnhanceOptions was expected, got int",
        ),
        (
            lambda tiny: holdfast.enhance(tiny, None, refusals=EXCHANGES, harmless=[""]),
            "harmless must be a list of Exchange",
        ),
        (
            lambda tiny: noised("M", MASK, 0.1, torch.Generator()),
            r"a model was expected, got str; give load_model\('M'\)",
        ),
        (
            lambda tiny: holdfast.adapt("M", None, EXCHANGES),
            r"LoadedModel was expected, got str; give load_model\('M'\)",
        ),
        (lambda tiny: noised(tiny.model, MASK, 0.1, 0), "Generator was expected, got int; give torch.Generator"),
        (lambda tiny: noised(tiny.model, MASK, "0.1", torch.Generator()), "the noise ratio must be 0 or more, got '0"),
        (lambda tiny: holdfast.train_only(None, MASK), "a model was expected, got NoneType; give what holdfast.load_m"),
        (lambda tiny: holdfast.train_only(tiny.model, SCORES), "a mask was expected, got Scores; give a Mask"),
        (
            lambda tiny: holdfast.perturbed(tiny.model, SCORES, 0.1, torch.Generator()),
            "a mask was expected, got Scores",
        ),
        (lambda tiny: holdfast.list_sites("M"), r"a model was expected, got str; give load_model\('M'\)"),
        (lambda tiny: holdfast.apply_patch(7, PATCH), "a model was expected, got int"),
        (lambda tiny: holdfast.load_model(tiny), "the name or path of a model was expected, got LoadedModel"),
        (lambda tiny: holdfast.check_hold(tiny, "a", MASK), "the name or path of a model was expected, got Loaded"),
        (lambda tiny: holdfast.load_prompts(EXCHANGES), "the name or path of a prompt set was expected, got list"),
        (
            lambda tiny: holdfast.load_prompts("testbed:questions", "harmfull"),
            "'harmfull' is no kind of prompts; did you mean 'harmful'\\? known: harmful, harmless, ",
        ),
        (lambda tiny: holdfast.load_exchanges(EXCHANGES), "the name or path of a prompt set was expected, got list"),
        (lambda tiny: holdfast.load_judge(RefusalJudge()), "the name or path of a judge was expected, got Refusal"),
        (
            lambda tiny: holdfast.score_likelihood(tiny, EXCHANGES, "scores"),
            "the name or path of a model was expected, got LoadedModel; give a folder, a hub id or testbed:NAME",
        ),
        (
            lambda tiny: holdfast.score_likelihood("testbed:aligned", EXCHANGES, "scores"),
            "the name or path of a prompt set was expected, got list; give a file, testbed:NAME, or a name of",
        ),
        (
            lambda tiny: holdfast.score_safety("testbed:aligned", RefusalJudge(), "testbed:harmful", "scores"),
            "the name or path of a judge was expected, got RefusalJudge; give a folder, a hub id, testbed:guard, "
            "api:MODEL, or .refusal",
        ),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_an_argument_of_another_kind_is_one_sentence(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call(load_tiny())


def noised(*given):
    with holdfast.perturbed(*given):
        pass


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("join", [Mask.iou, Mask.equals, Mask.__and__, Mask.__or__, Mask.__sub__])
@pytest.mark.parametrize("other", ["mask.safetensors", SCORES])
def test_a_mask_is_joined_with_a_mask_alone(join, other):
    remedy = r"select_top\(scores, 0.01\)" if other is SCORES else "what holdfast.load_mask"
    with pytest.raises(ValueError, match=rf"needs a second Mask, got {type(other).__name__}; give {remedy}"):
        join(MASK, other)


def test_a_folder_without_an_adapter_or_a_hold_is_refused_as_what_it_is(tmp_path):
    model = make_llama()
    for folder, sentence in ((tmp_path / "none", "does not exist"), (tmp_path, "is no adapter folder")):
        with pytest.raises(ValueError, match=sentence):
            holdfast.load_protected(model, folder)
    get_peft_model(make_llama(), PEFT).save_pretrained(str(tmp_path))
    with pytest.raises(ValueError, match="it was not saved under a hold; load it with peft"):
        holdfast.load_protected(model, tmp_path)


ONLY_THE_COMMAND_LINE = (
    *("commands", "plan", "report", "testbed", "pipeline/run", "cli.py", "out_of_memory.py", "stopping.py"),
    *("option_groups.py", "models/gguf_file.py", "models/options.py", "models/served.py", "evaluate/lm_eval_tasks.py"),
    *("pipeline/evaluating.py", "pipeline/given_exchanges.py", "pipeline/going_on.py", "pipeline/masks.py"),
    *("pipeline/patching.py", "pipeline/reference.py", "pipeline/served.py", "pipeline/verifying.py"),
    *("file_kinds.py", "remedy.py", "wrong_files.py"),
    *("evaluate/logs/readers.py", "evaluate/logs/lm_eval.py", "evaluate/logs/inspect_ai.py"),
)
"""Files of messages that no call in Python gets, or that name options of other programs."""
OPTION = re.compile(r"(?<![\w-])--[a-z]")


def texts_of(path):
    """Yields each text of a file apart from docstrings, with those parts left out that quote a whole command."""
    tree = ast.parse(path.read_text())
    bare = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        parts = node.values if isinstance(node, ast.JoinedStr) else [node]
        said = [part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)]
        if said and id(node) not in bare | inside:
            yield re.sub(r"`[^`]*`", "", " ".join(said))


def test_errors_in_python_name_no_option_of_the_command_line():
    source = Path(holdfast.__file__).parent
    named = {
        str(path.relative_to(source)): text
        for path in sorted(source.rglob("*.py"))
        for text in texts_of(path)
        if OPTION.search(text) and not str(path.relative_to(source)).startswith(ONLY_THE_COMMAND_LINE)
    }
    assert named == {}
    assert any(OPTION.search(text) for text in texts_of(source / "commands" / "compare.py")), "the search finds one"


@pytest.mark.parametrize(
    ("method", "sentence"),
    [
        ("gradient", "unknown score of neurons 'gradient'; did you mean 'gradient_times_activation'? known: alpha_"),
        ("ig", "unknown score of neurons 'ig'; known: alpha_weighted, contrast, gradient_times_activation, integ"),
        ("esi", "method esi scores weights, not neurons; choose one of alpha_weighted, contrast, gradient_times_"),
    ],
)
def test_a_method_that_does_not_score_neurons_gets_those_that_do(method, sentence, tmp_path):
    with pytest.raises(ValueError, match="neurons") as refused:
        holdfast.score_neurons("testbed:aligned", "testbed:refusals#first=8", tmp_path / "out", method=method)
    assert str(refused.value).startswith(sentence)
