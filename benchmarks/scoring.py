"""What does scoring cost beyond the model and judge passes that it can't do without, and what do batches save?

Measured: wall time of scoring prompts by the judge gradient on the built-in models, from prompts to scores: answering,
judging, aligning, differentiating, ESI of every weight.
Against: the sum of its unavoidable parts on the same batches, by bare transformers and torch calls: generation, one
forward and backward pass of the model over prompts and responses, one of the judge over the exchanges. And against
itself with batches of one. Best of three rounds, all of them taken in turn.
Bar: at most 1.15 times the unavoidable parts.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence

import torch
from transformers import GenerationConfig

from holdfast.judge.guard import GuardJudge
from holdfast.judge.options import GuardOptions
from holdfast.models.generate import generate
from holdfast.models.load import load_model
from holdfast.models.options import GenerateOptions
from holdfast.models.response_log import Response
from holdfast.models.sites import scored_sites
from holdfast.prompts.batching import batches_by_length, left_pad, right_pad
from holdfast.prompts.chat import encode_prompt
from holdfast.prompts.sources import load_prompts
from holdfast.score import JudgeGradient, ScoreOptions, score

TOKEN_BUDGET = 4096
ROUNDS = 3


class Scored:
    """One model, one judge, some prompts."""

    def __init__(self, num_prompts: int, max_new_tokens: int) -> None:
        self.loaded, self.judge = load_model("testbed:aligned"), load_model("testbed:guard")
        prompts = [prompt.prompt for prompt in load_prompts("testbed:harmful_calibration")]
        self.prompts = (prompts * (num_prompts // len(prompts) + 1))[:num_prompts]
        self.max_new_tokens = max_new_tokens

    def ours(self, token_budget: int) -> list[Response]:
        """From prompts to scores."""
        guard = GuardJudge(self.judge.model, self.judge.tokenizer, GuardOptions(token_budget=token_budget))
        options = GenerateOptions(max_new_tokens=self.max_new_tokens, token_budget=token_budget)
        responses = generate(self.loaded.model, self.loaded.tokenizer, self.prompts, options)
        objective = JudgeGradient(guard, self.loaded.tokenizer, responses)
        score(self.loaded, objective, ScoreOptions(token_budget=token_budget))
        return responses

    def generation(self) -> None:
        """The same responses by the model's own generate."""
        model, tokenizer = self.loaded.model, self.loaded.tokenizer
        encoded = [encode_prompt(tokenizer, prompt) for prompt in self.prompts]
        config = GenerationConfig(
            max_new_tokens=self.max_new_tokens,
            do_sample=False,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
        with torch.no_grad():
            for batch in batches_by_length([len(ids) + self.max_new_tokens for ids in encoded], TOKEN_BUDGET):
                token_ids, mask = left_pad([encoded[place] for place in batch], 0)
                model.generate(token_ids, attention_mask=mask, generation_config=config)  # pyright: ignore

    def model_pass(self, asked: Sequence[tuple[list[int], list[int]]]) -> None:
        """One forward and backward pass over prompts and responses: logits of responses, scored weights alone."""
        sequences = [prompt + response for prompt, response in asked]
        model = self.loaded.model
        names = {site.name for site in scored_sites(model)}
        for name, weight in model.named_parameters():
            weight.requires_grad_(name in names)
        for batch in batches_by_length([len(one) for one in sequences], TOKEN_BUDGET):
            token_ids, mask = right_pad([sequences[place] for place in batch], 0)
            hidden = model.base_model(input_ids=token_ids, attention_mask=mask, use_cache=False).last_hidden_state
            said = torch.cat([row[len(asked[place][0]) :] for row, place in zip(hidden, batch, strict=True)])
            model.get_output_embeddings()(said).logsumexp(-1).sum().backward()
            model.zero_grad()

    def judge_pass(self, sequences: Sequence[Sequence[int]]) -> None:
        """One forward and backward pass of the judge to its input embeddings."""
        model = self.judge.model.requires_grad_(False)
        embedding = model.get_input_embeddings()
        for batch in batches_by_length([len(one) for one in sequences], TOKEN_BUDGET):
            token_ids, mask = right_pad([sequences[place] for place in batch], 0)
            embedded = embedding(token_ids).detach().requires_grad_()
            hidden = model.base_model(inputs_embeds=embedded, attention_mask=mask, use_cache=False).last_hidden_state
            model.lm_head(hidden[:, -1]).sum().backward()


def seconds(work: Callable[[], object]) -> float:
    """Wall time of one call."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main(arguments: Sequence[str] | None = None) -> int:
    """Takes all measurements in turn and prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=256)
    parser.add_argument("--max-new-tokens", type=int, default=32)
    options = parser.parse_args(arguments)
    scored = Scored(options.prompts, options.max_new_tokens)
    responses = scored.ours(TOKEN_BUDGET)  # warms up, and gives the sequences
    guard = GuardJudge(scored.judge.model, scored.judge.tokenizer)
    asked = [(response.prompt_ids, response.token_ids) for response in responses]
    judged = [guard.show(response.prompt, response.text).token_ids for response in responses]
    work: dict[str, Callable[[], object]] = {
        "scoring": lambda: scored.ours(TOKEN_BUDGET),
        "generation": scored.generation,
        "model": lambda: scored.model_pass(asked),
        "judge": lambda: scored.judge_pass(judged),
    }
    best = dict.fromkeys(work, float("inf"))
    for _ in range(ROUNDS):
        for name, call in work.items():
            best[name] = min(best[name], seconds(call))
        print({name: round(value, 2) for name, value in best.items()}, file=sys.stderr, flush=True)
    one_by_one = seconds(lambda: scored.ours(1))
    ratio = best["scoring"] / (best["generation"] + best["model"] + best["judge"])
    figures = {
        "ratio": round(ratio, 3),
        **{f"{name}_s": round(value, 2) for name, value in best.items()},
        "batches_of_one_s": round(one_by_one, 2),
        "speed_up_over_batches_of_one": round(one_by_one / best["scoring"], 1),
    }
    print(json.dumps({"name": "scoring", "figures": figures, "bars": {"ratio": 1.15}, "pass": ratio <= 1.15}))
    return 0 if ratio <= 1.15 else 1


if __name__ == "__main__":
    sys.exit(main())
