"""Breaks one important line at a time and runs the test that has to find it: `make mutants`, or with names of mutants.

Each mutant is one replacement in one file. The script copies the source, makes the replacement and runs the named test
on the copy, which has to fail, and to pass on a copy without the replacement. `tests/MUTANTS.md` lists them, written
by `--write`. `tests/test_mutants.py` checks that every line is still where the table says.
"""

import argparse
import importlib
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "tests/MUTANTS.md"
COPIED = ("src", "tests", "examples", "benchmarks", "reproductions")
LIBRARIES = (
    "torch", "transformers.models.auto.modeling_auto", "transformers.models.llama.modeling_llama",
    "transformers.trainer", "peft", "trl", "scipy.stats", "hypothesis", "beartype", "jaxtyping", "pydantic", "cyclopts",
    "rich.console", "jinja2",
)  # fmt: skip
"""Imported once for all runs. None of them imports holdfast."""


@dataclass(frozen=True)
class Mutant:
    """A single fault."""

    name: str
    file: str
    """Below src/holdfast."""
    line: str
    """The code as it is; it stands in the file once."""
    broken: str
    """The code in its place."""
    test: str
    """File of the test that finds it, below tests, with the test's name where that is known."""


MUTANTS = (
    Mutant(
        "the absolute value is taken before the mean",
        "score/gradient.py",
        "total.add_(gradient)  #",
        "total.add_(gradient.abs())  #",
        "score/test_esi.py",
    ),
    Mutant(
        "sigma is left out of ESI",
        "score/esi.py",
        "return (gradient * sigma).abs_()",
        "return gradient.abs()",
        "score/test_esi.py",
    ),
    Mutant(
        "the paired difference changes its sign",
        "evaluate/statistics.py",
        "return (self.only_after - self.only_before) / self.n if self.n else None",
        "return (self.only_before - self.only_after) / self.n if self.n else None",
        "evaluate/test_statistics.py",
    ),
    Mutant(
        "logits are read at the token that they should predict",
        "objective/completions.py",
        "columns = [position - 1 for completion",
        "columns = [position for completion",
        "objective/test_response_likelihood.py",
    ),
    Mutant(
        "the baseline of the policy gradient counts the response itself",
        "objective/policy_gradient.py",
        "return (values.sum(0) - values) / (len(values) - 1)",
        "return values.sum(0).expand_as(values) / len(values)",
        "objective/test_policy_gradient.py",
    ),
    Mutant(
        "one tie too many is selected",
        "select/ranking.py",
        "(tied.cumsum() <= ties_left)",
        "(tied.cumsum() <= ties_left + 1)",
        "select/test_ranking.py",
    ),
    Mutant(
        "a threshold leaves out the score that equals it",
        "select/blocks.py",
        "np.flatnonzero(self.scores >= value if largest else",
        "np.flatnonzero(self.scores > value if largest else",
        "select/test_threshold.py",
    ),
    Mutant(
        "a cut on the device leaves out the score that equals it",
        "select/blocks.py",
        "chosen = self.scores >= float(value) if largest else",
        "chosen = self.scores > float(value) if largest else",
        "select/test_ranking.py",
    ),
    Mutant(
        "one held entry is not written back",
        "intervene/hold/protect.py",
        "            entry.write(values)",
        "            entry.write(torch.cat([entry.read()[:1], values[1:]]))",
        "intervene/hold/test_protect.py",
    ),
    Mutant(
        "gradients of held entries reach the optimizer",
        "intervene/hold/protect.py",
        "            entry.blank(weight.grad)",
        "            pass",
        "intervene/hold/test_protect.py",
    ),
    Mutant(
        "AdamW's bias correction is off from the first step",
        "intervene/train/sparse_adamw.py",
        "step = torch.zeros((), device=self.master.device)",
        "step = torch.full((), 1e6, device=self.master.device)",
        "intervene/train/test_sparse_adamw.py",
    ),
    Mutant(
        "noise stays in the model after an exception",
        "intervene/entries.py",
        "        yield saved\n    finally:\n        for entry, values in zip(",
        "        yield saved\n    except ZeroDivisionError:\n        for entry, values in zip(",
        "intervene/edit/test_perturb.py",
    ),
    Mutant(
        "Wilson's interval is one of 90%",
        "student_t.py",
        "Z_95 = 1.95",
        "Z_95 = 1.64",
        "evaluate/test_statistics.py",
    ),
    Mutant(
        "McNemar's test is one-sided",
        "evaluate/statistics.py",
        "return min(1.0, 2 * tail / 2**disagreeing)",
        "return min(1.0, tail / 2**disagreeing)",
        "evaluate/test_statistics.py",
    ),
    Mutant(
        "the bootstrap ignores that samples of a prompt belong together",
        "evaluate/statistics.py",
        "    return min(sum(sizes), spread / variance) if variance > 0 else sum(sizes)",
        "    return sum(sizes)",
        "evaluate/test_statistics.py",
    ),
    Mutant(
        "responses without a verdict count as safe",
        "evaluate/statistics.py",
        "return counted_rate(sum(outcome.verdict == verdict for outcome in scored), len(scored), unscored)",
        "return counted_rate(sum(outcome.verdict == verdict for outcome in scored), len(outcomes), unscored)",
        "evaluate/test_statistics.py",
    ),
    Mutant(
        "the exact paired test leaves out the level of its nuisance parameter",
        "evaluate/exact_paired.py",
        "    return np.minimum(1.0, largest + gamma)",
        "    return np.minimum(1.0, largest)",
        "evaluate/test_exact_paired.py",
    ),
    Mutant(
        "a gate passes what its prompts do not show",
        "evaluate/weighing.py",
        "if p_passes is not None and p_passes <= LEVEL:",
        "if p_passes is not None and p_passes <= 0.5:",
        "evaluate/test_gate.py",
    ),
    Mutant(
        "a gate fails without a correction for several conditions",
        "evaluate/weighing.py",
        "    corrected = iter(holm([p for p in p_values if p is not None]))",
        "    corrected = iter([p for p in p_values if p is not None])",
        "evaluate/test_weighing.py",
    ),
    Mutant(
        "generation pads on the right",
        "prompts/batching.py",
        "    ids = [[pad_id] * (longest - len(sequence)) + list(sequence) for sequence in sequences]\n"
        "    mask = [[0] * (longest - len(sequence)) + [1] * len(sequence) for sequence in sequences]",
        "    ids = [list(sequence) + [pad_id] * (longest - len(sequence)) for sequence in sequences]\n"
        "    mask = [[1] * len(sequence) + [0] * (longest - len(sequence)) for sequence in sequences]",
        "prompts/test_batching.py",
    ),
    Mutant(
        "a judge's verdicts are swapped",
        "judge/model_judge.py",
        "self.sides[0 if log_odds > 0 else 1]",
        "self.sides[1 if log_odds > 0 else 0]",
        "judge/test_guard.py",
    ),
    Mutant(
        "LoRA's scale is left out under a hold",
        "intervene/hold/held_layer.py",
        "left * self.scaling[name]",
        "left",
        "intervene/hold/test_lora.py",
    ),
    Mutant(
        "a patch is reverted with its new values",
        "intervene/patch/patch.py",
        "    _write(entries, patch.old_values)",
        "    _write(entries, patch.values)",
        "intervene/patch/test_patch.py",
    ),
    Mutant(
        "a scoring that goes on skips a batch",
        "score/checkpoint.py",
        "for order in range(done, num_batches):",
        "for order in range(done + (done > 0), num_batches):",
        "score/test_gradient.py",
    ),
    Mutant(
        "the rank of a block counts entries below the cut",
        "select/ranking.py",
        "return (len(counts) - 1 - position if largest else position), left",
        "return (len(counts) - 1 - position if largest else position), left + 1",
        "select/test_ranking.py",
    ),
    Mutant(
        "noise is not scaled by the matrix's spread",
        "intervene/edit/perturb.py",
        "noise * _sigmas(entry, sites[entry.name].layout) * ratio",
        "noise * ratio",
        "intervene/edit/test_perturb.py",
    ),
    Mutant(
        "a partially correct answer in a log counts as correct",
        "evaluate/logs/inspect_ai.py",
        '"p": 0.5',
        '"p": 1.0',
        "evaluate/logs/test_inspect_ai.py",
    ),
    Mutant(
        "a score at the threshold of a log is no hit",
        "evaluate/logs/garak.py",
        "sum(number >= threshold",
        "sum(number > threshold",
        "evaluate/logs/test_garak.py",
    ),
    Mutant(
        "samples of a log match whatever their data",
        "evaluate/logs/matching.py",
        "if first.asked != second.asked",
        "if not first.asked",
        "evaluate/logs/test_matching.py",
    ),
    Mutant(
        "the paired t test has a degree of freedom too many",
        "evaluate/paired_mean.py",
        "chance_within(t, n - 1)",
        "chance_within(t, n)",
        "evaluate/test_paired_mean.py",
    ),
    Mutant(
        "SET learns from swapped sets in a script",
        "intervene/train/enhance.py",
        "    if check_sets:",
        "    if not check_sets:",
        "intervene/train/test_enhance.py",
    ),
    Mutant(
        'a reason after "I can\'t" counts as help',
        "judge/refusal.py",
        "plain < REASON_WORDS:",
        "plain < 0:",
        "judge/test_refusal.py",
    ),
    Mutant(
        "the targets of an attack are advised as responses",
        "prompts/reading.py",
        'of_attack = {"goal", "target"} <= names.keys()',
        "of_attack = False",
        "prompts/test_sources.py",
    ),
)


