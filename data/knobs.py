"""How hard the embedded sounds are to tell apart: every constant that shapes them.

They are part of what a made set remembers of itself, so a set made with others is never taken for this one.
"""

EVENTS_SHARE = (0.84, 0.13, 0.03)  # of clips with one, two and three events: 1.19 labels a clip
WRONG_SHARE = 0.25  # of the noisy clips
SHORTEST_S, LONGEST_S, MEAN_S = 1.0, 8.0, 3.0  # clips; exponential above the shortest
EVENT_DB = (-34.0, -16.0)  # rms of an event re full scale
BACKGROUND_DB = (-62.0, -50.0)  # rms of the noise under it
BACKGROUND_TILT = (0.0, 0.9)  # from white noise to one that falls by about 25 dB towards 8 kHz
PEAK = 0.98  # a louder mixture is turned down to it

STEADY_S = (0.5, 2.0)  # seconds of an event whose spectrum tells its class
ORDERED_S = (0.8, 2.5)  # of one that temporal order tells from its twin: several frames of the story's 0.256 s
PITCH_JITTER_OCTAVES = 0.08  # every frequency is drawn within this of its nominal value, in both directions
TIMBRE_JITTER_DB = 4.0  # standard deviation of every partial's level
CRESCENDO_DB = 30.0  # from the softest to the loudest moment of a crescendo
