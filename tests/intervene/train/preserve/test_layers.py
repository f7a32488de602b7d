import pytest
import torch
from peft import LoraConfig, get_peft_model

from holdfast.intervene.options import LoraOptions
from holdfast.intervene.train.preserve.layers import FreezeLayersCallback, layers_to_freeze
from tests.intervene.given import bits, load_tiny, users_trainer
from tests.intervene.train.preserve.toys import tuned
from tests.tiny import make_llama


def moved_layers(model, start):
    return {name.split(".")[2] for name, weight in bits(model).items() if not torch.equal(weight, start[name])} & {
        "0",
        "1",
    }


@pytest.mark.parametrize(("layer", "moved"), [(0, {"1"}), (1, {"0"})])
@pytest.mark.parametrize("lora", [None, LoraOptions(rank=2)], ids=["weights", "lora"])
def test_a_frozen_layer_keeps_its_values_and_the_others_move(layer, moved, lora):
    loaded, _ = tuned("layers", method_options={"frozen_layers": (layer,)}, lora=lora)
    assert moved_layers(loaded.model, bits(load_tiny(torch.float32).model)) == moved
    assert all(weight.requires_grad for weight in loaded.model.parameters())


def test_the_default_is_the_papers_share_of_the_depth():
    assert layers_to_freeze(32, ()) == list(range(5, 15))
    assert layers_to_freeze(30, ()) == list(range(5, 14))
    assert layers_to_freeze(2, ()) == [0]


@pytest.mark.parametrize(
    ("depth", "layers", "sentence"),
    [
        (4, (0, 1, 2, 3), "frozen_layers names all 4 layers"),
        (4, (2, 4), "names layer 4, and the model has 4 layers; give numbers from 0 to 3"),
        (1, (), "a model of 1 layers has none in the paper's share"),
    ],
)
def test_all_layers_or_one_that_there_is_not_are_refused(depth, layers, sentence):
    with pytest.raises(ValueError, match=sentence):
        layers_to_freeze(depth, layers)


def test_layers_are_frozen_in_a_users_own_trainer(tmp_path):
    model = make_llama()
    start = bits(model)
    users_trainer(model, tmp_path, [FreezeLayersCallback([1])], max_steps=2).train()
    assert moved_layers(model, start) == {"0"}


def test_adapters_of_a_frozen_layer_are_not_trained(tmp_path):
    model = get_peft_model(make_llama(), LoraConfig(r=2, target_modules=["q_proj"]))
    callback = FreezeLayersCallback([1])
    users_trainer(model, tmp_path, [callback], max_steps=2).train()
    moved = {name.split(".")[4] for name, weight in model.named_parameters() if "lora_B" in name and weight.any()}
    assert moved == {"0"}
