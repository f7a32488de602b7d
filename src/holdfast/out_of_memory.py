"""Advice for when memory runs out: each command has settings that need less of it."""

import sys
from collections.abc import Sequence

ALLOCATOR = ("can't allocate memory", "not enough memory", "out of memory")
"""Words in the errors of torch's allocators. The CPU's allocator raises a RuntimeError without a class of its own."""
RESPONSES = "lower --generate.token-budget, load in half precision on a GPU, or give fewer or shorter prompts"
SHARDED = "or start several processes with --shard"
LESS = {
    "score": "lower --token-budget or --generate.token-budget, score one layer at a time with --layer-wise, or keep "
    "sums on the host with --sums-on-host",
    "enhance": f"lower --micro-batch-size (or --batch-size), {SHARDED}",
    "adapt": f"lower --micro-batch-size (or --batch-size), train adapters with --lora.rank, {SHARDED}",
    "evaluate": RESPONSES,
    "verify": RESPONSES,
    "run": "lower token_budget in the tables score and generate and micro_batch_size in enhance and adapt; `holdfast "
    "plan` says what each stage needs",
    "bakeoff": "lower token_budget in the tables score and generate of the config",
}
OTHERWISE = "close other programs, or take a smaller model"


def is_out_of_memory(error: BaseException) -> bool:
    """Tells whether an error means that memory ran out, on the device or on the host."""
    torch = sys.modules.get("torch")  # without torch, no error is of its class
    if isinstance(error, MemoryError) or (torch and isinstance(error, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(said in str(error).casefold() for said in ALLOCATOR)


def memory_sentence(arguments: Sequence[str]) -> str:
    """Says what would need less memory, for the command that was called with these arguments."""
    command = next((argument for argument in arguments if argument in LESS), None)
    return f"memory ran out; {LESS[command] if command else OTHERWISE}."
