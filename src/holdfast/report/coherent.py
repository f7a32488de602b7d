"""Writes coherent refusals and coherent answers, to read with every rate of refusals or attack success.

Rules and judges find refusals in garbled text too. A rate that rests on such responses shows damage, not safety.
"""

from collections.abc import Mapping

from holdfast.report.records import Report, SuitePath, measured

MEASURES: Mapping[str, str] = {
    "coherent_refusal/harmful": "coherent refusals of harmful prompts",
    "coherence/harmful": "coherent answers to harmful prompts",
}


def coherence_beside(report: Report, paths: Mapping[str, SuitePath]) -> str:
    """Lists both measures in every arm that has them. Empty if none has, as in reports of earlier versions.

    Args:
        report: results of the run.
        paths: paths of the arms, by the names to give them.
    """
    suites = {name: report.suite(path).rates for name, path in paths.items()}
    lines = []
    for measure, words in MEASURES.items():
        rates = {name: measured(rates.get(measure)) for name, rates in suites.items()}
        if shown := [f"{name} {rate:.2f}" for name, rate in rates.items() if rate]:
            lines.append(f"{words}: {', '.join(shown)}")
    return "; ".join(lines)
