"""Small data sets on disk, in the layouts that people have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import soundfile
from flatline.data import make_dataset

KAGGLE = {
    "curated": ("train_curated.csv", "train_curated"),
    "noisy": ("train_noisy.csv", "train_noisy"),
    "test": ("test.csv", "test"),
}
ZENODO = {
    "curated": ("FSDKaggle2019.meta/train_curated_post_competition.csv", "FSDKaggle2019.audio_train_curated"),
    "noisy": ("FSDKaggle2019.meta/train_noisy_post_competition.csv", "FSDKaggle2019.audio_train_noisy"),
    "test": ("FSDKaggle2019.meta/test_post_competition.csv", "FSDKaggle2019.audio_test"),
}
ZENODO_COLUMNS = {
    "curated": ("freesound_id,license", "12345,CC0"),
    "noisy": ("flickr_video_URL,license", "http://example.org/1,CC-BY"),
    "test": ("usage,freesound_id,license", "Public,12345,CC0"),
}


def write_wav(path: Path, seconds: float = 0.4, rate_hz: int = 8000, channels: int = 1, **options) -> Path:
    """A quiet noise of its own for every file name."""
    rng = np.random.default_rng(list(path.name.encode()))
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.1 * rng.standard_normal((round(seconds * rate_hz), channels)), rate_hz, **options)
    return path


@pytest.fixture
def wav(tmp_path: Path) -> Callable[..., Path]:
    """wav("a.wav", seconds=.4, rate_hz=8000, channels=1, subtype=...) writes a clip and gives its path."""
    return lambda name, **options: write_wav(tmp_path / name, **options)


@pytest.fixture
def kaggle(tmp_path: Path) -> Callable[..., Path]:
    """kaggle(curated={"a.wav": "Bark,Meow"}, ..., classes=...) writes a root in Kaggle's layout."""

    def write(classes: tuple[str, ...] | None = None, **splits: Mapping[str, str]) -> Path:
        root = tmp_path / "kaggle"
        root.mkdir()
        for split, clips in splits.items():
            csv, folder = KAGGLE[split]
            (root / csv).write_text(
                "fname,labels\n" + "".join(f'{name},"{labels}"\n' for name, labels in clips.items())
            )
            for name in clips:
                write_wav(root / folder / name)
        if classes is not None:
            (root / "sample_submission.csv").write_text(",".join(("fname", *classes)) + "\n")
        return root

    return write


@pytest.fixture
def zenodo(tmp_path: Path) -> Callable[..., Path]:
    """zenodo(curated={...}, ...) writes a root in Zenodo's layout, with its further columns and its vocabulary."""

    def write(vocabulary: str | None = None, **splits: Mapping[str, str]) -> Path:
        root = tmp_path / "zenodo"
        (root / "FSDKaggle2019.meta").mkdir(parents=True)
        for split, clips in splits.items():
            csv, folder = ZENODO[split]
            header, rest = ZENODO_COLUMNS[split]
            rows = "".join(f'{name},"{labels}",{rest}\n' for name, labels in clips.items())
            (root / csv).write_text(f"fname,labels,{header}\n{rows}")
            for name in clips:
                write_wav(root / folder / name)
        if vocabulary is not None:
            (root / "FSDKaggle2019.meta" / "vocabulary.csv").write_text(vocabulary)
        return root

    return write


@pytest.fixture(scope="session")
def small_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The embedded set with few clips; not to be changed."""
    return make_dataset(tmp_path_factory.mktemp("made") / "set", seed=1, n_curated=80, n_noisy=40, n_test=20)


@pytest.fixture(scope="session")
def spoken_tags() -> Path:
    """Real speech, 750 clips of 14 classes, where it lies beside the checkout."""
    root = Path(__file__).parents[3] / "shared" / "data" / "spoken-tags"
    if not root.is_dir():
        pytest.skip("real audio is not beside the checkout (../shared/data/spoken-tags)")
    return root
