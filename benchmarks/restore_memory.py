"""Does `restore` need no more memory than one shard of the checkpoint?

It restores a random model of three shards, tuned everywhere, by scores from a file and at random. Both read the files
piece by piece. The growth of peak memory is taken against a tiny model, on which all libraries were used before.
Bar: the growth is at most the size of the largest shard.
"""

import json
import resource
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from holdfast.artifacts import ScoresFile
from holdfast.intervene.patch.restore_options import RestoreOptions
from holdfast.models.load import quiet_transformers
from holdfast.models.sites import scorable_sites
from holdfast.models.stored import open_stored, stored_fingerprint
from holdfast.pipeline.restoring import restore
from holdfast.testbed import model_path
from holdfast.values import Scores


def make(folder: Path, layers: int, width: int, shard: str) -> None:
    """Saves an aligned and a tuned model, and scores of the aligned one, a parameter at a time."""
    config = LlamaConfig(
        vocab_size=512, hidden_size=width, intermediate_size=4 * width, num_hidden_layers=layers,
        num_attention_heads=8, num_key_value_heads=8, dtype=torch.bfloat16,
    )  # fmt: skip
    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16)
    model = LlamaForCausalLM(config)
    torch.set_default_dtype(torch.float32)
    with quiet_transformers(), torch.no_grad():
        for name in ("aligned", "tuned"):
            model.save_pretrained(folder / name, max_shard_size=shard)
            AutoTokenizer.from_pretrained(model_path("aligned")).save_pretrained(folder / name)
            for weight in model.parameters():
                weight.add_(0.01)
    stored = open_stored(str(folder / "aligned"))
    sites = {site.name: torch.empty(site.shape, device="meta") for site in scorable_sites(stored.model)}
    outline = Scores(sites, "none", stored_fingerprint(stored), sum(map(torch.numel, model.parameters())))
    file = ScoresFile(folder / "scores", outline)
    for name, values in sites.items():
        file.write(name, torch.rand(values.shape))
    file.finish(outline)


def peak() -> float:
    """Largest memory so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def run(folder: Path) -> None:
    """Restores by scores and at random."""
    for name, options in {
        "top": RestoreOptions(selector="top", scores=folder / "scores"),
        "random": RestoreOptions(selector="random"),
    }.items():
        restore(folder / "aligned", folder / "tuned", folder / name, options)


def main() -> int:
    """Prints the figures. A child process makes the models, so that its memory does not count."""
    if len(sys.argv) == 3:
        make(Path(sys.argv[1]), *json.loads(sys.argv[2]))
        return 0
    import subprocess

    with TemporaryDirectory() as scratch:
        large, tiny = Path(scratch) / "large", Path(scratch) / "tiny"
        for folder, shape in ((large, [12, 1024, "200MB"]), (tiny, [2, 64, "200MB"])):
            folder.mkdir()
            subprocess.run([sys.executable, __file__, str(folder), json.dumps(shape)], check=True)
        shards = [file.stat().st_size / 1e6 for file in (large / "aligned").glob("*.safetensors")]
        run(tiny)
        before = peak()
        run(large)
        figures = {"shards": len(shards), "largest_shard_mb": max(shards), "growth_mb": peak() - before}
    passed = figures["growth_mb"] <= figures["largest_shard_mb"]
    sys.stdout.write(json.dumps({"figures": {key: round(value) for key, value in figures.items()}, "pass": passed}))
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
