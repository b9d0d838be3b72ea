"""Claims: the four outcomes, each reached on purpose; the statistics against their references."""

import json
import math

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from biassay.claims import Claim, binomial_interval, bootstrap_interval, estimate


def data(value, control=0.0, n=20, spread=0.01, seed=0):
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(2, n)) * spread
    return xr.Dataset({"value": ("seed", value + noise[0]), "control": ("seed", control + noise[1])})


def claim(**changes):
    parts = {
        "name": "large",
        "says": "the value is large",
        "cite": "nobody",
        "provenance": "derived",
        "measure": lambda d: d["value"],
        "region": (1.0, math.inf),
        "control": lambda d: d["control"],
        "control_says": "the value without its cause",
    }
    return Claim(**(parts | changes))


def test_the_four_outcomes():
    assert claim().judge(data(2.0)).outcome == "holds"
    assert claim().judge(data(0.5)).outcome == "fails"
    assert claim().judge(data(1.0, spread=1.0)).outcome == "unclear"
    assert claim().judge(data(2.0, control=2.0)).outcome == "vacuous"


def test_a_wrong_claim_fails_even_where_the_right_one_holds():
    assert claim(region=(-math.inf, 1.0), control=lambda d: d["value"] + 5).judge(data(2.0)).outcome == "fails"


def test_a_claim_without_control_does_not_construct():
    with pytest.raises(TypeError):
        Claim(name="x", says="s", cite="c", provenance="read", measure=len, region=(0, 1))  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="needs a control"):
        claim(control=None)
    with pytest.raises(TypeError, match="what its control is"):
        claim(control_says="")
    with pytest.raises(TypeError, match="needs a measure"):
        claim(measure=None)
    with pytest.raises(ValueError, match="empty region"):
        claim(region=(2.0, 1.0))
    with pytest.raises(ValueError, match="come together"):
        claim(premise=lambda d: [True])


def test_a_control_without_a_number_is_no_passing_control():
    verdict = claim(control=lambda d: d["control"] * np.nan).judge(data(2.0))
    assert (verdict.outcome, verdict.reason) == ("unclear", "the control gave no finite value")
    some = claim(control=lambda d: d["control"].where(d["seed"] > 0) if "seed" in d.coords else [np.nan, 0.0])
    assert some.judge(data(2.0)).outcome == "unclear"


def test_a_control_must_do_what_it_promised():
    strict = claim(control_region=(-0.1, 0.1))
    assert strict.judge(data(2.0, control=0.0)).outcome == "holds"
    assert strict.judge(data(2.0, control=0.8)).outcome == "unclear"


def test_diverged_seeds_are_counted_and_forbid_holds():
    broken = data(2.0)
    broken["value"][3] = np.nan
    verdict = claim().judge(broken)
    assert (verdict.outcome, verdict.n, verdict.diverged) == ("unclear", 20, 1)
    assert claim().judge(broken * np.nan + broken["control"] * 0).outcome == "unclear"


def test_a_premise_without_a_number_is_not_met():
    for nothing in ([np.nan, 1.0], []):
        assert (
            claim(premise=lambda d, nothing=nothing: nothing, premise_says="measured").judge(data(2.0)).outcome
            == "vacuous"
        )


def test_a_control_whose_interval_reaches_into_the_region_is_none():
    wide = claim(control=lambda d: np.array([-2.0, 3.0]))
    assert wide.judge(data(2.0)).outcome == "unclear"


def test_few_seeds_and_failed_premises():
    assert claim(min_seeds=30).judge(data(2.0)).outcome == "unclear"
    premise = claim(premise=lambda d: d["value"] > 2.0, premise_says="more than two")
    verdict = premise.judge(data(2.0))
    assert verdict.outcome == "vacuous"
    assert "more than two" in verdict.reason
    assert premise.judge(data(3.0)).outcome == "holds"


def test_every_seed_must_lie_in_the_region():
    every = claim(statistic="every", region=(1.0, 3.0))
    verdict = every.judge(data(2.0))
    assert verdict.outcome == "holds"
    assert verdict.interval[0] <= verdict.value <= verdict.interval[1]
    one_out = data(2.0)
    one_out["value"][5] = 3.5
    verdict = every.judge(one_out)
    assert (verdict.outcome, verdict.value) == ("fails", 3.5)
    assert every.judge(data(2.0, n=1)).outcome == "unclear"


