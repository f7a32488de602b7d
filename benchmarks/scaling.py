"""What models of 1B to 405B weights take on 1, 8 and 64 GPUs: arithmetic by the code of `holdfast plan`, not measured.

For scoring, SET, SPA of all weights and SPA by LoRA, of the first mode that fits: one device, or processes that share
the prompts (each with the whole model), or that share the model (`--shard`), or, for scores, one layer at a time
(`--layer-wise`; docs/methods/esi.md). Where nothing fits, the memory of the smallest mode.

Memory is that of the first process's GPU, which holds most. GPUs have 80 GB, a tenth of it left free, and every process
has a judge of 1B. Batches of scoring have 4,096 tokens. Training steps have 64 exchanges of 512 tokens, one in memory
at a time. Time counts only floating-point operations, at 40% of the 989 TFLOP/s of an H100. It leaves out loading,
communication and waiting for memory, which takes most of the time of generation, so it is a lower bound.

    PYTHONPATH=src python benchmarks/scaling.py
"""

import argparse
import copy
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cache, partial

import torch
from shapes import GUARD, SHAPES
from transformers import AutoModelForCausalLM, PretrainedConfig

from holdfast.intervene.options import AdaptOptions, EnhanceOptions, LoraOptions
from holdfast.models.load import Outline
from holdfast.models.options import GenerateOptions
from holdfast.pipeline.options import JudgeOptions, ScoringOptions
from holdfast.plan.asking import Asking, PlannedJudge
from holdfast.plan.lengths import Lengths
from holdfast.plan.memory import Need, Subject, adapting, enhancing
from holdfast.plan.passes import Batch, scoring
from holdfast.plan.spread import Spread
from holdfast.plan.work import Rate

GPU = torch.device("cuda")
GPUS = (1, 8, 64)
MEMORY, USABLE = 80e9, 0.9
"""Bytes of a GPU, and the share that is planned with: the rest is the context's, the kernels' and the allocator's."""
PEAK, UTILISATION = 989e12, 0.4
"""Operations a second of an H100 in bfloat16, dense, by its data sheet, and the share that is taken for reached."""
PROMPTS, PROMPT_TOKENS, NEW_TOKENS = 520, 128, 128
BUDGET, SMALL_BUDGET = 4096, 1024
LENGTH, BATCH, MICRO = 512, 64, 1
SET_STEPS, SPA_STEPS, RANK = 100, 1000, 8
FRACTION = 0.01
NOTHING_FITS = "nothing fits"


@dataclass(frozen=True)
class Found:
    """What a stage of a model takes on so many GPUs."""

    mode: str
    device: float
    """Bytes of a GPU; where nothing fits, of the mode that needs least."""
    host: float
    """Bytes of host memory of the first process, beside Python itself."""
    seconds: float


def outline(config: PretrainedConfig) -> Outline:
    """The model without values."""
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    model.tie_weights()
    return Outline(model.eval(), torch.bfloat16, None)


@cache
def subject(name: str) -> Subject:
    """A model by its name in `shapes.py`."""
    return Subject(name, outline(SHAPES[name]), GPU, FRACTION)


@cache
def one_layer(name: str) -> Subject:
    """The same with one layer."""
    config = copy.deepcopy(SHAPES[name])
    config.num_hidden_layers = 1
    return Subject(name, outline(config), GPU, FRACTION)


@cache
def guard() -> PlannedJudge:
    """The judge, of which each process has its own."""
    return PlannedJudge(outline(SHAPES[GUARD]), JudgeOptions())


def score(name: str, budget: int, spread: Spread, *, on_host: bool = False) -> Need:
    """Responses, and their gradients through the judge, so many tokens a batch; the sums of gradients beside them."""
    generation = GenerateOptions(max_new_tokens=NEW_TOKENS, token_budget=BUDGET)
    asking = Asking(subject(name), guard(), generation, spread)
    lengths = Lengths((PROMPT_TOKENS,) * PROMPTS, (0,) * PROMPTS)
    options = ScoringOptions(token_budget=budget, shard=spread.shard, sums_on_host=on_host)
    return asking.scored(lengths, options)


def enhance(name: str, spread: Spread) -> Need:
    """SET of 1%."""
    options = EnhanceOptions(iterations=SET_STEPS, batch_size=BATCH, micro_batch_size=MICRO, shard=spread.shard)
    return enhancing(subject(name), options, LENGTH, full=False, processes=spread.processes)


def adapt(name: str, spread: Spread, rank: int = 0) -> Need:
    """SPA that holds 1%, of all weights or by LoRA."""
    lora = LoraOptions(rank=rank) if rank else None
    options = AdaptOptions(
        iterations=SPA_STEPS, batch_size=BATCH, micro_batch_size=MICRO, shard=spread.shard, lora=lora
    )
    return adapting(subject(name), options, LENGTH, protected=True, processes=spread.processes)


