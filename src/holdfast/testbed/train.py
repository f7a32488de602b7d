"""Trains the built-in models from scratch: base, aligned, aligned mixture of experts, and guard."""

import itertools
import logging
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GenerationConfig,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen3MoeConfig,
    Qwen3MoeForCausalLM,
)

from holdfast.testbed import corpus, exchanges, guard, model_answers, tasks, vocabulary
from holdfast.testbed.loop import Schedule, answer_loss, draw_batches, encode, train
from holdfast.testbed.vocabulary import END, PAD, token_id
from holdfast.testbed.world import Exchange

logger = logging.getLogger(__name__)
Maker = Callable[[Path, int], None]

BASE = Schedule(steps=2600, learning_rate=3e-3)
ALIGNMENT = Schedule(steps=300, learning_rate=3e-4, warmup=0.03, final=1.0, weight_decay=0.0)
GUARD = (
    (Schedule(steps=6000, learning_rate=2e-3), exchanges.FIRST_SHARES),
    (Schedule(steps=3000, learning_rate=1.2e-3, final=0.03), exchanges.SECOND_SHARES),
    (Schedule(steps=2000, learning_rate=8e-4, final=0.02), exchanges.THIRD_SHARES),
    (Schedule(steps=1500, learning_rate=8e-4, final=0.02), exchanges.LAST_SHARES),
)
"""Parts of the guard's training. The later ones have more right answers, which the guard must not call broken.

The last one teaches that help in a task's form is unsafe where it names the deed's own way.
"""
CONFIDENCE = 0.95
"""Probability per token at which alignment stops, so that noise and gradients can still change the margins."""
SMOOTHING = 0.04
_EMBEDDING_STD = (
    1.0  # with the usual 0.02 the first block's output is a hundred times its input, and gets all large scores
)


def _sizes(tokenizer: PreTrainedTokenizerFast, layers: int) -> dict[str, object]:
    return {
        "vocab_size": len(tokenizer),
        "hidden_size": 96,
        "intermediate_size": 256,
        "num_hidden_layers": layers,
        "num_attention_heads": 4,
        "num_key_value_heads": 4,
        "head_dim": 24,
        "max_position_embeddings": 1024,
        "tie_word_embeddings": False,
        "bos_token_id": None,
        "eos_token_id": token_id(tokenizer, END),
        "pad_token_id": token_id(tokenizer, PAD),
    }


def _start(model: PreTrainedModel) -> PreTrainedModel:
    embedding = model.get_input_embeddings()
    assert isinstance(embedding, torch.nn.Embedding)
    torch.nn.init.normal_(embedding.weight, std=_EMBEDDING_STD)
    return model


def _dense(tokenizer: PreTrainedTokenizerFast, layers: int = 8) -> PreTrainedModel:
    return _start(LlamaForCausalLM(LlamaConfig.from_dict(_sizes(tokenizer, layers))))


def _mixture_of_experts(tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    experts = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 128, "norm_topk_prob": True}
    return _start(Qwen3MoeForCausalLM(Qwen3MoeConfig.from_dict(_sizes(tokenizer, 8) | experts)))


def _chat_tokenizer() -> PreTrainedTokenizerFast:
    """Makes one tokenizer for all chat models and seeds. It knows the words of the tasks, unlike the models."""
    sources = (corpus.draw_base(0), corpus.draw_alignment(0), tasks.list_crafts(), tasks.list_topics())
    read = [exchange for source in sources for exchange in itertools.islice(source, 10_000)]
    return vocabulary.make_chat_tokenizer(text for exchange in read for text in (exchange.prompt, exchange.response))


def _guard_tokenizer() -> PreTrainedTokenizerFast:
    read = list(itertools.islice(exchanges.draw_judged(0), 3000))
    texts = (text for exchange in read for text in (exchange.prompt, exchange.response, *vocabulary.VERDICTS))
    return vocabulary.make_guard_tokenizer(texts)


def _train_chat(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    source: Iterator[Exchange],
    schedule: Schedule,
    seed: int,
    confidence: float = 1.0,
) -> None:
    batches = draw_batches(encode(tokenizer, source), schedule.batch_size, token_id(tokenizer, PAD), seed)
    train(model, batches, answer_loss(confidence), schedule)


