"""The assay `random-labels`: its pieces by hand, refusals, a small run from end to end, CIFAR-10 from the archive."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from biassay.assays.random_labels import ASSAY, Config, claims, on_cifar, on_digits, run, runs
from biassay.assays.random_labels.config import parameter_count
from biassay.assays.random_labels.figures import cifar as cifar_figure
from biassay.claims import Claim
from biassay.data import digits
from biassay.dynamics import SGD, GradientDescent, StepDrops
from biassay.errors import UserError
from biassay.models import batch_norm, mlp, wide_resnet
from biassay.problem import Problem, cross_entropy
from biassay.report import to_matplotlib
from small import CONFIGS
from small import run as small_run
from tiny_cifar import batches, write_archive

SMALL = CONFIGS["random-labels"]

SIZES = (64, 16), (16, 10)

pytestmark = pytest.mark.xdist_group("random-labels")


# --- the pieces -------------------------------------------------------------------------------------------------------


def _clean() -> runs.Examples:
    return on_digits._normalised(on_digits._splits(runs.keys(10_000, 2, runs.Stream.SPLIT), 40, 30))


def test_only_the_training_labels_are_corrupted():
    data = _clean()
    noisy = on_digits._corrupted(runs.keys(10_000, 2, runs.Stream.CORRUPTION), data, 1.0)
    assert (noisy.y != data.y).any(axis=1).all()
    for kept in ("x", "test_x", "test_y"):
        np.testing.assert_array_equal(getattr(noisy, kept), getattr(data, kept))


@pytest.mark.parametrize("p", sorted({*Config().corruption, *SMALL.corruption}))
def test_the_test_labels_are_bit_identical_at_every_ratio(p):
    """What the assay's own corruption leaves of the digits, beside the split made a second time."""
    noisy, again = on_digits._corrupted(runs.keys(10_000, 2, runs.Stream.CORRUPTION), _clean(), p), _clean()
    assert np.asarray(noisy.test_y).tobytes() == np.asarray(again.test_y).tobytes()
    assert noisy.test_y.dtype == again.test_y.dtype
    assert bool((noisy.y != again.y).any()) == (p > 0)


def test_the_wrong_fraction_is_right():
    data = small_run("random-labels")
    np.testing.assert_array_equal(data.wrong.sel(p=0.0), 0)
    expected = data.expected_wrong
    np.testing.assert_allclose(expected, 0.9 * data.p)
    n = int(data.examples)
    error = np.sqrt(expected * (1 - expected) / n)
    assert (abs(data.wrong - expected) <= 4 * error).all()
    assert (np.diff(data.wrong.transpose("seed", "p").values, axis=1) > 0).all(), "the draws are nested"


def test_one_permutation_shuffles_training_and_test_images_and_no_label():
    data = _clean()
    moved, order = on_digits._shuffled(runs.keys(10_000, 2, runs.Stream.PERMUTATION), data)
    for own, original in ((moved.x, data.x), (moved.test_x, data.test_x)):
        for i in range(2):
            pixels = np.asarray(own[i]).reshape(len(own[i]), 64)
            np.testing.assert_array_equal(pixels[:, np.argsort(order[i])], np.asarray(original[i]).reshape(-1, 64))
    assert not np.array_equal(order[0], order[1])
    np.testing.assert_array_equal(moved.y, data.y)


def test_gaussian_inputs_are_standard_normal_once_normalised():
    data = on_digits._splits(runs.keys(10_000, 2, runs.Stream.SPLIT), 400, 100)
    noise = on_digits._normalised(
        on_digits._noisy_inputs(runs.keys(10_000, 2, runs.Stream.GAUSSIAN), data, on_digits._gaussian_digits)
    )
    for x in (noise.x, noise.test_x):
        assert abs(float(x.mean())) < 4 / math.sqrt(x.size)
        assert abs(float(x.std()) - 1) < 4 / math.sqrt(x.size)
    np.testing.assert_array_equal(noise.y, data.y)
    assert not np.array_equal(noise.x[:, :100], noise.test_x)


