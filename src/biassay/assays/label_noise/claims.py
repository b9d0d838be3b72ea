"""What the assay `label-noise` claims, part by part."""

from . import (
    claims_curve,
    claims_drift,
    claims_escape,
    claims_one_point,
    claims_sensing,
    claims_sparse,
    claims_stability,
)

CLAIMS = (
    *claims_drift.CLAIMS,
    *claims_escape.CLAIMS,
    *claims_sensing.CLAIMS,
    *claims_curve.CLAIMS,
    *claims_one_point.CLAIMS,
    *claims_sparse.CLAIMS,
    *claims_stability.CLAIMS,
)