def test_every_seed_of_the_control_must_lie_outside():
    mixed = data(2.0)
    mixed["control"][4] = 2.0
    every = claim(statistic="every", region=(1.0, 3.0))
    verdict = every.judge(mixed)
    assert (verdict.outcome, verdict.control) == ("vacuous", 2.0)
    some = claim(statistic="every", region=(1.0, 3.0), control_needs="some").judge(mixed)
    assert some.outcome == "holds"
    assert some.control < 0.1
    promised = claim(statistic="every", region=(1.0, 3.0), control_region=(-0.5, 0.5))
    assert promised.judge(data(2.0)).outcome == "holds"
    assert promised.judge(data(2.0, control=0.5)).outcome == "unclear"


def test_proportions_use_the_exact_interval():
    often = claim(
        statistic="proportion", measure=lambda d: d["value"] > 0, control=lambda d: d["control"] > 9, region=(0.99, 1.0)
    )
    assert often.judge(data(2.0, n=298)).outcome == "unclear"
    assert often.judge(data(2.0, n=299)).outcome == "holds"
    assert often.judge(data(-2.0, n=299)).outcome == "fails"
    assert often.judge(data(2.0, n=299)).n_control == 299


def test_a_diverged_seed_may_count_either_way_in_a_proportion():
    got = estimate([1, 1, 1, np.nan], "proportion", (0, 1))
    assert got.value == 1.0
    assert got.interval[0] == binomial_interval(3, 4)[0]
    assert got.interval[1] == 1.0
    with pytest.raises(ValueError, match="one yes or no per seed"):
        estimate([0.5], "proportion", (0, 1))


def test_the_binomial_interval_is_clopper_pearson():
    reference = stats.binomtest(7, 20).proportion_ci(0.95, "exact")
    np.testing.assert_allclose(binomial_interval(7, 20), (reference.low, reference.high), rtol=1e-12)
    low, high = binomial_interval(0, 1000)
    assert low == 0
    np.testing.assert_allclose(high, 3 / 1000, rtol=0.01)
    with pytest.raises(ValueError, match="at least one trial"):
        binomial_interval(0, 0)
    with pytest.raises(ValueError, match=r"0\.\.2"):
        binomial_interval(3, 2)


@pytest.mark.parametrize("n", [4, 8, 12])
def test_the_bootstrap_interval_covers_the_mean(n):
    rng = np.random.default_rng(1)
    inside = [low <= 0 <= high for low, high in (bootstrap_interval(rng.normal(size=n)) for _ in range(200))]
    assert 0.87 < np.mean(inside) <= 1.0


def test_the_bootstrap_is_reproducible_and_shrinks():
    few, many = np.random.default_rng(2).normal(size=(2, 400))
    assert bootstrap_interval(few) == bootstrap_interval(few)
    skewed = bootstrap_interval([0.0] * 7 + [1.0])
    assert skewed[1] > 2 * np.mean([0.0] * 7 + [1.0])
    wide, narrow = bootstrap_interval(few[:20]), bootstrap_interval(many)
    assert narrow[1] - narrow[0] < wide[1] - wide[0]
    assert bootstrap_interval([1.0, 1.0]) == (1.0, 1.0)
    outlier = [1.0, 1.0 + 1e-16, 1.0 + 2e-16, 1.0, 1.0, 1.0, 1.0 - 1e-16, 2.0]
    assert -10 < bootstrap_interval(outlier)[0] < bootstrap_interval(outlier)[1] < 10
    assert bootstrap_interval([1.0]) == (-math.inf, math.inf)


def test_a_verdict_is_json_whose_infinities_are_null():
    verdict = claim(recorded="fails").judge(data(2.0))
    text = json.dumps(verdict.to_json(), allow_nan=False)
    assert json.loads(text)["region"] == [1.0, None]
    assert not verdict.as_recorded
    assert claim(recorded="holds").judge(data(2.0)).as_recorded
    assert claim().judge(data(2.0)).as_recorded


def test_the_interval_of_a_sample_that_is_mostly_its_mean_has_no_side() -> None:
    sample = np.array([0.0] * 8 + [0.5, -0.5])
    low, high = bootstrap_interval(sample)
    assert low < 0 < high
    for shift in (1e-17, -1e-17):
        np.testing.assert_allclose(bootstrap_interval(sample + shift), (low, high), atol=1e-12)
    np.testing.assert_allclose(-low, high, rtol=0.3)
