"""Options of `holdfast report` that publish an evaluation."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from holdfast.config import Options


class PublishOptions(Options):
    """Files to publish, and settings of the results for the Hugging Face hub."""

    card: Path | None = None
    """File for a card in Markdown: rates, judges, prompt sets, settings and limits, without any prompt."""
    prompts: Path | None = None
    """File for the prompt sets as JSON: names, hashes, counts, licences and sources."""
    eval_results: Path | None = None
    """Folder for .eval_results of a model's page on the Hugging Face hub, one YAML file for each measure. Only a rate
    on one whole set that is a dataset on the hub has a file, or one with --benchmark."""
    benchmark: Annotated[tuple[str, ...], Parameter(negative="")] = ()
    """Benchmark on the hub that a measure belongs to: MEASURE=OWNER/DATASET:TASK, as in utility=openai/gsm8k:main."""
    source: str | None = None
    """Address of the logs or the paper that the hub links to, with https://."""
    allow_other_set: Annotated[bool, Parameter(negative="")] = False
    """Accepts a --benchmark for prompts that are known to be another set, such as a copy of it."""
    reproduce: Path | None = None
    """File from which `holdfast reproduce` makes the evaluation again and compares both."""