@pytest.mark.usefixtures("x64")
def test_training_on_shuffled_pixels_with_permuted_rows_is_the_same_training():
    """The same batches in float64: equal losses to round-off, over many steps; with the rows as they were, others."""
    data = jax.tree.map(lambda leaf: jnp.asarray(leaf, float) if leaf.dtype == jnp.float32 else leaf, _clean())
    shuffled, order = on_digits._shuffled(runs.keys(10_000, 2, runs.Stream.PERMUTATION), data)
    rng = np.random.default_rng(10_000)
    first, second = (mlp.Layer(jnp.asarray(rng.normal(size=(2, *s)) / 4), jnp.zeros((2, s[1]))) for s in SIZES)
    batches = [rng.permutation(40)[:8] for _ in range(60)]

    @jax.jit
    def step(x, y, params):
        batch = Problem(mlp.predict, x, y, cross_entropy)
        return batch.risk(params), jax.tree.map(lambda w, g: w - 0.05 * g, params, batch.gradient(params))

    def losses(examples: runs.Examples, start: mlp.MLP, seed: int = 1) -> np.ndarray:
        params, taken = jax.tree.map(lambda leaf: leaf[seed], start), []
        for batch in batches:
            loss, params = step(examples.x[seed][batch], examples.y[seed][batch], params)
            taken.append(float(loss))
        return np.array(taken)

    true = losses(data, (first, second))
    np.testing.assert_allclose(losses(shuffled, on_digits._permuted_rows((first, second), order)), true, rtol=1e-10)
    assert (abs(losses(shuffled, (first, second)) - true) > 1e-3).all()


def _history(train: list[list[float]]) -> xr.Dataset:
    values = np.array(train)
    test = np.arange(values.size).reshape(values.shape) / 100
    axes = ("seed", "epoch")
    return xr.Dataset(
        {"loss": (axes, values), "train": (axes, values), "test": (axes, test)},
        {"seed": np.arange(len(values)), "epoch": 5 * np.arange(values.shape[1])},
    )


def test_a_run_is_kept_at_the_first_check_that_fits():
    kept = runs.at_fit(_history([[0.5, 1.0, 0.9, 1.0], [0.2, 0.8, 0.7, 0.6], [0.1, 0.2, 0.3, 1.0]]))
    np.testing.assert_array_equal(kept.epochs, [5, np.nan, 15])
    np.testing.assert_array_equal(kept.train, [1, 0.8, 1])
    np.testing.assert_allclose(kept.test, [0.01, 0.07, 0.11])


def test_the_stop_rule_waits_for_every_seed_and_not_for_one_check():
    rule = runs.Fitted(100)
    checks = [[0.5, 1], [0.99, 1], [1, 0.99], [1, 1]]
    assert [rule({"train": np.array(check, np.float32)}) for check in checks] == [False, False, True, True]


def test_single_precision_decides_a_fit_by_counting():
    counts = np.arange(490, 501, dtype=np.float32)
    accuracy = counts * np.float32(1 / 500)
    np.testing.assert_array_equal(runs.fits(accuracy, 500), counts == 500)


def test_the_parameters_are_counted():
    assert parameter_count(Config().sizes) == 26_122
    assert parameter_count(Config().small_sizes) == 415 < Config().train
    leaves = jax.tree.leaves(jax.eval_shape(lambda: mlp.init(jax.random.key(0), Config().sizes)))
    assert sum(leaf.size for leaf in leaves) == 26_122


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("seeds", 0),
        ("train", 1200),
        ("input_train", 1200),
        ("batch", 501),
        ("lr", 0.0),
        ("bandwidth", -1.0),
        ("max_epochs", 4),
        ("corruption", (0.0, 0.5, 1.0)),
        ("corruption", (0.1, 0.5, 0.8, 1.0)),
        ("corruption", (0.0, 0.5, 0.4, 1.0)),
        ("corruption", tuple(np.linspace(0, 1, 41).tolist())),
        ("cifar_corruption", (0.0, 0.25, 0.5, 0.75, 1.0)),
        ("cifar_corruption", (0.0, 0.5)),
        ("small_width", 6),
        ("cifar_epochs", 0),
        ("cifar_networks", ()),
        ("cifar_networks", ("mlp", "alexnet")),
        ("cifar_networks", ("wrn", "wrn")),
        ("cifar_depth", 4),
        ("cifar_depth", 27),
        ("cifar_widening", 0.0),
        ("cifar_wrn_lr", 0.0),
        ("cifar_momentum", 1.0),
        ("cifar_decay", -1.0),
        ("cifar_drops", (0, 10)),
        ("cifar_drops", (20, 10)),
    ],
)
def test_a_value_out_of_range_is_refused_in_one_line_that_names_it(field, value):
    with pytest.raises(ValueError, match="train" if field == "input_train" else field) as error:
        dataclasses.replace(Config(), **{field: value})
    assert "\n" not in str(error.value)


