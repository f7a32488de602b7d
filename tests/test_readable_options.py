import inspect
import pydoc
from pathlib import Path
from typing import Annotated, Literal

import pytest
from cyclopts import Group, Parameter
from pydantic import BaseModel, Field

import holdfast
from holdfast.config import Names, Options, Seed
from holdfast.readable_options import SETTINGS, alternatives, plain

MARK = Parameter(group=Group("A group of the command line"))


class Inner(Options):
    """Inner ones."""

    depth: int = 1


class Example(Options):
    """Options of an example."""

    file: Path
    """The file to read."""
    share: Annotated[float | None, MARK] = Field(default=None, gt=0, lt=1)
    names: Names = ()
    """Names of layers.

    - q_proj: one of them
    """
    seeds: tuple[Annotated[Seed, MARK], ...] | None = None
    inner: Annotated[Inner | None, MARK] = None


class Undescribed(Example):
    more: Literal["a", "b"] = "a"


def test_a_signature_has_plain_types_and_defaults():
    signature = str(inspect.signature(Example))
    assert signature.startswith(
        "(*, file: pathlib.Path, share: float | None = None, names: tuple[str, ...] = (), "
        "seeds: tuple[int, ...] | None = None, inner: "
    )


def test_a_docstring_lists_each_setting_with_its_type_its_default_and_its_sentence():
    assert Example.__doc__ == (
        "Options of an example.\n\nSettings:\n"
        "    file: Path\n        The file to read.\n"
        "    share: float | None = None\n"
        "    names: tuple[str, ...] = ()\n        Names of layers.\n\n        - q_proj: one of them\n"
        "    seeds: tuple[int, ...] | None = None\n"
        "    inner: Inner | None = None"
    )


def test_a_class_without_a_docstring_lists_its_settings_alone():
    assert Undescribed.__doc__ is not None
    assert Undescribed.__doc__.startswith("Settings:\n    file: Path")
    assert Undescribed.__doc__.endswith("more: Literal['a', 'b'] = 'a'")


@pytest.mark.parametrize("name", [name for name in dir(holdfast) if name.endswith("Options")])
def test_help_on_options_opens_with_their_settings_and_shows_nothing_of_pydantic(name):
    kind = getattr(holdfast, name)
    page = pydoc.plain(pydoc.render_doc(kind))
    for hidden in ("Annotated", "Parameter(", "Group(", "validator", "model_config", "__pydantic", "model_dump"):
        assert hidden not in page
    assert page.index(SETTINGS) < page.index("Method resolution order")
    for field, setting in kind.model_fields.items():
        assert f" {field}: " in page
        assert setting.description.splitlines()[0] in page


def test_options_keep_the_methods_of_pydantic_that_help_hides():
    assert "model_copy" not in dir(Example)
    assert "model_copy" in dir(Inner())
    assert Inner().model_copy(update={"depth": 2}) == Inner(depth=2)
    assert issubclass(Inner, BaseModel)


def test_plain_leaves_a_type_without_marks_as_it_is():
    for kind in (int, int | None, tuple[int, ...], Literal["a"], list[str], dict[str, int], tuple[float, float]):
        assert plain(kind) == kind


def test_alternatives_are_the_parts_of_a_union_and_not_the_items_of_a_list():
    assert alternatives(Example.model_fields["seeds"].annotation) == {tuple[int, ...], type(None)}
    assert alternatives(Example.model_fields["share"].annotation) == {float, type(None)}
    assert alternatives(tuple[int, int]) == {tuple[int, int]}
