"""The words of docs/story.md: what is told of the runs follows what they came to."""

from collections.abc import Iterator, Mapping, Sequence
from textwrap import fill
from typing import Any

from ..diagnostics.ablation_shares import BYPASSED
from ..diagnostics.detectors.constant_predictor import ONE_OVER_RANK
from .display import number
from .revive.revived import Revived
from .revive.telling import UNCHANGED, carried, changes, headline, moved, outcome, share

Chapters = Mapping[str, Mapping[str, Any]]
"""Facts of each run, by its recipe."""

WIDTH = 119

HEAD = """\
# The story

An audio tagger for Freesound Audio Tagging 2019, a convolutional recurrent network, stopped learning after a
hundred iterations: its gradients died, and a chart of its scores by class looked as if it tagged one class only. An
attention block on the input was added, the network learned, and nobody knew why. This page tells what Flatline sees
in the same network, kept from learning and brought to it, in the order in which `flatline demo` tells it.
"""

SOURCE = """\
Every number here is of one call of `make story-page`, which runs `flatline demo` and keeps what came of it in
[story.json](story.json): {train:,} training and {validation:,} validation clips of {n_classes} classes, synthetic
sounds that are made on the spot, {iterations} iterations, seed {seed}; flatline {flatline}, torch {torch}. Other
processors round otherwise, and curves that balance on an edge fall otherwise; more seeds and real speech are in
[recipes.md](recipes.md).
"""

LEVELS = """\
A score means little alone. *Chance* is the lwlrap of a random ranking, *constant* that of one ranking for all
clips, by how common each class was in training; a net that is not above both by .02 has learned nothing that tells
clips apart, whatever its loss says. *Gradient end/peak* is how much of its highest gradient norm a run has left.
"""

LIKELY = """\
That the original project ran a double sigmoid is likely, not proven: its code survives only in the cured form, with
the old head, which gives probabilities, commented out above a loss on logits; and its gradient fell below what
label noise alone would keep up under a sound objective.
"""

RANK = """\
Sort the lwlrap by class of a net that ranks all classes alike for every clip: the class at rank one scores 1, at
rank two 1/2, then 1/3. The chart looks as if one class were tagged well and the next a little; no class is tagged
at all. The original chart's bars were 1, .497, .332, .247, .196: that curve (log-log correlation .999). So "it tags
only one class" was never so. Flatline measures how far the bars of the best twenty classes lie from 1/rank, in
their logarithm (below {limit} they follow it), and how alike the rankings of the clips are:
"""

ROUND = """\
A score does not say which part of a network earned it. Flatline replaces a part's output by its mean over the clips
and looks what is lost of the score above the constant level; a part whose whole 95 % interval lies below
{bypassed:.0%} is gone round.
"""

CURES = """\
The demo tries two of the remedies that the diagnoses name, alone and on top of each other, each arm a run beside
the one that collapsed ([revive.md](revive.md)). An arm that falls behind ends early. One that removes the cause is
kept even where the score does not rise yet, diagnosed again, and treated on.
"""

WHOLE = """\
The whole of it, `flatline revive story-double-sigmoid` with every remedy and three seeds:

![Bars of lwlrap: of all arms only a right loss with a prior bias leaves the constant level](images/figures/revival.png)
"""

LIMITS = """\
- That the original project ran a double sigmoid is likely, not proven: see above.
- One seed, small nets, synthetic sounds. That attention goes round the RNN depends on the data: on real speech the
  same net's RNN carries its score ([recipes.md](recipes.md)). Ablate, do not assume.
- A prescription is the best of what was tried. `flatline revive RUN` tries all that a diagnosis names, with three
  seeds.
"""

AGAIN = """\
```bash
make demo                                        # the story, its cures, and the dashboard
make story-page                                  # this page, from a fresh run of it
flatline diagnose story-plain                    # why, in words
flatline revive story-plain                      # every remedy, three seeds
flatline compare story-plain story-plain~prior-bias
```
"""


def page(found: Mapping[str, Any], table: str) -> str:
    """The page in Markdown.

    found : of `story_page.facts`
    table : of the story's runs
    """
    chapters: Chapters = {one["recipe"]: one for one in found["chapters"]}
    sections = [
        HEAD,
        _wrapped(SOURCE.format(**found["clips"], **found["versions"], **{key: found[key] for key in _NUMBERS})),
        f"## One network, six ways\n\n{table}\n\n{LEVELS}",
        _of_run("A loss on logits, fed probabilities", chapters["story-double-sigmoid"]),
        LIKELY,
        _picture("vitals", "story-double-sigmoid", "gradients by parameter, loss, score"),
        f"## The chart that looked like one class\n\n{_wrapped(RANK.format(limit=ONE_OVER_RANK))}",
        _table(RANK_HEADS, [_rank_row(one) for one in chapters.values()]),
        _picture("classes", "story-double-sigmoid", "bars that fall like 1/rank"),
        _of_run("A loss that fits", chapters["story-plain"]),
        _of_run("Attention on the input", chapters["story-attention"]),
        _wrapped(ROUND.format(bypassed=BYPASSED)),
        _table(SHARE_HEADS, [_share_row(one) for one in chapters.values() if _has_shares(one)]),
        _of_run("Attention on a broken objective", chapters["story-attention-double-sigmoid"]),
        f"## What cures them\n\n{CURES}",
        *(part for one in chapters.values() if one["revived"] for part in _cure(one)),
        _same(chapters),
        WHOLE,
        f"## What this does not show\n\n{LIMITS}",
        f"## Again\n\n{AGAIN}",
    ]
    return "\n\n".join(section.strip() for section in sections if section.strip()) + "\n"