def is_found(mutant: Mutant) -> bool:
    """True where the named test passes on the source as it is, and fails on the broken one."""
    return _exit_code(mutant.test) == 0 and _exit_code(mutant.test, mutant) == 1


@cache
def _exit_code(test: str, mutant: Mutant | None = None) -> int:
    """Runs a test on a copy, which a mutant breaks.

    A fork of this process runs it: the libraries, whose import takes longer than most tests, are imported once.
    """
    _import_libraries()
    with tempfile.TemporaryDirectory() as folder:
        for name in COPIED:
            shutil.copytree(ROOT / name, Path(folder, name))
        shutil.copy(ROOT / "pyproject.toml", folder)
        if mutant:
            path = Path(folder, "src/holdfast", mutant.file)
            path.write_text(path.read_text().replace(mutant.line, mutant.broken))
        child = os.fork()
        if child == 0:
            os._exit(_run_test(Path(folder), test))
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@cache
def _import_libraries() -> None:
    os.environ |= {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}  # before the libraries that read them
    for name in LIBRARIES:
        importlib.import_module(name)
    assert not any(name.partition(".")[0] == "holdfast" for name in sys.modules), "the copies would not be imported"


def _run_test(folder: Path, test: str) -> int:
    """Runs a test in a copy of the repository, and returns pytest's exit code."""
    import pytest

    for name in [name for name in sys.modules if name.partition(".")[0] == "tests"]:
        del sys.modules[name]
    os.chdir(folder)
    os.environ["PYTHONPATH"] = f"{folder}/src:{folder}"
    sys.path[:0] = [f"{folder}/src", str(folder)]
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    return pytest.main(["-q", "-x", "-m", "not slow and not doors", "-p", "no:cacheprovider", f"tests/{test}"])


def page() -> str:
    """The list of mutants in Markdown."""
    rows = [f"| {mutant.name} | `{mutant.file}` | `tests/{mutant.test}` |" for mutant in MUTANTS]
    head = """# Single faults that the tests find

Each row is one broken line and the test that fails on it. `make mutants` breaks each line in a copy of the source and
runs its test. `tests/mutants.py` holds the lines.

| fault | file in `src/holdfast` | found by |
|---|---|---|
"""
    return head + "\n".join(rows) + "\n"


def main() -> int:
    """Runs the mutants that were named, or all; the exit code is 1 where a test did not find one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="parts of the names of mutants; all when left out")
    parser.add_argument("--write", action="store_true", help="write tests/MUTANTS.md and run nothing")
    arguments = parser.parse_args()
    if arguments.write:
        PAGE.write_text(page())
        return 0
    chosen = [one for one in MUTANTS if not arguments.names or any(name in one.name for name in arguments.names)]
    missed = []
    for mutant in chosen:
        found = is_found(mutant)
        missed += [] if found else [mutant.name]
        print(f"{'found' if found else 'MISSED'}  {mutant.name}", flush=True)
    return 1 if missed or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
