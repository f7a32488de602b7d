"""predicted = share of the tokens of given responses that the model ranks first   (in [0, 1], larger is better)

It is teacher-forced: every token is predicted after the given tokens before it. Tokens of the prompt, the template and
the end do not count. One forward pass measures it, without generating a response.
"""

from collections.abc import Sequence

import torch

from holdfast.evaluate.perplexity import encode_fitting
from holdfast.models.load import LoadedModel
from holdfast.models.logits import logits_budget
from holdfast.objective.completions import Completion, completion_logits, completion_tokens
from holdfast.prompts.batching import batches_by_length
from holdfast.records import Exchange


@torch.no_grad()
def predicted_share(loaded: LoadedModel, exchanges: Sequence[Exchange]) -> float:
    """Measures the share of the responses' tokens that the model predicts.

    Raises:
        ValueError: no response has a token, or an exchange does not fit the model, as in `perplexity`.
    """
    chats = encode_fitting(loaded.model, loaded.tokenizer, exchanges)
    completions = [Completion(chat.text, chat.token_ids, [span.token for span in chat.spans[1]]) for chat in chats]
    completions = [completion for completion in completions if completion.positions]
    if not completions:
        raise ValueError("no task example has a response with a token; give prompts with responses.")
    right = 0
    for batch in batches_by_length([len(each.token_ids) for each in completions], logits_budget(loaded.model)):
        chosen = [completions[position] for position in batch]
        tokens = torch.tensor(completion_tokens(chosen))
        right += int((completion_logits(loaded.model, chosen).argmax(-1).cpu() == tokens).sum())
    return right / sum(len(completion.positions) for completion in completions)
