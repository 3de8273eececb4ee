"""Each kind of measure gets its estimator, whatever the task's author knows of statistics."""

import math

import numpy as np
import pytest

from evalsuite.measures import (
    CategoricalMeasure,
    CorrelationMeasure,
    FeatureSet,
    GapMeasure,
    GroupRow,
    KernelMeasure,
    LabelRow,
    MeanMeasure,
    MeasureCard,
    MeasureRow,
    PairRow,
    PooledMeasure,
    ProportionMeasure,
    RankedRow,
    RankingMeasure,
    estimate_measure,
    unit_scores,
)
from evalsuite.measures.unit_scores import linked
from evalsuite.stats import mean_interval
from evalsuite.stats.average_precision import average_precision_interval
from evalsuite.stats.correlation import correlation_interval
from evalsuite.stats.entropy import entropy_estimate
from evalsuite.stats.entropy_points import chao_wang_jost_entropies
from evalsuite.stats.hill import hill_estimate
from evalsuite.stats.imbalance import squared_distance
from evalsuite.stats.kernel_diversity import (
    collision_probability,
    mean_vendi_unbiased,
    vendi_unbiased,
)
from evalsuite.stats.rarefaction import rarefied_hill
from evalsuite.stats.replicates import replicate_interval

CARD = MeasureCard(name="m", summary="x")
CLASSES = ("a", "b", "c", "d")


def labels(by_unit, *, n_missing=0, clusters=None):
    """Rows of a categorical measure from a text of one-letter labels a unit."""
    rows = []
    for number, text in enumerate(by_unit):
        cluster = clusters[number] if clusters else f"u{number}"
        for index, letter in enumerate([*text, *[None] * n_missing]):
            rows.append(LabelRow(f"u{number}", cluster, "", 0, index, letter))
    return tuple(rows)


def the_estimate(measure, card=CARD):
    (found,) = estimate_measure(measure, card)
    return found


TEXTS = ["aabbccda", "aaaaaaab", "abcdabcd", "aabbaabb", "ccccdcab", "dddabcaa"]
COUNTS = np.array([[text.count(c) for c in CLASSES] for text in TEXTS])


def test_entropies_of_units_are_averaged_with_a_t_interval():
    found = the_estimate(CategoricalMeasure("m", labels(TEXTS), "entropy"))
    direct = mean_interval(chao_wang_jost_entropies(COUNTS), clusters=range(6))
    assert found.kind == "categorical"
    assert found.estimate.estimate == pytest.approx(direct.estimate)
    assert (found.estimate.ci_low, found.estimate.ci_high) == pytest.approx(
        (direct.ci_low, direct.ci_high)
    )
    assert found.estimate.method == "t over clusters"


def test_a_normalised_entropy_divides_by_the_log_of_the_closed_set():
    plain = the_estimate(CategoricalMeasure("m", labels(TEXTS), "entropy"))
    closed = the_estimate(
        CategoricalMeasure("m", labels(TEXTS), "normalized_entropy", classes=CLASSES)
    )
    assert closed.estimate.estimate == pytest.approx(plain.estimate.estimate / math.log(4))


def test_an_unused_label_of_the_closed_set_counts_in_its_size():
    wider = (*CLASSES, "never")
    found = the_estimate(
        CategoricalMeasure("m", labels(TEXTS), "normalized_entropy", classes=wider)
    )
    plain = the_estimate(CategoricalMeasure("m", labels(TEXTS), "entropy"))
    assert found.estimate.estimate == pytest.approx(plain.estimate.estimate / math.log(5))


def test_effective_numbers_of_order_two_are_averaged_as_collision_probabilities():
    found = the_estimate(CategoricalMeasure("m", labels(TEXTS), "hill", q=2))
    n = COUNTS.sum(axis=1)
    u = (COUNTS * (COUNTS - 1)).sum(axis=1) / (n * (n - 1))
    direct = mean_vendi_unbiased(u, clusters=range(6))
    assert found.estimate.estimate == pytest.approx(1 / u.mean())
    assert found.estimate.ci_low == pytest.approx(direct.ci_low)
    assert found.estimate.ci_high == pytest.approx(direct.ci_high)


