"""An edit along a direction does for good what steering does, comes off with every bit, and only strengthens."""

import hashlib
from pathlib import Path

import pytest
import torch

from holdfast.artifacts import save_direction
from holdfast.cli import call
from holdfast.directions.random import random_direction
from holdfast.intervene.edit.steer import steered
from holdfast.models.activation_sites import residual_site
from holdfast.models.activations import reading
from holdfast.models.generate import generate
from holdfast.models.load import load_model
from holdfast.models.options import GenerateOptions
from holdfast.pipeline import direction_editing
from holdfast.pipeline.direction_editing import edit_direction
from holdfast.pipeline.patching import revert_to_folder
from holdfast.values import Direction
from tests.models.families import FAMILIES, make_family
from tests.tiny import make_llama, make_moe, make_tokenizer

TOKEN_IDS = torch.tensor([[5, 9, 20, 11], [3, 8, 8, 2]])
PROMPTS = [f"how do i mend the old clock {number} ?" for number in range(20)]


def make(name: str):
    return lambda: make_family(next(family for family in FAMILIES if family.name == name))


def saved(folder: Path, make=make_llama, dtype: torch.dtype = torch.float32) -> str:
    make().to(dtype).save_pretrained(folder)
    make_tokenizer().save_pretrained(folder)
    return str(folder)


def direction_file(path: Path, model: str, layer: int = 1, made_by=None, width: int = 16) -> Path:
    vector = torch.randn(width, generator=torch.Generator().manual_seed(4))
    save_direction(path, Direction(vector, layer, 3.0, load_model(model).base, made_by or {}))
    return path


@pytest.fixture
def prompts(tmp_path):
    (tmp_path / "prompts.txt").write_text("\n".join(PROMPTS))
    return str(tmp_path / "prompts.txt")


def sha256(folder: Path | str) -> str:
    return hashlib.sha256((Path(folder) / "model.safetensors").read_bytes()).hexdigest()


def stream(model, token_ids, layer=1):
    site = residual_site(model, layer)
    with torch.no_grad(), reading(model, [site]) as activations:
        logits = model(token_ids).logits
    return activations[site.name], logits


@pytest.mark.parametrize("layer", [0, 1])
@pytest.mark.parametrize("family", ["gpt2", "gpt_neox"])
def test_a_bias_does_what_steering_does_and_comes_off(family, layer, tmp_path):
    model = saved(tmp_path / "base", make(family))
    path = direction_file(tmp_path / "direction", model, layer)
    done = edit_direction(model, path, 0.5, tmp_path / "edited")
    assert (done.form, done.evenness, len(done.patch)) == ("bias", None, 16)
    start, edited = load_model(model).model, load_model(str(tmp_path / "edited/model")).model
    plain = stream(start, TOKEN_IDS, layer)
    with steered(start, path, 0.5):
        wanted = stream(start, TOKEN_IDS, layer)
    for before, expected, got in zip(plain, wanted, stream(edited, TOKEN_IDS, layer), strict=True):
        torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-5)  # float32 sums in another order
        assert not torch.allclose(before, expected, atol=1e-3)
    assert sha256(tmp_path / "edited/model") != sha256(model)
    revert_to_folder(str(tmp_path / "edited/model"), tmp_path / "edited/patch.safetensors", tmp_path / "back")
    assert sha256(tmp_path / "back") == sha256(model)


def test_a_matrix_shifts_the_mean_by_what_was_asked_and_comes_off(tmp_path, prompts):
    model = saved(tmp_path / "base")
    path = direction_file(tmp_path / "direction", model)
    done = edit_direction(model, path, 0.5, tmp_path / "edited", prompts)
    start, edited = load_model(model), load_model(str(tmp_path / "edited/model")).model
    options = GenerateOptions(max_new_tokens=direction_editing.RESPONSE_TOKENS)
    answered = generate(start.model, start.tokenizer, PROMPTS, options)
    texts = [[*one.prompt_ids, *one.token_ids] for one in answered]
    making = [torch.tensor([ids]) for place, ids in enumerate(texts) if place % 5 != 4]
    shared = next(place for place in range(99) if len({ids[place] for ids in texts}) > 1)
    moved = [(stream(edited, ids)[0] - stream(start.model, ids)[0])[0] for ids in making]
    tokens = torch.cat([moved[0][:shared], *(states[shared:] for states in moved)])  # those that all begin with: once
    mean = tokens.mean(0)
    direction = torch.randn(16, generator=torch.Generator().manual_seed(4))
    torch.testing.assert_close(mean, 0.5 * 3.0 * direction / direction.norm(), atol=1e-4, rtol=0)
    assert done.form == "rank_one"
    made_on = done.evenness.made_on
    assert shared > 5
    assert made_on.tokens == len(tokens)
    assert made_on.mean == pytest.approx(1, abs=1e-4)
    shares = tokens @ (direction / direction.norm()) / 1.5
    assert made_on.variation == pytest.approx(float(shares.std(correction=0)), abs=1e-3)
    assert made_on.below_half == pytest.approx(float((shares < 0.5).double().mean()), abs=1e-9)
    held_out = answered[4::5]
    assert done.evenness.num_held_out == 4
    assert done.evenness.prompts.tokens == sum(len(one.prompt_ids) - shared for one in held_out)
    assert done.evenness.responses.tokens == sum(len(one.token_ids) for one in held_out)
    revert_to_folder(str(tmp_path / "edited/model"), tmp_path / "edited/patch.safetensors", tmp_path / "back")
    assert sha256(tmp_path / "back") == sha256(model)


