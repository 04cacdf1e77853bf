"""Figures of a run, usable in a notebook: each is a function of a run, and underneath one of tables."""

from .gradient_heatmap import gradient_heatmap, gradient_heatmap_figure
from .gradient_lines import gradient_lines, gradient_lines_figure
from .hidden_gradient_heatmap import hidden_gradient_heatmap, hidden_gradient_heatmap_figure
from .loss import loss, loss_figure
from .lwlrap import lwlrap, lwlrap_figure
from .output_health import output_health, output_health_figure
from .update_ratios import update_ratios, update_ratios_figure

__all__ = [
    "gradient_heatmap",
    "gradient_heatmap_figure",
    "gradient_lines",
    "gradient_lines_figure",
    "hidden_gradient_heatmap",
    "hidden_gradient_heatmap_figure",
    "loss",
    "loss_figure",
    "lwlrap",
    "lwlrap_figure",
    "output_health",
    "output_health_figure",
    "update_ratios",
    "update_ratios_figure",
]
