"""The exact L2 margin against its optimality conditions, and a library call that solves another problem in silence."""

from __future__ import annotations

import numpy as np
import xarray as xr
from sklearn.svm import SVC

from ...references.margins import hard_margin, kkt_residual
from .panel import Points


def with_intercept(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(w, alpha) of scikit-learn's linear support vector machine at C = 1e10: min |w|^2 s.t. y_n (w.x_n + b) >= 1."""
    machine = SVC(kernel="linear", C=1e10, tol=1e-10).fit(x, y)
    alpha = np.zeros(len(y))
    alpha[machine.support_] = np.abs(machine.dual_coef_[0])
    return machine.coef_[0], alpha


def hard_margins(points: Points) -> xr.Dataset:
    """Over seeds: KKT residual and smallest margin - 1 of the exact solution and of the machine with an intercept."""
    rows = []
    for x, y in zip(points.x, points.y, strict=True):
        exact, (w, alpha) = hard_margin(x, y), with_intercept(x, y)
        cosine = w @ exact.w / np.linalg.norm(w) / np.linalg.norm(exact.w)
        slack = np.min(y * (x @ w)) - 1
        rows.append([exact.kkt, exact.slack, kkt_residual(x, y, w, alpha), slack, cosine, exact.support.sum()])
    names = {
        "kkt": "residual of the optimality conditions of the exact solution",
        "slack": "smallest margin of the exact solution as it was solved for, less 1",
        "svc_kkt": "residual of the same conditions, machine with an intercept",
        "svc_slack": "smallest margin without the intercept, less 1, machine with an intercept",
        "svc_cosine": "cosine between the two solutions",
        "support_vectors": "support vectors",
    }
    columns = zip(names.items(), np.array(rows).T, strict=True)
    return xr.Dataset({name: ("seed", column, {"long_name": words}) for (name, words), column in columns})