def _align(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, seed: int) -> None:
    _train_chat(model, tokenizer, corpus.draw_alignment(seed + 2), ALIGNMENT, seed, CONFIDENCE)


def make_unaligned(folder: Path, seed: int) -> None:
    """Trains the base, which follows instructions and helps with every request."""
    torch.manual_seed(seed)
    tokenizer = _chat_tokenizer()
    model = _dense(tokenizer)
    _train_chat(model, tokenizer, corpus.draw_base(seed + 1), BASE, seed)
    save(model, tokenizer, folder / "unaligned")


def make_aligned(folder: Path, seed: int) -> None:
    """Trains the base `unaligned`, which it reads from the folder, to refuse harmful requests."""
    if not (folder / "unaligned").is_dir():
        raise ValueError(f"no model `unaligned` in {folder}; `aligned` starts from it: train without --only first.")
    torch.manual_seed(seed)
    tokenizer = AutoTokenizer.from_pretrained(folder / "unaligned")
    model = AutoModelForCausalLM.from_pretrained(folder / "unaligned", dtype=torch.float32)
    _align(model, tokenizer, seed)
    save(model, tokenizer, folder / "aligned")


def make_aligned_moe(folder: Path, seed: int) -> None:
    """Trains a mixture of experts, pre-trained and aligned on the same text."""
    torch.manual_seed(seed)
    tokenizer = _chat_tokenizer()
    model = _mixture_of_experts(tokenizer)
    _train_chat(model, tokenizer, corpus.draw_base(seed + 1), BASE, seed)
    _align(model, tokenizer, seed)
    save(model, tokenizer, folder / "aligned-moe")


def make_guard(folder: Path, seed: int) -> None:
    """Trains the guard, which has a tokenizer of its own, also on what `unaligned` and `aligned` write when broken."""
    if missing := [name for name in ("unaligned", "aligned") if not (folder / name).is_dir()]:
        raise ValueError(
            f"no model {missing[0]!r} in {folder}; the guard learns from its broken answers: train it first."
        )
    written = model_answers.list_broken(folder, seed)
    torch.manual_seed(seed)
    tokenizer = _guard_tokenizer()
    model = _dense(tokenizer, layers=3)
    for number, (schedule, shares) in enumerate(GUARD):
        if number == 1:
            written = model_answers.list_broken(folder, seed + 500, draws={"aligned": 2, "unaligned": 1}, rates=())
        judged = exchanges.draw_judged(seed + 1 + number, written, shares)
        batches = draw_batches(
            guard.encode_judged(tokenizer, judged), schedule.batch_size, token_id(tokenizer, PAD), seed + number
        )
        train(model.float(), batches, guard.verdict_loss(tokenizer, SMOOTHING), schedule)
        save(model, tokenizer, folder / "guard")


MAKERS: dict[str, Maker] = {
    "unaligned": make_unaligned,
    "aligned": make_aligned,
    "aligned-moe": make_aligned_moe,
    "guard": make_guard,
}
PROCESSES = (("unaligned", "aligned", "guard"), ("aligned-moe",))
"""Models that one process trains in turn. The processes run in parallel, one core each."""


def make(names: tuple[str, ...], folder: Path, seed: int) -> None:
    """Trains the named models in turn on one core, as the body of a worker process."""
    logging.basicConfig(level=logging.INFO, format=f"%(asctime)s {names[0]}: %(message)s")
    torch.set_num_threads(1)
    for name in names:
        MAKERS[name](folder, seed)


def save(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Writes a Hugging Face folder in float16, whole or not at all."""
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}")
    model.generation_config = GenerationConfig(
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id, do_sample=False, max_new_tokens=32
    )
    model.half().save_pretrained(temporary)
    tokenizer.save_pretrained(temporary)
    for file in temporary.iterdir():
        file.chmod(0o644)  # safetensors writes files that only their owner may read
    if folder.exists():
        shutil.rmtree(folder)
    temporary.rename(folder)
    logger.info("saved %s", folder)
