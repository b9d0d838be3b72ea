"""A sweep from Python: how much larger than the smallest solution is a ReLU neuron's, when it has parameters to spare?

A neuron relu(w . x) with d parameters is trained to zero error on 5 points. From a small start its limit has at most
twice the norm of the smallest solution (Vardi and Shamir 2021). Every d is a run of the assay `relu-neuron`, with 500
sets of points, kept in ./biassay-out: run the script again, or with another d, and only what is missing is computed.

python examples/sweep.py
"""

import biassay as ba

result = ba.sweep(
    "relu-neuron",
    {"d": [5, 8, 15]},
    seeds=2,
    out="biassay-out",
    progress=lambda status: print(f"{status.done} of {status.total} runs", flush=True),
)

norms = result.data.norm.isel(start=0)  # at the end, over the smallest norm: (d, set)
print("\nnorm / smallest norm")
print(norms.quantile([0.5, 0.9, 1.0], "set").T.to_pandas().round(3), "\n")
print(result.verdicts.outcome.sel(claim=["norm-at-most-twice", "not-minimum-norm"]).to_pandas())