@pytest.mark.parametrize("q", [0, 1, 2])
def test_a_rarefied_hill_number_is_the_mean_of_the_units_own(q):
    found = the_estimate(CategoricalMeasure("m", labels(TEXTS), "hill", q=q, size=4))
    direct = [rarefied_hill(own, q=q, m=4).estimate for own in COUNTS]
    assert found.estimate.estimate == pytest.approx(np.mean(direct))


def test_units_of_different_sizes_are_rarefied_to_one():
    found = the_estimate(
        CategoricalMeasure("m", labels(["aabb", "abcdab", "aaaaabbb"]), "hill", q=0, size=3)
    )
    counts = ([2, 2], [2, 2, 1, 1], [5, 3])
    direct = [rarefied_hill(own, q=0, m=3).estimate for own in counts]
    assert found.estimate.estimate == pytest.approx(np.mean(direct))


def test_a_unit_with_too_few_labels_is_missing_and_not_zero():
    found = the_estimate(CategoricalMeasure("m", labels([*TEXTS, "a"]), "entropy"))
    assert (found.estimate.n, found.estimate.n_missing) == (6, 1)


def test_the_share_of_the_most_common_label():
    found = the_estimate(CategoricalMeasure("m", labels(TEXTS), "top_share"))
    assert found.estimate.estimate == pytest.approx((COUNTS.max(axis=1) / 8).mean())


def test_the_squared_distance_to_a_target_is_the_unbiased_one():
    target = (0.4, 0.3, 0.2, 0.1)
    found = the_estimate(
        CategoricalMeasure("m", labels(TEXTS), "squared_distance", classes=CLASSES, target=target)
    )
    assert found.estimate.estimate == pytest.approx(squared_distance(COUNTS, target).mean())


def test_few_labels_a_unit_are_said_to_leave_a_bias():
    def notes(texts, **fields):
        measure = CategoricalMeasure("m", labels(texts), **fields)
        return [w.partition(":")[0] for w in the_estimate(measure).estimate.warnings]

    few, enough = TEXTS * 2, [text * 3 for text in TEXTS * 2]
    assert notes(few, statistic="entropy") == ["few labels"]
    assert notes(enough, statistic="entropy") == []
    assert notes(few, statistic="hill", q=1) == ["few labels"]
    assert notes(few, statistic="hill", q=2) == notes(few, statistic="hill", q=1, size=4) == []
    assert notes(enough, statistic="top_share") == ["biased upwards"]


def test_a_missing_label_leaves_the_range_open():
    card = MeasureCard(name="m", summary="x", low=0.0, high=2.0)
    measure = CategoricalMeasure("m", labels(TEXTS, n_missing=1), "entropy")
    found = the_estimate(measure, card)
    assert (found.bound_low, found.bound_high) == (0.0, 2.0)
    assert unit_scores(measure, card).is_partial.all()


def test_pooled_labels_that_are_single_draws_take_the_estimators_of_one_sample():
    text = "aaaaaaaaaaaaabbbbbbbbccccdda"
    rows = labels(list(text))
    counts = [text.count(c) for c in CLASSES]
    entropy = the_estimate(CategoricalMeasure("m", rows, "entropy", "pooled", CLASSES))
    hill = the_estimate(CategoricalMeasure("m", rows, "hill", "pooled", CLASSES, q=2))
    assert entropy.estimate == entropy_estimate(counts, n_classes=4)
    assert hill.estimate == hill_estimate(counts, q=2, n_classes=4)
    assert entropy.facts == {"classes_seen": 4.0}


def test_pooled_labels_of_few_clusters_are_not_taken_for_independent():
    rows = labels(["aaaaaaaa", "aaaaaaab", "bbbbbbbb", "bbbbbbba", "cccccccc", "aacccccc"])
    pooled = the_estimate(CategoricalMeasure("m", rows, "entropy", "pooled"))
    counts = [sum(r.label == c for r in rows) for c in "abc"]
    naive = entropy_estimate(counts)
    assert pooled.estimate.estimate == pytest.approx(naive.estimate)
    assert pooled.estimate.n_clusters == 6
    assert pooled.estimate.se > 1.5 * naive.se


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"statistic": "normalized_entropy"}, "needs the classes of a closed set"),
        ({"statistic": "normalized_entropy", "classes": ("a",)}, "at least 2 classes"),
        ({"statistic": "entropy", "classes": ("a", "b")}, "'c' is none of the classes"),
        ({"statistic": "squared_distance", "classes": CLASSES}, "0 shares for 4 classes"),
        ({"statistic": "squared_distance", "classes": CLASSES, "target": (1.0, 1.0, 0, 0)}, "sum"),
    ],
)
def test_labels_that_do_not_fit_are_named(fields, says):
    with pytest.raises(ValueError, match=says):
        estimate_measure(CategoricalMeasure("m", labels(TEXTS), **fields), CARD)


