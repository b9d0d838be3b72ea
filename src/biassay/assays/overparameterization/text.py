MATHEMATICS = r"""$x$"""
