"""The formulas against what a hand counts for a tiny Llama, and a mixture of experts."""

import json

import pytest
import torch
from transformers import AutoConfig

from holdfast.intervene.options import AdaptOptions, EnhanceOptions, LoraOptions
from holdfast.models.load import load_outline
from holdfast.models.options import GenerateOptions, Role
from holdfast.pipeline.options import JudgeOptions, ScoringOptions
from holdfast.plan.asking import Asking, PlannedJudge, _sums
from holdfast.plan.lengths import Lengths
from holdfast.plan.memory import TRAINER, Subject, adapting, enhancing
from holdfast.plan.passes import Batch, answering
from holdfast.plan.trace import NOTHING

CPU = torch.device("cpu")
# A decoder of width 16 and two layers: q and o 16 x 16, k and v 8 x 16, gate, up and down 32 x 16.
SCORED = 2 * (2 * 16 * 16 + 2 * 8 * 16 + 3 * 32 * 16)
LARGEST = 32 * 16
ENTRIES = SCORED + 340 * 16 + 5 * 16  # and the tied embedding and five norms


@pytest.fixture
def folder(llama, tmp_path):
    llama.config.save_pretrained(tmp_path)  # and no weights
    return tmp_path


def subject(folder, place=CPU) -> Subject:
    return Subject(str(folder), load_outline(str(folder), place), place, fraction=0.01)


def options(kind, **more):
    return kind(iterations=2, batch_size=2, **more)


def test_a_config_alone_tells_what_is_stored_loaded_scored_and_selected(folder):
    tiny = subject(folder)
    assert tiny.entries == ENTRIES
    assert tiny.scored == SCORED
    assert tiny.selected == round(0.01 * SCORED)
    assert tiny.stored == 4 * ENTRIES
    buffers = sum(buffer.nbytes for buffer in tiny.model.buffers())
    assert tiny.loaded == 4 * ENTRIES + buffers


def test_half_precision_is_float32_on_a_cpu_and_stays_half_on_an_accelerator(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"dtype": "bfloat16"}))
    there, here = subject(folder, torch.device("cuda")), subject(folder)
    assert here.loaded - 4 * ENTRIES == pytest.approx(there.loaded - 2 * ENTRIES, abs=64)  # buffers are small
    assert there.stored == here.stored == 2 * ENTRIES
    assert there.half
    assert not here.half


def test_dense_training_holds_weights_moments_and_gradients_of_all(folder):
    plain = adapting(subject(folder), options(AdaptOptions), 20, protected=False)
    assert plain.device - plain.work.peak == 4 * ENTRIES + 8 * ENTRIES + 4 * ENTRIES  # and a copy of the start
    assert plain.work.peak > 4 * ENTRIES  # gradients
    assert plain.host == TRAINER


def test_frozen_roles_have_no_moments_and_a_held_mask_is_counted(folder):
    tiny = subject(folder)
    roles: tuple[Role, ...] = ("embedding",)
    held = adapting(tiny, options(AdaptOptions, freeze=roles), 20, protected=True)
    trained = ENTRIES - 340 * 16
    assert held.device - held.work.peak == 4 * ENTRIES + 8 * trained + 4 * trained + 32 * tiny.selected


def test_set_keeps_no_moments_but_those_of_the_mask(folder):
    tiny = subject(folder)
    masked = enhancing(tiny, options(EnhanceOptions), 20, full=False)
    assert masked.device - masked.work.peak == 4 * ENTRIES + 52 * tiny.selected
    one_word = enhancing(tiny, EnhanceOptions(batch_size=1), 2, full=False)
    assert one_word.work.peak < 4 * SCORED  # each gradient goes as soon as it is complete
    full = enhancing(tiny, EnhanceOptions(batch_size=1), 2, full=True)
    assert full.work.peak > 4 * ENTRIES  # and here they stay


def test_lora_keeps_state_of_the_adapters_alone_and_leaves_the_outline_as_it_was(folder):
    tiny = subject(folder)
    names = [name for name, _ in tiny.model.named_parameters()]
    lora = adapting(tiny, options(AdaptOptions, lora=LoraOptions(rank=2)), 20, protected=False)
    # rank * (inputs + outputs) of q, o; k, v; gate, up, down, in two layers
    adapter = 2 * 2 * (2 * 32 + 2 * 24 + 3 * 48)
    assert lora.device - lora.work.peak == 4 * ENTRIES + 4 * ENTRIES + 12 * adapter
    assert [name for name, _ in tiny.model.named_parameters()] == names


def test_micro_batches_need_less_than_the_whole_batch_at_once(folder):
    whole = enhancing(subject(folder), EnhanceOptions(batch_size=8), 60, full=False)
    parts = enhancing(subject(folder), EnhanceOptions(batch_size=8, micro_batch_size=2), 60, full=False)
    assert parts.device < whole.device / 2


def test_the_cache_of_an_answer_is_keys_and_values_of_every_layer(folder):
    model = load_outline(str(folder), CPU).model
    short, long = (answering(model, Batch(4, length, length - 12), samples=False).peak for length in (512, 1024))
    cache = 2 * 2 * 8 * 4  # keys and values of two layers, 8 wide, 4 bytes
    # While a layer's keys grow by a token, they are there twice; so are those that heads share.
    assert cache * 4 * 512 <= long - short <= 4 * cache * 4 * 512


def test_scores_take_the_room_of_the_sums_that_they_are_made_of(folder):
    asking = Asking(subject(folder), PlannedJudge(None, JudgeOptions()), GenerateOptions())
    need = _sums(asking, NOTHING, ScoringOptions())
    assert need.device == asking.weights + 12 * SCORED + 16 * LARGEST
    curve = _sums(asking, NOTHING, ScoringOptions(convergence=True))
    assert curve.device == asking.weights + 28 * SCORED


def test_an_accelerator_holds_the_sums_of_one_half_or_none(folder):
    asking = Asking(subject(folder, torch.device("cuda")), PlannedJudge(None, JudgeOptions()), GenerateOptions())
    lengths = Lengths((20, 30), (10, 10))
    on_device, on_host = (asking.likelihood(lengths, ScoringOptions(sums_on_host=one)) for one in (False, True))
    assert on_device.device - on_host.device == 4 * SCORED - 2 * 4 * LARGEST  # two gradients are on their way
    assert (on_device.host, on_host.host) == (12 * SCORED, 12 * SCORED)  # the scores; before, one half's sums or both


def test_a_mixture_of_experts_is_followed_and_all_its_experts_count():
    mixture = Subject("testbed:aligned-moe", load_outline("testbed:aligned-moe", CPU), CPU, fraction=0.01)
    config = AutoConfig.for_model("qwen3_moe")
    assert config.model_type == mixture.outline.model.config.model_type
    # Attention 4 x 96^2, four experts of 3 x 96 x 128, in eight layers
    assert mixture.scored == 8 * (4 * 96**2 + 4 * 3 * 96 * 128)
    assert enhancing(mixture, options(EnhanceOptions), 20, full=False).work.flops > 0
