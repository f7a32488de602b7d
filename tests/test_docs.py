"""Every command and script in docs, README and help runs, on few prompts and steps; the site builds quietly.

`make test` runs the README's and the examples of the help. `make docs` and `make thorough` run the other pages'.
"""

import importlib.util
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from textwrap import indent

import pytest
from transformers import AutoTokenizer

from holdfast import load_evaluation, load_prompts
from holdfast.cli import COMMANDS, app, call
from holdfast.commands.several import repeat_options
from holdfast.testbed import PROMPT_SETS, model_path
from tests import help_examples
from tests.evaluate.logs.programs.making import EXAMPLES
from tests.pipeline.small import small_config
from tests.trained_texts import trained_texts

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]
COMMAND = re.compile(r"^(?: {4}|\$ )(holdfast (?:.*\\\n)*.*)$", re.MULTILINE)
SHELL = re.compile(r"^```bash\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"^cat > (\S+) <<'END'\n(.*?)^END$", re.MULTILINE | re.DOTALL)
SCRIPT = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ENDS_IN_ONE = "<!-- exit code 1 -->"
SMALLER = {
    r"max_steps=\d+": "max_steps=2",
    r"--iterations \d+": "--iterations 2",
    r"--draws \d+": "--draws 1",
    r"--limit \d+": "--limit 4",
    r"(--benchmark \S+)": r"\1 --allow-other-set",  # the tests ask built-in questions
}
YOUR_MODEL = re.compile(r"\"\$MODEL\"|(?<=MODEL = \")HuggingFaceTB/SmolLM2-135M-Instruct(?=\")")
"""Where a page means the reader's model, a built-in one is put."""
ELSEWHERE = {"demo": "tests/pipeline/run/test_run.py", "bakeoff": "tests/pipeline/test_bakeoff.py"}
"""Commands that a test of their own runs small."""


def commands(page):
    """The commands of a page, and whether each ends in exit code 1, which a comment behind it says."""
    text = SHELL.sub(lambda shell: indent(shell[1], "    "), page.read_text(encoding="utf-8"))
    found = list(COMMAND.finditer(text))
    behind = [
        text[match.end() : after]
        for match, after in zip(found, [*(one.start() for one in found), None][1:], strict=True)
    ]
    return [(match[1].replace("\\\n", " "), ENDS_IN_ONE in rest) for match, rest in zip(found, behind, strict=True)]


def small(text):
    """The same command or script on a built-in model and the first prompts of every set, with few steps and draws."""
    text = YOUR_MODEL.sub(str(model_path("aligned")), text)
    if re.match(r"holdfast (adapt|enhance) ", text) and "--iterations" not in text:
        text += " --iterations 2"  # and not the thousand that are the default
    for pattern, less in SMALLER.items():
        text = re.sub(pattern, less, text)
    return re.sub(
        rf"testbed:({'|'.join(sorted(PROMPT_SETS, key=len, reverse=True))})\b(?!#)", r"testbed:\1#first=8", text
    )


def passes(arguments):
    """Exit codes of a command that does what its page says. With few prompts a gate cannot decide."""
    return (0, 3) if arguments[0] == "compare" else (0,)


def place_files(page, folder):
    """Writes the files that a page shows line by line, and those that it takes the reader to have."""
    for name, lines in FILE.findall(page.read_text(encoding="utf-8")):
        (folder / name).write_text(lines, encoding="utf-8")
    for name, prompts in {"harmful.txt": "harmful_heldout", "harmless.txt": "harmless"}.items():
        asked = "".join(f"{one.prompt}\n" for one in load_prompts(f"testbed:{prompts}#first=8"))
        (folder / name).write_text(asked, encoding="utf-8")
    (folder / "examples").symlink_to(ROOT / "examples")
    if page.name == "doors.md":
        place_logs(folder)
    turns = [
        [{"role": "user", "content": one.prompt}, {"role": "assistant", "content": one.answer}]
        for one in load_prompts("testbed:task_train#first=8")
    ]
    asked = [
        json.dumps({"prompt": one.prompt, "answer": one.answer})
        for one in load_prompts("testbed:task_evaluation#first=8")
    ]
    (folder / "task_test.jsonl").write_text("\n".join(asked), encoding="utf-8")
    (folder / "task.jsonl").write_text("".join(json.dumps({"messages": one}) + "\n" for one in turns), encoding="utf-8")


def place_logs(folder):
    """Copies the example logs of other programs to the folder in which the page's commands run."""
    shutil.copytree(EXAMPLES, folder, dirs_exist_ok=True)


def scripts(page):
    """The Python of a page."""
    return [match[1] for match in SCRIPT.finditer(page.read_text(encoding="utf-8"))]


def run_script(script, names):
    """Runs a script. One that ends with the exit code of a gate fails it, or cannot decide with few prompts."""
    try:
        exec(script, names)
    except SystemExit as ended:
        if ended.code not in (1, 3):
            raise


def marked(page):
    """The README shows what every user runs first."""
    return pytest.param(page, id=page.stem, marks=[] if page.name == "README.md" else [pytest.mark.slow])


@pytest.mark.parametrize("page", [marked(page) for page in PAGES if commands(page) or scripts(page)])
def test_every_command_and_script_of_a_page_runs(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    place_files(page, tmp_path)
    for command, fails in commands(page):
        arguments = shlex.split(small(command))[1:]
        assert arguments[0] in COMMANDS, command
        if arguments[0] in ELSEWHERE:
            assert (ROOT / ELSEWHERE[arguments[0]]).is_file()
            continue
        assert call(arguments) in ((1,) if fails else passes(arguments)), f"{command}\n{capsys.readouterr().err}"
    names: dict = {}  # a later script of a page may use the names of an earlier one
    for script in scripts(page):  # they read what the commands wrote
        run_script(compile(small(script), str(page), "exec"), names)
        if "trainer = " in script:
            answers = {task.answer for task in load_prompts("testbed:task_train")}
            learned = trained_texts(names["trainer"], AutoTokenizer.from_pretrained(model_path("aligned")))
            assert learned <= answers, "training learns the answers, and not the prompts"


def test_the_page_on_other_programs_shows_what_compare_prints(tmp_path, monkeypatch, capsys):
    page = ROOT / "docs" / "doors.md"
    place_logs(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "118")
    for command, _ in commands(page):
        call(shlex.split(command)[1:])
    printed = capsys.readouterr().out
    shown = re.findall(r"^```text\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert len(shown) == 2
    assert [text for text in shown if text not in printed] == []


@pytest.mark.parametrize("judge", [[], ["--judge", "testbed:guard"]])
def test_the_script_that_keeps_a_models_own_refusals_keeps_the_coherent_ones(judge, tmp_path, monkeypatch):
    """A model that refuses some prompts and not others, with and without a judge of safety."""
    monkeypatch.chdir(tmp_path)
    harmful = ["--harmful", "testbed:harmful_seen#first=4", "--borderline", "testbed:harmless#first=4"]
    assert call(["evaluate", str(model_path("aligned")), *harmful, *judge, "--out", "calibration.json"]) == 0
    (script,) = (one for one in scripts(ROOT / "docs/own-model.md") if "calibration.json" in one)
    exec(compile(script, "own-model.md", "exec"), {})
    written = [json.loads(line) for line in (tmp_path / "refusals.jsonl").read_text(encoding="utf-8").splitlines()]
    answers = load_evaluation("calibration.json").answers
    own = [row["answer"] == answer.response for row, answer in zip(written, answers, strict=True)]
    assert own == [True] * 4 + [False] * 4


def test_whoever_writes_a_script_is_told_how_to_load_a_built_in_model():
    for name in ("docs/tour.md", "docs/how-to/fine-tune.md"):
        assert any("model_path(" in script for script in scripts(ROOT / name)), name


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Makes a folder in which commands were run, each command once however many examples begin with it."""
    folders = {(): tmp_path_factory.mktemp("nothing")}

    def make(commands):
        if commands not in folders:
            before, folder = make(commands[:-1]), tmp_path_factory.mktemp("made") / "made"
            shutil.copytree(before, folder)
            with pytest.MonkeyPatch.context() as inside:
                inside.chdir(folder)
                assert call(shlex.split(small(commands[-1]))[1:]) == 0, commands[-1]
            folders[commands] = folder
        return folders[commands]

    return make


@pytest.mark.parametrize(("words", "example"), help_examples.examples())
def test_the_example_in_the_help_of_every_command_gives_options_that_it_has(words, example):
    arguments = shlex.split(example)[1:]
    _, bound, ignored = app.parse_args(
        repeat_options(app, arguments), exit_on_error=False, print_error=False, verbose=False
    )
    assert " ".join(arguments).startswith(words), "its docstring has a paragraph that begins with 'Example: holdfast'"
    assert bound.arguments or words == "prompts list"
    assert not ignored


@pytest.mark.xdist_group("help_examples")
@pytest.mark.parametrize(
    ("words", "example"),
    [
        pytest.param(*found, id=found[0], marks=[pytest.mark.slow] if found[0] in help_examples.SLOW else [])
        for found in help_examples.examples()
    ],
)
def test_the_example_in_the_help_of_every_command_runs(words, example, made, tmp_path, monkeypatch, capsys):
    shutil.copytree(made(tuple(help_examples.BEFORE.get(words, ()))), tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("holdfast.commands.demo.demo_config", lambda seed: small_config(tmp_path))
    help_examples.place_files(words, tmp_path, small)
    assert example.startswith(f"holdfast {words}"), "its docstring has a paragraph that begins with 'Example: holdfast'"
    arguments = shlex.split(small(example))[1:]
    assert call(arguments) in passes(arguments), f"{example}\n{capsys.readouterr().err}"


def test_every_command_is_in_the_readme():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [name for name in COMMANDS if f"`holdfast {name}" not in readme] == []


@pytest.mark.skipif(importlib.util.find_spec("mkdocs") is None, reason="mkdocs is not installed: pip install '.[docs]'")
def test_the_site_builds_without_a_warning(tmp_path):
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    home = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    requests = re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=[\"'](https?:[^\"']+)", home)
    assert requests == [], "the pages load nothing from elsewhere"
