"""Figures of the assay `low-rank`: the sweep. Those of the bound and of CIFAR-10 have their own files."""

from __future__ import annotations

import numpy as np
import xarray as xr
from scipy.stats import spearmanr

from ...claims import bootstrap_interval
from ...figures import Figure, Line, Panel, Points, Role, quantile_band
from .claims import COARSE, FINE, MARKEDLY_LOWER, compared, difference, longest, run_at, single_forgetting, steps_of
from .figures_bound import bound, informative_bound
from .figures_cifar import cifar, cifar_layers

ROLES: tuple[Role, ...] = ("result", "second", "third", "fourth", "control", "reference")
BY_DECAY: tuple[Role, ...] = ("control", "fourth", "result", "second", "third")
BAND = "Lines: median over seeds; bands: the central 90%."


def figures(data: xr.Dataset) -> tuple[Figure, ...]:
    """The confound, the differences, layers and spectra, rank two, the bound, and generalisation."""
    drawn = (
        confound(data),
        differences(data),
        layers(data),
        spectra(data),
        rank_two(data),
        bound(data),
        informative_bound(data),
        generalisation(data),
    )
    return (*drawn, cifar(data), cifar_layers(data)) if "cifar_rank" in data else drawn


def _by_decay(data: xr.Dataset) -> tuple[Role, ...]:
    """A role for every weight decay."""
    return BY_DECAY[: data.sizes["weight_decay"]]


def _mean_rank(data: xr.Dataset, run: int, decay: float, tolerance: float = FINE) -> np.ndarray:
    """The rank of the hidden matrices along a run, the mean over them; (seed, record)."""
    chosen = data["rank"].isel(run=run).sel(weight_decay=decay, tol=tolerance)
    return chosen.mean("layer", skipna=False).transpose("seed", "record").values


def _rank_label(data: xr.Dataset) -> str:
    return f"mean hidden rank (of {_number(float(data.full_rank.mean()))})"


def _number(value: float) -> str:
    return f"{value:.3g}"


def _runs_at(data: xr.Dataset, lr: float) -> list[int]:
    """The runs at one step size, by batch size."""
    return sorted(np.flatnonzero(data.lr.values == lr).tolist(), key=lambda run: float(data.batch.values[run]))


def confound(data: xr.Dataset) -> Figure:
    """Rank against epochs and steps on the left, against lr wd t on the right."""
    decay, lr, size = float(data.judged_decay), float(data.lr.values[0]), int(data.train_size)
    by_batch = _runs_at(data, lr)
    by_lr = sorted(
        (run_at(data, data.batch.values[0], lr) for lr in np.unique(data.lr)), key=lambda r: data.lr.values[r]
    )

    def curves(runs: list[int], label: str, scale: str) -> tuple[Line, ...]:
        lines = []
        for run, role in zip(runs, ROLES[: len(runs)], strict=True):
            batch, own_lr = (float(data[name].values[run]) for name in ("batch", "lr"))
            t = data.steps.values[run]
            x = {"epochs": t * batch / size, "steps": t, "forgetting": own_lr * decay * t}[scale]
            words = {"B": f"B = {_number(batch)}", "η": f"η = {_number(own_lr)}"}[label]
            lines.append(quantile_band(x, _mean_rank(data, run, decay), words, role))
        first = runs[0]
        t, batch, own_lr = data.steps.values[first], float(data.batch.values[first]), float(data.lr.values[first])
        x = {"epochs": t * batch / size, "steps": t, "forgetting": own_lr * decay * t}[scale]
        none = np.median(_mean_rank(data, first, 0.0), axis=0)
        return (*lines, Line(x, none, "no decay", "control"))

    farthest = {"epochs": epochs_read(data), "steps": float(data.equal_steps)}

    def panel(runs: list[int], label: str, scale: str, title: str, xlabel: str) -> Panel:
        return Panel(
            title=title,
            xlabel=xlabel,
            ylabel=_rank_label(data),
            series=curves(runs, label, scale),
            xlim=(0.0, farthest[scale]) if scale in farthest else None,
            ylim=(0.0, 1.05 * float(data.full_rank.max())),
        )

    forgetting = f"forgetting times η·wd·t, wd = {decay:g}"
    epochs = [
        f"{lr * decay * steps_of(data, run, 'epochs'):.2g} at B = {_number(float(data.batch.values[run]))}"
        for run in by_batch
    ]
    return Figure(
        name="confound",
        title="The same runs twice: by epochs or steps, and by forgetting times η·wd·t",
        caption=f"Rank at tolerance {FINE}, weight decay {decay:g}. Above: batch sizes at η = {lr:g}. At equal epochs "
        f"they have different η·wd·T ({', '.join(epochs)} after {_number(epochs_read(data))} epochs). Below: step "
        f"sizes at B = {_number(float(data.batch.values[0]))}. The run without decay, whose own η·wd·t is 0, is drawn "
        f"where its twin with decay is. {BAND}",
        panels=(
            panel(by_batch, "B", "epochs", "Batch sizes, by epochs", "epochs"),
            panel(by_batch, "B", "forgetting", "Batch sizes, by forgetting times", forgetting),
            panel(by_lr, "η", "steps", "Step sizes, by steps", "steps"),
            panel(by_lr, "η", "forgetting", "Step sizes, by forgetting times", forgetting),
        ),
    )


