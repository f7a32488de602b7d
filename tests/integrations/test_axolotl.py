"""The plug-in of Axolotl: its keys, its hold and its mistakes, through the calls that Axolotl 0.19.0 makes.

Where Axolotl is not installed a stand-in has the part of its `BasePlugin` that is called. `tests/test_trainers.py` runs
Axolotl itself.
"""

import importlib
import sys
from importlib.util import find_spec
from types import ModuleType

import pytest
import torch
from pydantic import BaseModel

from holdfast.artifacts import save_mask
from holdfast.pipeline.checking import check_hold
from tests.intervene.given import bits, random_mask, users_trainer
from tests.stored import save
from tests.tiny import make_llama

NAME = "holdfast.integrations.axolotl.HoldPlugin"


class BasePlugin:
    """Does nothing where a plug-in says nothing, as in Axolotl."""

    def register(self, cfg):
        pass

    def get_input_args(self):
        return None

    def pre_model_load(self, cfg):
        pass

    def add_callbacks_pre_trainer(self, cfg, model):
        return []

    def add_callbacks_post_trainer(self, cfg, trainer):
        return []


@pytest.fixture
def plugin(monkeypatch):
    """The plug-in, made from its dotted name."""
    if find_spec("axolotl") is None:
        for name in ("axolotl", "axolotl.integrations", "axolotl.integrations.base"):
            monkeypatch.setitem(sys.modules, name, ModuleType(name))
        sys.modules["axolotl.integrations.base"].BasePlugin = BasePlugin  # pyright: ignore[reportAttributeAccessIssue]
    monkeypatch.delitem(sys.modules, NAME.rpartition(".")[0], raising=False)
    return named(NAME)()


def named(dotted):
    module, _, word = dotted.rpartition(".")
    return getattr(importlib.import_module(module), word)


def config_of(plugin, **given):
    """A config with Axolotl's own keys and the plug-in's, in one class as Axolotl makes it."""

    class Own(BaseModel):
        learning_rate: float = 1e-3

    class Whole(Own, named(plugin.get_input_args())):
        pass

    return Whole(**given).model_dump(exclude_none=True)


def trained(plugin, model, cfg, folder):
    """Calls the plug-in in the order of Axolotl's training."""
    plugin.register(cfg)
    plugin.pre_model_load(cfg)
    callbacks = plugin.add_callbacks_pre_trainer(cfg, model)
    trainer = users_trainer(model, folder / "trainer", callbacks)
    for callback in plugin.add_callbacks_post_trainer(cfg, trainer):
        trainer.add_callback(callback)
    trainer.train()
    return save(folder / "out", model)


@pytest.fixture
def held(tmp_path):
    """A model with the folder of its base, and a mask of it."""
    model = make_llama()
    mask = random_mask(model)
    save_mask(tmp_path / "mask.safetensors", mask)
    return model, mask, save(tmp_path / "base", model)


def test_two_keys_of_a_config_hold_every_bit_of_the_mask(plugin, held, tmp_path):
    model, mask, base = held
    cfg = config_of(plugin, holdfast_mask=str(tmp_path / "mask.safetensors"))
    checked = check_hold(str(trained(plugin, model, cfg, tmp_path)), str(base), mask)
    assert (checked.held, checked.held_moved) == (len(mask), 0)
    assert checked.others_moved > 0.9 * (checked.entries - checked.held)


def test_another_base_is_refused_unless_the_config_allows_it(plugin, held, tmp_path):
    cfg = config_of(plugin, holdfast_mask=str(tmp_path / "mask.safetensors"))
    other = make_llama(seed=7)
    with pytest.raises(ValueError, match="was made for another model"):
        trained(plugin, other, cfg, tmp_path)
    before = bits(other)
    trained(plugin, other, {**cfg, "holdfast_check_base": False}, tmp_path)
    for name, index in held[1].indices.items():
        assert torch.equal(other.get_parameter(name).detach().view(-1)[index], before[name].view(-1)[index])


@pytest.mark.parametrize("given", [{}, {"holdfast_mask": ""}])
def test_a_config_without_a_mask_is_refused_before_the_model_is_loaded(plugin, given):
    with pytest.raises(ValueError, match=r"HoldPlugin needs the file of a mask; add holdfast_mask: FILE to the config"):
        plugin.pre_model_load(config_of(plugin, **given))


def test_a_file_that_is_missing_or_no_mask_is_refused_before_the_model_is_loaded(plugin, tmp_path):
    with pytest.raises(ValueError, match=r"none\.safetensors' does not exist"):
        plugin.pre_model_load(config_of(plugin, holdfast_mask=str(tmp_path / "none.safetensors")))
    (tmp_path / "text.safetensors").write_text("no mask")
    with pytest.raises(ValueError, match="mask"):
        plugin.pre_model_load(config_of(plugin, holdfast_mask=str(tmp_path / "text.safetensors")))
