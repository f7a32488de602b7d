"""The examples in the docstrings of Python functions run one after the other, as in one session of a reader."""

import ast
from doctest import DocTestParser

import pytest

import holdfast

IN_ORDER = (
    *(
        "load_model",
        "load_prompts",
        "load_exchanges",
        "score_likelihood",
        "select_top",
        "select_random",
        "overlap",
        "overlap_table",
        "layer_table",
        "stability",
        "evaluate",
    ),
    *(
        "perturbed",
        "zeroed",
        "verify",
        "adapt",
        "compare",
        "enhance",
        "load_judge",
        "score_safety",
        "score_neurons",
        "find_direction",
    ),
    *("plan_gate", "save_gate", "save_page"),
)
NOT_RUN = {"check_hold": "names a model of the hub"}


def examples_of(name):
    function = holdfast.evaluate.evaluate if name == "evaluate" else getattr(holdfast, name)
    return DocTestParser().get_examples(function.__doc__ or "")


def test_every_example_is_run_here_or_left_out_for_a_reason():
    having = {name for name in holdfast.__all__ if name == "evaluate" or callable(getattr(holdfast, name))}
    having = {name for name in having if examples_of(name)}
    assert having == {*IN_ORDER, *NOT_RUN}
    for name in NOT_RUN:
        for example in examples_of(name):
            ast.parse(example.source)


@pytest.mark.slow
def test_the_examples_run_in_the_order_of_a_session(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    session = {}
    exec("import torch\nfrom holdfast import *", session)
    for name in IN_ORDER:
        for example in examples_of(name):
            try:
                exec(compile(example.source, name, "exec"), session)
            except Exception as error:
                pytest.fail(f"the example of {name} does not run: {example.source.strip()}: {error!r}")
    assert session["control"].density == pytest.approx(session["mask"].density)
    assert session["change"] is not None
    assert (tmp_path / "patch.safetensors").is_file()
