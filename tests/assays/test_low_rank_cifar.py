"""The assay `low-rank` on a tiny CIFAR-10: from the archive to the figures, and what a layer is."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from biassay.assays.low_rank import ASSAY, Config, cifar_networks, on_cifar, run
from biassay.assays.low_rank.figures_cifar import mean_over_layers
from biassay.errors import UserError
from biassay.models import resnet
from biassay.probes import numerical_rank
from biassay.problem import Problem, cross_entropy
from biassay.report import to_matplotlib
from small import CONFIGS
from small import run as small_run
from tiny_cifar import batches, write_archive

SMALL = CONFIGS["low-rank"]

pytestmark = pytest.mark.xdist_group("low-rank")

TINY = dataclasses.replace(
    SMALL,
    cifar=True,
    cifar_width=12,
    cifar_layers=2,
    cifar_channels=1 / 16,
    cifar_batches=(6,),
    cifar_lrs=(0.1,),
    cifar_decays=(0.0, 0.5),
    cifar_epochs=2,
    cifar_drops=(1,),
    cifar_check_epochs=1,
)
SHORT = resnet.Form((1, 1, 1, 1), bottleneck=False)
"""ResNet18 with half of its blocks."""


@pytest.fixture(scope="module")
def cifar_folder(tmp_path_factory):
    """A CIFAR-10 of 30 training images as an archive."""
    folder = tmp_path_factory.mktemp("cifar")
    write_archive(folder, batches(seed=1, each=6))
    return folder


def study(folder, **changes):
    with pytest.MonkeyPatch.context() as patch, jax.enable_x64(True):
        patch.setenv("BIASSAY_DATA", str(folder))
        return on_cifar.cifar_study(dataclasses.replace(TINY, **changes))


@pytest.fixture(scope="module")
def convolutional_run(cifar_folder):
    """A dense network beside a short ResNet, through the archive."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resnet, "RESNET18", SHORT)
        return study(cifar_folder, cifar_networks=("mlp", "resnet18"))


def drawn(data):
    """The figures of CIFAR-10, rendered."""
    both = xr.merge([small_run("low-rank"), data], join="exact")
    found = ASSAY.figures(both)[-2:]
    assert [figure.name for figure in found] == ["cifar", "cifar-layers"]
    assert all(to_matplotlib(figure).axes for figure in found)
    return found


def test_a_convolutional_network_runs_beside_a_dense_one(convolutional_run):
    data = convolutional_run
    assert data.cifar_network.values.tolist() == ["mlp", "resnet18"]
    lead = {"cifar_network": 2, "cifar_batch": 1, "cifar_seed": 1, "cifar_lr": 1, "cifar_decay": 2}
    assert dict(data.cifar_rank.sizes) == {**lead, "cifar_epoch": 3, "cifar_layer": 13, "cifar_tol": 3}
    assert dict(data.cifar_spectrum.sizes) == {**lead, "cifar_layer": 13, "cifar_index": 32}
    names = data.cifar_layer_name.values
    assert names[0].tolist() == ["hidden 1", "hidden 2", "head", *[""] * 10]
    assert names[1][[0, 1, 5, 12]].tolist() == [
        "stem",
        "stage 1 block 1 convolution 1",
        "stage 2 block 1 shortcut",
        "head",
    ]
    assert data.cifar_full_rank.dims == ("cifar_network", "cifar_layer")
    full = data.cifar_full_rank.values
    np.testing.assert_array_equal(full[1], [4, 4, 4, 8, 8, 4, 16, 16, 8, 32, 32, 16, 10])
    # Layers that are there are finite and the others NaN, in everything that has layers.
    there = names != ""
    assert (np.isfinite(full) == there).all()
    for values in (data.cifar_rank, data.cifar_stable_rank, data.cifar_spectrum.isel(cifar_index=0)):
        assert (np.isfinite(values.transpose("cifar_network", "cifar_layer", ...).values).T == there.T).all()
    assert (data.cifar_rank <= data.cifar_full_rank).where(np.isfinite(data.cifar_rank), True).all()
    square = (data.cifar_spectrum**2).sum("cifar_index").where(data.cifar_layer_name != "")
    np.testing.assert_allclose(square.values[np.isfinite(square.values)], 1, rtol=1e-5)
    assert np.isfinite(data.cifar_train).all()
    assert np.isfinite(data.cifar_test).all()


def test_the_decay_acts_on_every_layer(convolutional_run):
    """The lane with decay ends elsewhere than the one without, in every layer; they start alike."""
    data = convolutional_run
    there = (data.cifar_layer_name != "").values
    none, decayed = (data.cifar_stable_rank.sel(cifar_decay=decay).squeeze() for decay in (0.0, 0.5))
    start, end = ((none - decayed).isel(cifar_epoch=epoch).values[there] for epoch in (0, -1))
    np.testing.assert_array_equal(start, 0)
    assert (abs(end) > 1e-6).all()


