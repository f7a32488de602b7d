"""Lists the rates and perplexities that an evaluation measured."""

from holdfast.outcomes import Evaluation, Rate


def measured_rates(evaluation: Evaluation) -> dict[str, Rate]:
    """Returns the rates and perplexities that were measured, by name."""
    measure, safety = evaluation.safety
    rates = {
        measure: safety,
        "refusal": evaluation.refusal,
        "over_refusal": evaluation.over_refusal,
        "borderline": evaluation.borderline,
        "utility": evaluation.utility,
        "coherence": evaluation.coherence,
        "perplexity": evaluation.perplexity_rate,
        "perplexity/refusals": evaluation.groups.get("perplexity/refusals"),
    }
    return {name: rate for name, rate in rates.items() if rate and (rate.n or rate.unscored)}
