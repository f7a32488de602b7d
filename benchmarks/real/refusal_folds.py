r"""Cross-validates a setting of the refusal judge: folds by kind, each judged by what the others taught.

Kinds are those of refusal_exchanges.py; every fold holds about as many exchanges of each. Writes the log-odds of every
exchange to OUT/SETTING.jsonl, and prints how often they are right by kind, and which bound does best with the rules
behind. The held-out sets of refusal_judge.py take no part. The judge of each fold stays beside the table, and a fold
that is done isn't repeated.

    PYTHONPATH=src:. python benchmarks/real/refusal_folds.py MODEL OUT --labelled FILE.csv --instructions FILE.json \
        --harmful FILE.csv [--rate 1.5e-4] [--epochs 2] [--folds 3] [--first 1]
"""

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from benchmarks.real.refusal_exchanges import Exchange
from benchmarks.real.refusal_guard import (
    Rows,
    known_exchanges,
    load_start,
    parser_of,
    readings_of,
    save_judge,
    scores_of,
    train,
)

from holdfast.judge.refusal import RefusalJudge

BOUNDS = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0)


def folds_of(exchanges: Sequence[Exchange], count: int) -> list[int]:
    """The fold of every exchange: those of a kind are dealt out in turn."""
    dealt: Counter[tuple[str, bool]] = Counter()
    found = []
    for one in exchanges:
        kind = (one.source, one.refused)
        found.append(dealt[kind] % count)
        dealt[kind] += 1
    return found


def agreement_by_source(judged: Sequence[dict]) -> dict[str, str]:
    """How many exchanges of each source the classifier alone calls what they are."""
    right: dict[str, list[bool]] = defaultdict(list)
    for one in judged:
        right[one["source"]].append((one["score"] > 0) == one["refused"])
    return {source: f"{sum(found)} of {len(found)}" for source, found in sorted(right.items())}


def agreement_by_bound(judged: Sequence[dict]) -> dict[str, float]:
    """The share that is right where the rules decide below each bound of the log-odds."""
    found = {}
    for bound in BOUNDS:
        called = [one["score"] > 0 if abs(one["score"]) >= bound else one["by_rules"] for one in judged]
        right = [call == one["refused"] for call, one in zip(called, judged, strict=True)]
        found[str(bound)] = round(sum(right) / len(right), 4)
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Trains a judge a fold, and judges the fold by it."""
    parser = parser_of(__doc__)
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--first", type=int, help="judge so many folds only")
    options = parser.parse_args(arguments)
    known = known_exchanges(options)
    readings = readings_of(load_start(options.model), known)
    path = options.out / f"rate{options.rate:g}-epochs{options.epochs}.jsonl"
    options.out.mkdir(parents=True, exist_ok=True)
    fold_of = folds_of(known, options.folds)
    done = {one["fold"] for one in _read(path)}
    for fold in range(options.first or options.folds):
        if fold not in done:
            places = [place for place, other in enumerate(fold_of) if other == fold]
            scores = _scores(readings, fold_of, fold, options)
            _append(path, fold, [known[place] for place in places], scores)
    judged = _read(path)
    print(json.dumps({"by kind": agreement_by_source(judged), "by bound": agreement_by_bound(judged)}, indent=1))


def _scores(readings: Sequence[Rows], fold_of: Sequence[int], fold: int, options) -> list[float]:
    """Log-odds of a fold's exchanges, in order, by a judge that learned from the others."""
    judge = load_start(options.model)
    folder = options.out / f"rate{options.rate:g}-epochs{options.epochs}-fold{fold}"
    folder.mkdir(exist_ok=True)
    others = [[row for row, other in zip(rows, fold_of, strict=True) if other != fold] for rows in readings]
    train(judge, others, folder, options)
    save_judge(judge, folder)
    return scores_of(judge.model, [row for row, other in zip(readings[0], fold_of, strict=True) if other == fold])


def _append(path: Path, fold: int, exchanges: Sequence[Exchange], scores: Sequence[float]) -> None:
    """Writes what was said of each exchange of the fold."""
    by_rules = RefusalJudge().judge([""] * len(exchanges), [one.response for one in exchanges])
    with path.open("a", encoding="utf-8") as file:
        for one, score, other in zip(exchanges, scores, by_rules, strict=True):
            said = {"fold": fold, "source": one.source, "refused": one.refused, "response": one.response}
            file.write(json.dumps({**said, "score": score, "by_rules": other.verdict == "refused"}) + "\n")


def _read(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.is_file() else []


if __name__ == "__main__":
    main()
