"""Columns of the runs table: what they show, how wide, in which colours."""

from typing import Any

from ..captions import CONSTANT_LEVEL

GRID_THEME = (
    "themeQuartz.withParams({backgroundColor: 'var(--flatline-card)', foregroundColor: 'var(--mantine-color-text)', "
    "borderColor: 'var(--flatline-line)', headerBackgroundColor: 'var(--flatline-card)', fontFamily: 'inherit', "
    "fontSize: 13, cellHorizontalPadding: 8, wrapperBorderRadius: 10})"
)
"""The grid in the colours of the page, light or dark."""

BAD, GOOD, STOPPED, LIVE = (f"var(--flatline-{name})" for name in ("bad", "good", "stopped", "live"))


def _text(field: str, name: str, width: int, **more: Any) -> dict[str, Any]:
    shown = {"function": "params.value == null ? '–' : params.value"}
    return {"field": field, "headerName": name, "flex": width, "minWidth": width, "valueFormatter": shown, **more}


def _number(field: str, name: str, width: int, form: str, **more: Any) -> dict[str, Any]:
    shown = {"function": f"params.value == null ? '–' : d3.format('{form}')(params.value)"}
    right = {
        "headerClass": "ag-right-aligned-header",
        "cellClass": "ag-right-aligned-cell numbers",
        "filter": "agNumberColumnFilter",
    }
    return _text(field, name, width, **right) | {"valueFormatter": shown} | more


def _coloured(colours: dict[str, str]) -> dict[str, Any]:
    """Bold and in a colour where a condition holds."""
    conditions = [
        {"condition": when, "style": {"color": colour, "fontWeight": 600}} for when, colour in colours.items()
    ]
    return {"styleConditions": conditions, "defaultStyle": {"color": "inherit", "fontWeight": 400}}


_STATE = _coloured(
    {
        "params.value == 'running'": LIVE,
        "params.value == 'interrupted'": STOPPED,
        "params.value == 'failed' || params.value == 'unreadable'": BAD,
    }
)

_VERDICT = _coloured(
    {
        "params.value == 'collapsed'": BAD,
        "params.value == 'at-risk'": STOPPED,
        "params.value == 'healthy'": GOOD,
    }
)

SELECTION = {"mode": "multiRow", "enableClickSelection": False, "headerCheckbox": False}
"""Runs are marked by their boxes, for a comparison."""

CURVE = (
    "Gradient norm of the RNN (of all, without one) from the first iteration to the last, the lowest of each bin, on a "
    "logarithmic scale."
)

_LEVEL = _coloured({"params.data.at_constant_level === true": BAD, "params.data.at_constant_level === false": GOOD})

_INDENTED = {"styleConditions": [{"condition": "params.data.is_arm", "style": {"paddingLeft": "26px"}}]}
"""Of the name of an arm, which stands below the run that was tried."""

_YES_NO = {"function": "params.value == null ? '–' : params.value ? 'yes' : 'no'"}

COLUMN_DEFAULTS = {
    "filter": True,
    "floatingFilter": True,
    "suppressHeaderFilterButton": True,
    "suppressFloatingFilterButton": True,
    "wrapHeaderText": True,
    "autoHeaderHeight": True,
}

_AT_LEAST: dict[str, Any] = {
    "filterParams": {"defaultOption": "greaterThanOrEqual"},
    "headerTooltip": "The filter keeps runs at or above the number.",
}

COLUMNS: list[dict[str, Any]] = [
    _text("name", "Run", 230, tooltipField="name", cellClass="run-name", cellRenderer="RunLink", cellStyle=_INDENTED),
    _text("verdict", "Verdict", 108, tooltipField="why", cellStyle=_VERDICT),
    _text("cause", "Cause", 168, tooltipField="cause"),
    {"field": "gradient", "headerName": "Gradient", "width": 116, "cellRenderer": "Curve", "cellDataType": False}
    | {"filter": False, "sortable": False, "headerTooltip": CURVE},
    _text("status", "State", 100, tooltipField="reason", cellStyle=_STATE),
    _number("lwlrap", "lwlrap", 62, ".3f", cellStyle=_LEVEL, **_AT_LEAST),
    _number("chance", "Chance", 66, ".3f", filter=False),
    _number("constant", "Constant level", 76, ".3f", filter=False),
    _text("at_constant_level", "At that level", 66, cellDataType=False, cellStyle=_LEVEL, headerTooltip=CONSTANT_LEVEL)
    | {"valueFormatter": _YES_NO, "filterValueGetter": {"function": "params.data.at_constant_level ? 'yes' : 'no'"}},
    _text("architecture", "Architecture", 104),
    _text("head", "Head", 118),
    _text("loss_kind", "Loss", 116),
    _number("seed", "Seed", 50, "d"),
    _number("iterations", "Iterations", 80, ",", **_AT_LEAST),
    _text("started", "Started", 134, cellDataType=False, cellClass="numbers"),
]
"""Widths are the least in pixels, and the shares of what is left."""
