"""What is measured along a run: pure functions (problem, params) -> array, and the quantities they are made of."""

from ._accuracy import correct as correct
from ._accuracy import test_accuracy as test_accuracy
from ._accuracy import train_accuracy as train_accuracy
from ._distance import distance as distance
from ._distance import norm as norm
