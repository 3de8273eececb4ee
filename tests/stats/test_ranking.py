import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalsuite.stats.ranking import RankInterval, rank_intervals


def wins(n, *pairs):
    matrix = np.zeros((n, n), dtype=bool)
    for better, worse in pairs:
        matrix[better, worse] = True
    return matrix


def test_entrants_that_cannot_be_told_apart_share_all_ranks():
    assert rank_intervals(wins(3), [0.3, 0.2, 0.1]) == (RankInterval(1, 3, True),) * 3


def test_entrants_that_are_all_told_apart_have_one_rank_each():
    result = rank_intervals(wins(3, (2, 0), (2, 1), (0, 1)), [0.5, 0.1, 0.9])
    assert result == (
        RankInterval(2, 2, False),
        RankInterval(3, 3, False),
        RankInterval(1, 1, True),
    )


def test_differences_need_not_be_transitive():
    result = rank_intervals(wins(3, (0, 2)), [0.9, 0.5, 0.1])
    assert [(r.low, r.high, r.tied_with_best) for r in result] == [
        (1, 2, True),
        (1, 3, True),
        (2, 3, False),
    ]


def test_a_cycle_leaves_everyone_in_the_middle():
    result = rank_intervals(wins(3, (0, 1), (1, 2), (2, 0)), [0.9, 0.5, 0.1])
    assert [(r.low, r.high) for r in result] == [(2, 2)] * 3
    assert [r.tied_with_best for r in result] == [False] * 3, "each is worse than another"


def test_who_is_worse_than_any_other_is_not_tied_with_the_best():
    # Entrant 1 is not told apart from the best, but is worse than the second.
    result = rank_intervals(wins(3, (2, 1)), [0.9, 0.5, 0.6])
    assert [(r.low, r.tied_with_best) for r in result] == [(1, True), (2, False), (1, True)]


def test_of_several_best_scores_each_that_is_beaten_is_not_tied():
    result = rank_intervals(wins(4, (0, 2), (0, 3), (1, 3)), [0.9, 0.9, 0.5, 0.4])
    assert [r.tied_with_best for r in result] == [True, True, False, False]
    result = rank_intervals(wins(3, (1, 0)), [0.9, 0.9, 0.5])
    assert [r.tied_with_best for r in result] == [False, True, True]


def test_an_entrant_without_a_score_ties_with_nothing():
    result = rank_intervals(wins(3), [math.nan, 0.5, 0.4])
    assert [r.tied_with_best for r in result] == [False, True, True]
    nobody = rank_intervals(wins(2), [math.nan, math.nan])
    assert nobody == (RankInterval(1, 2, False),) * 2


@given(st.integers(1, 8), st.integers(0, 2**32 - 1))
def test_a_rank_interval_holds_the_rank_by_score(n, seed):
    rng = np.random.default_rng(seed)
    scores = rng.permutation(n)
    matrix = (scores[:, None] > scores[None, :]) & (rng.random((n, n)) < 0.5)
    for score, rank in zip(scores, rank_intervals(matrix, scores), strict=True):
        assert 1 <= rank.low <= n - score <= rank.high <= n
        assert rank.tied_with_best == (rank.low == 1)


@pytest.mark.parametrize(
    ("matrix", "scores", "message"),
    [
        (np.zeros((0, 0), dtype=bool), [], "N >= 1"),
        (np.zeros((2, 3), dtype=bool), [1, 2], "shape"),
        (np.zeros((2, 2)), [1, 2], "booleans, got float64"),
        (np.eye(2, dtype=bool), [1, 2], "entrant 0 beats itself"),
        (wins(3, (1, 2), (2, 1)), [1, 2, 3], "entrants 1 and 2 beat each other"),
        (wins(3), [1, 2], "3 entrants but scores of shape"),
    ],
)
def test_input_that_makes_no_sense_is_an_error(matrix, scores, message):
    with pytest.raises(ValueError, match=message):
        rank_intervals(matrix, scores)
