"""An epoch from the feature cache against extracting the features."""

import os
import tempfile
from pathlib import Path

import numpy as np
from flatline.data import extract, load_dataset, make_dataset, pad, resolve_features
from timing import Timed, alone, turn_about

BATCH = 32


class Epoch:
    """All clips of a data set as padded batches, by way of a cache folder."""

    def __init__(self, root: Path) -> None:
        clipset = load_dataset(root)
        self.settings = resolve_features("story", clipset.sample_rate_hz)
        self.paths = [clip.path for clip in clipset.clips]

    def run(self, cache: Path) -> int:
        """Look the features up, extract what is missing, go through all batches; returns how many were extracted."""
        features = extract(self.paths, self.settings, cache_dir=cache)
        for start in range(0, len(self.paths), BATCH):
            indices = np.arange(start, min(start + BATCH, len(self.paths)))
            pad([features[index] for index in indices], self.settings.n_frames)
        return features.n_extracted


def measure(repetitions: int) -> Timed:
    """Extraction and its epoch over an epoch that finds all features cached."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FLATLINE_CACHE"] = f"{folder}/default"  # nothing of this lands in the user's own
        epoch = Epoch(make_dataset(Path(folder) / "data", n_curated=190, n_noisy=50, n_test=60))
        fresh = iter(range(10**6))
        timed = turn_about(
            lambda: epoch.run(Path(folder) / f"cache-{next(fresh)}"),
            lambda: epoch.run(Path(folder) / "cache-0"),  # filled by the first of the others
            repetitions,
        )
        if epoch.run(Path(folder) / "cache-0"):
            raise AssertionError("the cached epoch extracted clips")
    return timed


GROUPS = (alone("cached epoch against extraction", "300 clips of the embedded set", 20, False, measure),)
