"""Two answers without training: the separator that gradient descent tends to, and a network that only memorizes.

python examples/exact_answers.py
"""

import numpy as np

import biassay as ba

rng = np.random.default_rng(0)
x = rng.normal(size=(1000, 20))
y = np.sign(x @ rng.normal(size=20))
fresh = rng.normal(size=(1000, 20))

# Gradient descent on the logistic loss tends to this direction, at the pace of 1 / log t.
best = ba.references.hard_margin(x, y)
print(f"largest margin {best.margin:.4f}, attained at {best.support.sum()} support vectors")

# A 3-layer ReLU network with about 4 hidden weights a point: every label is fitted up to rounding, true or not.
memorizer = ba.references.memorize(x, y)
agreement = np.mean(np.sign(memorizer(fresh)) == np.sign(fresh @ best.w))
print(f"memorizer: largest error {np.abs(memorizer(x) - y).max():.0e}, {memorizer.hidden_weights} hidden weights")
print(f"on fresh points it agrees with the separator on {agreement:.0%}, as a coin would")
