"""docs/api-reference.md shows the signatures of the source, of every name that scripts import."""

import holdfast
from tests import api_reference


def test_the_page_is_up_to_date():
    written = api_reference.PAGE.read_text(encoding="utf-8")
    assert written == api_reference.render(), "run `python -m tests.api_reference`"


def test_every_name_that_scripts_import_has_a_signature_and_a_line():
    page = api_reference.PAGE.read_text(encoding="utf-8")
    for name in holdfast.__all__:
        entry = page.partition(f"\n### {name}\n\n```py\n")[2].partition("\n### ")[0]
        call, _, says = entry.partition("```")
        assert name in call, name
        assert says.strip(), name


def test_no_title_is_there_twice():
    titles = [line for line in api_reference.PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("### ")]
    assert len(titles) == len(set(titles))


def test_properties_are_written_without_brackets_and_methods_with_them():
    entry = api_reference.entry("evaluate.verified.Verified")
    assert "- `.points`: " in entry
    assert "- `.effects`: " in entry
    assert "- `.table() -> " in entry


def test_a_signature_names_kinds_and_defaults_and_marks_what_has_a_name():
    assert api_reference.entry("saving.save_mask").splitlines()[3] == (
        "save_mask(path: str | Path, mask: Mask, *, overwrite: bool = False) -> None"
    )
    entry = api_reference.entry("values.Mask")
    assert "    indices: Mapping[str, Tensor],\n" in entry
    assert "- `.iou(other: Mask) -> float`: Intersection over union in [0, 1], and 1 for two empty masks." in entry
    assert "from holdfast.testbed import model_path" in api_reference.entry("testbed.model_path")
    assert "- `fraction` (default 0.01): Share of the scored weights" in api_reference.entry("select.top.TopOptions")


def test_items_of_a_docstring_keep_what_follows_on_other_lines():
    text, sections = api_reference.split(
        "Does it.\n\nArgs:\n    a: one\n        more.\n    b: two.\n\nRaises:\n    ValueError: no."
    )
    assert text == "Does it."
    assert api_reference.items(sections["Args"]) == [("a", "one more."), ("b", "two.")]
    assert api_reference.items(sections["Raises"]) == [("ValueError", "no.")]
