"""The checker of annotations, at run time, for the import hook of jaxtyping.

    pytest --jaxtyping-packages=biassay.dynamics,...,shape_checks.checked

It is what `test_shapes.py` asks for. A number may be a traced one wherever a float or an int is annotated.
"""

import jax
from beartype import BeartypeConf, FrozenDict, beartype

numbers = FrozenDict({float: float | int | jax.Array, int: int | jax.Array})
checked = beartype(conf=BeartypeConf(hint_overrides=numbers))
