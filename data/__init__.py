from .audio import Waveform, read_clip
from .batching import pad
from .cache import Features, extract
from .check import check_dataset
from .clipset import Clip, ClipSet
from .errors import DataError, Problem
from .features import PRESETS, SILENCE_DB, FeatureSettings, log_mel, resolve_features
from .folders import audio_files
from .freesound import load_dataset
from .make import make_dataset
from .scaling import BinStandardisation, FixedScaling, scaling_from_dict
from .splits import Split, seed_split, training_split
from .stratification import k_fold

__all__ = [
    "PRESETS",
    "SILENCE_DB",
    "BinStandardisation",
    "Clip",
    "ClipSet",
    "DataError",
    "FeatureSettings",
    "Features",
    "FixedScaling",
    "Problem",
    "Split",
    "Waveform",
    "audio_files",
    "check_dataset",
    "extract",
    "k_fold",
    "load_dataset",
    "log_mel",
    "make_dataset",
    "pad",
    "read_clip",
    "resolve_features",
    "scaling_from_dict",
    "seed_split",
    "training_split",
]
