"""The place of attributions: what a net heard in one clip."""

import dash_mantine_components as dmc
from dash import html

from ...runs.run import Run


def layout(run: Run) -> html.Div:
    """What will stand here, and what answers the question until then."""
    text = dmc.Stack(
        [
            dmc.Title("No attributions in this run", order=3),
            dmc.Text(
                "An attribution says which parts of a clip's log-mel moved one class's output. None is kept in this "
                "run's folder (attributions/). The Localisation page shows the maps that the net itself made."
            ),
        ]
    )
    return html.Div(text, className="card pad", id="attribution-map")
