"""Progress for scripts: a line when a step begins, now and then, and when it ends."""

from holdfast import print_progress
from holdfast.progress import Progress, ProgressPrinter, steps_of


def test_a_step_prints_its_beginning_and_its_end_and_what_lies_between_now_and_then(capsys):
    seldom, always = ProgressPrinter(seconds=3600), ProgressPrinter(seconds=0)
    for printer in (seldom, always):
        for done in range(4):
            printer("tuning", done, 3)
        printer("saving", 0, 1)
    told = capsys.readouterr()
    assert told.out == ""
    lines = [f"tuning {done}/3" for done in range(4)]
    assert told.err.splitlines() == [lines[0], lines[3], "saving 0/1", *lines, "saving 0/1"]


def test_items_are_counted_before_the_first_and_after_each():
    told = []
    items = steps_of(lambda *report: told.append(report), "adding", "ab")
    assert [(item, list(told)) for item in items] == [
        ("a", [("adding", 0, 2)]),
        ("b", [("adding", 0, 2), ("adding", 1, 2)]),
    ]
    assert told[-1] == ("adding", 2, 2)


def test_the_public_printer_is_a_progress(capsys):
    assert isinstance(print_progress, Progress)
    print_progress("reading", 1, 1)
    assert capsys.readouterr().err == "reading 1/1\n"