def test_half_precision_keeps_the_shift_on_average(tmp_path, prompts):
    model = saved(tmp_path / "base", dtype=torch.bfloat16)
    done = edit_direction(model, direction_file(tmp_path / "direction", model), 0.1, tmp_path / "edited", prompts)
    assert done.evenness.made_on.mean == pytest.approx(1, abs=0.02)
    assert done.patch.dtype(done.parameter) == torch.bfloat16


def test_the_patch_says_how_it_was_made(tmp_path, prompts):
    model = saved(tmp_path / "base")
    done = edit_direction(model, direction_file(tmp_path / "direction", model), 0.5, tmp_path / "edited", prompts)
    made_by = done.patch.made_by
    assert (made_by["method"], made_by["coefficient"]) == ("direction_edit", 0.5)
    assert made_by["prompts"]["count"] == 20
    assert made_by["evenness"]["prompts"]["below_half"] == done.evenness.prompts.below_half
    assert made_by["tuned"]["fingerprint"] == load_model(str(tmp_path / "edited/model")).base


def test_neurons_that_write_nothing_are_refused(tmp_path, prompts):
    def silenced():
        model = make_llama()
        with torch.no_grad():
            model.get_parameter("model.layers.1.mlp.up_proj.weight").zero_()
        return model

    model = saved(tmp_path / "base", silenced)
    path = direction_file(tmp_path / "direction", model)
    with pytest.raises(ValueError, match="have a mean of length 0 over these prompts"):
        edit_direction(model, path, 0.5, tmp_path / "edited", prompts)
    assert not (tmp_path / "edited").exists()


AWAY = {"positive": {"name": "testbed:harmless#first=9"}, "negative": {"name": "testbed:harmful_seen"}}


@pytest.mark.parametrize(
    ("make", "changed", "sentence"),
    [
        (make_llama, {"coefficient": -0.5}, "the coefficient must be above 0, got -0.5; an edit only strengthens"),
        (make_llama, {"coefficient": 0}, "the coefficient must be above 0, got 0"),
        (
            make_llama,
            {"prompts": None},
            "down_proj has no bias, so the edit needs prompts, .*; give prompts of all kinds",
        ),
        (make("gpt2"), {}, "c_proj has a bias, which takes the shift as it is, so prompts have no effect"),
        (make_llama, {"few": True}, "needs 10 prompts or more, got 9"),
        (make_llama, {"prompts": "none.txt"}, "'none.txt' does not exist"),
        (make_llama, {"layer": 2}, "layer 2 is not one of this model's 2; give 0 to 1"),
        (make_llama, {"width": 8}, "has 8 dimensions, and that of '.*' has 16; give a direction of this model"),
        (make_llama, {"made_by": AWAY}, r"points from harmful prompts .* so an edit would weaken refusals"),
        (make_llama, {"other": True}, "was made for another model"),
        (make_moe, {}, "layer 1 of .* has experts"),
    ],
)
def test_bad_input_is_one_sentence_before_the_model_is_loaded(make, changed, sentence, tmp_path, prompts, monkeypatch):
    changed = {"coefficient": 0.5, "prompts": prompts} | changed
    model = saved(tmp_path / "base", make)
    of = saved(tmp_path / "other", lambda: make_llama(seed=1)) if changed.pop("other", None) else model
    if changed.pop("few", None):
        Path(prompts).write_text("\n".join(PROMPTS[:9]))
    what = {name: changed.pop(name) for name in ("layer", "width", "made_by") if name in changed}
    path = direction_file(tmp_path / "direction", of, **what)
    monkeypatch.setattr(direction_editing, "load_model", lambda *_, **__: pytest.fail("the model was loaded"))
    with pytest.raises(ValueError, match=sentence):
        edit_direction(model, path, out=tmp_path / "edited", **changed)
    assert not (tmp_path / "edited").exists()
    assert not (tmp_path / "edited.partial").exists()


