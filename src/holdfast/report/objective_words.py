"""What a score measures, in a sentence an objective: for the page, and held to the objectives that there are."""

from collections.abc import Mapping

MOVED = "would move if the weight moved by one standard deviation of its matrix"
SCORED: Mapping[str, str] = {
    "judge_gradient": f"how much the judge's verdict on the model's own answers to harmful requests {MOVED}",
    "policy_gradient": f"how much the expected verdict on the model's own sampled answers to harmful requests {MOVED}",
    "control_variate": f"how much the expected verdict on the model's own sampled answers to harmful requests {MOVED}, "
    "with the judge's gradient to lower the noise",
    "refusal_likelihood": f"how much the likelihood of the given refusals of harmful requests {MOVED}",
    "mix": "how much the judge's verdict, and with many responses the expected verdict, on the model's own answers to "
    f"harmful requests {MOVED}",
    "utility": f"how much the likelihood of the given answers {MOVED}",
}
"""By objective."""
OTHERWISE = f"how much safety {MOVED}"


def score_words(objective: str | None) -> str:
    """What a weight's score is; of an objective that is not known, no more than that it is about safety."""
    return SCORED.get(objective or "", OTHERWISE)
