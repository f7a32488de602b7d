"""Judges refusals again by the rules that an evaluation records: somebody may have edited its verdicts and its rates.

The refusal rules read nothing but the response, and give it the same verdict every time. Evaluations by other rules,
such as those of another version, or by a classifier are not judged again.
"""

from holdfast.judge.refusal import RefusalJudge
from holdfast.outcomes import Evaluation, Outcome
from holdfast.printable import printable

OF_RULES = ("over_refusal", "borderline", "refusal")
"""Measures whose outcome the refusal rules give. Of other answers they give `refusal`, if they judged it."""


def require_rules_agree(evaluation: Evaluation, name: str) -> None:
    """Raises ValueError where a response has another verdict than the rules give that the evaluation records.

    Args:
        evaluation: the evaluation.
        name: words for it, such as its file.
    """
    judge = RefusalJudge()
    if evaluation.made_by.get("refusal_judge") != judge.fingerprint:
        return
    judged: list[tuple[str, Outcome]] = []
    for answer in evaluation.answers:
        outcome = answer.outcome if answer.measure in OF_RULES else answer.refusal
        if outcome is not None:
            judged.append((answer.response, outcome))
    again = judge.judge([""] * len(judged), [response for response, _ in judged])
    other = [
        (known.verdict, found.verdict)
        for (_, known), found in zip(judged, again, strict=True)
        if known.verdict != found.verdict
    ]
    if other:
        known, found = (verdict or "no verdict" for verdict in other[0])
        raise ValueError(
            printable(
                f"{name} contradicts itself: {len(other)} of its {len(judged)} responses have another verdict than the "
                f"refusal rules that it records, the first of them {known!r} and not {found!r}; evaluate the "
                "checkpoint again."
            )
        )
