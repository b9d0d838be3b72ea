"""The deep classifiers of the assay `adversarial-init`: their pieces by hand, and a tiny run from end to end."""

import dataclasses
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from synthetic_images import results

from biassay import SGD
from biassay._lanes import WINDOW
from biassay.assays.adversarial_init import (
    ASSAY,
    Config,
    attainable,
    figures_images,
    figures_seeds,
    image_complexity,
    image_data,
    image_network,
    image_training,
    in_chunks,
    on_images,
    run,
)
from biassay.assays.adversarial_init.controls import norm_matched
from biassay.assays.adversarial_init.image_network import Weights
from biassay.claims import bootstrap_interval
from biassay.data import cifar10, cifar100, cinic10, confusion, restricted_imagenet
from biassay.errors import UserError
from biassay.models import batch_norm, classifiers, conv_norm, resnet
from biassay.models.classifiers import Classifier, classifier
from biassay.probes import norm
from biassay.report import to_matplotlib
from biassay.simulation import _keys
from small import CONFIGS
from small import run as small_run
from tiny_cifar import batches, write_archive

SMALL = dataclasses.replace(
    CONFIGS["adversarial-init"],
    image_data_sets=("cifar-10",),
    image_networks=("resnet18",),
    image_seeds=1,
    image_width=1 / 16,
    image_train=16,
    image_test=8,
    image_batch=8,
    image_replication=2,
    image_fraction=0.3,
    image_replications=(),
    image_fractions=(),
    image_epochs=2,
    image_check_epochs=1,
    image_drops=(1,),
    image_measured=0,
)

pytestmark = pytest.mark.xdist_group("adversarial-init")


@cache
def tiny(name, classes, width, images="cifar", precision="float32"):
    """A residual network with a stem and one block: little to compile."""
    init = partial(resnet.init, form=resnet.Form((1, 0, 0, 0), False), classes=classes, width=width, stem=images)
    functions = (classifiers._computing_in(function, jnp.float32) for function in (resnet.predict, resnet.train))
    return Classifier(jax.jit(init), *functions)


def loaded(seed=1, n=40, m=12):
    rng = np.random.default_rng(seed)
    x, test_x = (rng.integers(0, 256, (size, 32, 32, 3), np.uint8) for size in (n, m))
    return image_data.Loaded(x, np.arange(n) % 10, test_x, np.arange(m) % 10)


def study(**changed):
    config = dataclasses.replace(SMALL, **changed)
    images = image_data.drawn(jax.random.key(0), loaded(), config.image_train, config.image_test)
    return image_training.Study(config, "tiny", tiny("", 10, 1 / 16), image_data.SOURCES["cifar-10"], images, 10_000)


# --- images -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 4, 5, 11, 12])
def test_chunks_are_the_whole(monkeypatch, n):
    x = np.arange(12 * 4 * 4 * 3).reshape(12, 4, 4, 3)[:n]
    seen = []

    def sums(numbers):
        seen.append(numbers.shape[0])
        return jnp.asarray(x)[numbers].sum(axis=(1, 2))

    monkeypatch.setattr(in_chunks, "PIXELS", 4 * 16)
    np.testing.assert_array_equal(in_chunks.in_chunks(sums, x.shape), x.sum(axis=(1, 2)))
    assert max(seen) <= 4


def test_a_seeds_images_are_drawn_without_replacement_and_only_they_are_read():
    class Reads(np.ndarray):
        read = 0

        def __getitem__(self, numbers):
            Reads.read += len(numbers)
            return np.asarray(self)[numbers]

    data = loaded()
    images = image_data.drawn(jax.random.key(3), data._replace(x=data.x.view(Reads)), 16, 0)
    assert Reads.read == 16
    assert images.x.shape == (16, 32, 32, 3)
    assert images.x.dtype == jnp.uint8
    places = [np.flatnonzero((data.x == image).all(axis=(1, 2, 3))).item() for image in np.asarray(images.x)]
    assert len(set(places)) == 16
    np.testing.assert_array_equal(images.y, data.y[places])
    np.testing.assert_array_equal(images.test.x, data.test_x)
    other = image_data.drawn(jax.random.key(4), data, 16, 0)
    assert (np.asarray(other.x) != np.asarray(images.x)).any()
    with pytest.raises(ValueError, match="image_test must be at most 12, the images there are, got 13"):
        image_data.drawn(jax.random.key(3), data, 0, 13)


