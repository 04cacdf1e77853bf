"""The methods' functions by name; importing them imports captum."""

from collections.abc import Callable

from .explained import Explained
from .found import Found, Options
from .gradients import deep_lift, gradient_shap, input_x_gradient, saliency
from .integrated import integrated_gradients
from .layers import grad_cam, rnn_frames
from .perturbed import ablation_frames, ablation_mels, occlusion
from .rollout import rollout

FUNCTIONS: dict[str, Callable[[Explained, float, Options], Found]] = {
    "integrated-gradients": integrated_gradients,
    "saliency": saliency,
    "input-x-gradient": input_x_gradient,
    "deep-lift": deep_lift,
    "gradient-shap": gradient_shap,
    "occlusion": occlusion,
    "ablation-mels": ablation_mels,
    "ablation-frames": ablation_frames,
    "grad-cam": grad_cam,
    "rnn-frames": rnn_frames,
    "rollout": rollout,
}
"""(what is explained, output - baseline output, options) -> what the method gave."""
