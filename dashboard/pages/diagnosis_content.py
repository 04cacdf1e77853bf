"""The Diagnosis page's content: what died, when, and what to do, and what that rests on."""

from collections.abc import Mapping, Sequence
from typing import Any

import dash_mantine_components as dmc
from dash import html

from ...diagnostics.findings import KINDS
from ..remedies import REMEDIES

TIMELINE = "findings-timeline"
CARRIED = "carried-share"

MOST_EVIDENCE = 4
"""Findings whose evidence is drawn, the cause first; the numbers of all stand in the table."""

DECORATION: dict[str, Any] = {"aria-hidden": "true"}
"""Of what a screen reader passes over."""

VERDICTS = {
    "collapsed": ("✕", "var(--flatline-bad)", "It has stopped learning: something critical held to the end."),
    "at-risk": (
        "!",
        "var(--flatline-stopped)",
        "It goes on, but a part of it is dead, bypassed, or about to collapse.",
    ),
    "healthy": ("✓", "var(--flatline-good)", "Nothing that was recorded says that anything is wrong."),
    "undetermined": ("?", "var(--flatline-live)", "It cannot be said yet whether it learns."),
}
"""Mark, colour and meaning of each verdict; the mark and the word say what the colour says."""

SEVERITY_COLOURS = {
    "critical": "var(--flatline-bad)",
    "warning": "var(--flatline-stopped)",
    "info": "var(--flatline-live)",
}

NETWORK = {"rnn": "RNN", "conv": "convolution", "other": "rest of the network"}
"""Parts of a network in words; others are called what they are."""

PARTS = {"gradient": "gradient below 5 % of its peak", "states": "states saturated, or the same for every clip"}


def pieces(run_name: str, summary: Mapping[str, Any] | None) -> tuple[Any, Any, Any]:
    """The page's words, in whichever state the run is: above the time line, below it, and below the evidence.

    summary : of `Judge.summary`; None while the run is being judged
    """
    if summary is None:
        return _judging(run_name), None, None
    if "error" in summary:
        return _failed(run_name, summary["error"]), None, None
    diagnosis = summary["diagnosis"]
    rest = [_findings(diagnosis["findings"]), _not_judged(diagnosis["undetermined"])]
    return _verdict(summary), _cause(summary), dmc.Stack([part for part in rest if part is not None], gap="md")


