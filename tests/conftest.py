import os
from pathlib import Path

import pytest
from flatline.data import make_dataset

REPOSITORY = Path(__file__).parent.parent
SPOKEN_TAGS = REPOSITORY / ".." / "shared" / "data" / "spoken-tags"


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """Features go into a cache of this session's, not the user's."""
    before = os.environ.get("FLATLINE_CACHE")
    os.environ["FLATLINE_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    yield
    if before is None:
        del os.environ["FLATLINE_CACHE"]
    else:
        os.environ["FLATLINE_CACHE"] = before


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory, own_cache):
    """The embedded data set, small: 80 classes, 64 training clips, 16 labelled test clips."""
    return make_dataset(tmp_path_factory.mktemp("data") / "tiny", n_curated=64, n_noisy=0, n_test=16, workers=1)


@pytest.fixture(scope="session")
def spoken_tags():
    """Real speech with real labels; tests that need it skip where it is not there."""
    if not SPOKEN_TAGS.is_dir():
        pytest.skip("no real audio at ../shared/data/spoken-tags")
    return SPOKEN_TAGS