# --- from end to end --------------------------------------------------------------------------------------------------


def test_a_small_run_from_end_to_end():
    data = small_run("random-labels")
    assert data.test.dims == ("seed", "p")
    assert data.input_test.dims == ("seed", "inputs")
    assert data.repeat_epochs.dims == ("seed", "repeat")
    assert data.shuffle_test.dims == ("seed", "shuffle")
    assert all("long_name" in data[name].attrs and "units" in data[name].attrs for name in data.data_vars)
    assert data.sizes["repeat"] == data.sizes["shuffle"] == data.sizes["p"] - 1
    assert (data.train == 1).all()
    assert (data.input_train == 1).all()
    assert (data.epochs % SMALL.check_epochs == 0).all()
    assert (data.small_train.sel(small_p=1.0) < 0.9).all()
    assert (data.attainable == 1).all()
    assert (data.input_attainable == 1).all()
    assert (data.kernel_residual < 1e-8).all()
    # A history ends where its run stopped: every seed has fitted there.
    last = data.train_curve.isel(seed=0).notnull().sum("epoch")
    for i, p in enumerate(data.p.values):
        assert data.epoch[int(last[i]) - 1] == data.epochs.sel(p=p).max()


def test_figures_name_both_fractions_and_the_interval_between_checks():
    figures = {figure.name: figure for figure in ASSAY.figures(small_run("random-labels"))}
    assert set(figures) == {"fitting", "time-to-fit", "test-error", "inputs", "capacity"}
    for name in ("time-to-fit", "test-error"):
        for panel in figures[name].panels:
            assert "corruption ratio p" in panel.xlabel
            assert "0.9 p" in panel.xlabel
    assert f"checked every {SMALL.check_epochs}" in figures["time-to-fit"].panels[0].ylabel
    assert f"checked every {SMALL.input_check_epochs}" in figures["inputs"].panels[0].ylabel


# --- the claims on made-up data ---------------------------------------------------------------------------------------


def _made_up(classes: int = 10, seeds: int = 6) -> xr.Dataset:
    """A dataset in which every claim holds."""
    wiggle = 1e-3 * np.linspace(-1, 1, seeds)[:, None]
    p, chance = np.array([0.0, 0.25, 0.5, 0.75, 1.0]), 1 / classes
    labels, four, six = ("seed", "p"), np.arange(1, 5), list(on_digits.INPUTS)
    falling = 0.95 - (0.95 - chance) * p + wiggle
    inputs = np.array([0.96, 0.955, chance, chance, chance, 0.96]) + wiggle * np.array([1, 0, 1, 1, 1, 1])
    curve = np.ones((seeds, 6, 3))
    curve[:, 1] = 1.1
    ones = np.ones((seeds, 4))
    return xr.Dataset(
        {
            "train": (labels, np.ones((seeds, 5))),
            "attainable": (labels, np.ones((seeds, 5))),
            "test": (labels, falling),
            "epochs": (labels, np.array([40.0, 180, 190, 200, 210]) + 0 * wiggle),
            "repeat_epochs": (("seed", "repeat"), np.array([40.0, 45, 40, 35]) * ones),
            "repeat_train": (("seed", "repeat"), ones),
            "shuffle_test": (("seed", "shuffle"), 0.95 + wiggle * np.array([1, -1, 1, -1])),
            "shuffle_train": (("seed", "shuffle"), ones),
            "small_train": (("seed", "small_p"), np.tile([0.99, 0.3], (seeds, 1))),
            "input_train": (("seed", "inputs"), np.ones((seeds, 6))),
            "input_test": (("seed", "inputs"), inputs),
            "input_loss_curve": (("seed", "inputs", "input_epoch"), curve),
            "classes": classes,
        },
        {
            "seed": np.arange(seeds),
            "p": p,
            "repeat": four,
            "shuffle": four,
            "small_p": [0.0, 1.0],
            "inputs": six,
            "input_epoch": [0, 2, 4],
        },
    )


