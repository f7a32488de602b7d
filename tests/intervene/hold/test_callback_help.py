"""What `help` shows of the callbacks."""

import pydoc

import pytest

import holdfast


@pytest.mark.parametrize("name", ["ProtectCallback", "SafetyProbe"])
def test_help_on_a_callback_shows_an_example_and_its_arguments_and_no_hooks(name):
    kind = getattr(holdfast, name)
    page = pydoc.plain(pydoc.render_doc(kind))
    assert "callbacks=[" in page or ".add_callback(" in page
    assert "Args:" in page
    assert "on_step_end" not in page
    assert "on_epoch_begin" not in page
    assert callable(kind.on_step_end)


def test_help_on_the_callback_keeps_its_own_methods():
    assert "release" in dir(holdfast.ProtectCallback)
    assert "release(self)" in pydoc.plain(pydoc.render_doc(holdfast.ProtectCallback))