def layer_wise(name: str) -> Need:
    """One layer at a time, of responses that are there: the formula of docs/methods/esi.md."""
    layer, length = one_layer(name), PROMPT_TOKENS + NEW_TOKENS
    batch, width = Batch(BUDGET // length, length, NEW_TOKENS), guard().outline.model.config.hidden_size
    asking = Asking(layer, guard(), GenerateOptions(max_new_tokens=NEW_TOKENS))
    judged = asking.judged([PROMPT_TOKENS] * batch.rows, differentiates=True).device
    within = scoring(layer.outline.model, batch, judge_width=width).peak - 4 * layer.scored  # less the sums of the pass
    cost = scoring(subject(name).outline.model, batch, judge_width=width)
    again = 4 / 3  # forward, and once more before backward, which is twice a forward
    work = cost.times(again * PROMPTS / batch.rows)
    return Need(12 * layer.scored + max(asking.weights + within, judged), 12 * layer.scored, work)


def modes(need: Callable[[Spread], Need], gpus: int, note: str = "") -> dict[str, Callable[[], Need]]:
    """Ways to work on so many devices, the plainest first."""
    if gpus == 1:
        return {f"one device{note}": partial(need, Spread())}
    return {
        f"prompts shared{note}": partial(need, Spread(gpus)),
        f"--shard{note}": partial(need, Spread(gpus, shard=True)),
    }


def score_modes(name: str, gpus: int) -> dict[str, Callable[[], Need]]:
    """Smaller batches, and then sums in host memory, are tried before one layer at a time."""
    whole, small = (partial(score, name, budget) for budget in (BUDGET, SMALL_BUDGET))
    note = f", {SMALL_BUDGET:,} tokens a batch"
    on_host = modes(partial(small, on_host=True), gpus, f"{note}, --sums-on-host")
    return modes(whole, gpus) | modes(small, gpus, note) | on_host | {"--layer-wise": partial(layer_wise, name)}


def first_that_fits(tried: dict[str, Callable[[], Need]]) -> Found:
    """The first mode that does, or what takes least."""
    found, rate = {}, Rate(UTILISATION * PEAK)
    for mode, make in tried.items():
        found[mode] = make()
        if found[mode].device <= USABLE * MEMORY:
            return Found(mode, found[mode].device, found[mode].host, rate.seconds(found[mode].work))
    least = min(found.values(), key=lambda need: need.device)
    return Found(NOTHING_FITS, least.device, least.host, rate.seconds(least.work))


def stages(name: str) -> dict[str, dict[int, Found]]:
    """Every stage on every number of GPUs."""
    by_lora = partial(adapt, name, rank=RANK)
    return {
        "score": {gpus: first_that_fits(score_modes(name, gpus)) for gpus in GPUS},
        "SET": {gpus: first_that_fits(modes(partial(enhance, name), gpus)) for gpus in GPUS},
        "SPA": {gpus: first_that_fits(modes(partial(adapt, name), gpus)) for gpus in GPUS},
        "SPA by LoRA": {1: first_that_fits(modes(by_lora, 1))},
    }


TITLES = {
    "score": f"Scores of {PROMPTS} prompts of {PROMPT_TOKENS} tokens, with responses of {NEW_TOKENS}",
    "SET": f"SET of 1%, {SET_STEPS} steps",
    "SPA": f"SPA of all weights but 1%, {SPA_STEPS:,} steps",
    "SPA by LoRA": f"SPA by LoRA of rank {RANK}, {SPA_STEPS:,} steps, in one process",
}


def render(found: dict[str, dict[str, dict[int, Found]]]) -> str:
    """A table a stage."""
    tables = []
    for stage, title in TITLES.items():
        counts = list(next(iter(found.values()))[stage])
        head = ["model", *(f"{gpus} GPU{'s' * (gpus > 1)}" for gpus in counts)]
        rows = [[name, *(_cell(by_stage[stage][gpus]) for gpus in counts)] for name, by_stage in found.items()]
        if stage in ("SET", "SPA"):
            head.append("host, to save a shard")
            for row, by_stage in zip(rows, found.values(), strict=True):
                row.append(_host(list(by_stage[stage].values())))
        lines = [head, ["---"] * len(head), *rows]
        tables.append(f"**{title}**\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines))
    return "\n\n".join(tables)


def _host(found: Sequence[Found]) -> str:
    sharded = [one.host for one in found if one.mode == "--shard"]
    return f"{max(sharded) / 1e9:,.0f} GB" if sharded else ""


def _cell(found: Found) -> str:
    memory = f"{found.device / 1e9:,.0f} GB"
    if found.mode == NOTHING_FITS:
        return f"{NOTHING_FITS}: {memory}"
    return f"{found.mode}: {memory}, {_time(found.seconds)}"


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def main() -> int:
    """Prints the tables, and then one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="*", default=list(SHAPES), choices=list(SHAPES))
    given = parser.parse_args()
    found = {}
    for name in given.models:
        found[name] = stages(name)
        print(f"{name}: {found[name]}", file=sys.stderr, flush=True)
    print(render(found))
    figures = {
        name: {stage: {gpus: asdict(one) for gpus, one in by_count.items()} for stage, by_count in by_stage.items()}
        for name, by_stage in found.items()
    }
    print(json.dumps({"name": "scaling", "figures": figures, "bars": {}, "pass": True}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
