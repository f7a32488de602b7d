"""The two ends of a restoration, and which differences between two checkpoints it accepts."""

import pytest
import torch
from safetensors.torch import load_file

from holdfast.intervene.patch.restore import open_ends
from holdfast.models.sites import scorable_sites
from tests.intervene.patch.test_low_rank import save_adapter
from tests.stored import save, save_pair, tune
from tests.tiny import make_llama, make_tokenizer

DOWN = "model.layers.0.mlp.down_proj.weight"


def moved_of(ends, name):
    chunks = list(ends.moved(name))
    return [torch.cat([getattr(chunk, part) for chunk in chunks]) for part in ("index", "values", "old")]


def test_moved_entries_lead_from_the_tuned_to_the_aligned_values(tmp_path):
    base, tuned = save_pair(tmp_path)
    ends = open_ends(str(base), str(tuned))
    before, after = (load_file(folder / "model.safetensors") for folder in (base, tuned))
    assert set(ends.shapes) == {site.name for site in scorable_sites(make_llama())}
    for name in ends.shapes:
        index, values, old = moved_of(ends, name)
        assert index.tolist() == (before[name] != after[name]).flatten().nonzero().flatten().tolist()
        assert torch.equal(values, before[name].flatten()[index])
        assert torch.equal(old, after[name].flatten()[index])


def test_another_dtype_is_rounded_as_the_tuned_file_would_hold_it(tmp_path):
    base, tuned = save(tmp_path / "base", make_llama()), save(tmp_path / "tuned", tune(make_llama()).bfloat16())
    ends = open_ends(str(base), str(tuned))
    index, values, _ = moved_of(ends, DOWN)
    aligned, after = (dict(each.named_parameters())[DOWN] for each in (make_llama(), tune(make_llama())))
    aligned, after = aligned.detach().bfloat16().flatten(), after.detach().bfloat16().flatten()
    assert index.tolist() == (aligned != after).nonzero().flatten().tolist()
    assert torch.equal(values, aligned[index])


def test_an_adapter_beside_its_corrected_base_gives_the_aligned_values(tmp_path):
    base, merged = save(tmp_path / "base", make_llama()), save_adapter(tmp_path / "adapter", make_llama())
    ends = open_ends(str(base), str(tmp_path / "adapter"), beside=True)
    assert ends.start is ends.aligned
    index, values, old = moved_of(ends, DOWN)
    assert index.numel() == 16 * 32
    aligned, after = (dict(each.named_parameters())[DOWN].detach().flatten() for each in (make_llama(), merged))
    assert torch.equal(old, aligned[index])
    # Corrected base + change = aligned, up to the rounding of two float32 sums.
    torch.testing.assert_close(values + (after - aligned), aligned, rtol=1e-5, atol=1e-5)
    assert torch.equal(ends.restored(DOWN, index[::7]), aligned[index[::7]])


def test_beside_needs_an_adapter(tmp_path):
    with pytest.raises(ValueError, match=r"beside corrects the base under a LoRA adapter, and .* is none"):
        open_ends("nowhere", str(tmp_path), beside=True)


def test_embeddings_with_an_added_token_are_named_and_left_alone(tmp_path):
    base = save(tmp_path / "base", make_llama())
    larger = tune(make_llama())
    larger.resize_token_embeddings(348, mean_resizing=False)
    tuned, tokenizer = save(tmp_path / "tuned", larger), make_tokenizer()
    tokenizer.add_tokens(["<|new|>"])
    tokenizer.save_pretrained(tuned)
    ends = open_ends(str(base), str(tuned))
    assert ends.left_alone == ("model.embed_tokens.weight",)
    assert moved_of(ends, DOWN)[0].numel()


def test_other_shapes_and_other_words_are_refused(tmp_path):
    base = save(tmp_path / "base", make_llama())
    for name, other in {"wide": make_llama(width=32), "deep": make_llama(layers=3)}.items():
        with pytest.raises(ValueError, match=r"was not tuned from .*give the checkpoint that the tuning began with"):
            open_ends(str(base), str(save(tmp_path / name, other)))
    other_words = save(tmp_path / "words", tune(make_llama()))
    make_tokenizer(markers=("<|first|>",)).save_pretrained(other_words)
    with pytest.raises(ValueError, match="their vocabularies differ, the first word is"):
        open_ends(str(base), str(other_words))
