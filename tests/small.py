"""Every assay at a size that takes seconds, on seeds that judge nothing; run once per test process."""

import functools

import jax
import xarray as xr

from biassay import assays
from biassay.assays import (
    adversarial_init,
    max_margin,
    min_norm,
    overparameterization,
    random_labels,
    rank_jumps,
    relu_neuron,
)

CONFIGS = {
    "min-norm": min_norm.Config(
        d=40,
        n=10,
        steps=10_000,
        adagrad_steps=800,
        mirror_lr=(0.02, 0.005),
        epsilons=(1e-8, 1.0, 1e3),
        ambient=True,
        steepest_lr=(1e-3, 0.1),
        steepest_steps=60_000,
        seed=10_000,
    ),
    "max-margin": max_margin.Config(
        descent_steps=2000,
        card_steps=40_000,
        matrix_steps=3000,
        p_steps=5000,
        n=6,
        shape=(3, 4),
        seed=10_000,
    ),
    "relu-neuron": relu_neuron.Config(
        g=(0.8, 2.0, 3.0),
        alpha=(2.0, 0.1),
        sets=60,
        set_steps=20_000,
        hidden=20,
        balance_lr=(0.01, 0.003),
        balance_time=20.0,
        seed=10_000,
        seeds=2,
    ),
    "overparameterization": overparameterization.Config(
        n=12,
        d=4,
        wide=(40, 80),
        narrow=(6, 10),
        collapsed=3,
        near_width=80,
        steps=2000,
        collapsed_steps=2000,
        collapsed_seeds=4,
        checkpoints=10,
        slides=100,
        law_n=(64, 96),
        widths=(6, 16, 32),
        law_steps=500,
        adam_budgets=(250, 500),
        gd_budgets=(250, 500, 750),
        batches=(16,),
        theory_n=16,
        theory_exponents=(1.0, 1.5),
        law_seeds=3,
        seed=10_000,
        seeds=3,
    ),
    "random-labels": random_labels.Config(
        seed=10_000,
        seeds=2,
        train=100,
        test=200,
        corruption=(0.0, 0.25, 0.5, 1.0),
        width=48,
        lr=0.05,
        batch=20,
        max_epochs=200,
        small_width=1,
        input_train=100,
        input_width=48,
        input_check_epochs=5,
    ),
    "rank-jumps": rank_jumps.Config(
        seed=20_000,
        seeds=3,
        trials=6,
        etas=(0.4, 0.5),
        lambdas=(0.022, 0.024),
        steps=1000,
        trial_steps=1200,
        settle_steps=20_000,
        checkpoints=2,
        checkpoint_every=500,
        anneal_steps=(500, 500),
        free_steps=1500,
        sigmas=(1e-3, 0.05),
        langevin_steps=500,
        adversarial_steps=500,
        depth_steps=2000,
        closure_steps=60,
        width_steps=300,
    ),
    "adversarial-init": adversarial_init.Config(
        seed=10_000,
        seeds=2,
        train=40,
        test=100,
        width=64,
        batch=10,
        replication=4,
        pretrain_epochs=60,
        epochs=40,
        max_epochs=60,
        check_epochs=10,
        cnn_seeds=2,
        cnn_channels=(4, 4, 4),
        cnn_replication=2,
        cnn_check_epochs=20,
        cnn_epochs=20,
        toy_points=20,
        toy_width=16,
        toy_pretrain_epochs=200,
        toy_epochs=200,
    ),
}


@functools.cache
def run(name: str) -> xr.Dataset:
    """The data of the assay `name` at its small size."""
    assay = assays.load(name)
    with jax.enable_x64(assay.precision == "float64"):
        return assay.run(CONFIGS[name])
