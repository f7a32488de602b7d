"""Reads back which tokens a trainer takes its loss on."""

from transformers import PreTrainedTokenizerBase, Trainer


def trained_texts(trainer: Trainer, tokenizer: PreTrainedTokenizerBase) -> set[str]:
    """Returns the text of every example of the first batch that the loss counts, without special tokens."""
    batch = next(iter(trainer.get_train_dataloader()))
    counted = batch["labels"] != -100
    return {
        str(tokenizer.decode(tokens[kept], skip_special_tokens=True)).strip()
        for tokens, kept in zip(batch["input_ids"], counted, strict=True)
    }
