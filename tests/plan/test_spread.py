"""What one of several processes holds and gathers, against what a hand counts for a tiny Llama, and for experts."""

import json
import re
from dataclasses import replace

import pytest
import torch
from torch import nn

from holdfast.cli import call
from holdfast.intervene.options import AdaptOptions, EnhanceOptions, LoraOptions
from holdfast.models.load import load_outline
from holdfast.models.options import GenerateOptions
from holdfast.pipeline.options import JudgeOptions, ScoringOptions, VerifyOptions
from holdfast.pipeline.run.config_template import to_toml
from holdfast.plan.asking import Asking, PlannedJudge, _sums
from holdfast.plan.memory import TRAINER, Subject, _saved, adapting, enhancing
from holdfast.plan.passes import Batch, Step, training
from holdfast.plan.plan import make_plan
from holdfast.plan.spread import Spread
from holdfast.plan.trace import NOTHING
from tests.pipeline.small import located_alone, small_config

CPU, GPU = torch.device("cpu"), torch.device("cuda")
# A decoder of width 16 and two layers: q and o 16 x 16, k and v 8 x 16, gate, up and down 32 x 16; two norms each.
MATRICES = 2 * 16 * 16 + 2 * 8 * 16 + 3 * 32 * 16
LAYER = MATRICES + 2 * 16
EMBEDDING = 340 * 16  # tied
ENTRIES = 2 * LAYER + EMBEDDING + 16


@pytest.fixture
def folder(llama, tmp_path):
    llama.config.save_pretrained(tmp_path)  # and no weights
    return tmp_path


@pytest.fixture
def half_folder(folder):
    """A checkpoint of bfloat16."""
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"dtype": "bfloat16"}))
    return folder


def subject(folder, place=CPU) -> Subject:
    return Subject(str(folder), load_outline(str(folder), place), place, fraction=0.01)


def options(kind, **more):
    return kind(iterations=2, batch_size=4, **{"shard": True, **more})


def test_the_first_process_holds_rows_rounded_up_and_all_of_an_unsharded_model(folder):
    model = load_outline(str(folder), CPU).model
    # Of 3: 114 of 340 rows, 6 of 16, 3 of 8, 11 of 32, 6 of a norm's 16.
    matrices = 2 * 6 * 16 + 2 * 3 * 16 + 2 * 11 * 16 + 6 * 32
    assert Spread(3, shard=True).held(model.parameters()) == 114 * 16 + 2 * matrices + 5 * 6
    assert Spread(3, shard=False).held(model.parameters()) == ENTRIES


def test_experts_are_dealt_out_whole_and_gathered_as_if_each_process_had_one():
    class Experts(nn.Module):
        def __init__(self):
            super().__init__()
            self.experts = nn.Parameter(torch.empty(8, 24, 16))

    model = Experts()
    model.get_decoder = lambda: model
    model.config = type("Config", (), {"get_text_config": lambda self: self})()
    expert = 24 * 16
    assert [Spread(count, shard=True).held([model.experts]) for count in (4, 8, 64)] == [2 * expert, expert, expert]
    assert Spread(8, shard=True).gathered(model, width=2) == 2 * 2 * 8 * expert
    assert Spread(64, shard=True).gathered(model, width=2) == 2 * 2 * 64 * expert


def test_two_of_the_largest_group_are_gathered_and_its_gradients_are_sent_in_float32(folder):
    model, names = load_outline(str(folder), CPU).model, dict(load_outline(str(folder), CPU).model.named_parameters())
    matrices = {name for name in names if "proj" in name}
    assert Spread(2, shard=True).gathered(model, width=2) == 2 * 2 * EMBEDDING
    assert Spread(2, shard=True).gathered(model, 2, names) == 2 * 2 * EMBEDDING + (2 + 4) * EMBEDDING
    assert Spread(2, shard=True).gathered(model, 2, matrices) == 2 * 2 * LAYER + (2 + 4) * MATRICES
    assert Spread(2, shard=False).gathered(model, 2, names) == 0