def _claim(name: str) -> Claim:
    return next(claim for claim in ASSAY.claims if claim.name == name)


def _judge(name: str, data: xr.Dataset) -> str:
    return _claim(name).judge(data).outcome


@pytest.mark.parametrize("claim", ASSAY.claims, ids=lambda claim: claim.name)
def test_a_claim_holds_where_it_should_and_its_control_would_not(claim):
    data = _made_up()
    assert claim.judge(data).outcome == "holds"
    assert dataclasses.replace(claim, measure=claim.control).judge(data).outcome != "holds"
    assert dataclasses.replace(claim, control=claim.measure).judge(data).outcome == "vacuous"


@pytest.mark.parametrize(
    ("name", "variable", "at"),
    [
        ("chance-on-random", "train", {"p": 1.0}),
        ("test-falls", "train", {"p": 0.5}),
        ("test-falls", "shuffle_train", {"shuffle": 2}),
        ("slower-with-noise", "train", {"p": 0.25}),
        ("slower-with-noise", "repeat_train", {"repeat": 3}),
        ("time-monotone", "train", {"p": 0.75}),
        ("shuffled-equals-true", "input_train", {"inputs": "shuffled"}),
        ("inputs-carry-it-random-pixels", "input_train", {"inputs": "random-pixels"}),
        ("inputs-carry-it-gaussian", "input_train", {"inputs": "gaussian"}),
        ("fits-random-labels", "attainable", {"p": 1.0}),
    ],
)
def test_a_claim_is_vacuous_where_one_seed_does_not_fit(name, variable, at):
    data = _made_up()
    data[variable].loc[{"seed": 2, **at}] = 0.998
    assert _judge(name, data) == "vacuous"


def test_one_seed_that_does_not_fit_refutes_the_fit():
    data = _made_up()
    data.train.loc[{"seed": 2, "p": 1.0}] = 0.998
    assert _judge("fits-random-labels", data) == "fails"


def test_a_plateau_refutes_the_monotone_time_and_not_the_slowdown():
    data = _made_up()
    data.epochs.loc[{"seed": 3, "p": 0.75}] = 185
    assert _judge("time-monotone", data) == "fails"
    assert _judge("slower-with-noise", data) == "holds"


def test_a_tie_is_no_fall():
    data = _made_up()
    data.test.loc[{"seed": 3, "p": 0.5}] = data.test.sel(seed=3, p=0.25)
    assert _judge("test-falls", data) == "fails"


def test_a_slow_rerun_spoils_the_slowdown():
    data = _made_up()
    data["repeat_epochs"] = data.repeat_epochs * 2
    assert _judge("slower-with-noise", data) == "unclear"
    data["repeat_epochs"] = data.repeat_epochs * 2
    assert _judge("slower-with-noise", data) == "vacuous"


def test_a_quick_rerun_spoils_the_slowdown_too():
    """One rerun a seed at half the epochs, beside others that are as slow as the first run."""
    data = _made_up()
    data.repeat_epochs.loc[{"repeat": 2}] = 20
    np.testing.assert_array_equal(claims.slowdown_of_repeats(data), 0.5)
    assert _judge("slower-with-noise", data) == "unclear"
    data.repeat_epochs.loc[{"repeat": 2, "seed": 1}] = np.nan
    assert np.isnan(claims.slowdown_of_repeats(data)[1])


def test_the_streams_of_the_most_ratios_do_not_meet():
    most = range(1, 40)
    taken = [runs.Stream.SHUFFLES + i for i in most]
    taken += [runs.Stream.REPEATS + 2 * i + j for i in most for j in (0, 1)]
    taken += [stream for stream in runs.Stream if stream not in (runs.Stream.SHUFFLES, runs.Stream.REPEATS)]
    assert len(set(taken)) == len(taken)
    dataclasses.replace(Config(), corruption=tuple(np.linspace(0, 1, 40).tolist()))


def test_what_was_learned_is_computed_from_the_classes():
    low, high = claims.LEARNED
    assert (low + 1 / digits.CLASSES, high + 1 / digits.CLASSES) == pytest.approx((0.9, 1.0))