def test_the_figures_show_every_network_and_no_padding(convolutional_run):
    cifar, layers = drawn(convolutional_run)
    assert [panel.title.split(",")[0].split(":")[0] for panel in cifar.panels] == ["Dense"] * 3 + ["ResNet18"] * 3
    assert [len(panel.series[0].x) for panel in layers.panels] == [2, 12]
    data = convolutional_run
    rank = data.cifar_rank.sel(cifar_tol=1e-3).isel(cifar_epoch=-1).squeeze(["cifar_batch", "cifar_seed", "cifar_lr"])
    mean = mean_over_layers(data, rank)
    by_hand = rank.sel(cifar_network="resnet18").values[:, :12].mean(axis=1)
    np.testing.assert_allclose(mean.sel(cifar_network="resnet18"), by_hand)
    np.testing.assert_allclose(mean.sel(cifar_network="mlp"), rank.sel(cifar_network="mlp").values[:, :2].mean(axis=1))
    broken = rank.copy(deep=True)
    broken.loc[{"cifar_network": "mlp", "cifar_layer": 2}] = np.nan
    assert np.isnan(mean_over_layers(data, broken).sel(cifar_network="mlp")).all(), "a diverged layer is not left out"


@pytest.mark.parametrize(("name", "layers", "least"), [("resnet18", 21, 16), ("vgg16", 14, 4)])
def test_the_patches_of_a_layer_are_the_places_of_its_output(name, layers, least):
    """Counted on the shapes of the convolutions in the traced network, in the order of its pass."""
    net = cifar_networks.network(name, TINY, 3072, 32)
    params, statistics = jax.eval_shape(net.init, jax.random.key(0))
    images = jax.ShapeDtypeStruct((2, 32, 32, 3), jnp.float32)
    traced = jax.make_jaxpr(net.training)(params, statistics, images).jaxpr
    found = [e.outvars[0].aval.shape for e in traced.eqns if e.primitive.name == "conv_general_dilated"]
    assert [layer.patches for layer in net.layers] == [*(shape[1] * shape[2] for shape in found), 1]
    assert len(net.layers) == len(jax.eval_shape(cifar_networks.matrices, params)) == layers
    assert net.layers[-2].patches == least
    shapes = [W.shape for W in jax.eval_shape(cifar_networks.matrices, params)]
    assert [shape[0] for shape in shapes[:-1]] == [shape[3] for shape in found]


def test_a_kernel_is_the_matrix_of_its_filters():
    """(out, in k k): a row is one filter, so a network whose filters are all alike has rank 1."""
    kernel = np.arange(3 * 3 * 2 * 4, dtype=float).reshape(3, 3, 2, 4)
    (W,) = cifar_networks.matrices((jnp.asarray(kernel), jnp.zeros(4)))
    assert W.shape == (4, 18)
    np.testing.assert_array_equal(np.sort(W[1]), np.sort(kernel[..., 1].ravel()))
    (alike,) = cifar_networks.matrices((jnp.asarray(kernel[..., :1] * np.ones(4)),))
    assert float(numerical_rank(alike, 1e-6)) == 1


@pytest.mark.nightly
def test_a_batch_s_gradient_has_at_most_m_b_terms_with_batch_normalisation_too(x64):
    """In double precision: rank at most m B in every layer. Where the layer is larger than that every term counts in
    evaluation mode; in training mode one fewer, as what comes back through a batch norm sums to zero."""
    batch = 3
    start = resnet.init(jax.random.key(0), SHORT, 10, width=1 / 8)
    params, statistics = jax.tree.map(lambda leaf: leaf.astype(float), start)
    rng = np.random.default_rng(10_000)
    x, y = jnp.asarray(rng.normal(size=(batch, 16, 16, 3))), jnp.asarray(rng.integers(0, 10, batch))
    predict, training = (partial(function, dtype=float) for function in (resnet.predict, resnet.train))
    one = Problem(predict, x, y, cross_entropy, statistics=statistics, training=training)

    @partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
    def gradients(params):
        return one.training_gradient(params, statistics), one.gradient(params)

    (trained, after), evaluated = gradients(params)
    # Of 16x16 pixels: the stem, and in every stage two convolutions and, but for the first, a shortcut; the head.
    places = [256, 256, 256, 64, 64, 64, 16, 16, 16, 4, 4, 4, 1]

    def ranks(gradient):
        """The ranks of the layers that are larger than m B; of the others nothing is asked."""
        found = []
        for G, m in zip(cifar_networks.matrices(gradient), places, strict=True):
            s = np.linalg.svd(G, compute_uv=False)
            if m * batch < len(s):
                found.append(int((s > 1e-10 * s[0]).sum()))
        return found

    assert ranks(trained) == [11, 11, 11, 3]
    assert ranks(evaluated) == [12, 12, 12, 3]
    assert not any(jax.tree.leaves(jax.tree.map(lambda a, b: bool(jnp.allclose(a, b)), after, statistics)))