def feature_sets(n_units=8, n=6, n_asked=6, seed=0):
    rng = np.random.default_rng(seed)
    return tuple(
        FeatureSet(f"u{i}", f"u{i}", "", 0, rng.normal(size=(n, 5)) + 1, n_asked)
        for i in range(n_units)
    )


def test_features_of_units_are_averaged_as_collision_probabilities():
    sets = feature_sets()
    found = the_estimate(KernelMeasure("m", sets))
    u = [collision_probability(own.features).probability for own in sets]
    direct = mean_vendi_unbiased(u, clusters=range(8))
    assert found.estimate.estimate == pytest.approx(1 / np.mean(u))
    assert found.estimate.ci_low == pytest.approx(direct.ci_low)
    assert unit_scores(KernelMeasure("m", sets), CARD).link == "reciprocal"


def test_pooled_features_count_pairs_of_different_clusters_only():
    sets = feature_sets()
    found = the_estimate(KernelMeasure("m", sets, scope="pooled"))
    rows = np.concatenate([own.features for own in sets])
    direct = vendi_unbiased(rows, clusters=np.repeat(range(8), 6))
    assert found.estimate.estimate == pytest.approx(direct.estimate)
    assert found.estimate.ci_low == pytest.approx(direct.ci_low)


def test_order_one_is_taken_at_one_size_and_less_is_missing():
    whole, short = feature_sets(), feature_sets(n_units=1, n=5, seed=1)
    found = the_estimate(KernelMeasure("m", (*whole, *short), order=1))
    assert (found.estimate.n, found.estimate.n_missing) == (8, 1)
    assert 1 < found.estimate.estimate <= 5
    again = the_estimate(KernelMeasure("m", (*whole, *short), order=1, size=5))
    assert (again.estimate.n, again.estimate.n_missing) == (9, 0)


def test_a_gap_stands_beside_its_value_by_chance_and_its_p_value():
    rng = np.random.default_rng(0)
    rows = tuple(
        GroupRow(f"u{i}", f"u{i}", "", 0, 0, "xyz"[i % 3], float(rng.random() < 0.5))
        for i in range(120)
    )
    found = the_estimate(GapMeasure("m", rows))
    facts = found.facts
    calibrated = facts["observed_gap"] - facts["gap_by_chance"]
    assert found.estimate.estimate == pytest.approx(calibrated)
    assert 0 < facts["p_value"] <= 1 and facts["suppressed_groups"] == 0
    assert found.estimate.ci_low <= found.estimate.estimate <= found.estimate.ci_high


def test_average_precision_and_its_influence_give_one_standard_error():
    rng = np.random.default_rng(1)
    truth = rng.random(150) < 0.3
    score = truth + rng.normal(size=150)
    rows = tuple(
        RankedRow(f"u{i}", f"c{i // 3}", "", 0, 0, bool(truth[i]), float(score[i]))
        for i in range(150)
    )
    measure = RankingMeasure("m", rows)
    found = the_estimate(measure)
    direct = average_precision_interval(truth, score, clusters=[r.cluster for r in rows])
    assert found.estimate == direct
    scores = unit_scores(measure, CARD)
    assert scores.value.mean() == pytest.approx(direct.estimate)
    assert scores.value.std(ddof=1) / math.sqrt(50) == pytest.approx(direct.se, rel=1e-6)


@pytest.mark.parametrize("method", ["pearson", "spearman"])
def test_a_correlation_is_that_of_the_pairs_that_are_there(method):
    rng = np.random.default_rng(2)
    x = rng.normal(size=40)
    y = x + rng.normal(size=40)
    rows = tuple(PairRow(f"u{i}", f"c{i // 2}", "", 0, x[i], y[i]) for i in range(40))
    gone = (PairRow("u40", "c9", "", 0, 1.0, None),)
    found = the_estimate(CorrelationMeasure("m", rows + gone, method))
    clusters = [r.cluster for r in rows]
    direct = correlation_interval(x, y, kind=method, clusters=clusters)
    assert found.estimate == direct.model_copy(update={"n_missing": 1})