def shown_evidence(summary: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """The findings whose evidence the page draws, in order: graph `evidence-<n>` is that of the n-th, from 1.

    The cause, then what is critical or a warning; of a run without such, the first that is worth knowing.
    """
    if summary is None or "error" in summary:
        return []
    findings = summary["diagnosis"]["findings"]
    grave = [finding for place, finding in enumerate(findings) if finding["severity"] != "info" or place == 0]
    return grave[:MOST_EVIDENCE]


def graph_ids(summary: Mapping[str, Any] | None) -> list[str]:
    """Ids of the graphs that the page of such a summary has, in order."""
    if summary is None or "error" in summary:
        return []
    evidence = [evidence_id(number) for number, _ in enumerate(shown_evidence(summary), start=1)]
    timeline = [TIMELINE] if summary["diagnosis"]["findings"] else []
    return [*timeline, *evidence, CARRIED]


def evidence_id(number: int) -> str:
    """Id of the graph of a finding's evidence.

    number : from 1, as in `shown_evidence`
    """
    return f"evidence-{number}"


def headline(summary: Mapping[str, Any]) -> str:
    """One sentence: what died and when."""
    diagnosis, cause = summary["diagnosis"], summary["cause"]
    if cause is None:
        return summary["sentences"][0]
    finding = diagnosis["findings"][0]
    where = f" in {finding['where']}" if finding["where"] else ""
    return f"{finding['kind']}{where}, since iteration {finding['onset']:,}: {cause['means']}."


def _judging(run_name: str) -> dmc.Stack:
    words = dmc.Text(f"{run_name} is being judged; this takes a few seconds.", size="lg")
    more = dmc.Text("The verdict appears here by itself.", size="sm", c="dimmed")
    row = dmc.Group([dmc.Loader(size="md"), dmc.Stack([words, more], gap=2)], gap="md", wrap="nowrap")
    return dmc.Stack([html.Div(row, className="card tile")], id="diagnosis-content")


def _failed(run_name: str, why: str) -> dmc.Stack:
    text = [why, html.Br(), "Try ", html.Code(f"flatline diagnose {run_name}"), " in a terminal: it says more."]
    return dmc.Stack([dmc.Alert(text, title="This run cannot be judged", color="red")], id="diagnosis-content")


def _verdict(summary: Mapping[str, Any]) -> html.Div:
    """The word, and beside it what died, when, and what to do."""
    diagnosis = summary["diagnosis"]
    mark, colour, means = VERDICTS[diagnosis["verdict"]]
    word = dmc.Group(
        [
            html.Span(mark, style={"color": colour, "fontSize": 34, "fontWeight": 700, "lineHeight": 1}, **DECORATION),
            dmc.Text(diagnosis["verdict"], fz=34, fw=700, lh=1.1, c=colour, id="verdict"),
            dmc.Text(_of_what(summary), size="sm", c="dimmed"),
        ],
        gap="sm",
        align="baseline",
    )
    said = dmc.Text(headline(summary), size="lg", fw=500, id="verdict-sentence")
    tiles = _three(summary)
    rows = [word, said, *([dmc.Text(means, size="sm", c="dimmed")] if summary["cause"] is not None else []), *tiles]
    style = {"borderLeft": f"6px solid {colour}", "padding": "16px 20px"}
    return html.Div(dmc.Stack(rows, gap="xs"), className="card", style=style)


def _of_what(summary: Mapping[str, Any]) -> str:
    """How much was judged, and whether more is there already."""
    count = f"{summary['diagnosis']['iterations']:,} iterations"
    if summary["status"] != "running":
        return f"{count}, {summary['status']}"
    late = "" if summary.get("is_current", True) else "; more were recorded since, and are judged in a moment"
    return f"{count} so far, still training{late}"


def _three(summary: Mapping[str, Any]) -> list[Any]:
    """What died, when, what to do, side by side; nothing where nothing died."""
    cause = summary["cause"]
    if cause is None:
        return _advice_without_cause(summary)
    finding = summary["diagnosis"]["findings"][0]
    when = f"iteration {finding['onset']:,}"
    until = "" if finding["is_active"] else f" to {finding['last']:,}; what it brought about goes on"
    answers = {
        "What died" if summary["diagnosis"]["verdict"] == "collapsed" else "What is wrong": (
            _what_died(summary),
            f"by {finding['kind']}",
        ),
        "Since": (when, f"of {summary['diagnosis']['iterations']:,}{until}"),
        "What to do": (_sentence(cause["do"]), _first_try(finding)),
    }
    tiles = [_answer(question, *answer) for question, answer in answers.items()]
    return [dmc.SimpleGrid(tiles, cols={"base": 1, "sm": 3}, spacing="md", mt="xs")]


def _what_died(summary: Mapping[str, Any]) -> str:
    finding, onsets = summary["diagnosis"]["findings"][0], summary["onsets"]
    if finding["where"]:
        return finding["where"]
    if not onsets:
        return "the network as a whole"
    first = onsets[0]
    return f"the {NETWORK.get(first['part'], first['part'])} first, at {first['iteration']:,}"


def _first_try(finding: Mapping[str, Any]) -> Any:
    settings = [REMEDIES[name].setting for name in finding["remedies"][:1] if name in REMEDIES]
    if not settings or not settings[0]:
        return f"first: {finding['remedies'][0]}" if finding["remedies"] else ""
    return [f"{finding['remedies'][0]}: ", html.Code(f"--set {settings[0]}")]


def _advice_without_cause(summary: Mapping[str, Any]) -> list[Any]:
    """What to do where nothing is wrong, or nothing can be said."""
    known = summary["diagnosis"]["findings"]
    words = {
        "healthy": f"There is nothing to do.{' What is worth knowing stands below.' if known else ''}",
        "undetermined": "Train on, or record what was missing: it stands below under “Not judged”.",
    }
    text = words.get(summary["diagnosis"]["verdict"])
    return [dmc.Text(text, c="dimmed")] if text else []


def _answer(question: str, answer: str, below: Any) -> html.Div:
    return html.Div(
        [
            dmc.Text(question, size="xs", c="dimmed", fw=600),
            dmc.Text(answer, fw=700, fz=18, lh=1.3, style={"overflowWrap": "anywhere"}),
            dmc.Text(below, size="sm", c="dimmed"),
        ]
    )


def _cause(summary: Mapping[str, Any]) -> dmc.SimpleGrid | None:
    """Why, what speaks for and against it, and what to try."""
    cause = summary["cause"]
    if cause is None:
        return None
    finding = summary["diagnosis"]["findings"][0]
    why = [dmc.Text(finding["explanation"]), *_chain(cause), *_stopped(summary["onsets"])]
    tried = [
        *_signs("For it", cause["pro"], "Nothing that could be checked apart from its own criterion."),
        *_signs("Against it", cause["contra"], "Nothing that was recorded."),
        dmc.Text(f"Criterion: {finding['source']}", size="xs", c="dimmed"),
    ]
    cards = [
        _card(f"The cause: {finding['kind']}", why),
        _card("Why we say so", tried),
        _card("What to try, in this order", _remedies(finding)),
    ]
    return dmc.SimpleGrid(cards, cols={"base": 1, "md": 3}, spacing="md")


def _chain(cause: Mapping[str, Any]) -> list[Any]:
    told = {"It explains": cause["explains"], "Beside it": cause["beside"]}
    return [dmc.Text([html.B(f"{words}: "), ", ".join(kinds)], size="sm") for words, kinds in told.items() if kinds]


def _stopped(onsets: Sequence[Mapping[str, Any]]) -> list[Any]:
    if not onsets:
        return []
    lines = [
        dmc.ListItem([html.B(f"{onset['iteration']:,}"), f"  {_part(onset)}: {PARTS[onset['what']]}"])
        for onset in onsets
    ]
    return [dmc.Text("What stopped first", fw=600, size="sm", mt=6), dmc.List(lines, size="sm", type="ordered")]


def _part(onset: Mapping[str, Any]) -> str:
    name = str(NETWORK.get(onset["part"], onset["part"]))
    return f"{name} ({onset['where']})" if onset["where"] else name


def _signs(title: str, signs: Sequence[str], none: str) -> list[Any]:
    listed: Any = dmc.List([dmc.ListItem(sign) for sign in signs], size="sm") if signs else dmc.Text(none, size="sm")
    return [dmc.Text(title, fw=600, size="sm"), listed]


def _remedies(finding: Mapping[str, Any]) -> list[Any]:
    first = dmc.Text(_sentence(finding["do"]), fw=600)
    if not finding["remedies"]:
        return [first]
    lines = [dmc.ListItem(_remedy(name)) for name in finding["remedies"]]
    how = ["In a recipe of Flatline: ", html.Code("flatline train RECIPE --set KEY=VALUE"), "."]
    has_setting = any(name in REMEDIES and REMEDIES[name].setting for name in finding["remedies"])
    told = [dmc.Text(how, size="xs", c="dimmed")] if has_setting else []
    return [first, dmc.List(lines, size="sm", type="ordered", spacing=4), *told]


def _remedy(name: str) -> list[Any]:
    remedy = REMEDIES.get(name)
    if remedy is None:
        return [html.B(name)]
    setting = [" (", html.Code(remedy.setting), ")"] if remedy.setting else []
    return [html.B(name), f": {remedy.does}", *setting]


def _findings(findings: Sequence[Mapping[str, Any]]) -> html.Div | None:
    if not findings:
        return None
    head = dmc.TableThead(dmc.TableTr([dmc.TableTh(name) for name in ("Severity", "Kind", "Iterations", "Evidence")]))
    body = dmc.TableTbody([_row(finding) for finding in findings])
    table = dmc.Table([head, body], verticalSpacing="xs", horizontalSpacing="md", className="numbers", id="findings")
    return _card("All findings", [dmc.TableScrollContainer(table, minWidth=720)])


def _row(finding: Mapping[str, Any]) -> dmc.TableTr:
    severity = dmc.Text(finding["severity"], fw=600, size="sm", c=SEVERITY_COLOURS[finding["severity"]])
    where = dmc.Text(finding["where"], size="xs", c="dimmed") if finding["where"] else None
    means = dmc.Text(KINDS.get(finding["kind"], ""), size="xs", c="dimmed")
    kind = [html.B(finding["kind"]), *([where] if where else []), means]
    over = [] if finding["is_active"] else [dmc.Text("over", size="xs", c="dimmed")]
    span = [f"{finding['onset']:,} to {finding['last']:,}", *over]
    return dmc.TableTr([dmc.TableTd(cell) for cell in (severity, kind, span, evidence_words(finding["evidence"]))])


def evidence_words(measured: Mapping[str, float | None]) -> str:
    """The numbers of a finding in words; what was not measured is said to be so.

    >>> evidence_words({"rank_agreement": 0.99987, "rho": None})
    'rank agreement 1, rho not measured'
    """
    said = {name: "not measured" if value is None else f"{value:.3g}" for name, value in measured.items()}
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in said.items())


def _not_judged(undetermined: Sequence[Mapping[str, str]]) -> html.Div | None:
    """What could not be judged and why, folded away."""
    if not undetermined:
        return None
    lines = [dmc.ListItem([html.B(entry["kind"]), f": {entry['why']}"]) for entry in undetermined]
    panel = [
        dmc.AccordionControl(f"Not judged ({len(undetermined)})"),
        dmc.AccordionPanel(dmc.List(lines, size="sm")),
    ]
    return html.Div(
        dmc.Accordion([dmc.AccordionItem(panel, value="not-judged")], id="not-judged", persistence=True),
        className="card",
    )


def _card(title: str, children: Sequence[Any]) -> html.Div:
    heading = dmc.Title(title, order=4)
    return html.Div(dmc.Stack([heading, *children], gap="xs"), className="card", style={"padding": "14px 18px"})


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