def epochs_read(data: xr.Dataset) -> float:
    """The epochs at which batch sizes are compared."""
    run = compared(data, "batch")[0]
    return steps_of(data, run, "epochs") * float(data.batch.values[run]) / float(data.train_size)


def differences(data: xr.Dataset) -> Figure:
    """The differences of ranks that the claims are about, at both tolerances."""
    decay = float(data.judged_decay)

    def forgetting(what: str, how: str) -> str:
        """lr wd T of the two runs, where a comparison reads them."""
        both = (float(data.lr.values[run]) * decay * steps_of(data, run, how) for run in compared(data, what))
        values = [f"{value:.2g}" for value in both]
        return values[0] if values[0] == values[1] else " and ".join(values)

    def panel(what: str, other: str, title: str) -> Panel:
        names = (f"equal {other}", "equal η·wd·T", "no decay")
        series = []
        for tolerance, role in zip((FINE, COARSE), ROLES[:2], strict=True):
            cases = [
                difference(what, other, True, tolerance),
                *(difference(what, "time", d, tolerance) for d in (True, False)),
            ]
            samples = [np.asarray(case(data), float) for case in cases]
            ends = [bootstrap_interval(s) if len(s) > 1 and np.isfinite(s).all() else (np.nan, np.nan) for s in samples]
            low, high = np.transpose(ends)
            middle = [s.mean() for s in samples]
            series.append(Points(names, middle, f"tolerance {tolerance:g}", role, low, high))
        return Panel(
            title=title,
            xlabel=f"η·wd·T: {forgetting(what, other)}  |  {forgetting(what, 'time')}  |  0",
            ylabel="difference of rank / full rank",
            series=tuple(series),
            region=MARKEDLY_LOWER,
            region_label="a twentieth of full rank lower",
        )

    batches, lrs = (
        [_number(float(data[name].values[run])) for run in compared(data, kind)]
        for name, kind in (("batch", "batch"), ("lr", "lr"))
    )
    return Figure(
        name="differences",
        title="How much lower the rank is for a smaller batch and for a larger step size",
        caption=f"Left: batch {batches[0]} minus batch {batches[1]}. Right: step size {lrs[0]} minus {lrs[1]}. The "
        "mean of the hidden matrices, 95% interval of the mean over seeds. A verdict is given at equal η·wd·T: there "
        f"the difference is {_interval(data, 'batch')} for the batch and {_interval(data, 'lr')} for the step size, at "
        f"tolerance {FINE}.",
        panels=(
            panel("batch", "epochs", "Batch size"),
            panel("lr", "steps", "Step size"),
        ),
    )


