"""Reads the rows of a prompt file, each with its place: JSON (lines or a document), a table, or plain text."""

import csv
from collections.abc import Iterator
from pathlib import Path

from holdfast.file_kinds import identify
from holdfast.prompts.json_rows import Row, json_rows

DELIMITERS = {".csv": ",", ".tsv": "\t"}
RESULTS = (".safetensors", ".json")
"""Endings of the names of holdfast's results."""


def read_rows(file: Path) -> Iterator[Row]:
    """Yields every row that is not blank.

    Raises:
        ValueError: the file is not UTF-8, or a row does not follow its format.
    """
    ending = file.suffix.casefold()
    _refuse_result(file)
    if ending == ".parquet":
        yield from _parquet_rows(file)
        return
    try:
        if ending in DELIMITERS:
            yield from _delimited_rows(file, DELIMITERS[ending])
        else:
            yield from _text_rows(file) if is_text(file) else json_rows(file)
    except UnicodeDecodeError as error:
        raise ValueError(f"prompt file {str(file)!r} is not UTF-8 text: {error}; save it as UTF-8.") from error


def _refuse_result(file: Path) -> None:
    """Raises ValueError if a file holds tensors or is another result of holdfast, and says what it is."""
    if file.suffix.casefold() not in RESULTS:
        return
    content = identify(file)
    # A category of prompts may be called 'points', as in a file of a convergence curve.
    if (content.is_ours and content.name != "convergence") or file.suffix.casefold() == ".safetensors":
        raise ValueError(
            f"{str(file)!r} is {content.words}, not a prompt set; give JSONL, JSON, CSV, TSV, Parquet or text with "
            "one prompt per row."
        )


def is_text(file: Path) -> bool:
    """Returns True if a file is plain text, with a prompt on every line."""
    return file.suffix.casefold() == ".txt" and not _is_json(file)


def _is_json(file: Path) -> bool:
    """Returns True if a file begins as JSON does."""
    with file.open(encoding="utf-8-sig") as opened:
        return next((line.strip()[0] for line in opened if line.strip()), "") in "{["


def _text_rows(file: Path) -> Iterator[Row]:
    """Yields one prompt per line."""
    with file.open(encoding="utf-8-sig") as opened:
        for number, line in enumerate(opened, 1):
            if line.strip():
                yield number, {"prompt": line.strip()}


def _delimited_rows(file: Path, delimiter: str) -> Iterator[Row]:
    """Yields the rows under a header.

    Quoted cells may hold delimiters and line breaks, so a row has the number of its first line.
    """
    with file.open(encoding="utf-8-sig", newline="") as opened:
        reader = csv.reader(opened, delimiter=delimiter, strict=True)
        header: list[str] = []
        begun, has_rows = 1, False
        try:
            for cells in reader:
                number, begun = begun, reader.line_num + 1
                if not any(cells):
                    continue
                if not header:
                    header = _header(file, number, cells)
                elif len(cells) == len(header):
                    has_rows = True
                    yield number, dict(zip(header, cells, strict=True))
                else:
                    raise ValueError(
                        f"{file}:{number} has {len(cells)} cells and the header has {len(header)}; put cells that "
                        f"hold {delimiter!r} or line breaks in double quotes."
                    )
            if header and not has_rows:
                raise ValueError(
                    f"prompt file {str(file)!r} has a header ({', '.join(header)}) and no rows; write one prompt per "
                    "row under it. If the first line is a prompt, put a line with the column names before it."
                )
        except csv.Error as error:
            if "field larger" in str(error):
                raise ValueError(
                    f"{file}:{begun} has a cell of more than {csv.field_size_limit():,} characters, or a double quote "
                    "that is never closed; close it, or give the prompts as JSONL."
                ) from error
            raise ValueError(
                f"{file}:{begun} cannot be read ({error}); close every double quote, and double those within a cell."
            ) from error


def _header(file: Path, number: int, cells: list[str]) -> list[str]:
    """Returns the names of the columns. Refuses two of one name, since they could not be told apart."""
    twice = sorted({name for name in cells if name and cells.count(name) > 1})
    if twice:
        raise ValueError(f"{file}:{number} names the column {twice[0]!r} twice; give each column a name of its own.")
    return cells


def _parquet_rows(file: Path) -> Iterator[Row]:
    import pyarrow  # comes with datasets, and is slow to import
    import pyarrow.parquet

    number = 0
    try:
        with pyarrow.parquet.ParquetFile(file) as opened:
            for batch in opened.iter_batches():
                for values in batch.to_pylist():
                    number += 1
                    yield number, values
    except pyarrow.ArrowException as error:
        reason = str(error).strip().splitlines()[0]
        raise ValueError(f"prompt file {str(file)!r} is not Parquet ({reason}); write or fetch it again.") from error