def pooled(values=(0.5, 0.6, 0.4, 0.7, 0.3)):
    rows = tuple(MeasureRow(f"c{i}", f"c{i}", "", 0, v) for i, v in enumerate(values))
    return PooledMeasure("m", 0.55, rows, n=5)


def some_of_every_kind():
    rng = np.random.default_rng(3)
    value = [MeasureRow(f"u{i}", f"u{i}", "", 0, v) for i, v in enumerate(rng.random(9))]
    yes = [MeasureRow(f"u{i}", f"u{i}", "", 0, float(i % 2), index=0) for i in range(9)]
    groups = [GroupRow(f"u{i}", f"u{i}", "", 0, 0, "xy"[i % 2], v)
              for i, v in enumerate(rng.random(60))]  # fmt: skip
    ranked = [RankedRow(f"u{i}", f"u{i}", "", 0, 0, i % 3 == 0, v)
              for i, v in enumerate(rng.random(30))]  # fmt: skip
    pairs = [PairRow(f"u{i}", f"u{i}", "", 0, v, v + w)
             for i, (v, w) in enumerate(rng.random((12, 2)))]  # fmt: skip
    return [
        MeanMeasure("m", tuple(value)),
        ProportionMeasure("m", tuple(yes)),
        pooled(),
        CategoricalMeasure("m", labels(TEXTS), "hill", q=2),
        CategoricalMeasure("m", labels(TEXTS), "entropy", "pooled"),
        CategoricalMeasure("m", labels(TEXTS), "hill", "pooled", q=2),
        KernelMeasure("m", feature_sets()),
        KernelMeasure("m", feature_sets(), scope="pooled"),
        GapMeasure("m", tuple(groups)),
        RankingMeasure("m", tuple(ranked)),
        CorrelationMeasure("m", tuple(pairs)),
    ]


@pytest.mark.parametrize("measure", some_of_every_kind(), ids=lambda m: type(m).__name__)
def test_the_scores_of_a_measure_average_to_its_estimate(measure):
    found = estimate_measure(measure, CARD)[0]
    scores = unit_scores(measure, CARD)
    assert found.estimate.estimate is not None
    assert linked(scores.link, float(scores.value.mean())) == pytest.approx(
        found.estimate.estimate, rel=1e-9
    )


def nothing_there():
    return [
        MeanMeasure("m", (MeasureRow("u", "u", "", 0, None),)),
        ProportionMeasure("m", (MeasureRow("u", "u", "", 0, None, index=0),)),
        CategoricalMeasure("m", (LabelRow("u", "u", "", 0, 0, None),), "entropy"),
        CategoricalMeasure("m", (LabelRow("u", "u", "", 0, 0, None),), "entropy", "pooled"),
        KernelMeasure("m", (FeatureSet("u", "u", "", 0, np.zeros((0, 3)), 4),)),
        KernelMeasure("m", (FeatureSet("u", "u", "", 0, np.zeros((0, 3)), 4),), scope="pooled"),
        GapMeasure("m", (GroupRow("u", "u", "", 0, 0, "g", None),)),
        RankingMeasure("m", (RankedRow("u", "u", "", 0, 0, None, None),)),
        CorrelationMeasure("m", (PairRow("u", "u", "", 0, None, None),)),
    ]


@pytest.mark.parametrize("measure", nothing_there(), ids=lambda m: type(m).__name__)
def test_nothing_there_is_missing_with_a_reason_and_never_a_number(measure):
    found = the_estimate(measure)
    assert (found.estimate.estimate, found.estimate.ci_low) == (None, None)
    assert found.estimate.warnings
    scores = unit_scores(measure, CARD)
    assert np.isnan(scores.value).all()


def replicated(seed_effect):
    rng = np.random.default_rng(4)
    table = rng.normal(size=(30, 1)) + 0.3 * rng.normal(size=(30, 3))
    table = table + seed_effect * np.array([[-1.0, 0.0, 1.0]])
    rows = [
        MeasureRow(f"u{i}", f"u{i}", "", r, float(table[i, r])) for i in range(30) for r in range(3)
    ]
    return table, MeanMeasure("m", tuple(rows))


