"""Members of a zip archive whose content may be compressed by Zstandard, which Python's zipfile does not read.

Zipfile finds the members. Those that are compressed by method 93 (Zstandard, PKWARE's APPNOTE 4.4.5) are read here: a
local header of 30 bytes, the name, extra fields, and then the compressed bytes. The package `zstandard` decompresses
them, and is needed for such archives only.
"""

import importlib
import importlib.util
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Self

ZSTANDARD = 93
LOCAL_HEADER = 30
PACKAGE = "zstandard"


class Archive:
    """A zip archive, open for reading."""

    def __init__(self, path: Path) -> None:
        """Opens the archive.

        Raises:
            ValueError: the archive was cut off or is damaged.
        """
        self.path = path
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError) as error:
            raise ValueError(
                f"{str(path)!r} is a zip archive that was cut off or is damaged ({error}); copy it again, or let the "
                "evaluation finish."
            ) from error
        self.names = tuple(self._zip.namelist())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._zip.close()

    def read(self, name: str) -> bytes:
        """Reads a member.

        Raises:
            ValueError: the member is damaged, or compressed by Zstandard where the package is missing.
        """
        member = self._zip.getinfo(name)
        try:
            return self._read_zstandard(member) if member.compress_type == ZSTANDARD else self._zip.read(member)
        except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError) as error:
            raise ValueError(f"{name!r} in {str(self.path)!r} can't be read: {error}; copy the file again.") from error

    def _read_zstandard(self, member: zipfile.ZipInfo) -> bytes:
        self.require_zstandard()
        zstandard = importlib.import_module(PACKAGE)
        with self.path.open("rb") as file:
            file.seek(member.header_offset)
            header = file.read(LOCAL_HEADER)
            lengths = (header[26:28], header[28:30])  # of the name and of the extra fields
            file.seek(sum(int.from_bytes(length, "little") for length in lengths), 1)
            content = file.read(member.compress_size)
        try:
            plain = b"".join(_frames(zstandard, content))
        except zstandard.ZstdError as error:
            raise OSError(str(error)) from error
        if zlib.crc32(plain) != member.CRC:
            raise OSError("its checksum is wrong")
        return plain

    def require_zstandard(self) -> None:
        """Raises ValueError where the package that decompresses Zstandard is missing."""
        if importlib.util.find_spec(PACKAGE) is None:
            raise ValueError(
                f"{str(self.path)!r} is compressed by Zstandard, which Python can't read; `pip install {PACKAGE}` (our "
                "extra `logs`), or write the log as JSON with `inspect log convert --to json`."
            )


def _frames(zstandard: ModuleType, content: bytes) -> Iterator[bytes]:
    """Yields the content of each frame. A large member consists of several."""
    while content:
        frame = zstandard.ZstdDecompressor().decompressobj()
        yield frame.decompress(content)
        content = frame.unused_data
