"""Networks as pure functions: `init(key, ...) -> params` and `predict(params, x) -> outputs`."""
