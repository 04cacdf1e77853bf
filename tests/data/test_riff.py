import struct

import pytest
from flatline.data.riff import missing_bytes


def riff(declared, n_data, *chunks):
    """A WAVE file whose data chunk declares one size and has another, after the given chunks."""
    body = b"".join((struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 8000, 16000, 2, 16), *chunks))
    data = struct.pack("<4sI", b"data", declared) + b"\1" * n_data
    return struct.pack("<4sI4s", b"RIFF", 4 + len(body) + 8 + declared & 0xFFFFFFFF, b"WAVE") + body + data


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (riff(100, 100), 0),
        (riff(100, 60), 40),
        (riff(100, 0), 100),
        (riff(100, 100, struct.pack("<4sI", b"LIST", 3) + b"abc\0"), 0),
        (riff(100, 90, struct.pack("<4sI", b"LIST", 3) + b"abc\0"), 10),
        (riff(100, 100) + b"trailing chunk", 0),
        (riff(0xFFFFFFFF, 100), 0),
        (riff(0, 100), 0),
        (b"fLaC" + b"\0" * 50, 0),
        (b"", 0),
    ],
    ids=[
        "whole",
        "cut",
        "no data",
        "odd chunk",
        "odd chunk, cut",
        "more after",
        "streamed",
        "streamed 0",
        "flac",
        "none",
    ],
)
def test_missing_bytes_are_those_declared_beyond_the_end(tmp_path, content, expected):
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    assert missing_bytes(path) == expected


@pytest.mark.parametrize("kept", [4, 10, 12, 30, 40])
def test_a_file_that_ends_within_its_header_lacks_bytes(tmp_path, kept):
    path = tmp_path / "a.wav"
    path.write_bytes(riff(100, 100)[:kept])
    assert missing_bytes(path) >= 1
