"""Categories by people and by a judge, counted by cluster and resampled."""

from dataclasses import dataclass

import numpy as np

from evalsuite.stats.clusters import Clusters, FloatArray, Labels, read_values


@dataclass(frozen=True)
class JudgedLabels:
    """Categories by people and by a judge of some outputs, and by the judge alone of others.

    Parameters
    ----------
    truth, judge : sequence of n labels
        Of the outputs that people labelled.
    unlabelled : sequence of N labels
        By the judge, of the other outputs.
    categories : sequence of labels
        All that may occur.
    labelled_clusters, unlabelled_clusters : sequences of n and of N labels, optional
        What was sampled independently, such as prompts. A label that is in both is one cluster. By
        default each output is its own.

    Raises
    ------
    ValueError
        If a part is empty, lengths differ, or a label is not among the categories.
    """

    truth: Labels
    judge: Labels
    unlabelled: Labels
    categories: Labels
    labelled_clusters: Clusters | None = None
    unlabelled_clusters: Clusters | None = None

    def __post_init__(self) -> None:
        if not len(self.truth) or not len(self.unlabelled):
            raise ValueError("JudgedLabels: a part has no outputs")
        if len(self.truth) != len(self.judge):
            raise ValueError(f"JudgedLabels: {len(self.truth)} labels, {len(self.judge)} judged")
        if len(set(self.categories)) != len(self.categories) or len(self.categories) < 2:
            raise ValueError("JudgedLabels: expected at least two categories, each once")
        known = set(self.categories)
        for label in (*self.truth, *self.judge, *self.unlabelled):
            if label not in known:
                raise ValueError(f"JudgedLabels: {label!r} is not among the categories")
        if (self.labelled_clusters is None) != (self.unlabelled_clusters is None):
            raise ValueError("JudgedLabels: clusters of both parts are needed, or of neither")


@dataclass(frozen=True)
class JudgedCounts:
    """Counts of each cluster, by truth and judge, and by the judge alone.

    Parameters
    ----------
    joint : array of shape (G, K, K)
        Of the labelled outputs of each cluster, by truth and judge.
    judged : array of shape (H, K)
        Of the unlabelled outputs of each cluster, by the judge.
    is_shared : bool
        Whether both parts have the same clusters, so that G = H.
    n : int
        Labelled outputs.
    """

    joint: FloatArray
    judged: FloatArray
    is_shared: bool
    n: int

    @classmethod
    def of(cls, labels: JudgedLabels) -> "JudgedCounts":
        """Counts of labels; clusters of both parts are one list where any is in both."""
        n, others, k = len(labels.truth), len(labels.unlabelled), len(labels.categories)
        number = {label: i for i, label in enumerate(labels.categories)}
        truth, judge, says = (
            np.array([number[label] for label in part])
            for part in (labels.truth, labels.judge, labels.unlabelled)
        )
        own = range(n) if labels.labelled_clusters is None else labels.labelled_clusters
        rest = (
            range(n, n + others)
            if labels.unlabelled_clusters is None
            else labels.unlabelled_clusters
        )
        _, first, _ = read_values(np.zeros(n), own, "JudgedLabels")
        _, second, _ = read_values(np.zeros(others), rest, "JudgedLabels")
        is_shared = not set(own).isdisjoint(rest)
        if is_shared:
            _, both, _ = read_values(np.zeros(n + others), [*own, *rest], "JudgedLabels")
            first, second = both[:n], both[n:]
        sizes = [int(max(first.max(), second.max() if is_shared else 0)) + 1]
        sizes.append(sizes[0] if is_shared else int(second.max()) + 1)
        joint = np.bincount((first * k + truth) * k + judge, minlength=sizes[0] * k * k)
        judged = np.bincount(second * k + says, minlength=sizes[1] * k)
        return cls(
            joint.reshape(-1, k, k).astype(float), judged.reshape(-1, k).astype(float), is_shared, n
        )

    @property
    def n_clusters(self) -> int:
        """How many clusters the part with fewer of them has."""
        return min(
            int((self.joint.sum(axis=(1, 2)) > 0).sum()), int((self.judged.sum(axis=1) > 0).sum())
        )

    def resampled(self, draws: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        """Counts of resampled clusters, in draws that have outputs of both parts."""
        k = self.judged.shape[1]
        flat = self.joint.reshape(-1, k * k)
        if self.is_shared:
            both = _resample(np.hstack([flat, self.judged]), draws, rng)
            joint, judged = both[:, : k * k], both[:, k * k :]
        else:
            joint, judged = _resample(flat, draws, rng), _resample(self.judged, draws, rng)
        kept = (joint.sum(axis=1) > 0) & (judged.sum(axis=1) > 0)
        return joint[kept].reshape(-1, k, k), judged[kept]


def _resample(clusters: FloatArray, draws: int, rng: np.random.Generator) -> FloatArray:
    """Sums over as many clusters, drawn with replacement; equal ones are drawn as one kind."""
    kinds, times = np.unique(clusters, axis=0, return_counts=True)
    drawn = rng.multinomial(len(clusters), times / len(clusters), size=draws)
    return np.asarray(drawn @ kinds)
