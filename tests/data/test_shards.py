import json

import numpy as np
import pytest
from flatline.data.shards import read_shards, write_shard


@pytest.fixture
def clips():
    rng = np.random.default_rng(0)
    return {name: rng.standard_normal((n, 4)).astype(np.float32) for name, n in (("aa", 3), ("bb", 1), ("cc", 8))}


def files(folder):
    (data,), (index,) = folder.glob("*.f32"), folder.glob("*.json")
    return data, index


def test_what_is_written_is_read_back_as_a_read_only_view(tmp_path, clips):
    for found in (write_shard(tmp_path, clips), read_shards(tmp_path, clips, 4)):
        assert found.keys() == clips.keys()
        for name, frames in found.items():
            np.testing.assert_array_equal(frames, clips[name])
            assert not frames.flags.writeable
            assert frames.base is not None


def test_only_what_is_wanted_is_read(tmp_path, clips):
    write_shard(tmp_path, clips)
    assert read_shards(tmp_path, {"bb", "zz"}, 4).keys() == {"bb"}


def test_clips_are_found_over_several_shards(tmp_path, clips):
    for name, frames in clips.items():
        write_shard(tmp_path, {name: frames})
    assert read_shards(tmp_path, clips, 4).keys() == clips.keys()


def test_a_folder_that_does_not_exist_holds_nothing(tmp_path):
    assert read_shards(tmp_path / "none", {"aa"}, 4) == {}


def test_a_shard_without_its_index_is_unfinished(tmp_path, clips):
    write_shard(tmp_path, clips)
    files(tmp_path)[1].unlink()
    assert read_shards(tmp_path, clips, 4) == {}


def test_a_shard_without_its_data_is_ignored(tmp_path, clips):
    write_shard(tmp_path, clips)
    files(tmp_path)[0].unlink()
    assert read_shards(tmp_path, clips, 4) == {}


@pytest.mark.parametrize("kept", [0, 10, -4])
def test_a_shard_that_was_cut_off_is_ignored(tmp_path, clips, kept):
    write_shard(tmp_path, clips)
    data, _ = files(tmp_path)
    data.write_bytes(data.read_bytes()[:kept])
    assert read_shards(tmp_path, clips, 4) == {}


def test_a_shard_with_one_wrong_byte_is_ignored(tmp_path, clips):
    write_shard(tmp_path, clips)
    data, _ = files(tmp_path)
    content = bytearray(data.read_bytes())
    content[70] ^= 1
    data.write_bytes(content)
    assert read_shards(tmp_path, clips, 4) == {}


@pytest.mark.parametrize(
    "change",
    [
        lambda index: "{",
        lambda index: "[]",
        lambda index: "{}",
        lambda index: json.dumps(index | {"n_frames": "12"}),
        lambda index: json.dumps(index | {"n_frames": -12}),
        lambda index: json.dumps(index | {"clips": {"aa": [9, 99, 0]}}),
        lambda index: json.dumps(index | {"clips": {"aa": [-3, 3, 0]}}),
        lambda index: json.dumps(index | {"clips": {"aa": None}}),
        lambda index: json.dumps(index | {"clips": {"aa": [1]}}),
    ],
)
def test_a_damaged_index_is_ignored_and_others_are_still_read(tmp_path, clips, change):
    write_shard(tmp_path, clips)
    _, index_path = files(tmp_path)
    index_path.write_text(change(json.loads(index_path.read_text())))
    assert read_shards(tmp_path, ["aa"], 4) == {}
    write_shard(tmp_path, {"aa": clips["aa"]})
    np.testing.assert_array_equal(read_shards(tmp_path, ["aa"], 4)["aa"], clips["aa"])


def test_a_half_written_file_has_a_hidden_name_and_is_not_looked_at(tmp_path, clips):
    write_shard(tmp_path, clips)
    for path in files(tmp_path):
        path.rename(path.with_name("." + path.name))
    assert read_shards(tmp_path, clips, 4) == {}