def test_data_sets_by_name(monkeypatch):
    """Every name is loaded by its own reader, with its own classes and colours."""
    modules = {"cifar-10": cifar10, "cifar-100": cifar100, "cinic-10": cinic10}
    data = loaded()
    for name, module in modules.items():
        monkeypatch.setattr(module, "load", lambda name=name: (name, *data[1:]))
        source = image_data.SOURCES[name]
        assert source.load(224).x == name
        assert (source.classes, source.mean, source.form) == (module.CLASSES, module.MEAN, "cifar")
        assert source.deviation == module.DEVIATION

    def parts(size, part):
        return restricted_imagenet.Labelled(f"{part} {size}", np.zeros(1, np.int32))

    monkeypatch.setattr(restricted_imagenet, "load", parts)
    source = image_data.SOURCES["restricted-imagenet"]
    assert source.load(64)[::2] == ("train 64", "val 64")
    assert (source.classes, source.form) == (9, "imagenet")
    assert set(image_data.SOURCES) == {*modules, "restricted-imagenet"}


def test_bytes_are_normalised_inside_the_network():
    x = np.array([[[[0, 51, 255]]]], np.uint8)
    made = image_network.normalised(jnp.asarray(x), cifar10.MEAN, cifar10.DEVIATION)
    by_hand = (np.array([0, 0.2, 1]) - cifar10.MEAN) / cifar10.DEVIATION
    np.testing.assert_allclose(made[0, 0, 0], by_hand, rtol=1e-6)
    s = study()
    problem = s.problem(s.images.x, s.images.y, s.start)
    floats = image_network.normalised(s.images.x, cifar10.MEAN, cifar10.DEVIATION)
    logits = jax.jit(s.net.predict)(*s.start, floats)
    np.testing.assert_allclose(jax.jit(lambda w: problem.predict(w, s.images.x))(s.start.params), logits, atol=1e-6)
    right = float((np.argmax(logits, axis=1) == np.asarray(s.images.y)).mean())
    assert float(jax.jit(lambda w: image_network.fit(problem, w))(s.start.params)) == pytest.approx(right)
    # The same functions at every call: they compile once.
    assert problem.network is s.problem(s.images.x, s.images.y, s.start).network


# --- the confusion set ------------------------------------------------------------------------------------------------


def dark_set(copies=6, fraction=0.25):
    """Copies of images with few bright entries, two of them equal: many collide."""
    rng = np.random.default_rng(0)
    x = rng.integers(1, 256, (5, 4, 4, 3)) * (rng.random((5, 4, 4, 3)) < 0.08)
    x[1] = x[0]
    items = confusion.ConfusionSet(jnp.asarray(x, jnp.uint8), jax.random.key(1), copies, fraction)
    return items, jax.random.randint(jax.random.key(2), (len(items),), 0, 3)


@pytest.mark.parametrize("together", [pytest.param(14, marks=pytest.mark.nightly), 1024])
def test_what_is_attainable_is_found_without_the_whole_set(monkeypatch, together):
    items, labels = dark_set()
    whole = confusion.attainable_accuracy(items[:], labels)
    assert 0.3 < whole < 1
    monkeypatch.setattr(attainable, "_TOGETHER", together)
    assert attainable.attainable(items, labels) == pytest.approx(whole, abs=1e-12)
    bright = confusion.ConfusionSet(jnp.full((3, 16, 16, 3), 9, jnp.uint8), jax.random.key(1), 4, 0.3)
    assert attainable.attainable(bright, jnp.arange(12) % 2) == 1


