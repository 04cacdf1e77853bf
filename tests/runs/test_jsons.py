import json
from pathlib import Path

import numpy as np
import pytest
from flatline.runs import jsons
from flatline.runs.jsons import to_json, write_json


def strict(text):
    def refuse(token):
        raise ValueError(token)

    return json.loads(text, parse_constant=refuse)


def test_nan_and_infinity_are_written_so_that_any_reader_takes_them():
    assert strict(to_json({"a": float("nan"), "b": [np.float32("inf"), -np.inf]})) == {"a": None, "b": ["inf", "-inf"]}


def test_arrays_paths_sets_and_numpy_numbers_have_a_form():
    given = {"a": np.arange(2), "p": Path("x/y"), "s": {1}, "i": np.int64(3), "b": np.bool_(True), 4: None}
    assert strict(to_json(given)) == {"a": [0, 1], "p": "x/y", "s": [1], "i": 3, "b": True, "4": None}


def test_a_file_is_replaced_whole(tmp_path, monkeypatch):
    write_json(tmp_path / "run.json", {"a": 1})

    def killed(old, new):
        assert json.loads((tmp_path / "run.json").read_text()) == {"a": 1}
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(jsons.os, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            write_json(tmp_path / "run.json", {"a": 2})
    assert json.loads((tmp_path / "run.json").read_text()) == {"a": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]
