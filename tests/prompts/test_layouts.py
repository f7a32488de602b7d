import pytest

from holdfast.prompts.known import KNOWN
from holdfast.prompts.layouts import COMMON, Layout, find_layout, folded


def test_the_columns_of_every_public_set_lead_to_its_prompts():
    for known in KNOWN.values():
        if "prompt" in known.columns and known.name not in COMMON:
            header = [*known.columns.values(), *([known.where[0]] if known.where else [])]
            layout = find_layout(header, ["prompt"], "file:1")
            assert layout is not None
            assert layout.columns["prompt"] == known.columns["prompt"], known.name


def test_the_layout_with_most_of_the_columns_wins_as_the_file_spells_them():
    header = ["GOAL", "Target", "behavior", "CATEGORY", ""]
    layout = find_layout(header, ["prompt"], "file:1")
    assert layout is not None
    assert layout.columns == {"prompt": "GOAL", "group": "CATEGORY"}
    choices = ["opa", "opb", "opc", "opd", "cop", "subject_name"]
    medical = find_layout(["question", "answer", *choices], ["prompt"], "file:1")  # GSM8K's two columns are there, too
    assert medical is not None
    assert medical.labels == ("A", "B", "C", "D")
    template = find_layout(["Instruction", "Input"], ["prompt"], "file:1")
    assert template is not None
    assert template.template == "{Instruction}\n\n{Input}"


def test_a_layout_that_also_gives_the_response_is_preferred():
    layout = find_layout(["instruction", "input", "output"], ["prompt", "response"], "file:1")
    assert layout is not None
    assert layout.columns == {"response": "output"}
    assert layout.described == "prompt from 'instruction' and 'input', response from 'output'"


def test_only_the_standard_part_of_harmbench_is_read_and_sides_are_left_to_labels():
    harmbench = find_layout(["Behavior", "FunctionalCategory", "SemanticCategory"], ["prompt"], "file:1")
    assert harmbench is not None
    assert harmbench.where == ("FunctionalCategory", "standard")
    jailbreaks = find_layout(["adversarial", "data_type"], ["prompt"], "file:1")
    assert jailbreaks is not None
    assert jailbreaks.where is None


def test_columns_that_many_files_have_are_not_taken_for_a_public_set():
    layout = find_layout(["text", "label"], ["prompt"], "file:1")
    assert layout == Layout({"prompt": "text"})


def test_nothing_known_gives_nothing():
    assert find_layout(["a", "b"], ["prompt"], "file:1") is None
    assert find_layout(["question", "answer"], [], "file:1") is None


def test_names_are_compared_without_case_and_blanks():
    assert folded(" Forbidden Prompt ") == "forbidden_prompt"
    with pytest.raises(ValueError, match="file:1 may have the response under 'Completion', 'output' or 'solution'"):
        find_layout(["solution", "output", "Completion"], ["response"], "file:1")
