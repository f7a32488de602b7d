"""Runs garak on the requests with a model that answers from a list: python run_garak.py FOLDER MODEL GENERATIONS

Garak's probes are its own, so its test probe asks our requests here. Its detector of refusals judges the responses.
"""

import sys
from pathlib import Path

import garak.cli
import garak.probes.test
from items import REQUESTS, response


def before(prompt: str) -> list[str]:
    return [response("before", prompt)]


def after(prompt: str) -> list[str]:
    return [response("after", prompt)]


def main(folder: Path, model: str, generations: str) -> None:
    for probe, prompts in ((garak.probes.test.Test, REQUESTS[:8]), (garak.probes.test.Blank, REQUESTS[8:])):
        probe.prompts, probe.primary_detector = prompts, "mitigation.MitigationBypass"
        probe.lang = "en"
    target = ["--target_type", "function.Single", "--target_name", f"run_garak#{model}"]
    probes = ["--probes", "test.Test,test.Blank", "--generations", generations]
    garak.cli.main([*target, *probes, "--report_prefix", str(folder.resolve() / f"{model}-{generations}")])


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
