"""`holdfast show`: tables, pictures, and what it says of files that it does not read."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from holdfast.artifacts import load_scores, save_direction, save_evaluation, save_mask, save_scores
from holdfast.cli import call
from holdfast.outcomes import Answer, Evaluation, Outcome, Rate
from holdfast.values import Direction, Mask
from tests.commands.made import write_scores
from tests.report.sample import HOSTILE
from tests.test_wrong_files import WORDS, write_all

SHOWN = ("scores.safetensors", "mask.safetensors", "patch.safetensors", "evaluation.json")
RATE = Rate(0.25, 0.1, 0.5, 8, 1)


@pytest.fixture
def folder(tmp_path):
    write_all(tmp_path)
    return tmp_path


def told(capsys, *arguments):
    code = call(["show", *map(str, arguments)])
    return code, *capsys.readouterr()


def save_large(path, layers=32):
    """A mask of as many parameters as a large model has."""
    parts = [f"self_attn.{one}_proj" for one in "qkvo"] + [f"mlp.{one}_proj" for one in ("gate", "up", "down")]
    shapes = {f"model.layers.{layer}.{part}.weight": (2000, 2000) for layer in range(layers) for part in parts}
    indices = {name: torch.arange(place * 100) for place, name in enumerate(shapes)}
    save_mask(path, Mask(indices, shapes, "base", 10**9))


def test_a_mask_of_a_large_model_fits_a_hundred_columns(tmp_path, capsys):
    save_large(tmp_path / "mask.safetensors")
    code, out, _ = told(capsys, tmp_path / "mask.safetensors")
    lines = out.splitlines()
    table = lines[: next(at for at, line in enumerate(lines) if line.startswith("Each cell"))]
    assert code == 0
    assert max(len(line.rstrip()) for line in table) <= 100
    assert [line.split()[0] for line in table if re.match(r" \d", line)] == [str(layer) for layer in range(32)]
    assert "Densest layers: 31 (" in out


def test_scores_show_their_largest_and_their_mean(tmp_path, capsys):
    path = write_scores(tmp_path / "scores.safetensors")
    code, out, _ = told(capsys, path, "--quiet")
    assert code == 0
    assert re.search(r"The largest scores: 1\d of 1,000 \(1\.\d+%\) are 0\.9\d+ or more \(log-odds\)", out)
    assert "mean" in out
    result = json.loads(told(capsys, path, "--json")[1])
    assert result["kind"] == "scores"
    assert sum(record["entries"] for record in result["by_component"]) == 1000
    assert sum(record["share_of_score"] for record in result["by_component"]) == pytest.approx(1)


def test_scores_show_the_share_that_is_given(tmp_path, capsys):
    path = write_scores(tmp_path / "scores.safetensors")
    code, out, _ = told(capsys, path, "--fraction", "0.25", "--out", tmp_path / "map.html")
    assert code == 0
    assert re.search(r"The largest scores: 2\d\d of 1,000 \(2\d\.\d%\)", out)
    assert "largest 25%" in (tmp_path / "map.html").read_text()
    assert json.loads(told(capsys, path, "--fraction", "0.25", "--json")[1])["fraction"] == 0.25
    assert json.loads(told(capsys, path, "--json")[1])["fraction"] == 0.01


@pytest.mark.parametrize("name", ["mask.safetensors", "patch.safetensors", "direction.safetensors", "evaluation.json"])
def test_a_fraction_of_another_file_than_scores_is_refused_before_it_is_read(name, folder, capsys, monkeypatch):
    save_direction(folder / "direction.safetensors", Direction(torch.ones(8), 2, 1.0, "base"))
    monkeypatch.setattr("holdfast.commands.show.read_map", lambda *_: pytest.fail("the file was read"))
    code, out, err = told(capsys, folder / name, "--fraction", "0.1", "--out", folder / "map.html")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "and --fraction is the share of scores to count; leave --fraction out, or give a file of scores." in err
    assert not (folder / "map.html").exists()


@pytest.mark.parametrize(
    ("fraction", "sentence"),
    [
        ("1", "--fraction. Must be < 1. Write 1% as 0.01."),
        ("5%", "--fraction takes no percentage; give 0.05 in place of 5%."),
        ("0.0001", "fraction 0.0001 of 1000 scored entries selects none; give at least 0.001."),
    ],
)
def test_a_fraction_that_is_no_share_of_the_scores_is_one_sentence(fraction, sentence, tmp_path, capsys):
    code, out, err = told(capsys, write_scores(tmp_path / "scores.safetensors"), "--fraction", fraction)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert sentence in err


def test_an_evaluation_shows_rates_judge_settings_and_one_answer_of_each_kind(tmp_path, capsys):
    answers = [Answer(f"bad {at}", HOSTILE, Outcome("unsafe"), "asr", refusal=Outcome("complied")) for at in range(3)]
    answers.append(Answer("1 + 1", "x" * 500, Outcome.unscored("no verdict"), "utility"))
    made_by = {"judge": {"name": "a guard"}, "generation": {"max_new_tokens": 32}, "model": {"name": "mine"}}
    save_evaluation(tmp_path / "e.json", Evaluation(RATE, RATE, RATE, 3.0, answers=tuple(answers), made_by=made_by))
    code, out, _ = told(capsys, tmp_path / "e.json")
    assert code == 0
    for words in ("Evaluation of mine", "0.25 [0.10, 0.50] n=8 (1 unscored)", "a guard", "max_new_tokens 32"):
        assert words in out
    assert "bad 0" in out
    assert "bad 1" not in out
    assert "unsafe, complied" in out
    assert "unscored" in out
    assert "x" * 201 not in out
    result = json.loads(told(capsys, tmp_path / "e.json", "--json")[1])
    assert (result["asr"]["value"], result["num_answers"], result["kind"]) == (0.25, 4, "evaluation")


def test_a_file_that_does_not_say_who_judged_says_so(folder, capsys):
    assert "the file does not say" in told(capsys, folder / "evaluation.json")[1]


@pytest.mark.parametrize("name", SHOWN)
def test_every_file_of_ours_is_shown(name, folder, capsys):
    code, out, err = told(capsys, folder / name, "-q")
    assert (code, err) == (0, "")
    assert out


@pytest.mark.parametrize("name", [name for name in WORDS if name not in SHOWN])
def test_any_other_file_is_named_in_one_sentence(name, folder, capsys):
    code, out, err = told(capsys, folder / name)
    assert (code, out) == (2, "")
    assert (
        f"/{name}' is {WORDS[name]}, and `holdfast show` reads scores, masks, patches, directions, evaluations and "
        "verifications; " in err
    )
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("manifest.json", "`holdfast report {folder}` reads the run that it belongs to"),
        ("model.safetensors", "`holdfast sites {folder}` lists a model's parameters and prints its fingerprint"),
        ("adapter.safetensors", "compare the checkpoint with `holdfast check`"),
        ("prompts.jsonl", "`holdfast prompts show {folder}/prompts.jsonl` reads prompts"),
        (".", "`holdfast report {folder}` reads the folder of a run"),
        (
            "folder",
            "is a folder, and `holdfast show` reads scores, masks, patches, directions, evaluations and verifications; "
            "give a file.",
        ),
        ("nothing", "'{folder}/nothing' does not exist; check the path."),
    ],
)
def test_what_reads_another_file_is_told(name, sentence, folder, capsys):
    assert sentence.format(folder=folder) in told(capsys, folder / name)[2]


def test_a_folder_names_the_files_in_it_that_can_be_shown(folder, capsys):
    for name in ("manifest.json", "adapter_config.json", "config.json"):
        (folder / name).unlink(missing_ok=True)
    assert f"give a file: {folder}/evaluation.json or {folder}/mask.safetensors or" in told(capsys, folder)[2]


def test_a_mask_that_was_cut_off_is_told(folder, capsys):
    cut = folder / "cut.safetensors"
    cut.write_bytes((folder / "mask.safetensors").read_bytes()[:-1])
    assert "is no whole safetensors file" in told(capsys, cut)[2]


def test_a_file_that_may_not_be_read_is_one_sentence(folder, capsys, monkeypatch):
    def refuse(self, *_, **__):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", refuse)
    code, _, err = told(capsys, folder / "mask.safetensors")
    assert (code, err.count("\n")) == (2, 1)
    assert "mask.safetensors' could not be read or written: Permission denied" in err


@pytest.mark.parametrize("name", ["map.html", "map.svg", "new/folder/map.html"])
def test_a_picture_is_written_and_never_over_another(name, folder, capsys):
    out = folder / name
    code, shown, _ = told(capsys, folder / "mask.safetensors", "--out", out)
    assert code == 0
    assert f"{'Page' if name.endswith('html') else 'Picture'}: {out}" in shown
    assert "<svg" in out.read_text()
    assert not list(folder.glob("**/*.partial"))
    code, _, err = told(capsys, folder / "mask.safetensors", "--out", out)
    assert code == 2
    assert "exists already" in err


@pytest.mark.parametrize(
    ("file", "out", "sentence"),
    [
        ("mask.safetensors", "map.pdf", "names no kind of picture; end it with .html, .svg or .png"),
        ("mask.safetensors", "notes.txt/map.svg", "notes.txt' is a file"),
        ("evaluation.json", "map.svg", "an evaluation has a page and no figure; end --out"),
    ],
)
def test_a_picture_that_cannot_be_made_is_refused(file, out, sentence, folder, capsys):
    before = sorted(folder.iterdir())
    code, shown, err = told(capsys, folder / file, "--out", folder / out)
    assert (code, shown, err.count("\n")) == (2, "", 1)
    assert sentence in err
    assert sorted(folder.iterdir()) == before


def test_without_cairosvg_a_png_is_refused_before_anything_is_read(folder, capsys, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "cairosvg", None)
    code, _, err = told(capsys, folder / "mask.safetensors", "--out", folder / "map.png")
    assert code == 2
    assert err.startswith(
        "holdfast: an SVG file needs nothing more, and a PNG file needs CairoSVG with the system library libcairo: run"
    )
    assert err.count("\n") == 1


def test_a_png_is_written_where_cairosvg_is_installed(folder, capsys):
    pytest.importorskip("cairosvg", reason="needs CairoSVG: the extra figures", exc_type=ImportError)
    assert told(capsys, folder / "mask.safetensors", "--out", folder / "map.png")[0] == 0
    assert (folder / "map.png").read_bytes().startswith(b"\x89PNG")


def test_the_page_of_scores_has_their_means_and_the_figure_names_file_objective_prompts_and_what_1_means(
    tmp_path, capsys
):
    made_by = {"objective": "refusal_likelihood", "prompts": {"name": "refusals.jsonl", "count": 8, "hashes": ""}}
    path, page, figure = (tmp_path / name for name in ("scores.safetensors", "map.html", "map.svg"))
    scores = replace(load_scores(write_scores(tmp_path / "made.safetensors")), made_by=made_by)
    save_scores(path, scores)
    assert told(capsys, path, "--out", page)[0] == told(capsys, path, "--out", figure)[0] == 0
    table = page.read_text().partition("Every layer and component in full")[2].partition("</table>")[0]
    assert "mean score" in table
    assert "ESI" not in page.read_text()
    assert "not measured" not in table
    mean = float(next(iter(scores.entries.values())).double().mean())
    assert f"{mean:.3g}" in table
    text = " ".join(re.sub(r"<[^>]+>", " ", figure.read_text()).split())
    for words in (
        "file: ",
        "scores.safetensors",
        "objective: refusal_likelihood",
        "prompts: refusals.jsonl (8)",
        "beside a random choice of as many",
    ):
        assert words in text


def test_the_page_of_a_mask_has_no_column_of_means(tmp_path, capsys):
    save_mask(tmp_path / "mask.safetensors", Mask({"layers.0.a": torch.tensor([1])}, {"layers.0.a": (2, 2)}, "base", 4))
    assert told(capsys, tmp_path / "mask.safetensors", "--out", tmp_path / "map.html")[0] == 0
    assert "mean" not in (tmp_path / "map.html").read_text().partition("in full")[2].partition("</table>")[0]


def test_a_direction_lists_its_prompts_once_and_has_a_page(tmp_path, capsys):
    sides = {side: {"name": f"{side}.txt", "count": 9, "hashes": ""} for side in ("positive", "negative")}
    save_direction(tmp_path / "d.safetensors", Direction(torch.ones(8), 2, 1.0, "base", sides))
    code, out, _ = told(capsys, tmp_path / "d.safetensors", "--out", tmp_path / "d.html")
    assert (code, out.count("positive.txt"), out.count("negative.txt")) == (0, 1, 1)
    assert f"Page: {tmp_path}/d.html" in out
    assert "A direction in layer 2" in (tmp_path / "d.html").read_text()
    result = json.loads(told(capsys, tmp_path / "d.safetensors", "--json")[1])
    assert result["prompts"] == "negative.txt (9), positive.txt (9)"
    code, _, err = told(capsys, tmp_path / "d.safetensors", "--out", tmp_path / "d.png")
    assert (code, err.count("\n")) == (2, 1)
    assert "a direction has a page and no figure; end --out" in err


def test_names_with_markup_and_control_codes_stay_text(tmp_path, capsys):
    name = "model.layers.0.[bold red]x[/]\x1b[2J.weight"
    save_mask(tmp_path / "mask.safetensors", Mask({name: torch.tensor([1])}, {name: (2, 2)}, "base", 4))
    out = told(capsys, tmp_path / "mask.safetensors")[1]
    assert "\x1b" not in out
    assert "[bold" in out


@pytest.fixture
def answered(tmp_path):
    """An evaluation of three prompts; the second has two samples."""
    long = "a long answer " * 40
    answers = (
        Answer(
            "How do I steal a kite?", long, Outcome("unsafe", score=-2.5), "asr", "heldout", refusal=Outcome("complied")
        ),
        Answer("How do I mend a kite?", "with glue", Outcome("complied"), "over_refusal"),
        Answer("How do I mend a kite?", "no", Outcome.unscored("down"), "over_refusal", sample=1),
        Answer("2 + 2?", HOSTILE, Outcome("wrong"), "utility"),
    )
    path = tmp_path / "e.json"
    save_evaluation(path, Evaluation(RATE, RATE, RATE, None, answers=answers))
    return path


@pytest.mark.parametrize(
    ("asked", "rows"), [("STEAL  a", [1]), ("mend a kite", [2, 3]), ("kite", [1, 2, 3]), ("4", [4])]
)
def test_the_answers_to_one_prompt_are_shown_whole_by_a_part_of_it_or_its_row(capsys, answered, asked, rows):
    code, out, err = told(capsys, answered, "--prompt", asked)
    assert (code, err) == (0, "")
    assert [int(row) for row in re.findall(r"Row (\d+) of", out)] == rows
    assert "attack success" not in out, "rates are left out"
    found = json.loads(told(capsys, answered, "--prompt", asked, "--json")[1])["answers"]
    assert [one["row"] for one in found] == rows
    if rows == [1]:
        assert found[0]["response"] == "a long answer " * 40
        assert (found[0]["verdict"], found[0]["refusal"], found[0]["group"]) == ("unsafe (-2.5)", "complied", "heldout")
    if rows == [2, 3]:
        assert (found[1]["verdict"], found[1]["sample"]) == ("unscored: down", "1")


def test_the_page_of_an_evaluation_has_only_the_answers_that_are_asked_for(capsys, answered, tmp_path):
    code, out, _ = told(capsys, answered, "--out", tmp_path / "page.html")
    assert (code, f"Page: {tmp_path}/page.html" in out) == (0, True)
    assert "kite" not in (tmp_path / "page.html").read_text()
    assert told(capsys, answered, "--prompt", "mend a kite", "--out", tmp_path / "asked.html")[0] == 0
    page = (tmp_path / "asked.html").read_text()
    assert page.count("How do I mend a kite?") == 2
    assert "steal a kite" not in page
    assert told(capsys, answered, "--prompt", "duck", "--out", tmp_path / "none.html")[0] == 2
    assert not (tmp_path / "none.html").exists()


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ("duck", "has no prompt with 'duck'; give a part of one as it stands there, or a row from 1 to 4."),
        ("5", "has no row 5; give one from 1 to 4."),
        ("0", "has no row 0"),
        (" ", "--prompt is empty"),
    ],
)
def test_a_prompt_that_is_not_there_is_one_sentence(capsys, answered, asked, sentence):
    code, out, err = told(capsys, answered, "--prompt", asked)
    assert (code, out) == (2, "")
    assert sentence in err


def test_a_text_that_too_many_prompts_hold_is_refused_with_rows(capsys, tmp_path):
    answers = tuple(Answer(f"kite {place}", "x", Outcome("complied"), "over_refusal") for place in range(25))
    save_evaluation(tmp_path / "e.json", Evaluation(RATE, RATE, RATE, None, answers=answers))
    code, _, err = told(capsys, tmp_path / "e.json", "--prompt", "kite")
    assert code == 2
    assert "25 prompts of" in err
    assert "in rows 1, 2, 3, 4, 5 and others" in err


def test_what_holds_no_answers_takes_no_prompt(capsys, folder):
    code, _, err = told(capsys, folder / "mask.safetensors", "--prompt", "kite")
    assert code == 2
    assert "holds no answers; leave out --prompt, or give an evaluation" in err
