"""Renders a comparison of two checkpoints as Markdown, for a pull request, a job summary or an archive.

It is readable as plain text. Untrusted text stands in code spans, where Markdown has no effect, and control characters
are spelled out.
"""

from holdfast.report.comparison import ChangedPrompt, CheckedCondition, Comparison
from holdfast.report.gate import NO_NAME, gate_tables, table_notes
from holdfast.report.gate_settings import COMMAND, SHOWN, GateSettings
from holdfast.report.markdown import code, markdown_table, plain_or_code, sentence_or_code
from holdfast.spelling import clipped

LONGEST = 400
"""Characters of a prompt or a response that are shown."""
RULE = (
    "A condition fails if the measured number is shown to be beyond the threshold, and passes if it is shown not to "
    "be. Else these prompts cannot decide it. The number is at least and at most as stated: each of the two bounds is "
    "wrong in at most 5% of cases. So they lie closer together than the ends of a 95% interval, of which both at once "
    "are wrong in at most 5%. If there are several conditions, failing takes stronger evidence (Holm). A "
    "condition's own p is one-sided: the probability of at least such a result if the truth lay at the threshold."
)


def render_markdown(result: Comparison, responses: int = 0, settings: GateSettings = COMMAND) -> str:
    """Renders the tables, and for each condition that did not pass so many changed prompts with both responses.

    Prompts and responses may be harmful, and job summaries are often public. So by default none is listed.
    `settings` are the words for settings that the report advises.
    """
    conditions = result.conditions
    verdict = f": {result.verdict}" if result.verdict else ""
    parts = [f"## holdfast compare{verdict}", "\n".join(_settings(result))]
    parts += [f"Warning: {sentence_or_code(sentence)}" for sentence in result.warnings]
    parts += [
        f"Warning: {code(one.condition)} cannot fail: {one.cannot_fail}." for one in conditions if one.cannot_fail
    ]
    measures, *decided = gate_tables(result)
    parts += [markdown_table(table, code) for table in decided]
    parts += [
        _explained(result, condition, responses, settings)
        for condition in conditions
        if condition.outcome != "passes" and not condition.cannot_fail
    ]
    parts += [RULE] if conditions else []
    parts += [markdown_table(measures, plain_or_code, code), *table_notes(result)]
    return "\n\n".join(parts) + "\n"


def _settings(result: Comparison) -> list[str]:
    """Lists both models with their fingerprints and files, the judge, and the settings of both evaluations."""
    columns = ((result.before, result.after), result.models, result.fingerprints, result.versions)
    lines = []
    for when, file, model, fingerprint, version in zip(("before", "after"), *columns, strict=True):
        known = [code(model) if model else NO_NAME]
        known += [f"fingerprint {code(fingerprint)}"] if fingerprint else []
        known += [f"from {code(file)}"] if file else []
        known += [f"by holdfast {code(version)}"] if version else []
        lines.append(f"- {when.capitalize()}: {', '.join(known)}")
    ended = f", exit code {result.exit_code}" if result.conditions else ""
    lines.append(f"- Compared: {code(result.compared_at)}{ended}")
    if logs := result.logs:
        return [*lines, f"- Logs of {logs.program}: {logs.matched}"]
    judge = result.judges[1] or result.judges[0]
    nobody = "none, refusals are read by rules" if result.settings_known else "not known"
    lines.append(f"- Judge: {code(judge) if judge else nobody}")
    return [*lines, *(f"- {name.capitalize()}: {code(text)}" for name, text in result.settings.items())]


def _explained(result: Comparison, condition: CheckedCondition, responses: int, settings: GateSettings) -> str:
    """Says why a condition failed or is undecided, and lists some prompts that changed, with both responses."""
    if condition.outcome == "undecided":
        heading = f"Undecided: {code(condition.condition)}: {condition.why_undecided}."
    else:
        heading = f"Met: {code(condition.condition)}."
    if not condition.changed:
        return heading
    if not responses:
        where = f"; {code(result.show_command)} shows responses" if result.show_command else ""
        return f"{heading} {condition.moved}{where}, and {settings.responses} lists up to {SHOWN} here."
    shown = condition.changed[:responses]
    listed = (line for changed in shown for line in _changed(changed))
    whole = f" ({code(result.show_command)} shows whole responses)" if result.show_command else ""
    look = f"Look at {_how_many(condition, len(shown))}{whole}:"
    return "\n".join([f"{heading} {look}", "", *listed])


def _changed(changed: ChangedPrompt) -> list[str]:
    """Writes a prompt whose outcome changed, with the response before and after."""
    words = (changed.before, changed.after)
    responses = zip(("before", "after"), words, changed.responses, strict=True)
    return [
        f"- {code(clipped(changed.prompt, LONGEST))}",
        *(f"  - {when}, {word}: {code(clipped(response, LONGEST))}" for when, word, response in responses),
    ]


def _how_many(condition: CheckedCondition, shown: int) -> str:
    """Writes 'these 3 of 8 prompts that got worse', or 'these prompts that got worse' if all are listed."""
    changed, which = condition.num_prompts, condition.which
    return f"these {shown} of {changed} prompts {which}" if changed > shown else f"these prompts {which}"
