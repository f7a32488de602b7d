"""Restoring on files: which weights go back, that the patch comes off again, and what is refused."""

import json
from dataclasses import replace

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from holdfast.artifacts import load_patch, save_mask, save_scores
from holdfast.intervene.patch.restore_options import RestoreOptions, SafeLoraOptions
from holdfast.models.load import load_model
from holdfast.pipeline import restoring
from holdfast.pipeline.patching import apply_to_folder, revert_to_folder
from holdfast.pipeline.restoring import restore, safe_lora
from holdfast.prompts.chat import encode_exchange
from holdfast.values import Mask, Scores
from tests.intervene.given import HARMLESS, REFUSALS
from tests.intervene.patch.test_low_rank import save_adapter
from tests.stored import hashes, save, save_pair, tune
from tests.tiny import make_llama


def write_lines(path, exchanges):
    rows = [json.dumps({"prompt": each.prompt, "response": each.response}) for each in exchanges]
    path.write_text("\n".join(rows))
    return str(path)


@pytest.fixture
def pair(tmp_path):
    """A base and its tuned self, which moved every weight, in float32 and several shards."""
    base = save(tmp_path / "base", make_llama(), "15KB")
    return base, save(tmp_path / "tuned", tune(make_llama(), density=1.0), "15KB")


def random_scores(base, seed=0):
    generator, loaded = torch.Generator().manual_seed(seed), load_model(str(base), device="cpu")
    names = [name for name in dict(loaded.model.named_parameters()) if "_proj" in name]
    entries = {name: torch.rand(loaded.model.get_parameter(name).shape, generator=generator) for name in names}
    return Scores(entries, "unit", loaded.base, loaded.model.num_parameters())


def restored_entries(patch):
    return {name: set(index.tolist()) for name, index in load_patch(patch).indices.items()}


def top_entries(scores, size):
    """The entries of the largest scores over all parameters, by sorting them all."""
    flat = sorted(((value, name, place) for name, part in scores.items() for place, value in enumerate(part.flatten().tolist())), reverse=True)  # noqa: E501 # fmt: skip
    chosen: dict[str, set[int]] = {}
    for _, name, place in flat[:size]:
        chosen.setdefault(name, set()).add(place)
    return chosen


def test_the_largest_scores_among_the_moved_go_back_and_the_patch_comes_off(tmp_path):
    base, tuned = save_pair(tmp_path, shard="15KB")
    scores = random_scores(base)
    save_scores(tmp_path / "scores", scores)
    done = restore(
        base, tuned, tmp_path / "out", RestoreOptions(selector="top", scores=tmp_path / "scores", fraction=0.01)
    )
    before, after = (_stored(folder) for folder in (base, tuned))
    moved = {name: scores.entries[name] * (before[name] != after[name]) for name in scores.entries}
    size = round(0.01 * scores.num_entries)
    assert done.restored == size
    assert done.moved == sum(int((before[name] != after[name]).sum()) for name in moved)
    assert done.scored == scores.num_entries
    assert restored_entries(tmp_path / "out/patch.safetensors") == top_entries(moved, size)
    for name, values in _stored(tmp_path / "out/model").items():
        back = torch.zeros(values.numel(), dtype=torch.bool)
        back[list(restored_entries(tmp_path / "out/patch.safetensors").get(name, ()))] = True
        assert torch.equal(values, torch.where(back.view(values.shape), before[name], after[name]))
    revert_to_folder(str(tmp_path / "out/model"), tmp_path / "out/patch.safetensors", tmp_path / "reverted")
    assert hashes(tmp_path / "reverted") == hashes(tuned) != hashes(tmp_path / "out/model")
    apply_to_folder(str(tuned), tmp_path / "out/patch.safetensors", tmp_path / "again")
    assert hashes(tmp_path / "again") == hashes(tmp_path / "out/model")
    assert json.loads((tmp_path / "out/result.json").read_text())["restored"] == size
    assert done.patch.made_by["selector"] == "top"
    assert done.patch.made_by["aligned"] == {"name": str(base), "fingerprint": scores.base}


def test_utility_critical_weights_stay_as_tuned_under_safety_only(pair, tmp_path):
    base, tuned = pair
    scores, utility = random_scores(base), replace(random_scores(base, 1), made_by={"objective": "utility"})
    for name, each in (("scores", scores), ("utility", utility)):
        save_scores(tmp_path / name, each)
    options = RestoreOptions(
        selector="safety_only",
        scores=tmp_path / "scores",
        utility=tmp_path / "utility",
        utility_fraction=0.3,
        fraction=0.01,
    )
    restore(base, tuned, tmp_path / "out", options)
    critical = top_entries(utility.entries, round(0.3 * scores.num_entries))
    left = {name: part.flatten().clone() for name, part in scores.entries.items()}
    for name, places in critical.items():
        left[name][list(places)] = 0
    size = round(0.01 * scores.num_entries)
    assert restored_entries(tmp_path / "out/patch.safetensors") == top_entries(left, size)


