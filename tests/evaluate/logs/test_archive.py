import struct
import zipfile
import zlib

import pytest

from holdfast.evaluate.logs import archive
from holdfast.evaluate.logs.archive import Archive

TEXT = b'{"kites": "high"}' * 50


def write_zip(path, compress):
    """An archive whose member `a.json` is compressed by a function, with the number of Zstandard in its headers."""
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("first.json", b"{}")
        made.writestr("a.json", compress(TEXT))
    content = bytearray(path.read_bytes())
    for mark, method, crc in ((b"PK\x03\x04", 8, 14), (b"PK\x01\x02", 10, 16)):  # of local and central headers
        place = content.rindex(mark)
        struct.pack_into("<H", content, place + method, archive.ZSTANDARD)
        struct.pack_into("<I", content, place + crc, zlib.crc32(TEXT))
    path.write_bytes(content)
    return path


def test_a_member_is_read_as_it_was_written(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("a.json", TEXT)
    with Archive(tmp_path / "a.zip") as opened:
        assert (opened.names, opened.read("a.json")) == (("a.json",), TEXT)


@pytest.mark.parametrize("frames", [1, 3])
def test_zstandard_is_read_in_one_or_several_frames(tmp_path, frames):
    zstandard = pytest.importorskip("zstandard", reason="the extra logs")

    def compress(text):
        size = -(-len(text) // frames)
        parts = [text[start : start + size] for start in range(0, len(text), size)]
        return b"".join(map(zstandard.ZstdCompressor().compress, parts))

    with Archive(write_zip(tmp_path / "a.zip", compress)) as opened:
        assert opened.read("a.json") == TEXT


@pytest.mark.parametrize("content", [b"no frame at all", b""])
def test_damaged_zstandard_is_refused(tmp_path, content):
    pytest.importorskip("zstandard", reason="the extra logs")
    opened = Archive(write_zip(tmp_path / "a.zip", lambda text: content))
    with opened, pytest.raises(ValueError, match=r"'a.json' in .* can't be read: .*; copy the file again"):
        opened.read("a.json")


def test_without_the_package_one_sentence_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "PACKAGE", "zstandard_that_is_not_here")
    opened = Archive(write_zip(tmp_path / "a.zip", bytes))
    said = (
        r"is compressed by Zstandard, which Python can't read; `pip install .*` \(our extra `logs`\), or write the log"
    )
    with opened, pytest.raises(ValueError, match=said):
        opened.read("a.json")


def test_an_archive_that_was_cut_off_is_refused(tmp_path):
    path = write_zip(tmp_path / "a.zip", bytes)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(ValueError, match=r"was cut off or is damaged .*; copy it again, or let the evaluation finish"):
        Archive(path)
