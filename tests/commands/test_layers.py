"""Tables by layer in the terminal: those of deep models are short where a file has them whole."""

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from holdfast.commands.layers import layer_table
from holdfast.models.by_layer import count_by_layer


def drawn(num_layers, file):
    """Draws a model in which a layer has as many chosen weights as its number."""
    names = [f"layers.{layer}.up_proj.weight" for layer in range(num_layers)]
    counts = count_by_layer(dict.fromkeys(names, (10, 10)), {name: layer for layer, name in enumerate(names)})
    console = Console(width=200, record=True, file=StringIO())
    console.print(layer_table("Mask", counts, file=file))
    lines = [line.strip() for line in console.export_text().splitlines()]
    return [int(line.split()[0]) for line in lines if line[:1].isdigit()], lines


def test_a_table_of_a_deep_model_lists_the_densest_layers_and_where_all_are():
    listed, lines = drawn(30, Path("mask.safetensors"))
    assert listed == [22, 23, 24, 25, 26, 27, 28, 29]
    assert "Listed: the 8 densest of 30 layers. `holdfast show mask.safetensors` lists all." in " ".join(lines)
    (total,) = [line for line in lines if line.startswith("all")]
    assert total.split()[-1] == "435"  # 0 + 1 + ... + 29


@pytest.mark.parametrize(("num_layers", "file"), [(12, Path("mask.safetensors")), (30, None)])
def test_a_table_of_few_layers_or_without_a_file_is_whole(num_layers, file):
    listed, lines = drawn(num_layers, file)
    assert listed == list(range(num_layers))
    assert "Listed" not in " ".join(lines)


def test_at_80_columns_no_header_and_no_number_of_seven_components_is_broken():
    names = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj")
    names += ("mlp.gate_proj", "mlp.up_proj", "mlp.down_proj")
    shapes = {f"layers.{layer}.{name}.weight": (90, 9000) for layer in range(28) for name in names}
    counts = count_by_layer(shapes, dict.fromkeys(shapes, 8100))
    console = Console(width=80, file=StringIO())
    with console.capture() as shown:
        console.print(layer_table("all", counts))
    lines = shown.get().splitlines()
    start = next(place for place, line in enumerate(lines) if line.startswith(" layer"))
    words = " ".join(lines[start - 2 : start + 1]).split()
    components = ["q_", "k_", "v_", "o_", "gate_", "up_", "down_", *["proj"] * 7]
    assert sorted(words) == sorted([*components, "layer", "all", "share", "selected"])
