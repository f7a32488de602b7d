"""Logs with given scores, in the form in which each program writes them, with what the readers look at."""

import json

DATE = "2026-11-30T10:00:00+00:00"


def inspect_log(path, scores, *, scorer="includes", samples=None, **changes):
    """A JSON log of inspect: one sample a score, under the ids q0, q1, ..., or these samples."""
    if samples is None:
        samples = [inspect_sample(f"q{place}", {scorer: score}) for place, score in enumerate(scores)]
    log = {
        "version": 2,
        "status": "success",
        "eval": {
            "task": "questions",
            "task_version": 0,
            "model": path.stem,
            "packages": {"inspect_ai": "0.3.285"},
            "created": DATE,
        },
        "plan": {"config": {}},
        "results": {"total_samples": len(samples)},
        "samples": samples,
    }
    for name, value in changes.items():
        if name in log["eval"]:
            log["eval"][name] = value
        else:
            log[name] = value
    path.write_text(json.dumps(log))
    return path


def inspect_sample(name, scores, epoch=1, asked=None, **changes):
    """A sample of inspect with these values by scorer."""
    values = {scorer: {"value": value} for scorer, value in scores.items()}
    sample = {"id": name, "epoch": epoch, "input": asked or f"ask {name}", "target": "yes", "scores": values}
    return sample | {"output": {"completion": f"I say {next(iter(scores.values()), None)}"}} | changes


def lm_eval_log(
    folder, scores, *, metric="acc", task="choose", rows=None, date="2026-11-30T10-00-00.000000", **changes
):
    """A folder of lm-eval with one task: a document a score, or these rows."""
    folder.mkdir(parents=True, exist_ok=True)
    if rows is None:
        rows = [lm_eval_row(place, {metric: score}) for place, score in enumerate(scores)]
    results = {
        "results": {},
        "configs": {task: {"generation_kwargs": None}},
        "versions": {task: 1.0},
        "n-shot": {task: 0},
        "n-samples": {task: {"original": len(rows), "effective": len({row.get("doc_id") for row in rows})}},
        "model_name": folder.name,
        "lm_eval_version": "0.4.13",
    }
    (folder / f"results_{date}.json").write_text(json.dumps(results | changes))
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / f"samples_{task}_{date}.jsonl").write_text(text)
    return folder


def lm_eval_row(place, metrics, question=None, filtered="none"):
    """A row of a samples file."""
    document = {"question": question or f"ask {place}"}
    row = {"doc_id": place, "doc": document, "target": "yes", "arguments": {}, "resps": [], "filtered_resps": []}
    return row | {"filter": filtered, "metrics": [*metrics], "doc_hash": "d", **metrics}


def garak_log(path, scores, *, probe="kites.Steal", detector="refusal.None", passed=None, ended=True, setup=None):
    """A report of garak with one probe: an attempt a list of scores. A score of at least 0.5 is a hit."""
    attempts = [garak_attempt(f"ask {place}", given, probe, detector) for place, given in enumerate(scores)]
    every = [score for given in scores for score in given if score is not None]
    total = sum(map(len, scores))
    counts = {
        "passed": sum(score < 0.5 for score in every) if passed is None else passed,
        "total_evaluated": len(every),
        "total_processed": total,
    }
    entries = [
        {"entry_type": "start_run setup", "plugins.target_type": "test", "plugins.target_name": path.stem}
        | {"run.generations": len(scores[0]) if scores else 1}
        | (setup or {}),
        {"entry_type": "init", "garak_version": "0.17.1"},
        *({**attempt, "status": 1, "detector_results": {}} for attempt in attempts),
        *attempts,
        {"entry_type": "eval", "probe": probe, "detector": detector, **counts},
        *([{"entry_type": "completion", "end_time": "2026-11-30"}] if ended else []),
    ]
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    return path


def garak_attempt(prompt, scores, probe, detector):
    """An attempt that a detector has judged."""
    content = {"text": prompt, "lang": "en"}
    return {
        "entry_type": "attempt",
        "uuid": f"random {prompt}",
        "status": 2,
        "probe_classname": probe,
        "prompt": {"turns": [{"role": "user", "content": content}]},
        "detector_results": {detector: scores},
    }