def test_chance_is_computed_from_the_classes():
    """With two classes chance is 0.5; judged as if there were ten the same data would be far from it."""
    data = _made_up(classes=2)
    for name, at in (("test", {"p": 1.0}), ("input_test", {"inputs": "gaussian"})):
        np.testing.assert_allclose(claims.above_chance(name, **at)(data).mean(), 0, atol=1e-12)
    claim = dataclasses.replace(_claim("chance-on-random"), control_region=(0.4, 0.5))
    assert claim.judge(data).outcome == "holds"
    assert _claim("chance-on-random").judge(data.assign(classes=10)).outcome == "fails"


# --- CIFAR-10 ---------------------------------------------------------------------------------------------------------


def test_the_cifar_networks_have_the_published_number_of_parameters():
    params = on_cifar.init(jax.random.key(0), (3072, 512, 10))
    assert float(params[0].std()) == pytest.approx((2 / 3584) ** 0.5, rel=0.01)
    x = jax.random.normal(jax.random.key(1), (2, 32, 32, 3))
    by_hand = jnp.maximum(x.reshape(2, -1) @ params[0], 0) @ params[1]
    np.testing.assert_allclose(on_cifar.predict(params, x), by_hand, rtol=1e-6)
    known = on_cifar.networks(Config(), 3072)
    assert set(Config().cifar_networks) == set(known)
    starts = {name: jax.eval_shape(network.init, jax.random.key(0))[0] for name, network in known.items()}
    sizes = {name: sum(leaf.size for leaf in jax.tree.leaves(start)) for name, start in starts.items()}
    assert sizes == {"mlp": 1_577_984, "wrn": 369_498}
    assert {name: network.lr for name, network in known.items()} == {"mlp": 0.01, "wrn": 0.1}


