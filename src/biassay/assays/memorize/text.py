"""The mathematics of the assay `memorize`, for its page."""

MATHEMATICS = r"""
TODO
"""