def _interval(data: xr.Dataset, what: str) -> str:
    samples = np.asarray(difference(what, "time")(data), float)
    low, high = bootstrap_interval(samples) if np.isfinite(samples).all() else (np.nan, np.nan)
    return f"{samples.mean():.3f} [{low:.3f}, {high:.3f}]"


def layers(data: xr.Dataset) -> Figure:
    """Every run's final ranks, each hidden matrix, against its number of forgetting times."""
    runs = [(run, decay) for run in range(data.sizes["run"]) for decay in data.weight_decay.values[1:]]

    def panel(title: str, values: xr.DataArray, ylabel: str) -> Panel:
        points = []
        for layer, role in zip(data.layer.values, ROLES[: data.sizes["layer"]], strict=True):
            x, y = [], []
            for run, decay in runs:
                own = values.isel(run=run, record=int(data["last"][run])).sel(weight_decay=decay, layer=layer).values
                if np.isfinite(own).all():
                    x.append(float(data.lr[run] * decay * np.nanmax(data.steps[run])))
                    y.append(float(own.mean()))
            order = np.argsort(x)
            points.append(Points(np.array(x)[order], np.array(y)[order], f"hidden matrix {layer}", role))
        return Panel(
            title=title,
            xlabel="forgetting times η·wd·T",
            ylabel=ylabel,
            series=tuple(points),
            xscale="log",
        )

    fine, coarse = (data["rank"].sel(tol=tolerance) for tolerance in (FINE, COARSE))
    return Figure(
        name="layers",
        title="Every run of the sweep with decay, at its end",
        caption="Mean over seeds of every batch size, step size and weight decay. The same forgetting times at another "
        "decay are another penalty, so that ranks need not agree. The tolerance decides the number; the stable rank "
        "has none.",
        panels=(
            panel(f"Rank at tolerance {FINE:g}", fine, "rank"),
            panel(f"Rank at tolerance {COARSE:g}", coarse, "rank"),
            panel("Stable rank", data["stable_rank"], "stable rank"),
        ),
        columns=3,
    )


def spectra(data: xr.Dataset) -> Figure:
    """Singular values of the hidden matrices at the end of the longest run, by weight decay."""
    run, _, _ = longest(data, float(data.judged_decay))
    index, lr, steps = data["index"].values, float(data.lr[run]), float(np.nanmax(data.steps.values[run]))

    def panel(layer: int) -> Panel:
        lines = []
        for decay, role in zip(data.weight_decay.values, _by_decay(data), strict=True):
            s = data.spectrum.isel(run=run).sel(weight_decay=decay, layer=layer).transpose("seed", "index").values
            label = f"wd {decay:g}, η·wd·T {lr * decay * steps:.3g}" if decay else "no decay"
            lines.append(quantile_band(index, np.maximum(s, 1e-6), label, role))
        for tolerance in (FINE, COARSE):
            lines.append(Line([1, index[-1]], [tolerance] * 2, f"tolerance {tolerance:g}", "reference"))
        return Panel(
            title=f"Hidden matrix {layer}",
            xlabel="number of the singular value",
            ylabel="singular value of W / ‖W‖",
            series=tuple(lines),
            yscale="log",
            ylim=(1e-5, 2.0),
        )

    train = data.train.isel(run=run, record=int(data["last"][run])).mean("seed")
    learned = [f"{float(train.sel(weight_decay=d)):.3f} at {d:g}" for d in data.weight_decay.values]
    return Figure(
        name="spectra",
        title="What is left of the singular values",
        caption=f"Batch {_number(float(data.batch[run]))}, step size {_number(lr)}, after {steps:.0f} steps. Train "
        f"accuracy by weight decay: {', '.join(learned)}. {BAND}",
        panels=tuple(panel(int(layer)) for layer in data.layer.values),
        columns=3,
    )


