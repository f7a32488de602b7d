"""L = mean over safe responses of sum_t log p(y_t | x, y_<t): a toy objective, of one file and one record."""

from collections.abc import Sequence

from holdfast.models.response_log import Response
from holdfast.objective.completions import completion_logits, reduce_completions, said_log_probabilities
from holdfast.objective.material import Made, Material
from holdfast.objective.policy_gradient import sampled_completion
from holdfast.objective.registry import MOVED, ObjectiveRecord, register


class SafeLikelihood:
    """Log-likelihood of the model's own responses that the judge finds safe."""

    unit = "nats a response"

    def __init__(self, responses: Sequence[Response]) -> None:
        self.completions = [sampled_completion(response) for response in responses]

    def contributions(self, model, items: Sequence[int]):
        completions = [self.completions[item] for item in items]
        log_probabilities = completion_logits(model, completions).log_softmax(-1)
        return reduce_completions(said_log_probabilities(log_probabilities, completions), completions, "sum")

    def describe(self) -> dict[str, object]:
        return {"objective": "safe_likelihood"}


def make(material: Material) -> Made:
    responses = material.answer()
    outcomes = zip(responses, material.verdicts(responses), strict=True)
    return Made(SafeLikelihood([response for response, outcome in outcomes if outcome.verdict == "safe"]), responses)


register(
    ObjectiveRecord(
        name="safe_likelihood",
        help="likelihood of the responses that the judge finds safe",
        words=f"how much the likelihood of safe answers of its own {MOVED}",
        maker="tests.pipeline.toy_objective:make",
        judge="verdict",
        reductions=("sum",),
    )
)
