"""Networks as pure functions: `init(key, ...) -> params` and `predict(params, x) -> outputs`.

With batch normalisation `init(key, ...) -> (params, statistics)`, `predict(params, statistics, x) -> outputs` in
evaluation mode, and `train(params, statistics, x) -> (outputs, statistics)` in training mode.
"""