def test_a_layer_with_a_norm_behind_its_mlp_is_refused(tmp_path, prompts):
    model = saved(tmp_path / "base", make("gemma2"))
    path = direction_file(tmp_path / "direction", model)
    with pytest.raises(ValueError, match="does not reach the residual stream unchanged"):
        edit_direction(model, path, 0.5, tmp_path / "edited", prompts)


def test_a_coefficient_that_rounds_away_is_refused(tmp_path, prompts):
    model = saved(tmp_path / "base", dtype=torch.bfloat16)
    path = direction_file(tmp_path / "direction", model)
    with pytest.raises(
        ValueError, match=r"so small that model\.layers\.1\.mlp\.down_proj\.weight in torch\.bfloat16 stays"
    ):
        edit_direction(model, path, 1e-15, tmp_path / "edited", prompts)
    assert not (tmp_path / "edited").exists()


def test_an_existing_folder_is_kept(tmp_path, prompts):
    model = saved(tmp_path / "base")
    (tmp_path / "edited").mkdir()
    with pytest.raises(ValueError, match="exists already"):
        edit_direction(model, direction_file(tmp_path / "direction", model), 0.5, tmp_path / "edited", prompts)


def test_a_random_direction_is_a_control_whatever_it_is_like(tmp_path, prompts):
    model = saved(tmp_path / "base")
    path = direction_file(tmp_path / "direction", model, made_by=AWAY)
    save_direction(tmp_path / "random", random_direction(path))
    assert edit_direction(model, tmp_path / "random", 0.5, tmp_path / "edited", prompts).patch.reversible


def test_a_direction_no_better_than_random_ones_is_warned_of(tmp_path, prompts, caplog):
    model = saved(tmp_path / "base")
    own, random = ({"recognised": [10, 10], "separation": separation} for separation in (2.0, 1.0))
    chance = {"recognised": {"direction": own, "random": [random]}}
    path = direction_file(tmp_path / "direction", model, made_by=chance)
    edit_direction(model, path, 0.5, tmp_path / "edited", prompts)
    assert any("a random direction tells 10 of 10 tested pairs apart" in one for one in caplog.messages)


def test_the_command_prints_the_shift_and_says_that_it_is_done(tmp_path, prompts, capsys):
    model, out = saved(tmp_path / "base"), str(tmp_path / "edited")
    path = str(direction_file(tmp_path / "direction", model))
    command = ["direction", "edit", model, path, "--coefficient", "0.5", "--prompts", prompts, "--out", out]
    assert call([*command, "--exist-ok"]) == 0
    printed = capsys.readouterr()
    assert "rank_one" in printed.out
    assert "prompts left out" in printed.out
    assert f"Measure it beside the model before: holdfast evaluate {out}/model --harmful FILE" in printed.out
    assert f"Take it off: holdfast patch revert {out}/model {out}/patch.safetensors --out FOLDER" in printed.out
    assert call([*command, "--exist-ok"]) == 0
    assert "there is nothing to do" in capsys.readouterr().out
    assert call(command) == 2
    assert call([*command[:5], "-0.5", *command[6:-1], f"{out}2"]) == 2
    assert "must be above 0" in capsys.readouterr().err.splitlines()[-1]


def test_the_shift_is_even_on_prompts_and_responses_left_out(tmp_path):
    model = "testbed:aligned"
    width = residual_site(load_model(model).model, 3).shape[0]
    path = direction_file(tmp_path / "direction", model, 3, width=width)
    done = edit_direction(model, path, 0.2, tmp_path / "edited", "testbed:harmless#first=20")
    for part in (done.evenness.prompts, done.evenness.responses):
        assert part.mean == pytest.approx(1, abs=0.2)
        assert part.variation < 0.5


def test_a_direction_of_texts_reads_texts(tmp_path, prompts):
    model = saved(tmp_path / "base")
    path = direction_file(tmp_path / "direction", model, made_by={"as_text": True})
    evenness = edit_direction(model, path, 0.5, tmp_path / "edited", prompts).evenness
    tokenizer = make_tokenizer()
    texts = [tokenizer(text)["input_ids"] for text in PROMPTS]
    shared = next(place for place in range(99) if len({ids[place] for ids in texts}) > 1)
    assert evenness.responses is None
    assert evenness.prompts.tokens == sum(len(ids) - shared for ids in texts[4::5])
