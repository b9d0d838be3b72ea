"""The catalogue of assays: what each one tests and where it lives.

The catalogue is written by hand so that it can be read without importing an assay, and with it JAX. The tests hold
every entry against the assay it describes.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import UserError, nearest

if TYPE_CHECKING:
    from ..assay import Assay


@dataclass(frozen=True)
class Entry:
    """One assay, as `biassay list` shows it.

    module: where its `ASSAY` is; sentence: what it tests; claims: their names; seconds: the expected duration of the
    quick profile on two cores; papers: BibTeX keys of `biassay.citations`.
    """

    module: str
    sentence: str
    claims: tuple[str, ...]
    seconds: float
    papers: tuple[str, ...]


CATALOGUE: dict[str, Entry] = {
    "min-norm": Entry(
        module="biassay.assays.min_norm",
        sentence=(
            "On under-determined least squares gradient descent finds the minimum-norm solution, and so does "
            "every algorithm that reaches zero error inside the span of the data."
        ),
        claims=(
            "gd-min-norm",
            "gd-in-span",
            "gd-interpolates",
            "span-rule-distance",
            "span-rule-span",
            "span-rule-residual",
            "zero-error-needed",
            "decay-in-span",
            "decay-is-ridge",
            "projection-of-start",
            "preconditioner-changes-norm",
            "mirror-min-p-norm",
            "mirror-min-p-norm-at-zero-error",
            "mirror-dual-in-span",
            "steepest-depends-on-step",
        ),
        seconds=25.0,
        papers=(
            "lecture_sgd",
            "gunasekar2018geometry",
        ),
    ),
    "max-margin": Entry(
        module="biassay.assays.max_margin",
        sentence=(
            "On separable data an optimizer chooses the direction of largest margin in its own geometry, gradient "
            "descent that of largest L2 margin at the pace of log t."
        ),
        claims=(
            "direction-law",
            "direction-limit",
            "margin-gap-law",
            "residual-limit",
            "loss-constant",
            "hard-margin-optimal",
            "hard-margin-feasible",
            "aggressive-step",
            "adam-near-linf",
            "adam-far-from-l2",
            "adam-nearer-linf",
            "own-geometry",
            "steepest-p-norm",
            "spectral-descent",
            "muon-as-shipped",
            "muon-converged",
            "adam-growth-formula",
            "adam-growth-cap",
        ),
        seconds=50.0,
        papers=(
            "soudry2018",
            "ji2021primaldual",
            "gunasekar2018geometry",
            "zhang2024adam",
            "fan2025spectral",
            "baek2025persample",
        ),
    ),
    "relu-neuron": Entry(
        module="biassay.assays.relu_neuron",
        sentence=(
            "For a single ReLU neuron no function of the parameters describes where gradient flow ends, although "
            "the limit is never larger than twice the smallest solution."
        ),
        claims=(
            "limit-depends-on-g",
            "limit-decreases-in-g",
            "same-zero-loss-set",
            "reaches-the-set",
            "reaches-zero-loss",
            "matrix-exponential",
            "exact-homogeneity",
            "norm-at-most-twice",
            "approaches-every-solution",
            "not-minimum-norm",
            "balancedness",
            "weight-decay-law",
        ),
        seconds=15.0,
        papers=(
            "vardi2021relu",
            "du2018balanced",
        ),
    ),
    "memorize": Entry(
        module="biassay.assays.memorize",
        sentence=(
            "Any data set is memorized by a 3-layer ReLU network with O(n) weights that is "
            "written down in linear time, and is a bad global minimum."
        ),
        claims=(
            "exact",
            "float64-error",
            "float64-signs",
            "balanced-order",
            "size",
            "every-unit-needed",
            "linear-operations",
            "several-outputs-error",
            "several-outputs-decisions",
            "several-outputs-size",
            "bad-minimum",
            "bad-minimum-interval",
            "gd-needs-more-width-accuracy",
            "gd-needs-more-width-accuracy-steps",
            "gd-needs-more-width-error",
            "gd-needs-more-width-error-steps",
        ),
        seconds=25.0,
        papers=(
            "yun2019memorizers",
            "liu2020bad",
            "lecture_sgd",
        ),
    ),
    "overparameterization": Entry(
        module="biassay.assays.overparameterization",
        sentence=(
            "In an overparameterized network gradient descent finds a global minimum, close to the nearest one, along "
            "a path that is hardly longer than a linear model's; it needs fewer neurons than were proved to suffice."
        ),
        claims=(
            "geometric-rate",
            "global-minimum",
            "conditioning-kept",
            "pl-star",
            "path-bound",
            "distance-bound",
            "near-minimal-distance",
            "nearer-when-wider",
            "shortest-path-literally",
            "bend-is-the-spectrum",
            "theory-widths-suffice",
            "width-exponent",
            "parameters-per-point",
            "width-exponent-small-error",
            "parameters-per-point-small-error",
            "budget-saves-width",
            "then-flat",
            "adam-nearly-flat",
            "budget-saves-width-small-error",
            "then-flat-small-error",
            "adam-nearly-flat-small-error",
        ),
        seconds=60.0,
        papers=(
            "oymak2019shortest",
            "liu2020landscapes",
            "song2021subquadratic",
            "lecture_sgd",
        ),
    ),
    "random-labels": Entry(
        module="biassay.assays.random_labels",
        sentence="A network large enough to fit random labels by SGD still generalises when the labels are true.",
        claims=(
            "fits-random-labels",
            "chance-on-random",
            "test-falls",
            "slower-with-noise",
            "time-monotone",
            "shuffled-equals-true",
            "shuffled-is-exact",
            "inputs-carry-it-random-pixels",
            "inputs-carry-it-gaussian",
        ),
        seconds=45.0,
        papers=(
            "zhang2017rethinking",
            "lecture_sgd",
        ),
    ),
    "width-bias": Entry(
        module="biassay.assays.width_bias",
        sentence=(
            "Test error does not rise with the width of a network beyond the width that fits the training set: "
            "something other than its size controls capacity."
        ),
        claims=(
            "no-rise",
            "no-rise-needs-its-start",
            "keeps-falling",
            "plateau",
            "no-peak",
            "memorization-is-free",
            "norm-explains-width",
            "norm-explains-width-at-equal-loss",
            "distance-goes-with-error",
            "start-output-does-the-harm",
            "convex-equivalence",
            "convex-balance",
            "small-start-small-norm",
            "noisy-factorisation",
        ),
        seconds=70.0,
        papers=(
            "neyshabur2014search",
            "pilanci2020convex",
        ),
    ),
    "label-noise": Entry(
        module="biassay.assays.label_noise",
        sentence=(
            "SGD with fresh noise in the labels leaves a solution of zero error for others at which the output "
            "depends less on the parameters, and keeps only those where this cannot fall any more."
        ),
        claims=(
            "drift-constant",
            "drift-constant-each-set",
            "drift-direction",
            "drift-order",
            "drift-needs-noise",
            "drift-isotropic",
            "escape-exponent",
            "escape-not-from-stable",
            "escape-along-the-flow",
            "sensing-recovery",
            "sensing-no-noise",
            "sensing-clock",
            "sensing-recovery-large",
            "relu-length",
            "relu-length-inner-layer",
            "relu-shape",
            "relu-shape-convexity",
            "relu-shape-outer-layer",
            "tanh-one-unit",
            "tanh-one-unit-sgd",
            "tanh-one-unit-reg",
            "logistic-two",
            "logistic-two-at-rest",
            "one-point-ode",
            "vv-recovery",
            "vv-clock",
            "vv-clock-exact",
            "probe-random",
            "probe-end",
            "probe-refuses",
        ),
        seconds=100.0,
        papers=(
            "blanc2020",
            "haochen2021",
            "damian2021",
            "li2022zero",
        ),
    ),
    "weight-normalization": Entry(
        module="biassay.assays.weight_normalization",
        sentence=(
            "With weight normalization gradient flow finds sparse solutions from starts of practical size, up to the "
            "size of the solution itself and not beyond."
        ),
        claims=(
            "robust-at-practical-scale",
            "robust-below-threshold",
            "robustness-ends",
            "nothing-helps-beyond",
            "ratio-matters",
            "mass-floor",
            "invariant",
            "effective-init",
            "exp-eta1-is-plain",
            "exp-eta1-takes-the-path",
            "flow-reaches-its-limit",
            "speed-practical",
            "speed-practical-small-ratio",
            "speed-practical-own-step",
            "speed-tiny",
        ),
        seconds=20.0,
        papers=(
            "chou2024weight",
            "salimans2016",
        ),
    ),
    "sparse-splitting": Entry(
        module="biassay.assays.sparse_splitting",
        sentence=(
            "Thresholding and gradient descent in turns train a network with exact zeros: they find the support of a "
            "sparse truth, and the limit is the truth under a thresholding."
        ),
        claims=(
            "recovers-l1-tl1",
            "recovers-l1-tl1-direction",
            "recovers-l0",
            "recovers-l0-direction",
            "bias-formula",
            "limit-is-threshold",
            "limit-is-threshold-l0",
            "support-rule",
            "monotone",
            "l0-fails-first",
            "l0-at-equal-threshold",
            "tl1-more-biased",
            "cnn-zeros",
            "cnn-l1",
            "cnn-l0",
            "cnn-tl1",
        ),
        seconds=25.0,
        papers=("dinh2018splitting",),
    ),
    "rank-jumps": Entry(
        module="biassay.assays.rank_jumps",
        sentence=(
            "SGD on an L2-regularized deep linear network jumps from a minimum of high rank to one of low rank, "
            "and never back."
        ),
        claims=(
            "landscape-ratio",
            "landscape-gone",
            "jump-happens",
            "jump-happens-rate",
            "jump-monotone-eta",
            "jump-monotone-lambda",
            "jump-monotone-rare",
            "jump-constructive",
            "jump-constructive-short",
            "one-way",
            "one-way-bound",
            "one-way-two-layers",
            "one-way-two-layers-completion",
            "one-way-adversarial",
            "not-diffusive",
            "offshoot-jumped",
            "offshoot-not-jumped",
            "offshoot-gap",
            "closure-theorem-regime",
            "closure-theorem-decay",
            "closure-demo-regime",
            "width-reduction",
        ),
        seconds=20.0,
        papers=("wang2024jumps",),
    ),
    "adversarial-init": Entry(
        module="biassay.assays.adversarial_init",
        sentence="Bad global minima exist, and SGD started next to one converges to it.",
        claims=(
            "interpolation",
            "attainable",
            "confusion-fitted",
            "adversarial-chance",
            "bad-minimum",
            "bad-minimum-every-seed",
            "labels-beyond-scale",
            "scale-share",
            "stays-close",
            "repair-l2",
            "repair-m-l2",
            "repair-da-m",
            "repair-da-l2",
            "any-two-suffice",
            "replication",
            "cnn-bad-minimum",
            "cnn-repair",
            "cnn-repair-matched",
            "toy-disagreement",
            "toy-length",
            "toy-repair",
            "most-complex",
            "rank-agrees-spectral",
            "rank-agrees-frobenius",
            "rank-agrees-path",
            "rank-agrees-pac-bayes",
            "rank-agrees-sharpness",
        ),
        seconds=150.0,
        papers=(
            "liu2020bad",
            "jiang2020fantastic",
            "lecture_sgd",
        ),
    ),
    "low-rank": Entry(
        module="biassay.assays.low_rank",
        sentence=(
            "SGD with weight decay lowers the rank of the weight matrices, and is said to lower it the more the "
            "smaller the batch and the larger the step size."
        ),
        claims=(
            "bound-identity",
            "bound-tail",
            "wd-lowers-rank",
            "batch-effect",
            "batch-effect-size",
            "epochs-confound",
            "lr-effect",
            "lr-effect-size",
            "steps-confound",
            "bound-informative",
            "rank-two",
            "rank-two-one-output",
            "rank-two-one-output-coarse",
        ),
        seconds=70.0,
        papers=(
            "galanti2022rank",
            "chen2024ranktwo",
        ),
    ),
    "square-loss": Entry(
        module="biassay.assays.square_loss",
        sentence=(
            "Under the square loss the scale of a normalised network follows from its margins to a value in closed "
            "form, and mini-batch SGD with weight decay is predicted to keep moving."
        ),
        claims=(
            "rho-equilibrium",
            "loss-formula",
            "rho-from-margins",
            "velocities-equal",
            "lm-equals-wn",
            "margins-equalise",
            "margins-equalise-least",
            "balance",
            "balance-law",
            "noise-needs-batch",
            "noise-grows-with-wd",
        ),
        seconds=80.0,
        papers=("xu2023dynamics",),
    ),
    "neural-collapse": Entry(
        module="biassay.assays.neural_collapse",
        sentence=(
            "Under the square loss with weight decay a deep ReLU network is predicted to end in neural collapse: the "
            "features of every class become one point, the points a simplex, and the last layer these points."
        ),
        claims=(
            "nc1",
            "nc3",
            "nc3-needs-wd",
            "nc3-normalised",
            "nc1-needs-wd",
            "nc1-from-small-start",
            "nc2",
            "nc2-at-rest",
        ),
        seconds=80.0,
        papers=(
            "xu2023dynamics",
            "papyan2020collapse",
            "han2022collapse",
        ),
    ),
    "norm-bounds": Entry(
        module="biassay.assays.norm_bounds",
        sentence=(
            "Norm-based bounds of convolutional networks are orders of magnitude below the classical bounds of dense "
            "networks."
        ),
        claims=(
            "toeplitz-identity",
            "conv-much-tighter",
            "conv-tighter-nonoverlap",
            "conv-tighter-everywhere",
            "ratio-grows-with-depth",
            "closed-form",
            "informative",
        ),
        seconds=18.0,
        papers=(
            "xu2023dynamics",
            "galanti2023sparse",
            "golowich2017",
        ),
    ),
    "compositional-sparsity": Entry(
        module="biassay.assays.compositional_sparsity",
        sentence=(
            "A network wired as its target is composed beats dense networks of its size; on a generic target, or "
            "wired wrongly, it loses."
        ),
        claims=(
            "sparse-beats-shallow",
            "no-advantage-on-a-ridge",
            "sparse-beats-dense",
            "wrong-tree-loses",
            "literal-tree",
            "flat-in-d",
            "slope-in-n",
            "training-finds-the-tree",
            "training-keeps-the-tree",
            "conv-beats-dense",
            "conv-beats-shallow",
            "permutation-hurts-conv",
            "sharing-is-not-it",
        ),
        seconds=65.0,
        papers=(
            "poggio2017why",
            "xu2023dynamics",
        ),
    ),
}


def find(name: str) -> Entry:
    """The entry of the assay `name`.

    Raises:
        UserError: there is no such assay; the message offers the nearest name.
    """
    if name not in CATALOGUE:
        raise UserError(f"there is no assay {name!r}: {nearest(name, CATALOGUE)}")
    return CATALOGUE[name]


def load(name: str) -> Assay:
    """Imports the assay `name` (and with it JAX).

    Raises:
        UserError: there is no such assay.
    """
    return importlib.import_module(find(name).module).ASSAY
