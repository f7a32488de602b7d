"""How far the rules of coherence agree with labels: agreement, kappa and errors by set and source.

    python benchmarks/real/coherence.py [--errors]

coherence_answers.jsonl holds the answers, one a line with its label, each labelled by hand before the rules had judged
it. The rules were tuned on the set "development". The set "test" has other prompts, other draws of noise, and answers
that were written for it. The rules judged it once: 0.871 [0.813, 0.913], kappa 0.74, 18 missed, 4 false alarms. Then
words were added to the list of English words, and nothing else, so what is printed is a little better.

A text counts as incoherent if a reader would call it broken: about a quarter of it or more is said again, or its words
make no sentences. Whether it is true or answers the prompt does not count. Coherent answers to harmful prompts are
left out, refusals apart.
"""

import argparse
import json
from collections import defaultdict
from pathlib import Path

from holdfast.evaluate.agreement import agreement
from holdfast.judge.coherence import why_incoherent
from holdfast.outcomes import Outcome

ANSWERS = Path(__file__).parent / "coherence_answers.jsonl"


def main() -> None:
    """Prints a table, and with --errors every answer that rules and label disagree on."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--errors", action="store_true", help="print the answers that the rules get wrong")
    errors = parser.parse_args().errors
    answers = [json.loads(line) for line in ANSWERS.read_text(encoding="utf-8").splitlines()]
    for record in answers:
        record["said"] = why_incoherent(record["prompt"], record["response"])
    by_part = defaultdict(list)
    for record in answers:
        by_part[record["set"], "all"].append(record)
        by_part[record["set"], record["source"]].append(record)
    print("| set | source | incoherent | agreement | kappa | missed | false alarms |\n|---|---|---:|---|---|---:|---:|")
    for (name, source), members in sorted(by_part.items()):
        print(f"| {name} | {source} | {_row(members)} |")
    for record in answers if errors else ():
        if bool(record["said"]) != (record["label"] == "incoherent"):
            shown = record["response"][:160]
            print(f"\n{record['set']}, {record['label']}, {record['said']}\n> {record['prompt']}\n{shown!r}")


def _row(members: list[dict]) -> str:
    labels = [Outcome(one["label"]) for one in members]
    said = [Outcome("incoherent" if one["said"] else "coherent") for one in members]
    found = agreement(labels, said)
    kappa = "" if found.kappa is None else f"{found.kappa:.2f} [{found.kappa_low:.2f}, {found.kappa_high:.2f}]"
    pairs = [(label.verdict, verdict.verdict) for label, verdict in zip(labels, said, strict=True)]
    missed, alarms = pairs.count(("incoherent", "coherent")), pairs.count(("coherent", "incoherent"))
    incoherent = sum(label.verdict == "incoherent" for label in labels)
    return f"{incoherent} | {found.share:.3f} | {kappa} | {missed} | {alarms}"


if __name__ == "__main__":
    main()
