"""Figures of a run, usable in a notebook: each is a function of a run, and underneath one of tables."""

from .attribution_checks import attribution_checks, attribution_checks_figure
from .attribution_map import attribution_map, attribution_map_figure
from .carried_share import carried_share, carried_share_figure
from .class_heatmap import class_heatmap, class_heatmap_figure
from .class_lwlrap import class_lwlrap, class_lwlrap_figure
from .class_shares import class_shares, class_shares_figure
from .clip_scores import clip_scores, clip_scores_figure
from .compare_classes import compare_classes, compare_classes_figure
from .compare_curves import compare_curves, compare_curves_figure
from .compare_heatmaps import compare_heatmaps, compare_heatmaps_figure
from .evidence import evidence, evidence_figure
from .findings_timeline import findings_timeline, findings_timeline_figure
from .gradient_heatmap import gradient_heatmap, gradient_heatmap_figure
from .gradient_lines import gradient_lines, gradient_lines_figure
from .hidden_gradient_heatmap import hidden_gradient_heatmap, hidden_gradient_heatmap_figure
from .localisation_map import localisation_map, localisation_map_figure
from .loss import loss, loss_figure
from .lr_range import lr_range, lr_range_figure
from .lwlrap import lwlrap, lwlrap_figure
from .map_growth import map_growth, map_growth_figure
from .output_health import output_health, output_health_figure
from .revival import revival, revival_figure
from .update_ratios import update_ratios, update_ratios_figure

__all__ = [
    "attribution_checks",
    "attribution_checks_figure",
    "attribution_map",
    "attribution_map_figure",
    "carried_share",
    "carried_share_figure",
    "class_heatmap",
    "class_heatmap_figure",
    "class_lwlrap",
    "class_lwlrap_figure",
    "class_shares",
    "class_shares_figure",
    "clip_scores",
    "clip_scores_figure",
    "compare_classes",
    "compare_classes_figure",
    "compare_curves",
    "compare_curves_figure",
    "compare_heatmaps",
    "compare_heatmaps_figure",
    "evidence",
    "evidence_figure",
    "findings_timeline",
    "findings_timeline_figure",
    "gradient_heatmap",
    "gradient_heatmap_figure",
    "gradient_lines",
    "gradient_lines_figure",
    "hidden_gradient_heatmap",
    "hidden_gradient_heatmap_figure",
    "localisation_map",
    "localisation_map_figure",
    "loss",
    "loss_figure",
    "lr_range",
    "lr_range_figure",
    "lwlrap",
    "lwlrap_figure",
    "map_growth",
    "map_growth_figure",
    "output_health",
    "output_health_figure",
    "revival",
    "revival_figure",
    "update_ratios",
    "update_ratios_figure",
]