def test_effect_is_the_gradient_at_the_tuned_model_times_the_difference(pair, tmp_path):
    base, tuned = pair
    restore(
        base,
        tuned,
        tmp_path / "out",
        RestoreOptions(refusals=write_lines(tmp_path / "r.jsonl", REFUSALS), fraction=0.01),
    )
    loaded, aligned = load_model(str(tuned), device="cpu"), load_model(str(base), device="cpu")
    likelihood = 0.0
    for exchange in REFUSALS:
        chat = encode_exchange(loaded.tokenizer, exchange.prompt, exchange.response)
        logs = loaded.model(torch.tensor([chat.token_ids])).logits[0].log_softmax(-1)
        said = [logs[span.token - 1, chat.token_ids[span.token]] for span in chat.spans[1]]
        likelihood = likelihood + torch.stack(said).mean() / len(REFUSALS)
    likelihood.backward()
    effects = {
        name: weight.grad * (aligned.model.get_parameter(name) - weight).detach()
        for name, weight in loaded.model.named_parameters()
        if "_proj" in name
    }
    size = round(0.01 * sum(each.numel() for each in effects.values()))
    assert restored_entries(tmp_path / "out/patch.safetensors") == top_entries(effects, size)


def test_random_takes_a_share_of_all_moved_weights_and_depends_on_the_seed(pair, tmp_path):
    base, tuned = pair
    for seed in (0, 1):
        restore(base, tuned, tmp_path / f"{seed}", RestoreOptions(selector="random", fraction=0.1, seed=seed))
    first, second = (restored_entries(tmp_path / f"{seed}/patch.safetensors") for seed in (0, 1))
    size, both = round(0.1 * 4608), sum(len(first[name] & second.get(name, set())) for name in first)
    assert sum(map(len, first.values())) == sum(map(len, second.values())) == size
    # Two draws of 461 of 4608 share 46 on average, with a standard deviation of 6.
    assert 20 < both < 75


def test_a_mask_is_put_back_where_it_moved(tmp_path):
    base, tuned = save_pair(tmp_path)
    whole = random_scores(tuned)
    mask = Mask({name: torch.arange(40) for name in whole.shapes}, whole.shapes, whole.base, whole.num_parameters)
    save_mask(tmp_path / "mask", mask)
    done = restore(base, tuned, tmp_path / "out", RestoreOptions(mask=tmp_path / "mask"))
    before, after = _stored(base), _stored(tuned)
    moved = {name: (before[name] != after[name]).flatten()[:40].nonzero().flatten().tolist() for name in whole.shapes}
    assert restored_entries(tmp_path / "out/patch.safetensors") == {
        name: set(each) for name, each in moved.items() if each
    }
    assert done.restored < len(mask)


def test_weights_are_halved_until_the_task_keeps_its_score(pair, tmp_path, monkeypatch):
    base, tuned = pair
    tuned_values, seen = _stored(tuned), []

    def score(loaded, exchanges):
        model = dict(loaded.model.named_parameters())
        seen.append(sum(int((model[name] != tuned_values[name]).sum()) for name in model))
        return 0.9 - 0.001 * seen[-1]

    monkeypatch.setattr(restoring, "predicted_share", score)
    task = write_lines(tmp_path / "task.jsonl", HARMLESS)
    options = RestoreOptions(selector="random", fraction=0.02, task=task, margin=0.03)
    done = restore(base, tuned, tmp_path / "out", options)
    assert seen == [0, 92, 46, 23]
    assert done.restored == 23
    assert done.task_before == 0.9
    assert done.tried == ((92, 0.9 - 0.092), (46, 0.9 - 0.046), (23, 0.9 - 0.023))
    options = RestoreOptions(selector="random", fraction=0.02, task=task, margin=0.0)
    with pytest.raises(
        ValueError, match=r"falls from 0\.900 to 0\.899 even with 1 weights put back, and the margin is 0;"
    ):
        restore(base, tuned, tmp_path / "none", options)
    assert not (tmp_path / "none").exists()


