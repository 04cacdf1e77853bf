import io
import uuid
import wave

import fsspec
import numpy as np
import pytest
from flask import Flask
from flatline.dashboard.audio import audio_address, register
from flatline.runs.kept_clips import KeptClip, keep_clip
from flatline.runs.log import RunLog
from flatline.runs.places import place

NAMES = ("a b.wav", "../out.wav", "50 % ?#&.wav", ".hidden", "x/y//z.wav")


@pytest.fixture
def logs(tmp_path):
    RunLog(tmp_path / "my run", {"clips": [*NAMES, "mute", "not kept"], "classes": []}).close()
    for number, name in enumerate(NAMES):
        clip = KeptClip(name, np.zeros((2, 2)), sample_rate_hz=8000)
        keep_clip(tmp_path / "my run", clip, np.full(8000, (number + 1) / 10))
    keep_clip(tmp_path / "my run", KeptClip("mute", np.zeros((2, 2))))
    return tmp_path


@pytest.fixture
def client(logs):
    server = Flask("test")
    register(server, logs)
    return server.test_client()


@pytest.mark.parametrize("name", NAMES)
def test_a_clip_of_any_name_is_served_whole(client, name):
    answer = client.get(audio_address("my run", name))
    assert (answer.status_code, answer.mimetype) == (200, "audio/wav")
    with wave.open(io.BytesIO(answer.data)) as file:
        assert (file.getframerate(), file.getnframes()) == (8000, 8000)
        level = np.frombuffer(file.readframes(1), dtype="<i2")[0] / 32767
    assert level == pytest.approx((NAMES.index(name) + 1) / 10, abs=1e-4)


def test_a_part_is_sent_where_a_part_is_asked_for(client):
    whole = client.get(audio_address("my run", "a b.wav")).data
    answer = client.get(audio_address("my run", "a b.wav"), headers={"Range": "bytes=1000-1999"})
    assert answer.status_code == 206
    assert answer.headers["Content-Range"] == f"bytes 1000-1999/{len(whole)}"
    assert answer.data == whole[1000:2000]
    assert client.get(audio_address("my run", "a b.wav")).headers["Accept-Ranges"] == "bytes"


@pytest.mark.parametrize(
    ("path", "why"),
    [
        (audio_address("no run", "a b.wav"), "there is no run no run in"),
        (audio_address("my run", "other.wav"), "run my run has no pinned clip other.wav"),
        (audio_address("my run", "mute"), "run my run keeps no sound of clip mute"),
        (audio_address("my run", "not kept"), "train it again"),
        ("/audio/..%2F/a%20b.wav", ""),
        ("/audio/my%20run/..%2F..%2Frun.json", ""),
        ("/audio/my%20run/..", ""),
        ("/audio/my%20run/%2E%2E%2Frun.json", ""),
    ],
)
def test_what_is_not_there_is_a_404_that_says_why(client, path, why):
    answer = client.get(path, follow_redirects=True)
    assert answer.status_code == 404
    assert why in answer.text


def test_a_sound_that_was_deleted_is_a_404(client, logs):
    (logs / "my run" / "clips" / "mute").mkdir(exist_ok=True)
    (logs / "my run" / "clips" / "a b.wav" / "audio.wav").unlink()
    answer = client.get(audio_address("my run", "a b.wav"))
    assert (answer.status_code, answer.text) == (404, "the sound of clip a b.wav is no longer in run my run\n")


def test_beside_the_dashboard_s_own_paths_it_still_answers(logs):
    from flatline.dashboard.app import create_app

    app = create_app(logs)
    if not any(rule.rule.startswith("/audio/") for rule in app.server.url_map.iter_rules()):
        register(app.server, logs)
    assert app.server.test_client().get(audio_address("my run", "a b.wav")).mimetype == "audio/wav"


def test_a_run_in_a_store_is_heard_too(logs, tmp_path_factory):
    address = f"memory://{uuid.uuid4().hex}"
    fsspec.filesystem("memory").put(f"{logs}/", f"{address.removeprefix('memory:/')}/", recursive=True)
    server = Flask("store")
    register(server, place(address))
    answer = server.test_client().get(audio_address("my run", "a b.wav"), headers={"Range": "bytes=0-3"})
    assert (answer.status_code, answer.data) == (206, b"RIFF")