def test_a_seed_that_moves_every_unit_widens_the_interval_and_has_its_share():
    table, measure = replicated(1.0)
    found, direct = the_estimate(measure), replicate_interval(table)
    assert found.seed_variance == pytest.approx(direct.var_seed)
    assert found.seed_share == pytest.approx(direct.seed_share) and found.seed_share > 0.5
    assert found.estimate.ci_low == pytest.approx(direct.estimate.ci_low)
    assert "between seeds" in found.estimate.method
    plain = mean_interval(table.ravel(), clusters=np.repeat(range(30), 3))
    assert found.estimate.ci_high - found.estimate.ci_low > plain.ci_high - plain.ci_low


def test_one_replicate_has_no_seed_variance_and_no_warning_of_it():
    _, measure = replicated(1.0)
    rows = tuple(row for row in measure.rows if row.replicate == 0)
    found = the_estimate(MeanMeasure("m", rows))
    assert (found.seed_variance, found.seed_share) == (None, None)
    assert not found.estimate.warnings


def test_two_replicates_warn_that_the_seed_variance_is_a_guess():
    _, measure = replicated(0.0)
    rows = tuple(row for row in measure.rows if row.replicate < 2)
    warnings = the_estimate(MeanMeasure("m", rows)).estimate.warnings
    assert any(warning.startswith("few replicates: 2") for warning in warnings)


def brute(value, left_out):
    """Pseudo-values from the statistic without each cluster."""
    left = np.array(left_out)
    return value + (len(left) - 1) * (left.mean() - left)


def pseudo_by_cluster(measure):
    scores = unit_scores(measure, CARD)
    assert not scores.is_sampled
    return dict(zip(scores.cluster.tolist(), scores.value.tolist(), strict=True))


def is_close(found, clusters, expected, **tolerance):
    assert [found[c] for c in clusters] == pytest.approx(expected, **tolerance)


def test_pseudo_values_of_features_are_those_of_leaving_each_cluster_out():
    sets = feature_sets(n_units=5, n=3, n_asked=3, seed=7)
    rows = np.concatenate([own.features for own in sets])
    clusters = np.repeat([own.cluster for own in sets], 3)

    def u(kept):
        return collision_probability(rows[kept], clusters=clusters[kept].tolist()).probability

    left = [u(clusters != own.cluster) for own in sets]
    found = pseudo_by_cluster(KernelMeasure("m", sets, scope="pooled"))
    is_close(found, [s.cluster for s in sets], brute(u(np.ones(15, dtype=bool)), left))


@pytest.mark.parametrize("fields", [{"statistic": "entropy"}, {"statistic": "hill", "q": 1}])
def test_pseudo_values_of_labels_are_those_of_leaving_each_cluster_out(fields):
    texts = ["aab", "abc", "bbb", "cad", "aaa", "ddb"]

    def value(own):
        measure = CategoricalMeasure("m", labels(own), scope="pooled", **fields)
        return the_estimate(measure).estimate.estimate

    left = [value(texts[:i] + texts[i + 1 :]) for i in range(6)]
    measure = CategoricalMeasure("m", labels(texts), scope="pooled", **fields)
    is_close(pseudo_by_cluster(measure), [f"u{i}" for i in range(6)], brute(value(texts), left))


@pytest.mark.parametrize("method", ["pearson", "spearman"])
def test_pseudo_values_of_a_correlation_are_those_of_leaving_each_cluster_out(method):
    rng = np.random.default_rng(8)
    x = rng.lognormal(size=18)
    y = x + rng.lognormal(size=18)
    clusters = np.array([f"c{i % 6}" for i in range(18)])

    def r(kept):
        return correlation_interval(x[kept], y[kept], kind=method).estimate

    rows = tuple(PairRow(f"u{i}", clusters[i], "", 0, x[i], y[i]) for i in range(18))
    names = [f"c{i}" for i in range(6)]
    expected = brute(r(np.ones(18, dtype=bool)), [r(clusters != c) for c in names])
    is_close(pseudo_by_cluster(CorrelationMeasure("m", rows, method)), names, expected)


