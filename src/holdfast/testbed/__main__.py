"""python -m holdfast.testbed [--out DIR] [--seed N] [--only NAME]: train the models and write the prompts."""

import argparse
import multiprocessing
import os
from pathlib import Path


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m holdfast.testbed", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder for weights/ and prompts/")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=("unaligned", "aligned", "aligned-moe", "guard", "prompts"))
    return parser.parse_args()


def main() -> int:
    """Trains in two processes of one core each. The exit code is 1 when one of them failed."""
    from holdfast.testbed import prompt_files, train

    options = _parse()
    os.environ["OMP_NUM_THREADS"] = "1"
    if options.only in (None, "prompts"):
        prompt_files.save_prompt_sets(options.out / "prompts", options.seed)
    groups = train.PROCESSES if options.only is None else ((options.only,),) if options.only != "prompts" else ()
    context = multiprocessing.get_context("spawn")
    workers = [
        context.Process(target=train.make, args=(names, options.out / "weights", options.seed)) for names in groups
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return int(any(worker.exitcode for worker in workers))


if __name__ == "__main__":
    raise SystemExit(main())