def test_hashes_only_choose_what_is_compared(monkeypatch):
    """Were all hashes equal, the answer would be the same; were they independent of the items, it would be wrong."""
    items, labels = dark_set()
    whole = confusion.attainable_accuracy(items[:], labels)
    monkeypatch.setattr(attainable, "_hashes", lambda items: jnp.zeros((len(items), 2), jnp.uint32))
    assert attainable.attainable(items, labels) == pytest.approx(whole, abs=1e-12)
    monkeypatch.setattr(attainable, "_hashes", lambda items: jnp.arange(2 * len(items)).reshape(-1, 2))
    assert attainable.attainable(items, labels) == 1


def test_a_set_that_cannot_be_fitted_is_refused_in_one_line():
    items, labels = dark_set()
    with pytest.raises(ValueError, match=r"cinic-10: equal copies .* with R = 6 and N = 0.25 can be fitted") as error:
        image_training.require_attainable(SMALL, "cinic-10", items, labels)
    assert "\n" not in str(error.value)
    lenient = dataclasses.replace(SMALL, image_fit=0.2)
    assert image_training.require_attainable(lenient, "cinic-10", items, labels) < 1


def test_a_seeds_confusion_set_is_the_same_whenever_it_is_asked_for():
    s = study()
    made = [image_training.confusion(s.config, s.images, 10, seed, 3, 0.1) for seed in (5, 5, 6)]
    (x, y), (again, labels), (other, others) = made
    assert x.shape == (48, 32, 32, 3)
    np.testing.assert_array_equal(x[:4], again[:4])
    np.testing.assert_array_equal(y, labels)
    assert (x[:4] != other[:4]).any()
    assert (y != others).any()
    assert (x[0] != x[1]).any()
    erased = np.asarray((x[0] == 0) & (s.images.x[0] != 0))
    assert erased.sum() <= int(0.1 * 3072)
    assert not (erased.any(axis=2) == erased.all(axis=2)).all()
    pixels, _ = image_training.confusion(dataclasses.replace(s.config, image_erase="pixels"), s.images, 10, 5, 3, 0.1)
    assert int((pixels[0] == 0).all(axis=2).sum()) >= int(0.1 * 1024)


# --- training ---------------------------------------------------------------------------------------------------------


def test_pre_training_ends_at_the_share_of_examples():
    rule = image_training.Fitted(0.9999, 50_000)
    looks = [rule({"fit": np.float32([right / 50_000])}) for right in (49_990, 49_994, 49_995, 50_000)]
    assert looks == [False, False, True, True]
    assert not image_training.Fitted(1.0, 3)({"fit": np.float32([2 / 3])})


def test_every_subset_of_the_regularisers_from_both_starts():
    assert on_images.REGULARISERS == ("DA", "M", "L2", "DA+M", "DA+L2", "M+L2", "DA+M+L2")
    assert len(on_images.SETUPS) == len(set(on_images.SETUPS)) == 7 + 2 * 7


