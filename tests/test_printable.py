import pytest

from holdfast.printable import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("naïve 東京 ?", "naïve 東京 ?"),
        ("a\nb\t\x1b[31m\x7f\x9b", r"a\nb\t\x1b[31m\x7f\x9b"),
        ("\u202edrawkcab\u200b", r"\u202edrawkcab\u200b"),
        ("\ud800\ufffe", r"\ud800\ufffe"),
        (r"\x1b", r"\\x1b"),
    ],
)
def test_what_is_not_printable_is_spelled_out(text, shown):
    assert printable(text) == shown
    assert printable(text).isprintable()
