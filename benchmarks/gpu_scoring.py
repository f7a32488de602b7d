"""What scoring and exact selection cost on real shapes.

The package's own sums over gradients run with a stand-in for the judge's gradient: the same passes of a guard to its
embeddings, the same gains of every token, of random tokens and a random verdict. What is measured is the cost.
"""

from collections.abc import Mapping, Sequence

import torch
from gpu_meter import Meter, middle
from jaxtyping import Float
from torch import Tensor
from transformers import PreTrainedModel

from holdfast.models.sites import scored_sites
from holdfast.objective.completions import Completion, completion_logits, expected_gains, reduce_completions
from holdfast.score.gradient import sum_gradients
from holdfast.score.passes import Pass
from holdfast.select.ranking import select_extreme
from holdfast.values import Scores

BATCHES = 4
"""The first warms up."""
FRACTION = 0.01


class RandomVerdict:
    """Log-odds of a guard on random exchanges, as `JudgeGradient` takes them: gains C[t, v] = G_t . (E(v) - E(y_t))."""

    unit = ""

    def __init__(self, judge: PreTrainedModel, vocabulary: int, rows: int, length: int, meter: Meter) -> None:
        generator = torch.Generator().manual_seed(0)
        tokens = torch.randint(vocabulary, (rows, length), generator=generator).tolist()
        said = list(range(length // 2, length))
        self.completions = [Completion("", row, said) for row in tokens]
        embedding = judge.get_input_embeddings().weight.detach()
        self._vectors = embedding[torch.arange(vocabulary, device=embedding.device) % len(embedding)].float()
        self._judge, self._meter = judge, meter
        self.times: list[dict[str, float]] = []
        self.began: list[float] = []

    def contributions(self, model: PreTrainedModel, items: Sequence[int]) -> Float[Tensor, " batch"]:
        """As many surrogates as items, and the time that they took."""
        started = self._meter.wait()
        completions = [self.completions[item] for item in items]
        gains = self._gains(completions)
        judged = self._meter.wait()
        probabilities = completion_logits(model, completions).softmax(-1)
        values = reduce_completions(expected_gains(probabilities, gains), completions, "mean")
        self.times.append({"judge_s": judged - started, "forward_s": self._meter.wait() - judged})
        self.began.append(started)
        return values

    def _gains(self, completions: Sequence[Completion]) -> Float[Tensor, "token d_vocab"]:
        embedding = self._judge.get_input_embeddings()
        tokens = torch.tensor([one.token_ids for one in completions], device=self._judge.device)
        embeddings = embedding(tokens % embedding.num_embeddings).detach().requires_grad_()
        logits = self._judge(inputs_embeds=embeddings, use_cache=False, logits_to_keep=1).logits[:, -1]
        (gradient,) = torch.autograd.grad((logits[:, 0] - logits[:, 1]).float().sum(), embeddings)
        said, of_said = (one[:, completions[0].positions].flatten(0, 1) for one in (tokens, gradient.float()))
        return of_said @ self._vectors.T - (of_said * self._vectors[said]).sum(-1, keepdim=True)

    def describe(self) -> Mapping[str, object]:
        """Nothing."""
        return {}


def active(model: PreTrainedModel) -> tuple[float, int]:
    """Entries that a token is multiplied with in the layers, and those of the head."""
    head, config = model.get_output_embeddings().weight, model.config
    share = getattr(config, "num_experts_per_tok", 0) / max(1, getattr(config, "num_experts", 0) or 1)
    inside = sum(site.num_entries * (share if site.layout.num_experts else 1) for site in scored_sites(model))
    return inside, head.numel()


def measure_scoring(
    model: PreTrainedModel, judge: PreTrainedModel, rows: int, length: int, meter: Meter
) -> tuple[dict[str, float | None], Mapping[str, Tensor]]:
    """Seconds of a batch's parts, utilisation of its backward pass, peak memory; and the sums."""
    names = [site.name for site in scored_sites(model)]
    objective = RandomVerdict(judge, model.config.vocab_size, rows * BATCHES, length, meter)
    meter.forget_peak()
    sums = sum_gradients(model, names, objective, range(rows * BATCHES), Pass(token_budget=rows * length)).sums
    ends = [*objective.began[1:], meter.wait()]
    for times, began, end in zip(objective.times, objective.began, ends, strict=True):
        times["backward_s"] = end - began - times["judge_s"] - times["forward_s"]
    figures: dict[str, float | None] = dict(middle(objective.times[1:]))
    backward, whole = figures["backward_s"] or 0.0, sum(value or 0.0 for value in figures.values())
    inside, head = active(model)
    flops = 4 * (inside * rows * length + head * rows * (length - length // 2))
    figures["backward_share"] = round(backward / whole, 3)
    figures["backward_mfu"] = round(flops / backward / meter.peak_flops, 3) if meter.peak_flops else None
    figures["peak_gb"] = round(meter.peak() / 1e9, 2)
    return figures, sums


def measure_selection(sums: Mapping[str, Tensor], meter: Meter) -> dict[str, float | None]:
    """Seconds until the exact top 1% of scores that lie on the device is known on the host; the sums become scores."""
    entries = {name: total.abs_() for name, total in sums.items()}
    scores = Scores(entries, "unit", "base", sum(total.numel() for total in entries.values()))
    num_selected = round(FRACTION * scores.num_entries)
    took = [meter.seconds(lambda: select_extreme(scores, num_selected, largest=True, made_by={})) for _ in range(2)]
    per_billion = took[1] / (scores.num_entries / 1e9)  # the first call loads kernels
    return {
        "scores": scores.num_entries,
        "first_s": round(took[0], 3),
        "seconds": round(took[1], 3),
        "seconds_per_billion": round(per_billion, 3),
        "seconds_of_8_billion": round(8 * per_billion, 2),
    }