def test_the_control_has_the_true_label_of_every_copy_and_the_epochs_of_the_adversarial_start(monkeypatch):
    s, asked = study(), []

    def pretrained(study, setup, items, labels, like=None):
        asked.append((items, labels, like))
        return f"outcome {len(asked)}"

    monkeypatch.setattr(image_training.Study, "pretrained", pretrained)
    bad, good = on_images._starts(s, 3, 0.1)
    assert (bad, good) == ("outcome 1", "outcome 2")
    (items, random, first), (same, true, second) = asked
    assert (first, second) == (None, bad)
    assert same is items
    assert [int(label) for label in true] == [int(s.images.y[i // 3]) for i in range(48)]
    # An item is a copy of the image whose label it has: what is not erased agrees.
    for i, item in enumerate(np.asarray(items[:])):
        assert ((item == 0) | (item == s.images.x[i // 3])).all()
    assert (random != true).any()


@pytest.mark.parametrize("checks", [pytest.param(1, marks=pytest.mark.nightly), 2])
def test_pre_training_of_the_control_is_as_long_as_that_on_random_labels(checks):
    """It goes on where its own labels are fitted: here they are at every check."""
    s = study(image_fit=1e-9)
    items, labels = image_training.confusion(s.config, s.images, 10, s.seed, 2, 0.3)
    history = xr.Dataset(coords={"epoch": np.arange(1, checks + 1)})
    control = s.pretrained("", items, labels, like=image_training.Outcome(s.start, False, history))
    assert control.history.epoch.values.tolist() == list(range(1, checks + 1))


def test_no_confusion_set_is_trained_on_twice():
    config = dataclasses.replace(SMALL, image_replications=(1, 1, 2), image_fractions=(0.3, 0.5, 0.5))
    assert on_images._pairs(config) == [(2, 0.3), (1, 0.3), (2, 0.5)]


def test_a_seeds_images_are_drawn_once_for_all_networks(cifar_folder, monkeypatch):
    """Once before anything is trained, and once to train on."""
    monkeypatch.setenv("BIASSAY_DATA", str(cifar_folder))
    draws, trained = [], []

    def drawn(*args):
        draws.append(args)
        return image_data.drawn(*args)

    def every_setup(study):
        trained.append(study.label)
        return xr.Dataset({"image_test": float(len(trained))})

    monkeypatch.setattr(on_images, "drawn", drawn)
    monkeypatch.setattr(on_images, "every_setup", every_setup)
    monkeypatch.setattr(on_images, "classifier", tiny)
    config = dataclasses.replace(SMALL, image_seeds=2, image_networks=("resnet18", "vgg16"))
    test = on_images.images_study(config).image_test
    assert len(draws) == 2 * 2
    assert test.dims == ("image_data", "image_network", "image_seed")
    assert test.values.tolist() == [[[1, 3], [2, 4]]]
    assert trained[1] == "cifar-10, vgg16, seed 10000"


@pytest.fixture(scope="module")
def two_epochs():
    """Two epochs of two steps with momentum and weight decay, the step size dropping after the first."""
    s = study(image_weight_decay=0.3)
    return s, s.on_true_labels("S0[M+L2]", s.start, "M+L2")


def test_steps_are_the_hand_written_ones(two_epochs):
    s, outcome = two_epochs
    problem = s.problem(s.images.x, s.images.y, s.start)
    noise_key = jax.random.wrap_key_data(_keys(s.seed, 1, image_training.Stream.MAIN)[0, 1])
    order, _ = SGD(0.1, s.config.image_batch).noise(problem, noise_key, jnp.array(0), WINDOW)
    gradient = jax.jit(lambda w, statistics, indices: problem.training_gradient(w, statistics, problem.batch(indices)))
    (w, statistics), v = s.start, jax.tree.map(jnp.zeros_like, s.start.params)
    for indices, lr in zip(order, (0.1, 0.1, 0.01, 0.01), strict=False):
        g, statistics = gradient(w, statistics, indices)
        v = jax.tree.map(lambda v, g, w: 0.9 * v + g + 0.3 * w, v, g, w)
        w = jax.tree.map(lambda w, v, lr=lr: w - lr * v, w, v)
    for made, by_hand in zip(jax.tree.leaves(outcome.end), jax.tree.leaves((w, statistics)), strict=True):
        np.testing.assert_allclose(made, by_hand, atol=2e-5)
    assert outcome.history.epoch.values.tolist() == [1, 2]
    # Without the regularisers it is another network.
    plain = s.on_true_labels("S0", s.start)
    assert float(jnp.abs(plain.end.params.head.weight - w.head.weight).max()) > 1e-3


def test_batch_statistics_are_carried_over_and_the_velocity_is_not(two_epochs):
    """From the same parameters: other statistics give other ones, hence other predictions, and the same weights."""
    s, bad = two_epochs
    carried = s.on_true_labels("S2", bad.end)
    dropped = s.on_true_labels("S2", Weights(bad.end.params, s.start.statistics))
    jax.tree.map(np.testing.assert_array_equal, carried.end.params, dropped.end.params)
    first, other = carried.end.statistics[0], dropped.end.statistics[0]
    # Four steps keep .9^4 of where they began.
    expected = 0.9**4 * (bad.end.statistics[0].mean - s.start.statistics[0].mean)
    np.testing.assert_allclose(first.mean - other.mean, expected, atol=1e-6)
    assert float(jnp.abs(expected).max()) > 1e-3
    logits = [s.problem(s.images.x, s.images.y, o.end).predict(o.end.params, s.images.x) for o in (carried, dropped)]
    assert float(jnp.abs(logits[0] - logits[1]).max()) > 1e-3


def test_augmentation_shifts_bytes_and_black_comes_in():
    x = jnp.full((64, 8, 8, 3), 200, jnp.uint8)
    made = np.asarray(image_training.augment(jax.random.key(0), x))
    assert made.dtype == np.uint8
    assert set(np.unique(made)) == {0, 200}
    black = (made == 0).all(axis=(2, 3)).sum(axis=1)
    assert black.max() == image_training.PAD


def test_the_norm_matched_start_has_the_adversarial_norms_leaf_by_leaf(two_epochs):
    s, bad = two_epochs
    matched = norm_matched(s.start.params, bad.end.params)
    for leaf, own, other in zip(*map(jax.tree.leaves, (matched, s.start.params, bad.end.params)), strict=True):
        # The shifts of batch normalisation begin at 0 and stay there.
        expected = float(norm(other)) if float(norm(own)) else 0.0
        assert float(norm(leaf)) == pytest.approx(expected, rel=1e-6)
    assert float(norm(matched)) != pytest.approx(float(norm(s.start.params)), rel=1e-3)


# --- complexity -------------------------------------------------------------------------------------------------------


def moved(net):
    """A network whose statistics, scales and shifts are not where they began."""
    rng = np.random.default_rng(0)
    params, statistics = net.init(jax.random.key(0))
    params = jax.tree.map(lambda leaf: leaf + jnp.asarray(0.1 * rng.normal(size=leaf.shape), leaf.dtype), params)
    return Weights(
        params, jax.tree.map(lambda leaf: leaf + jnp.asarray(rng.random(leaf.shape), leaf.dtype), statistics)
    )


def assert_folds(net):
    weights = moved(net)
    network = image_complexity.folded(weights)
    x = jax.random.normal(jax.random.key(3), (3, 32, 32, 3))
    predict = image_complexity.predict_folded(net.predict)
    logits = jax.jit(net.predict)(*weights, x)
    np.testing.assert_allclose(predict(network, x), logits, atol=2e-5 * float(jnp.abs(logits).max()))
    start = batch_norm.initial_statistics(weights.params)
    assert float(jnp.abs(predict(image_complexity.folded(Weights(weights.params, start)), x) - logits).max()) > 1e-2
    layers = image_complexity.layers_of(network)
    in_order = conv_norm.weights_in_order(*weights)
    assert [layer.weight.size for layer in layers] == [w.size for w in in_order]
    for layer, w in zip(layers, in_order, strict=True):
        np.testing.assert_allclose(np.linalg.norm(layer.weight), np.linalg.norm(w), rtol=1e-6)
        assert layer.weight.shape[:2] == w.shape[-1:-3:-1]
        assert layer.bias is None or layer.bias.shape == w.shape[-1:]
    return weights, network


def test_a_folded_network_is_the_network_and_has_weights_and_biases_alone():
    weights, network = assert_folds(tiny("", 10, 1 / 16))
    # Three convolutions with their shifts, and the head.
    assert len(jax.tree.leaves(network)) == 2 * 4
    assert len(jax.tree.leaves(weights.params)) == 3 * 3 + 2


@pytest.mark.nightly
@pytest.mark.parametrize("name", ["vgg16", "resnet18", "resnet50", "densenet40"])
def test_every_architecture_folds(name):
    assert_folds(classifier(name, 10, 1 / 16))


def test_complexity_of_a_minimum():
    """A network that fits has every measure; what needs the margin is NaN of one that does not."""
    s = study()
    head = s.start.params.head
    says_4 = Weights(s.start.params._replace(head=head._replace(bias=head.bias.at[4].add(9.0))), s.start.statistics)

    def measured(label):
        images = s.images._replace(y=jnp.full_like(s.images.y, label))
        return image_complexity.complexity_of(dataclasses.replace(s, images=images), says_4, 12)

    found, other = measured(4), measured(7)
    assert found.g == pytest.approx(9.0, abs=1.5)
    assert found.values["FRO_DIST"] == 0
    for name in figures_images.MEASURES:
        assert np.isfinite(found.values[name])
    assert np.isnan(other.g)
    assert np.isnan(other.values["PATH_NORM_OVER_MARGIN"])
    assert np.isfinite(other.values["PATH_NORM"])
    assert other.values["LOG_PROD_OF_FRO"] == pytest.approx(found.values["LOG_PROD_OF_FRO"], rel=1e-6)
    by_hand = sum(np.log(np.sum(np.asarray(w, float) ** 2)) for w in conv_norm.weights_in_order(*s.start))
    assert other.values["LOG_PROD_OF_FRO"] == pytest.approx((by_hand - np.log(12)) / 2, rel=1e-6)


# --- from end to end --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cifar_folder(tmp_path_factory):
    """CIFAR-10 in its archive, 40 training and 8 test images."""
    folder = tmp_path_factory.mktemp("cifar")
    write_archive(folder, batches(seed=1, each=8))
    return folder


@pytest.fixture(scope="module")
def tiny_run(cifar_folder):
    """Every set-up, through the archive; pre-training ends at its first check."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BIASSAY_DATA", str(cifar_folder))
        patch.setattr(on_images, "classifier", tiny)
        return on_images.images_study(dataclasses.replace(SMALL, image_fit=1e-9))


def check_form(data, config):
    assert data.image_setup.values.tolist() == list(on_images.SETUPS)
    assert all(str(name).startswith("image_") for name in data.variables)
    grid = ("image_data", "image_network", "image_seed")
    assert data.image_test.dims == (*grid, "image_setup")
    assert data.image_curve_test.dims == (*grid, "image_setup", "image_epoch")
    assert data.image_replicated_test.dims == (*grid, "image_replication", "image_replicated")
    assert data.image_erased_fit.dims == (*grid, "image_fraction", "image_replicated")
    assert data.image_attainable.dims == grid
    assert all(data[name].attrs["long_name"].startswith("images: ") for name in data.variables)
    assert data.image_epoch.values.tolist() == list(
        range(config.image_check_epochs, config.image_epochs + 1, config.image_check_epochs)
    )
    main = data.drop_sel(image_setup=["C", "C true"])
    assert not data.image_diverged.any()
    assert np.isfinite(main.image_curve_test).all()
    for name in ("train", "test", "fit"):
        counts = data[f"image_{name}"] * {"train": 16, "test": 8, "fit": 32}[name]
        np.testing.assert_allclose(counts, counts.round(), atol=1e-4)
    np.testing.assert_allclose(main.image_curve_fit.isel(image_epoch=-1), main.image_fit)
    true = main.drop_sel(image_setup="S1")
    np.testing.assert_allclose(true.image_fit, true.image_train)


def test_a_tiny_run_from_the_archive_to_the_dataset(tiny_run):
    check_form(tiny_run, SMALL)
    assert (tiny_run.image_attainable == 1).all()
    one = tiny_run.isel(image_data=0, image_network=0, image_seed=0)
    # The stop rule ends the two pre-trainings at the first check, and nothing else.
    epochs = dict(zip(one.image_setup.values, one.image_epochs.values, strict=True))
    assert epochs == dict.fromkeys(on_images.SETUPS, SMALL.image_epochs) | {"C": 1, "C true": 1}
    assert one.image_d_adv.sel(image_setup="C") == 0
    assert one.image_d_init.sel(image_setup="C") > 0.01
    # The headline is one of the replications and of the fractions.
    for axis, name in (("replicated", "image_replication"), ("erased", "image_fraction")):
        same = one[f"image_{axis}_test"].isel({name: 0})
        np.testing.assert_array_equal(same, one.image_test.sel(image_setup=list(on_images.REPLICATED)))
    # Every set-up went its own way: no two ended at one place.
    places = np.stack([one.image_d_init, one.image_d_adv, one.image_norm], axis=1)
    assert len(np.unique(places, axis=0)) == len(on_images.SETUPS)


def test_a_run_is_judged_and_drawn_with_and_without_images(tiny_run):
    digits = small_run("adversarial-init")
    both = xr.merge([digits, tiny_run], join="exact")
    assert [v.claim for v in ASSAY.judge(both)] == [v.claim for v in ASSAY.judge(digits)]
    drawn, without = ({figure.name for figure in ASSAY.figures(data)} for data in (both, digits))
    assert drawn - without == {f"images-{kind}-cifar-10" for kind in ("gap", "escape", "curves", "copies")}


def test_images_that_are_not_there_are_told_before_anything_is_trained(tmp_path, monkeypatch):
    monkeypatch.setenv("BIASSAY_DATA", str(tmp_path))
    monkeypatch.setattr("biassay.simulation._lanes.all_lanes", lambda *args: pytest.fail("trained"))
    with pytest.raises(UserError, match="holds no CIFAR-10") as error:
        run(SMALL)
    assert "\n" not in str(error.value)


def test_what_cannot_be_run_is_told_before_anything_is_trained(cifar_folder, monkeypatch):
    monkeypatch.setenv("BIASSAY_DATA", str(cifar_folder))
    monkeypatch.setattr(on_images, "every_setup", lambda study: pytest.fail("trained"))
    for changed, words in (
        ({"image_replications": (1,), "image_fractions": (0.0,)}, "equal copies carry different labels"),
        ({"image_train": 41}, "image_train must be at most 40"),
        ({"image_batch": 17}, "image_batch must be at most 16"),
    ):
        with pytest.raises(ValueError, match=words):
            on_images.images_study(dataclasses.replace(SMALL, **changed))


def test_the_figures_of_several_networks(monkeypatch):
    data = results()
    figures = figures_images.figures_images(data)
    assert [figure.name.split("-")[1] for figure in figures] == ["gap", "escape", "curves", "copies", "complexity"]
    gap, escape, curves, copies, complexity = figures
    random, adversarial = escape.panels[1].series
    np.testing.assert_allclose(np.asarray(random.y) - adversarial.y, [0.25, 0.15, 0.1, 0.12, 0, 0, 0, 0], atol=0.02)
    assert tuple(adversarial.x) == ("none", "DA", "M", "L2", "DA+M", "DA+L2", "M+L2", "all")
    np.testing.assert_allclose(copies.panels[0].series[0].y[-1], 0.25, atol=0.02)
    assert "no run diverged" in gap.caption
    assert "no run diverged" in copies.caption
    assert "0 of 40 have none or diverged" in complexity.caption
    assert len(complexity.panels) == len(figures_images.MEASURES)
    unfitted = data.copy(deep=True)
    unfitted["image_fit"].loc[{"image_setup": "C", "image_seed": 2, "image_network": "vgg16"}] = 0.5
    unfitted["image_fit"].loc[{"image_setup": "C true", "image_seed": 2}] = np.nan
    unfitted["image_replicated_fit"].loc[{"image_replicated": "C", "image_seed": 1, "image_replication": 3}] = 0.25
    unfitted["image_erased_fit"].loc[{"image_replicated": "C true", "image_seed": 1}] = 0.75
    gap, _, _, copies, _ = figures_images.figures_images(unfitted)
    assert "C 0.5000, NC1's start 1.0000" in gap.caption
    assert "random labels 0.2500, true labels 0.7500" in copies.caption
    diverged = data.copy(deep=True)
    for name in ("train", "test", "curve_test"):
        diverged[f"image_{name}"].loc[{"image_setup": "S2", "image_network": "vgg16"}] = np.nan
    diverged["image_diverged"].loc[{"image_setup": "S2", "image_network": "vgg16"}] = True
    gap, _, curves, *_ = drawn = figures_images.figures_images(diverged)
    assert "4 of 32 runs diverged" in gap.caption
    assert [len(panel.series) for panel in curves.panels] == [3, 4]
    for figure in drawn:
        assert to_matplotlib(figure).axes


def test_a_diverged_seed_leaves_the_mean_of_the_others():
    values = np.array([[1.0, np.nan, np.nan], [3.0, 5.0, np.nan], [5.0, 6.0, 7.0], [7.0, np.nan, np.nan]])
    found = figures_seeds.points(range(3), xr.DataArray(values), "", "result")
    np.testing.assert_allclose(found.y, [4, 5.5, 7])
    for column, samples in ((0, values[:, 0]), (1, [5.0, 6.0])):
        assert (found.low[column], found.high[column]) == pytest.approx(bootstrap_interval(samples))
    assert (found.low[2], found.high[2]) == (7, 7)
    none = figures_seeds.points(range(3), xr.DataArray(values[:1]), "", "result")
    np.testing.assert_array_equal(none.y, [1, np.nan, np.nan])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("train", 9),
        ("image_train", 9),
        ("image_data_sets", ("cifar",)),
        ("image_data_sets", ("cifar-10", "cifar-10")),
        ("image_networks", ()),
        ("image_networks", ("alexnet",)),
        ("image_precision", "float16"),
        ("image_erase", "rows"),
        ("image_replication", 0),
        ("image_replications", (1, 0)),
        ("image_fraction", 1.5),
        ("image_fractions", (-0.1,)),
        ("image_seeds", 0),
        ("image_train", -1),
        ("image_batch", 1),
        ("image_width", 0.0),
        ("image_lr", 0.0),
        ("image_momentum", 1.0),
        ("image_weight_decay", -1.0),
        ("image_fit", 0.0),
        ("image_epochs", 351),
        ("image_drops", (250, 150)),
        ("image_measured", 9),
    ],
)
def test_a_value_out_of_range_is_refused_in_one_line(field, value):
    with pytest.raises(ValueError, match=field) as error:
        dataclasses.replace(Config(), **{field: value})
    assert "\n" not in str(error.value)


def test_densenet_is_not_asked_for_large_images():
    with pytest.raises(ValueError, match="densenet40 is for images of 32x32"):
        Config(image_data_sets=("restricted-imagenet",))
    assert Config(image_data_sets=("restricted-imagenet",), image_networks=("resnet50",)).image_pixels == 224


def test_vgg16_is_not_asked_for_images_that_it_leaves_nothing_of():
    small = {"image_data_sets": ("restricted-imagenet",), "image_pixels": 31}
    with pytest.raises(ValueError, match="image_pixels must be at least 32 for vgg16, got 31"):
        Config(**small, image_networks=("resnet18", "vgg16"))
    assert Config(**small, image_networks=("resnet18", "resnet50")).image_pixels == 31
    assert Config(**small | {"image_pixels": 32}, image_networks=("vgg16",)).image_pixels == 32
    net = classifier("vgg16", 9, 1 / 16, "imagenet")
    weights = jax.eval_shape(net.init, jax.random.key(0))
    with pytest.raises(ValueError, match="2x2 pooling met an image of 1x1 pixels"):
        jax.eval_shape(net.predict, *weights, jnp.zeros((1, 31, 31, 3)))


def test_few_images_are_enough_without_measures():
    assert dataclasses.replace(Config(), image_train=9, image_measured=0).image_train == 9


def test_the_full_profile_trains_on_images_and_the_quick_one_does_not():
    assert ASSAY.profiles["quick"].image_data_sets == ()
    full = ASSAY.profiles["full"]
    assert full.image_data_sets == ("cifar-10", "cifar-100", "cinic-10")
    assert full.image_networks == ("vgg16", "resnet18", "resnet50", "densenet40")


@pytest.mark.nightly
def test_resnet18_in_every_setup(cifar_folder, monkeypatch):
    """The real network with 1/16 of its channels, two seeds, other R and N, in half precision, with the measures."""
    monkeypatch.setenv("BIASSAY_DATA", str(cifar_folder))
    config = dataclasses.replace(
        SMALL,
        image_seeds=2,
        image_replications=(1,),
        image_fractions=(0.6,),
        image_precision="bfloat16",
        image_measured=10,
    )
    data = on_images.images_study(config)
    check_form(data, config)
    assert data.image_replication.values.tolist() == [1, 2]
    assert data.image_fraction.values.tolist() == [0.3, 0.6]
    assert np.isfinite(data.image_complexity.sel(image_measure="PARAM_NORM")).all()
    alone = on_images.images_study(dataclasses.replace(config, seed=10_001, image_seeds=1))
    xr.testing.assert_equal(data.isel(image_seed=[1]), alone)
    assert len(figures_images.figures_images(data)) == 5
