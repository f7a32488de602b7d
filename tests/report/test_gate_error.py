"""Reports of a comparison that ended with an error."""

from xml.etree import ElementTree

from holdfast.report.gate_error import render_junit_error, render_markdown_error, tells_an_error


def test_hostile_text_of_an_error_stays_text():
    hostile = "the file '<b>\x1b[31m`@x` [a](http://b)' is missing."
    error = ElementTree.fromstring(render_junit_error(hostile)).find("testsuite/testcase/error")
    assert error is not None
    assert error.get("message") == "the file '<b>\\x1b[31m`@x` [a](http://b)' is missing."
    assert render_markdown_error(hostile).endswith("`the file '<b>\\x1b[31m'@x' [a](http://b)' is missing.`\n")


def test_such_a_report_is_told_from_any_other_file(tmp_path):
    for name, text in {"a.xml": render_junit_error("x."), "a.md": render_markdown_error("x.")}.items():
        (tmp_path / name).write_text(text)
        assert tells_an_error(tmp_path / name)
    (tmp_path / "b.md").write_text("## holdfast compare: the gate passed")
    assert not tells_an_error(tmp_path / "b.md")
    assert not tells_an_error(tmp_path / "none.md")
    assert not tells_an_error(tmp_path)
