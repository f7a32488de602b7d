"""What is told of long work where no terminal draws bars."""

from holdfast.commands.console import shown_progress


def test_the_first_line_comes_at_once_and_so_do_beginnings_and_ends(capsys):
    with shown_progress() as progress:
        for message in (("pieces of the run", 12, 30), ("scoring", 3, 9), ("adapt", 0, 1), ("scoring", 9, 9)):
            progress(*message)
    said = capsys.readouterr().err.splitlines()
    assert said == ["pieces of the run 12/30", "adapt 0/1", "scoring 9/9"]