def rank_two(data: xr.Dataset) -> Figure:
    """The ranks along the longest run, with ten outputs and with one."""
    decay = float(data.weight_decay[-1])
    run, _, forgetting = longest(data, decay)
    lr = float(data.lr[run])

    def panel(title: str, values: xr.DataArray, t: np.ndarray) -> Panel:
        lines = [
            quantile_band(
                lr * decay * t[1:], values.sel(layer=layer).values[:, 1:], f"hidden matrix {layer}", role, 1.0
            )
            for layer, role in zip(data.layer.values, ROLES[: data.sizes["layer"]], strict=True)
        ]
        return Panel(
            title=title,
            xlabel=f"forgetting times η·wd·t, wd = {decay:g}",
            ylabel="rank",
            series=tuple(lines),
            yscale="log",
            ylim=(1.0, 1.5 * float(data.full_rank.max())),
            region=(1.0, 2.0),
            region_label="rank two at most",
        )

    panels = []
    for tolerance in (FINE, COARSE):
        ten = data["rank"].isel(run=run).sel(weight_decay=decay, tol=tolerance).transpose("seed", "record", "layer")
        one = data.single_rank.isel(single_decay=-1).sel(tol=tolerance).transpose("seed", "single_record", "layer")
        panels.append(panel(f"Ten outputs, tolerance {tolerance:g}", ten, data.steps.values[run]))
        panels.append(panel(f"One output, tolerance {tolerance:g}", one, data.single_steps.values))
    accuracy = float(data.single_train.isel(single_decay=-1, single_record=-1).mean())
    return Figure(
        name="rank-two",
        title="Where long training ends, with ten outputs and with one",
        caption=f"Batch {_number(float(data.batch[run]))}, η = {lr:g}, wd = {decay:g}; η·wd·T reaches {forgetting:.3g} "
        f"and {single_forgetting(data):.3g}. One output: even against odd digits, train accuracy {accuracy:.3f} at the "
        "end. Lines: median over seeds; bands: their range.",
        panels=tuple(panels),
    )


def correlations(data: xr.Dataset) -> np.ndarray:
    """Spearman's correlation of rank and test accuracy over the ends of all runs, one number a seed."""
    last = data["last"].values
    found = []
    for seed in range(data.sizes["seed"]):
        own = data.isel(seed=seed)
        points = [
            (
                _mean_rank(data, run, decay)[seed, last[run]],
                float(own.test.isel(run=run, record=last[run]).sel(weight_decay=decay)),
            )
            for run in range(data.sizes["run"])
            for decay in data.weight_decay.values
        ]
        pairs = np.array([point for point in points if np.isfinite(point).all()])
        found.append(float(np.asarray(spearmanr(*pairs.T))[0]) if len(np.unique(pairs, axis=0)) > 2 else np.nan)
    return np.array(found)


def generalisation(data: xr.Dataset) -> Figure:
    """Test accuracy against rank, at the end of every run of the sweep."""
    rho = correlations(data)
    low, high = bootstrap_interval(rho) if np.isfinite(rho).all() and len(rho) > 1 else (np.nan, np.nan)
    last = data["last"].values

    def points(variable: str) -> tuple[Points, ...]:
        series = []
        for decay, role in zip(data.weight_decay.values, _by_decay(data), strict=True):
            x = np.concatenate([_mean_rank(data, run, decay)[:, last[run]] for run in range(data.sizes["run"])])
            y = np.concatenate(
                [
                    data[variable].isel(run=run, record=last[run]).sel(weight_decay=decay).values
                    for run in range(data.sizes["run"])
                ]
            )
            known = np.isfinite(x) & np.isfinite(y)
            series.append(Points(x[known], y[known], f"wd {decay:g}" if decay else "no decay", role))
        return tuple(series)

    return Figure(
        name="generalisation",
        title="Rank and accuracy over the sweep",
        caption="One marker a run and seed: every batch size, step size and weight decay. Spearman's correlation of "
        f"rank and test accuracy: {np.nanmean(rho):.2f} [{low:.2f}, {high:.2f}] (mean over seeds, 95% interval). It is "
        "shown, not judged: the runs differ in their decay and their length too.",
        panels=(
            Panel(title="Test accuracy", xlabel=_rank_label(data), ylabel="test accuracy", series=points("test")),
            Panel(title="Train accuracy", xlabel=_rank_label(data), ylabel="train accuracy", series=points("train")),
        ),
    )