def test_an_adapter_is_restored_after_merging_and_beside_its_corrected_base(tmp_path):
    base, merged = save(tmp_path / "base", make_llama()), save_adapter(tmp_path / "adapter", make_llama())
    options = RestoreOptions(selector="random", fraction=0.05)
    restore(base, tmp_path / "adapter", tmp_path / "merged", options)
    restore(base, tmp_path / "adapter", tmp_path / "beside", options.model_copy(update={"beside": True}))
    chosen = restored_entries(tmp_path / "merged/patch.safetensors")
    assert chosen == restored_entries(tmp_path / "beside/patch.safetensors")
    corrected = AutoModelForCausalLM.from_pretrained(tmp_path / "beside/model")
    together = PeftModel.from_pretrained(corrected, str(tmp_path / "adapter")).merge_and_unload()
    restored, wanted = _stored(tmp_path / "merged/model"), dict(merged.named_parameters())
    for name, weight in make_llama().named_parameters():
        expected = wanted[name].detach().flatten().clone()
        places = sorted(chosen.get(name, ()))
        expected[places] = weight.detach().flatten()[places]
        # Products of rank 2 and their sums in float32, in another order than PEFT's.
        torch.testing.assert_close(restored[name].flatten(), expected, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(together.get_parameter(name).detach().flatten(), expected, rtol=1e-5, atol=2e-5)
    revert_to_folder(str(tmp_path / "beside/model"), tmp_path / "beside/patch.safetensors", tmp_path / "base_again")
    assert hashes(tmp_path / "base_again") == hashes(base)


def test_effect_of_an_adapter_is_measured_on_the_merged_model(tmp_path):
    base, merged = save(tmp_path / "base", make_llama()), save_adapter(tmp_path / "adapter", make_llama())
    whole = save(tmp_path / "whole", merged)
    refusals = write_lines(tmp_path / "r.jsonl", REFUSALS)
    for name, tuned in (("from_adapter", tmp_path / "adapter"), ("from_merged", whole)):
        restore(base, tuned, tmp_path / name, RestoreOptions(refusals=refusals, fraction=0.05))
    left, right = (restored_entries(tmp_path / f"{name}/patch.safetensors") for name in ("from_adapter", "from_merged"))
    assert sum(len(left[name] & right.get(name, set())) for name in left) >= 0.98 * sum(map(len, left.values()))


def test_equal_models_and_files_of_other_models_are_refused_and_nothing_is_written(pair, tmp_path):
    base, tuned = pair
    other = save(tmp_path / "other", tune(make_llama(), seed=7))
    save_scores(tmp_path / "scores", random_scores(other))
    save_scores(tmp_path / "neurons", replace(random_scores(base), granularity="neuron"))
    for aligned, options, sentence in (
        (tuned, RestoreOptions(selector="random"), "hold the same weights, so there is nothing to restore"),
        (base, RestoreOptions(selector="top", scores=tmp_path / "scores"), "which is neither .*base' nor .*tuned'"),
        (base, RestoreOptions(mask=tmp_path / "scores"), "is a file of scores, not a mask"),
        (
            base,
            RestoreOptions(selector="top", scores=tmp_path / "neurons"),
            "is of neurons, and restore puts back",
        ),
    ):
        with pytest.raises(ValueError, match=sentence):
            restore(aligned, tuned, tmp_path / "out", options)
        assert not (tmp_path / "out").exists()


def test_a_tuning_of_embeddings_alone_moved_no_scored_weight(tmp_path):
    base, model = save(tmp_path / "base", make_llama()), make_llama()
    with torch.no_grad():
        model.get_input_embeddings().weight.add_(1)
    with pytest.raises(ValueError, match=r"has the scored weights of .*base', bit for bit"):
        restore(base, save(tmp_path / "tuned", model), tmp_path / "out", RestoreOptions(selector="random"))


def test_safe_lora_writes_an_adapter_and_needs_one(tmp_path):
    base, aligned = save(tmp_path / "base", make_llama()), save(tmp_path / "aligned", tune(make_llama(), 0.5))
    save_adapter(tmp_path / "adapter", tune(make_llama(), 0.5))
    done = safe_lora(aligned, base, tmp_path / "adapter", tmp_path / "out", SafeLoraOptions(threshold=1.0))
    assert len(done) == 4
    assert all(each.projected for each in done)
    before, after = (load_file(tmp_path / name / "adapter_model.safetensors") for name in ("adapter", "out"))
    assert {name for name in before if not torch.equal(before[name], after[name])} == {
        k for k in before if "lora_B" in k
    }
    with pytest.raises(ValueError, match=r"SafeLoRA projects a LoRA adapter, and .* is none"):
        safe_lora(aligned, base, aligned, tmp_path / "none")


def _stored(folder):
    """All tensors of a checkpoint's files."""
    return {name: value for file in folder.glob("*.safetensors") for name, value in load_file(file).items()}