def test_the_step_size_drops_twice():
    schedule = StepDrops(0.01, jnp.array([150, 225]))
    steps = np.array([0, 149, 150, 224, 225, 299])
    sizes = [float(schedule(jnp.asarray(step))) for step in steps]
    np.testing.assert_allclose(sizes, [1e-2, 1e-2, 1e-3, 1e-3, 1e-4, 1e-4], rtol=1e-6)
    published = 0.01 * 0.1 ** (steps // 150) * 0.1 ** (steps // 225)
    np.testing.assert_allclose(sizes, published, rtol=1e-6)
    for drops in ((150, 225), [150, 225]):
        plain = jax.jit(lambda schedule, step: schedule(step))
        assert [float(plain(StepDrops(0.01, drops), jnp.asarray(step))) for step in steps] == pytest.approx(sizes)
    assert float(StepDrops(0.01, ())(jnp.asarray(300))) == pytest.approx(0.01)


def test_a_scheduled_step_is_the_hand_written_one():
    x, y = jax.random.normal(jax.random.key(0), (8, 6)), jnp.arange(8) % 3
    problem = Problem(on_cifar.predict, x, y, cross_entropy)
    start = on_cifar.init(jax.random.key(1), (6, 5, 3))
    rule = GradientDescent(StepDrops(0.1, jnp.array([1])), momentum=0.9, weight_decay=0.01)
    made, state = start, rule.init(problem, start)
    for _ in range(2):
        made, state = rule.step(problem, made, state, None)
    w, v = start, jax.tree.map(jnp.zeros_like, start)
    for lr in (0.1, 0.01):
        gradient = problem.gradient(w)
        v = jax.tree.map(lambda a, g, b: 0.9 * a + g + 0.01 * b, v, gradient, w)
        w = jax.tree.map(lambda a, b, lr=lr: a - lr * b, w, v)
    for leaf, other in zip(made, w, strict=True):
        np.testing.assert_allclose(leaf, other, atol=1e-6)


@pytest.fixture(scope="module")
def cifar_folder(tmp_path_factory):
    """A CIFAR-10 of 30 training images as an archive."""
    folder = tmp_path_factory.mktemp("cifar")
    write_archive(folder, batches(seed=1, each=6))
    return folder


TINY = dataclasses.replace(
    SMALL,
    cifar=True,
    cifar_seeds=1,
    cifar_width=32,
    cifar_depth=10,
    cifar_widening=0.25,
    cifar_corruption=(0.0, 1.0),
    cifar_batch=6,
    cifar_epochs=2,
    cifar_drops=(1,),
    cifar_check_epochs=2,
)


def _study(folder, **changes):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BIASSAY_DATA", str(folder))
        return on_cifar.cifar_study(dataclasses.replace(TINY, **changes))


@pytest.fixture(scope="module")
def cifar_run(cifar_folder):
    return _study(cifar_folder)


@pytest.mark.nightly
def test_cifar_runs_from_the_archive_to_the_dataset(cifar_run):
    names = ["p = 0", "p = 1", "p = 0, weight decay", "p = 1, weight decay", "shuffled", "random-pixels", "gaussian"]
    assert cifar_run.cifar_setting.values.tolist() == names
    assert cifar_run.cifar_train.dims == ("cifar_network", "cifar_seed", "cifar_setting")
    assert cifar_run.cifar_network.values.tolist() == ["mlp", "wrn"]
    assert cifar_run.cifar_seed.values.tolist() == [10_000]
    small = wide_resnet.init(jax.random.key(0), 10, width=0.25, depth=10)[0]
    wide = sum(leaf.size for leaf in jax.tree.leaves(small))
    assert cifar_run.cifar_parameters.values.tolist() == [3072 * 32 + 32 * 10, wide]
    loss = cifar_run.cifar_loss_curve
    assert loss.dims == ("cifar_network", "cifar_seed", "cifar_setting", "cifar_epoch")
    assert (loss.isel(cifar_epoch=0) > 1).all()
    assert np.isfinite(loss.isel(cifar_epoch=slice(2))).all()
    # Every setting is another problem from the same start; weight decay alone changes little in two epochs.
    first = loss.isel(cifar_seed=0, cifar_epoch=1)
    for network in first.cifar_network.values:
        own = first.sel(cifar_network=network)
        assert len(np.unique(own.values)) == len(names)
        plain, decayed = (own.sel(cifar_setting=[f"p = {p}{ending}" for p in (0, 1)]).values for ending in ENDINGS)
        assert (abs(decayed - plain) > 0).all()
        assert (abs(decayed / plain - 1) < 0.02).all()
        assert abs(own.sel(cifar_setting="p = 0") - own.sel(cifar_setting="p = 1")) > 0.01


ENDINGS = ("", ", weight decay")


def test_batch_statistics_are_carried_to_the_checks():
    """A linear network with batch normalisation through the assay's own training. Statistics that stay where they start
    would give the same start and the same steps, and other checks."""
    rng = np.random.default_rng(10_000)
    x, y = jnp.asarray(rng.normal(2.0, 3.0, (1, 24, 4)), jnp.float32), jnp.asarray(rng.integers(0, 3, (1, 24)))
    start = {"weight": jnp.asarray(rng.normal(size=(4, 3)), jnp.float32), "norm": batch_norm.init(4)}
    initial = batch_norm.initial_statistics(start)
    ends = []

    def predict(params, statistics, x):
        return batch_norm.evaluate(params["norm"], statistics[0], x) @ params["weight"]

    def training(params, statistics, x):
        z, after = batch_norm.train(params["norm"], statistics[0], x)
        return z @ params["weight"], (after,)

    def frozen(params, statistics, x):
        return training(params, statistics, x)[0], statistics

    lanes = jax.tree.map(lambda leaf: leaf[None], (start, initial))
    for mode in (training, frozen):
        history = runs.train(
            runs.Examples(x, y, x, y),
            predict,
            lanes[0],
            SGD(0.1, 6),
            every=2,
            epochs=4,
            seed=10_000,
            statistics=lanes[1],
            training=mode,
            label="",
        )
        assert (history.train == history.test).all()
        ends.append(history.loss.values[0])
    assert ends[0][0] == ends[1][0]
    assert (abs(ends[0][1:] / ends[1][1:] - 1) > 0.05).all()


@pytest.mark.nightly
def test_the_curves_of_cifar_go_on_to_the_last_fit(cifar_run):
    """Two seeds: one has no checks after the first."""
    both = xr.concat([cifar_run, cifar_run.assign_coords(cifar_seed=[10_001])], "cifar_seed", data_vars="minimal")
    curve = both.cifar_train_curve.transpose(..., "cifar_epoch").copy(deep=True)
    curve.loc[{"cifar_seed": 10_001, "cifar_epoch": curve.cifar_epoch[1:]}] = np.nan
    panels = cifar_figure(both.assign(cifar_train_curve=curve, classes=10)).panels
    line = panels[0].series[0]
    assert np.asarray(line.x).tolist() == curve.cifar_epoch.values.tolist()
    alone = curve.sel(cifar_network="mlp", cifar_setting="p = 0", cifar_seed=10_000)
    np.testing.assert_allclose(line.y, alone)


@pytest.mark.nightly
def test_both_networks_fit_random_labels_of_a_tiny_cifar(cifar_folder):
    """30 images, two seeds; 98 624 and 20 794 parameters."""
    data = _study(cifar_folder, cifar_seeds=2, cifar_widening=0.5, cifar_epochs=48, cifar_drops=(30, 40))
    assert data.cifar_seed.values.tolist() == [10_000, 10_001]
    assert (data.cifar_train == 1).all(), data.cifar_train
    assert (data.cifar_epochs > 0).all()


@pytest.mark.nightly
def test_the_wide_residual_network_is_checked_with_running_statistics(cifar_run, cifar_folder, monkeypatch):
    """The first check differs from that of a network whose statistics stay where they start; the start does not."""
    train = wide_resnet.train

    def frozen(params, statistics, x):
        return train(params, statistics, x)[0], statistics

    monkeypatch.setattr(wide_resnet, "train", frozen)
    still = _study(cifar_folder, cifar_networks=("wrn",))
    assert still.cifar_network.values.tolist() == ["wrn"]
    carried = cifar_run.cifar_loss_curve.sel(cifar_network="wrn")
    found = still.cifar_loss_curve.sel(cifar_network="wrn")
    np.testing.assert_array_equal(found.sel(cifar_epoch=0), carried.sel(cifar_epoch=0))
    assert (abs(found / carried - 1).sel(cifar_epoch=2) > 0.01).all()


def test_cifar_that_is_not_there_is_told_in_one_line_before_anything_is_trained(tmp_path, monkeypatch):
    monkeypatch.setenv("BIASSAY_DATA", str(tmp_path))
    for study in ("labels_study", "inputs_study"):
        monkeypatch.setattr(f"biassay.assays.random_labels.{study}", lambda config: pytest.fail("trained"))
    with pytest.raises(UserError, match="holds no CIFAR-10") as error:
        run(dataclasses.replace(SMALL, cifar=True))
    assert "\n" not in str(error.value)


@pytest.mark.nightly
def test_a_run_with_cifar_holds_all_three_studies(cifar_run, monkeypatch):
    """`run` puts the studies together and describes every variable, those of CIFAR-10 too."""
    both = small_run("random-labels").drop_attrs()
    alone = [name for name in both.data_vars if str(name).startswith("input_") and name != "input_check_epochs"]
    monkeypatch.setattr("biassay.assays.random_labels.cifar_study", lambda config: cifar_run)
    monkeypatch.setattr("biassay.assays.random_labels.labels_study", lambda config: both.drop_vars(alone))
    monkeypatch.setattr("biassay.assays.random_labels.inputs_study", lambda config: both[alone])
    data = run(dataclasses.replace(SMALL, cifar=True))
    assert set(data.data_vars) == {*both.data_vars, *cifar_run.data_vars}
    assert data.cifar_test.attrs["long_name"] == "CIFAR-10: test accuracy at the check that fits"
    assert data.cifar_epochs.attrs["units"] == "epochs"
    assert len(ASSAY.judge(data)) == len(ASSAY.claims)
    figure = ASSAY.figures(data)[-1]
    assert figure.name == "cifar"
    assert [series.label for series in figure.panels[0].series] == [
        "true labels",
        "random labels",
        "true, weight decay",
        "random, weight decay",
    ]
    assert [panel.title.split(":")[0] for panel in figure.panels] == 3 * ["Dense"] + 3 * ["Wide residual"]
    for panel, network in ((figure.panels[2], "mlp"), (figure.panels[5], "wrn")):
        assert len(panel.series[0].y) == cifar_run.cifar_test.sel(cifar_network=network).size
    assert "Dense 98624, Wide residual" in figure.caption
    assert to_matplotlib(figure).axes


def test_digits_are_normalised_before_they_are_trained_on():
    x = np.asarray(_clean().x)
    assert x.min() == pytest.approx(digits.BLACK)
