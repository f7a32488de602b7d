"""A world's model as a table of logits, with their derivatives by every scored weight: many estimates of one gradient.

dL/dw = sum over contexts and tokens of dL/dlogit * dlogit/dw. The second factor is the same for every estimator and
every draw of the responses, so it is computed once; the first comes from the estimator's own code, run on the table.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import product
from types import SimpleNamespace
from unittest import mock

import torch
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel

from holdfast.models.response_log import Response
from holdfast.models.sites import scored_sites
from holdfast.objective.completions import Objective
from holdfast.objective.gains import Judged, JudgeGains
from holdfast.score.gradient import sum_gradients
from holdfast.score.passes import Pass
from tests.objective.enumerable import PROMPT_IDS, World


class Tabulated(PreTrainedModel):
    """Answers like the world's model to its prompt and any beginning of a response."""

    def __init__(self, world: World) -> None:
        super().__init__(PreTrainedConfig())
        beginnings = [
            said for length in range(world.length) for said in product(range(len(world.words)), repeat=length)
        ]
        self.contexts = {said: row for row, said in enumerate(beginnings)}
        self.weights = [world.model.get_parameter(site.name) for site in scored_sites(world.model)]
        logits = [world.model(torch.tensor([[*PROMPT_IDS, *said]])).logits[0, -1] for said in beginnings]
        self.derivatives = torch.cat([self._differentiate(one) for one in logits])
        self.head = nn.Embedding.from_pretrained(torch.stack(logits).detach(), freeze=False)

    def forward(self, input_ids: Tensor, **_: object) -> SimpleNamespace:
        before = len(PROMPT_IDS) - 1  # positions that are not about the response; nobody asks for theirs
        rows = [
            [0] * before + [self.contexts[tuple(said[:end])] for end in range(len(said))] + [0]
            for said in input_ids[:, before + 1 :].tolist()
        ]
        return SimpleNamespace(logits=self.head(torch.tensor(rows)))

    def get_output_embeddings(self) -> nn.Module:
        return self.head

    def estimate(self, objective: Objective) -> Tensor:
        """The objective's mean gradient by the scored weights, one after another as a vector."""
        total = sum_gradients(
            self, ["head.weight"], objective, range(len(objective.completions)), Pass(token_budget=2**17)
        )
        return self.carry_over(total.mean("head.weight").double())

    def carry_over(self, by_logits: Tensor) -> Tensor:
        """From a gradient by the table's logits to one by the weights."""
        return by_logits.flatten() @ self.derivatives

    def _differentiate(self, logits: Tensor) -> Tensor:
        each = torch.eye(len(logits), dtype=logits.dtype)
        gradients = torch.autograd.grad(logits, self.weights, each, is_grads_batched=True)
        return torch.cat([one.flatten(1) for one in gradients], dim=1)


def vector(world: World, gradients: dict[str, Tensor]) -> Tensor:
    """Gradients by name in the order of `Tabulated.estimate`."""
    return torch.cat([gradients[site.name].double().flatten() for site in scored_sites(world.model)])


@contextmanager
def judging_once() -> Iterator[None]:
    """Within it equal responses of one world are judged once: the same numbers, sooner."""
    known: dict[tuple[int, ...], Judged] = {}
    judge = JudgeGains.judge

    def recall(self: JudgeGains, responses: Sequence[Response]) -> list[Judged]:
        new = {tuple(one.token_ids): one for one in responses if tuple(one.token_ids) not in known}
        known.update(zip(new, judge(self, list(new.values())), strict=True))
        return [known[tuple(one.token_ids)] for one in responses]

    with mock.patch.object(JudgeGains, "judge", recall):
        yield
