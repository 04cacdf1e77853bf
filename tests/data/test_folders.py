from flatline.data import audio_files


def test_audio_files_come_in_order_of_name_without_hidden_ones_and_others(tmp_path):
    for name in ("b.WAV", "a.flac", "._a.wav", ".hidden.ogg", "notes.txt", "c.mp3", "wav"):
        (tmp_path / name).touch()
    (tmp_path / "folder.wav").mkdir()
    assert audio_files(tmp_path) == [tmp_path / name for name in ("a.flac", "b.WAV", "c.mp3")]
    assert audio_files(str(tmp_path)) == audio_files(tmp_path)


def test_an_empty_folder_has_none(tmp_path):
    assert audio_files(tmp_path) == []