_NUMBERS = ("n_classes", "iterations", "seed")

RANK_HEADS = ("recipe", "off 1/rank by", "so its bars", "rank agreement", "same class on top")

SHARE_HEADS = ("recipe", "lwlrap", "the RNN carries", "attention carries", "verdict")


def _of_run(title: str, one: Mapping[str, Any]) -> str:
    """A chapter: what its run came to, since when, why, and what stopped first."""
    scores = f"lwlrap {number(one['lwlrap'])}, chance {number(one['chance'])}, constant level {number(one['constant'])}"
    lines = [f"`{one['recipe']}` ends {one['verdict']} ({scores})."]
    if one["cause"] is not None:
        lines.append(f"The cause is `{one['cause']}`, since iteration {one['onset']:,}: {one['means']}.")
        lines.append(one["explanation"])
    if one["order"]:
        lines.append(f"What stopped first: {one['order']}.")
    return f"## {title}\n\n{_wrapped(' '.join(lines))}"


def _rank_row(one: Mapping[str, Any]) -> tuple[str, ...]:
    off = one["off_one_over_rank"]
    follows = "too few to tell" if off is None else "follow it" if off < ONE_OVER_RANK else "do not follow it"
    return (
        f"`{one['recipe']}`",
        number(off),
        follows,
        number(one["rank_agreement"]),
        f"{one['top_class_share']:.0%}",
    )


def _has_shares(one: Mapping[str, Any]) -> bool:
    return any(of_part is not None for of_part in one["shares"].values())


def _share_row(one: Mapping[str, Any]) -> tuple[str, ...]:
    rnn, attention = (_interval(one["shares"][part]) for part in ("rnns", "attentions"))
    return f"`{one['recipe']}`", number(one["lwlrap"]), rnn, attention, outcome(one)


def _interval(of_part: Sequence[float] | None) -> str:
    if of_part is None:
        return "–"
    value, low, high = (round(100 * value) for value in of_part)
    return f"{value} % ({low} to {high})"


def _cure(one: Mapping[str, Any]) -> Iterator[str]:
    """The trials of a run: each arm, the stages, what is prescribed, and what speaks against it."""
    revived = Revived(**one["revived"])
    yield f"### {one['recipe']}\n\n" + _table(
        ("what was changed", "lwlrap", "verdict", "the RNN carries", "iterations"),
        [_arm(arm) for arm in revived.arms],
    )
    yield "\n".join(
        f"{place}. On {_on(stage['on'])} ({stage['cause'] or 'no cause named'}): {stage['why']}."
        for place, stage in enumerate(revived.stages, 1)
    )
    yield f"**{headline(revived)}**"
    if revived.best == UNCHANGED:
        return
    yield _wrapped(f"{moved(revived)}.")
    yield f"```diff\n{revived.diff}\n```" if revived.diff else ""
    yield _wrapped(f"Against it: {' '.join(revived.against)}") if revived.against else ""


def _on(name: str) -> str:
    return "the run as it was" if name == UNCHANGED else changes(name)


def _arm(arm: Mapping[str, Any]) -> tuple[str, ...]:
    name = f"`{changes(arm['intervention'], '` + `')}`"
    return name, number(arm["lwlrap"]), outcome(arm), share(arm["rnn_share"]), f"{arm['iterations']:,}"


def _same(chapters: Chapters) -> str:
    """That two ways led to the same network, where they did."""
    cured, given = chapters["story-plain"]["revived"], chapters["story-prior-bias"]
    best = next((arm for arm in (cured or {"arms": []})["arms"] if arm["intervention"] == "prior-bias"), None)
    if best is None or number(best["lwlrap"]) != number(given["lwlrap"]):
        return ""
    told = "" if best["rnn_share"] is None else f"; {carried(best['rnn_share'])}"
    text = (
        f"The arm `prior-bias` of `story-plain` comes to the score of `story-prior-bias` above "
        f"({number(given['lwlrap'])}): the same recipe and seed, found by trial{told}."
    )
    return _wrapped(text)


def _picture(page_name: str, run: str, words: str) -> str:
    return f"![The {page_name} page of {run}: {words}](images/{page_name}-{run}-light-1280.png)"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    numbers = ["---" if place == 0 or heads[place] in WORDS else "---:" for place in range(len(heads))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (heads, numbers, *rows))


WORDS = ("verdict", "so its bars")
"""Columns of words, set to the left."""


def _wrapped(text: str) -> str:
    return fill(" ".join(text.split()), WIDTH, break_long_words=False, break_on_hyphens=False)
