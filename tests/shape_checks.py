"""The checker of annotations, at run time, for the import hook of jaxtyping.

    pytest --jaxtyping-packages=biassay.dynamics,...,shape_checks.checked

It is what `test_shapes.py` asks for. A number may be a traced one, or one of NumPy, wherever a float or an int is
annotated.
"""

import jax
import numpy as np
from beartype import BeartypeConf, FrozenDict, beartype

integer = int | np.integer | jax.Array
numbers = FrozenDict({float: float | np.floating | integer, int: integer})
checked = beartype(conf=BeartypeConf(hint_overrides=numbers))
