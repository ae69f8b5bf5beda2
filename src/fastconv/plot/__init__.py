"""Pictures of a training and of what a network sees (matplotlib, the ``cli`` extra).

One call each. Every function returns a figure, and with ``path=`` writes it as PNG; those of one panel, and `curves`,
draw into the axes they are given. What is drawn comes from a function of its own, without matplotlib: `mosaic` for
`filters`, ``..._map`` for the maps, `most_exciting` and `maximize_activation`. Figures are drawn on matplotlib's Agg
canvas directly: no display, no global state, the same in a terminal, a test and a server.

Training
    `curves`, `confusion_matrix`, `training_report`.

Inside of a network
    `filters` and `activations` of its layers; where it looks: `occlusion`, `saliency`, `grad_cam`; what a filter looks
    for: `exciting_inputs`, `activation_maximization`.

Networks take pictures as they were trained on, channels first; they are shown between their least and largest value.
"""

from __future__ import annotations

from fastconv.plot.activations import activations
from fastconv.plot.confusion import confusion_matrix
from fastconv.plot.curves import curves
from fastconv.plot.exciting import exciting_inputs, most_exciting
from fastconv.plot.figures import save
from fastconv.plot.filters import filters, mosaic
from fastconv.plot.grad_cam import grad_cam, grad_cam_map
from fastconv.plot.maximization import activation_maximization, maximize_activation
from fastconv.plot.occlusion import occlusion, occlusion_map
from fastconv.plot.report import training_report
from fastconv.plot.saliency import saliency, saliency_map

__all__ = [
    "activation_maximization",
    "activations",
    "confusion_matrix",
    "curves",
    "exciting_inputs",
    "filters",
    "grad_cam",
    "grad_cam_map",
    "maximize_activation",
    "mosaic",
    "most_exciting",
    "occlusion",
    "occlusion_map",
    "saliency",
    "saliency_map",
    "save",
    "training_report",
]