@pytest.mark.nightly
def test_statistics_that_are_not_carried_and_not_used_would_be_seen(cifar_folder, convolutional_run, monkeypatch):
    """Training in evaluation mode, with the statistics of the start, ends at other weights."""
    monkeypatch.setattr(resnet, "RESNET18", SHORT)
    monkeypatch.setattr(
        resnet, "train", lambda params, statistics, x, dtype: (resnet.predict(params, statistics, x, dtype), statistics)
    )
    other = study(cifar_folder, cifar_networks=("resnet18",)).cifar_stable_rank.squeeze()
    own = convolutional_run.cifar_stable_rank.sel(cifar_network="resnet18").squeeze()
    np.testing.assert_array_equal(other.isel(cifar_epoch=0), own.isel(cifar_epoch=0))
    assert (abs(other / own - 1).isel(cifar_epoch=-1) > 1e-4).any("cifar_layer").all()


@pytest.fixture(scope="module")
def cifar_run(cifar_folder):
    """Both dense networks, long enough for the decay to lower the rank."""
    changes = {"cifar_lrs": (0.05, 0.1), "cifar_epochs": 40, "cifar_drops": (30,), "cifar_check_epochs": 10}
    return study(cifar_folder, cifar_networks=("mlp", "mlp-wn"), **changes)


@pytest.mark.nightly
def test_cifar_runs_from_the_archive_to_the_dataset_and_the_figure(cifar_run, cifar_folder, monkeypatch):
    data = cifar_run
    assert data.cifar_network.values.tolist() == ["mlp", "mlp-wn"]
    assert data.cifar_epoch.values.tolist() == [0, 10, 20, 30, 40]
    plain = data.isel(cifar_network=0, cifar_batch=0, cifar_seed=0)
    end = plain.cifar_rank.sel(cifar_tol=0.01, cifar_lr=0.1).isel(cifar_epoch=-1, cifar_layer=slice(2))
    none, decayed = (end.sel(cifar_decay=decay) for decay in (0.0, 0.5))
    assert (decayed < none).all()
    # lr wd T with a drop to a fifth after 30 of 40 epochs of five steps.
    expected = 0.1 * 0.5 * 5 * (30 + 10 * on_cifar.FACTOR)
    assert float(plain.cifar_forgetting.sel(cifar_lr=0.1, cifar_decay=0.5)[-1]) == pytest.approx(expected)
    bound = plain.cifar_bound.sel(cifar_lr=0.1)
    assert np.isinf(bound.sel(cifar_decay=0.0)).all()
    assert (bound.sel(cifar_decay=0.5) % 300 == 0).all(), "six images a step, 50 steps between two checks"
    assert np.isnan(data.cifar_bound.sel(cifar_network="mlp-wn")).all()

    others = small_run("low-rank")
    monkeypatch.setattr("biassay.assays.low_rank.cifar_study", lambda config: data)
    for name in ("sweep", "one_output", "identity"):
        monkeypatch.setattr(f"biassay.assays.low_rank.{name}", lambda *arguments: xr.Dataset())
    drawn(run(TINY).drop_attrs())
    assert set(data.data_vars) <= set(xr.merge([others, run(TINY)], join="exact").data_vars)


@pytest.mark.nightly
def test_all_networks_run_side_by_side(cifar_folder):
    data = study(cifar_folder, cifar_networks=Config().cifar_networks, cifar_batches=(6, 15), cifar_seeds=2)
    assert data.cifar_network.values.tolist() == ["mlp", "mlp-wn", "resnet18", "vgg16"]
    assert (data.cifar_layer_name != "").sum("cifar_layer").values.tolist() == [3, 3, 21, 14]
    ranks = data.cifar_rank.where(data.cifar_layer_name != "", 0)
    assert np.isfinite(ranks).all()
    bounded = np.isnan(data.cifar_bound).all(["cifar_batch", "cifar_seed", "cifar_lr", "cifar_decay", "cifar_layer"])
    assert bounded.values.tolist() == [False, True, False, False]
    drawn(data)


def test_cifar_that_cannot_be_had_is_told_before_anything_is_trained(tmp_path, monkeypatch):
    monkeypatch.setenv("BIASSAY_DATA", str(tmp_path))
    with pytest.raises(UserError, match="CIFAR-10") as error:
        run(dataclasses.replace(SMALL, cifar=True))
    assert "\n" not in str(error.value)


def test_the_bound_on_cifar_goes_back_to_a_check():
    """Constant norms, one step an epoch, lr wd = 0.5: 0.5^k falls below 0.05 at k = 5, the next check is at 10."""
    config = dataclasses.replace(SMALL, cifar_lrs=(0.5,), cifar_decays=(0.0, 1.0))
    norms = np.ones((1, 1, 2, 3, 1))
    found = on_cifar._bound(config, norms, np.ones(20), range(0, 21, 10), 1, np.array([4]))
    np.testing.assert_array_equal(found[0, 0, :, 0], [np.inf, 4 * 10])
    twice = on_cifar._bound(config, np.ones((1, 1, 2, 3, 2)), np.ones(20), range(0, 21, 10), 1, np.array([4, 16 * 4]))
    np.testing.assert_array_equal(twice[0, 0, 1], [4 * 10, 16 * 4 * 10])
    sizes = on_cifar._step_sizes(dataclasses.replace(SMALL, cifar_drops=(2, 4)), 3, 5)
    np.testing.assert_allclose(sizes, [1] * 6 + [0.2] * 6 + [0.04] * 3)
