"""SGD with label noise: which solution of zero error is kept?

SGD on the squared error, with fresh noise in the labels at every step, does not stay at a solution of zero error. It
moves along the solutions, down

    reg(theta) = (1/n) sum_i |grad h(x_i, theta)|^2,

and only stops where reg has no slope along them. With the loss c (h - y)^2, label noise of variance s^2, B examples a
step and step size eta, the point after t steps is that of the flow

    d theta / d tau = -P_N grad reg(theta)          at the drift time        tau = (c eta)^2 s^2 t / B,

P_N the projector onto the directions that keep zero error. One file a part of the experiment:

    drift       measures the constant (c eta)^2 s^2 / B
    escape      the first steps away from an unstable solution, and from a stable one
    sensing     recovery of a matrix of low rank
    curve       interpolation on the line by a ReLU network
    one_point   networks of tanh and of logistic units on a single point
    sparse      recovery of a sparse vector by h(v) = <x, v.v>
    stability   the test that says of a solution whether label noise would leave it (stable_points.py)

Blanc, Gupta, Valiant, Valiant, COLT 2020.
"""