def test_sharded_set_holds_parts_of_all_but_the_mask_and_the_old_values(folder):
    tiny = subject(folder)
    need = enhancing(tiny, options(EnhanceOptions, max_length=2), 20, full=False, processes=2)
    gathered = max(2 * 4 * EMBEDDING, 2 * 4 * LAYER + (4 + 4) * MATRICES)
    held = 4 * ENTRIES // 2 + (8 + 4 + 4) * tiny.selected + 18 * tiny.selected
    assert need.device == max(held + gathered + need.work.peak, 4 * ENTRIES // 2 + 4 * ENTRIES)  # or while it is saved
    alone = enhancing(tiny, options(EnhanceOptions, shard=False), 20, full=False, processes=2)
    assert alone.device - alone.work.peak == 4 * ENTRIES + 52 * tiny.selected


def test_sharded_training_of_all_weights_has_parts_of_moments(folder):
    tiny = subject(folder, GPU)
    need = adapting(tiny, options(AdaptOptions), 20, protected=True, processes=2)
    held = 4 * ENTRIES // 2 + 8 * ENTRIES // 2 + 8 * tiny.selected  # the mask is on the host
    assert need.device - need.work.peak == held + 2 * 4 * EMBEDDING + (4 + 4) * EMBEDDING


def test_a_sharded_pass_ends_with_parts_of_gradients_and_one_that_adds_up_begins_with_them(folder):
    model = load_outline(str(folder), CPU).model
    names = frozenset(name for name, _ in model.named_parameters())
    step = Step(names, spread=Spread(2, shard=True))
    none, whole = (
        training(model, Batch(1, 2), replace(step, keeps_gradients=keeps, spread=Spread())).peak
        for keeps in (False, True)
    )
    parts = training(model, Batch(1, 2), step).peak
    before = training(model, Batch(1, 2), replace(step, accumulates=True)).peak
    assert before == none + 4 * ENTRIES // 2
    assert none < parts <= before
    assert parts < whole


def test_whole_models_in_several_processes_hold_the_buckets_that_are_sent(folder):
    shared = adapting(subject(folder), options(AdaptOptions, shard=False), 20, protected=False, processes=2)
    assert shared.device - shared.work.peak == (4 + 8 + 4 + 4) * ENTRIES  # and a copy of the start


def test_the_first_process_gathers_all_weights_as_they_are_stored_to_save_them(half_folder):
    spread = Spread(2, shard=True)
    there = _saved(subject(half_folder, GPU), spread, width=4)
    assert (there.device, there.host) == (4 * (ENTRIES // 2 + EMBEDDING), 2 * ENTRIES)
    here = _saved(subject(half_folder), spread, width=4)
    assert (here.device, here.host) == (4 * (ENTRIES // 2 + EMBEDDING) + 2 * ENTRIES, 0)
    assert _saved(subject(half_folder, GPU), Spread(2), width=4).host == 0


def test_autocast_copies_whole_weights_and_a_sharded_model_is_gathered_in_half_precision(half_folder):
    how = options(AdaptOptions, max_length=2, shard=False)
    alone = adapting(subject(half_folder, GPU), how, 2, protected=False, processes=2)
    assert alone.work.peak > 2 * 2 * MATRICES  # in bfloat16, of both layers
    sharded = adapting(subject(half_folder, GPU), options(AdaptOptions, max_length=2), 2, protected=False, processes=2)
    assert sharded.work.peak < alone.work.peak - 2 * 2 * MATRICES
    gathered = 2 * 2 * EMBEDDING + (2 + 4) * EMBEDDING
    assert sharded.device - sharded.work.peak == (4 + 8) * ENTRIES // 2 + gathered


def test_set_of_half_precision_is_trained_as_it_is_loaded_on_an_accelerator(half_folder):
    there = enhancing(subject(half_folder, GPU), options(EnhanceOptions, shard=False), 20, full=False)
    selected = subject(half_folder).selected
    assert there.device - there.work.peak == 2 * ENTRIES + 28 * selected
    assert there.host == TRAINER + (8 + 4 + 2) * selected  # mask, former and old values
    here = enhancing(subject(half_folder), options(EnhanceOptions, shard=False), 20, full=False)
    assert here.device - here.work.peak == 4 * ENTRIES + (48 + 2) * selected


def test_a_pass_leaves_the_outline_in_its_own_dtype(half_folder):
    model = load_outline(str(half_folder), GPU).model
    with pytest.raises(ValueError, match="could not run without"):  # nothing needs a gradient
        training(model, Batch(1, 4), Step(frozenset()))
    assert model.dtype == torch.bfloat16


def test_processes_share_the_work_of_a_step(folder):
    one, two = (
        enhancing(subject(folder), options(EnhanceOptions, shard=False), 20, full=False, processes=count).work.flops
        for count in (1, 2)
    )
    assert two == pytest.approx(one / 2)


def asking(folder, spread: Spread) -> Asking:
    generation = GenerateOptions(token_budget=8, max_new_tokens=2)
    return Asking(subject(folder), PlannedJudge(None, JudgeOptions()), generation, spread)


def test_sums_of_a_sharded_model_are_parts_and_one_parameter_is_gathered_for_sigma(folder):
    sharded = asking(folder, Spread(2, shard=True))
    assert sharded.scored_here == MATRICES  # half of two layers'
    sigma = (4 + 4) * 32 * 16  # a matrix, and the same in float32
    made = 12 * MATRICES + 16 * (32 * 16 // 2)  # three scores, and what half of the largest is made from
    assert _sums(sharded, NOTHING, ScoringOptions()).device == sharded.weights + made + sigma
    assert sharded.weights == asking(folder, Spread()).weights - 4 * ENTRIES // 2


def test_of_a_sharded_judge_the_table_of_embeddings_and_a_part_of_the_rest_stay(folder):
    outline = load_outline(str(folder), CPU)
    whole, half = (PlannedJudge(outline, JudgeOptions(), spread=Spread(2, shard=one)) for one in (False, True))
    assert whole.loaded == whole.read == half.read
    assert whole.loaded - half.loaded == 4 * (ENTRIES - EMBEDDING) // 2
    assert (whole.gathered, half.gathered) == (0, 2 * 4 * EMBEDDING)


def test_processes_answer_some_of_the_batches_and_all_of_those_of_a_sharded_model(folder):
    spreads = (Spread(), Spread(2, shard=False), Spread(2, shard=True))
    lengths = [4] * 5  # a batch each
    alone, shared, sharded = (asking(folder, spread).answer(lengths).work.flops for spread in spreads)
    assert shared == pytest.approx(alone * 3 / 5)
    assert sharded == alone


def plan_of(config, processes, **changes):
    updates = {name: getattr(config, name).model_copy(update=more) for name, more in changes.items()}
    return make_plan(config.model_copy(update=updates), memory_gib=80, processes=processes)


def test_a_plan_for_several_processes_honours_what_each_stage_shards(folder):
    config = located_alone(folder, "adapt", model=str(folder), adapt_arms=("plain",))
    config = config.model_copy(update={"verify": VerifyOptions(ratios=(2.0,), draws=1)})
    whole, sharded = plan_of(config, 2), plan_of(config, 2, score={"shard": True})
    need = [{stage.name: stage for stage in plan.stages} for plan in (whole, sharded)]
    assert need[1]["locate"].need.device < need[0]["locate"].need.device
    assert need[1]["adapt plain"].need == need[0]["adapt plain"].need
    assert need[0]["locate"].processes == 2
    assert need[0]["verify"].processes == 1


@pytest.mark.parametrize(
    ("processes", "changes", "sentence"),
    [
        (1, {"score": {"shard": True}}, "score.shard spreads the model over several processes"),
        (1, {"score": {"shard_judge": True}}, "score.shard_judge spreads the judge over several processes"),
        (2, {"score": {"shard": True, "convergence": True}}, "score.convergence compares whole rankings"),
        (2, {"adapt": {"lora": LoraOptions(rank=2)}}, "adapt.lora is for one process"),
        (2, {"enhance": {"objective": "dpo"}}, "enhance.objective = 'dpo' is for one process"),
        (3, {}, "can't be shared by 3 processes"),
    ],
)
def test_what_several_processes_refuse_is_refused_before(tmp_path, processes, changes, sentence):
    with pytest.raises(ValueError, match=re.escape(sentence)):
        plan_of(small_config(tmp_path), processes, **changes)


def test_workers_are_those_of_a_run_in_one_process(folder):
    config = located_alone(folder, model=str(folder), workers=2)
    assert make_plan(config, memory_gib=80).workers == 2
    assert make_plan(config, memory_gib=80, processes=2).workers == 1


def test_sharding_is_advised_where_a_model_does_not_fit(tmp_path):
    plan = make_plan(located_alone(tmp_path, "adapt", adapt_arms=("plain",)), memory_gib=0.001, processes=2)
    sentence = next(one for one in plan.advice if one.startswith("adapt plain"))
    assert "adapt.shard = true" in sentence


def test_the_command_says_what_processes_do_together(folder, capsys):
    path = folder / "run.toml"
    path.write_text(to_toml(located_alone(folder, model=str(folder))))
    assert call(["plan", str(path), "--processes", "2", "--memory", "80", "--flops", "100"]) == 0
    assert "2 processes score and tune together" in capsys.readouterr().out
    assert call(["plan", str(path), "--processes", "0"]) == 2