def test_pseudo_values_of_a_gap_move_both_of_its_groups():
    rng = np.random.default_rng(9)
    value = {"x": 0.0, "y": 0.5, "z": 2.0}
    rows = tuple(
        GroupRow(f"u{i}", f"u{i}", "", 0, k, g, float(value[g] + rng.normal()))
        for i in range(40)
        for k, g in enumerate("xyz")
    )
    found = pseudo_by_cluster(GapMeasure("m", rows))

    def gap_without(unit):
        means = {
            g: np.mean([r.value for r in rows if r.group == g and r.unit != unit]) for g in "xz"
        }
        return means["z"] - means["x"]

    units = [f"u{i}" for i in range(40)]
    left = np.array([gap_without(u) for u in units])
    centred = np.array([found[u] for u in units])
    expected = 39 * (left.mean() - left)
    assert centred - centred.mean() == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_the_ends_of_effective_numbers_swap_when_they_are_inverted():
    card = MeasureCard(name="m", summary="x", low=1.0, high=4.0)
    measure = CategoricalMeasure("m", labels(["aabb", "aabb", "aaab"], n_missing=1), "hill", q=2)
    scores, found = unit_scores(measure, card), the_estimate(measure, card)
    assert (scores.low == 0.25).all() and (scores.high == 1.0).all()
    assert (found.bound_low, found.bound_high) == (1.0, 4.0)
    half = unit_scores(
        CategoricalMeasure("m", (*labels(["aabb"]), *labels(["aaab"], n_missing=1)), "hill", q=2),
        card,
    )
    assert half.low[0] <= half.value[0] <= half.high[0]


def test_a_cluster_without_an_answer_is_missing_from_a_pooled_statistic_and_not_gone():
    gone = (LabelRow("u6", "u6", "", 0, 0, None), LabelRow("u7", "u7", "", 0, 0, None))
    measure = CategoricalMeasure("m", labels(TEXTS) + gone, "entropy", "pooled")
    scores = unit_scores(measure, CARD)
    assert len(scores) == 8 and np.isnan(scores.value).sum() == 2
    assert not scores.is_whole


def test_an_empty_label_is_a_label():
    rows = tuple(LabelRow(f"u{i}", f"u{i}", "", 0, 0, "" if i % 2 else "a") for i in range(60))
    found = the_estimate(CategoricalMeasure("m", rows, "entropy", "pooled"))
    assert found.estimate == entropy_estimate([30, 30])


@pytest.mark.parametrize(
    ("measure", "says"),
    [
        (CategoricalMeasure("m", labels(["ab"]), "top_share", classes=("a", "b", "b")), "twice"),
        (KernelMeasure("m", feature_sets(), order=1, scope="pooled"), "by unit"),
        (
            KernelMeasure("m", feature_sets() + feature_sets(n=9, n_asked=9), order=1),
            "one size, and the sets have 6 to 9",
        ),
    ],
)
def test_a_measure_that_means_nothing_is_refused(measure, says):
    with pytest.raises(ValueError, match=says):
        estimate_measure(measure, CARD)


def test_a_share_of_several_seeds_stays_a_share():
    rows = tuple(
        MeasureRow(f"u{i}", f"u{i}", "", r, float(r == 0 and i % 9 != 0), index=0)
        for i in range(30)
        for r in range(2)
    )
    found = the_estimate(ProportionMeasure("m", rows)).estimate
    assert 0.0 <= found.ci_low <= found.estimate <= found.ci_high <= 1.0
    assert "between seeds" in found.method


def test_the_seed_variance_of_an_effective_number_is_in_its_own_unit():
    rng = np.random.default_rng(10)
    rows, u = [], np.zeros((20, 3))
    for i in range(20):
        for r in range(3):
            text = rng.choice(list("abcdefgh"[: 2 + 3 * r]), size=12)
            rows += [LabelRow(f"u{i}", f"u{i}", "", r, k, str(c)) for k, c in enumerate(text)]
            n = np.array([np.sum(text == c) for c in set(text)])
            u[i, r] = (n * (n - 1)).sum() / 132
    found = the_estimate(CategoricalMeasure("m", tuple(rows), "hill", q=2))
    expected = replicate_interval(u).var_seed / u.mean() ** 4
    assert found.seed_variance == pytest.approx(expected)


def test_a_closed_set_holds_no_more_classes_than_it_has():
    measure = CategoricalMeasure("m", labels(["abcd", "abcd", "abdc"]), "hill", q=0)
    closed = CategoricalMeasure("m", labels(["abcd", "abcd", "abdc"]), "hill", "unit", CLASSES, q=0)
    assert the_estimate(measure).estimate.estimate > 4
    assert the_estimate(closed).estimate.estimate == 4
