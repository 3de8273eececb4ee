"""Conditional-Vendi and Information-Vendi: diversity of outputs beyond that of their prompts."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from evalsuite.metrics.hill import Order, read_orders
from evalsuite.metrics.vendi.random_features import (
    FourierMap,
    check_frequencies,
    check_width,
    few_frequencies,
    on_circle,
    seeded,
)
from evalsuite.metrics.vendi.rows import read_row_pairs, unit_rows
from evalsuite.metrics.vendi.spectrum import (
    MAX_SIDE,
    Density,
    FloatArray,
    Spectrum,
    StreamedGram,
    feature_spectrum,
    kernel_density,
)

CONDITIONAL_ORDERS: tuple[float, ...] = (1.0, 1.5, 2.0, float("inf"))
"""Orders reported by default, those of the authors' code; any other order above 0 works too."""

_CELLS = 8_000_000
"""Products of features held at a time: 64 MB."""

_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class ConditionalScores:
    """Entropies of outputs X, prompts T and both together, and the scores made of them.

    Parameters
    ----------
    orders : tuple of float
    output_spectrum, prompt_spectrum, joint_spectrum : Spectrum
    n_frequencies : int, optional
        Where the spectra are those of random Fourier features.
    seed : int, optional
        Of the frequencies.

    Notes
    -----
    ``conditional * information`` is the Vendi score of the outputs, for every order.

    Examples
    --------
    >>> scores = conditional_vendi_scores([[1, 0], [0, 1]], [[1, 1], [2, 2]], orders=(1, 2))
    >>> scores.vendi, scores.conditional, scores.information
    (array([2., 2.]), array([2., 2.]), array([1., 1.]))
    """

    orders: tuple[float, ...]
    output_spectrum: Spectrum
    prompt_spectrum: Spectrum
    joint_spectrum: Spectrum
    n_frequencies: int | None = None
    seed: int | None = None

    @property
    def output_entropy(self) -> FloatArray:
        """H(X) in nats, shape (orders,)."""
        return np.log(self.output_spectrum.scores(self.orders))

    @property
    def prompt_entropy(self) -> FloatArray:
        """H(T) in nats, shape (orders,)."""
        return np.log(self.prompt_spectrum.scores(self.orders))

    @property
    def joint_entropy(self) -> FloatArray:
        """H(X, T) in nats, shape (orders,)."""
        return np.log(self.joint_spectrum.scores(self.orders))

    @property
    def vendi(self) -> FloatArray:
        """Vendi score of the outputs, exp H(X)."""
        return self.output_spectrum.scores(self.orders)

    @property
    def conditional(self) -> FloatArray:
        """Conditional-Vendi, exp(H(X, T) - H(T)): kinds of output of one prompt."""
        return self.joint_spectrum.scores(self.orders) / self.prompt_spectrum.scores(self.orders)

    @property
    def information(self) -> FloatArray:
        """Information-Vendi, exp(H(X) + H(T) - H(X, T)): kinds of output that prompts explain."""
        return self.vendi / self.conditional

    @property
    def warnings(self) -> tuple[str, ...]:
        """Texts "code: why" on entropies that are negative or lack frequencies."""
        found = []
        for code, name, score in (
            ("negative_conditional", "H(X|T)", self.conditional),
            ("negative_information", "I(X;T)", self.information),
        ):
            low = [q for q, v in zip(self.orders, score, strict=True) if v < 1.0 - _ROUNDING]
            if low:
                names = ", ".join(f"{q:g}" for q in low)
                found.append(f"{code}: {name} is below 0 at order {names}, so its score is below 1")
        if self.n_frequencies is not None:
            found.extend(few_frequencies(self.joint_spectrum, self.n_frequencies))
        return tuple(found)


def conditional_vendi_scores_from_kernels(
    output_kernel: ArrayLike,
    prompt_kernel: ArrayLike,
    *,
    orders: Sequence[Order] = CONDITIONAL_ORDERS,
    eig_tol: float | None = None,
    max_side: int = MAX_SIDE,
) -> ConditionalScores:
    """Conditional-Vendi and Information-Vendi from one kernel of outputs and one of prompts.

    Parameters
    ----------
    output_kernel, prompt_kernel : array of shape (n, n)
        Row i of both is one answer and its prompt; a prompt with several answers comes several
        times. Symmetric, positive semidefinite, ones on the diagonal.
    orders : sequence of float or "inf"
    eig_tol : float, optional
        Up to which size an eigenvalue is 0, in all three spectra.
    max_side : int
        Larger kernels are refused.

    Raises
    ------
    ValueError
        If a kernel is not so, or their sizes differ.

    Notes
    -----
    Jalali, Ospanov, Gohari and Farnia (2024, arXiv 2411.02817): H(X, T) is the entropy of the
    elementwise product of the kernels, H(X|T) = H(X, T) - H(T), I(X; T) = H(X) + H(T) - H(X, T).
    For kernels with ones on the diagonal the eigenvalues of the product are majorised by those of
    either kernel (Bapat and Sunder 1985), so H(X|T) >= 0 at every order; I(X; T) >= 0 holds at
    orders 0 and 1 and may fail at others, which a warning says.

    Examples
    --------
    >>> same = np.eye(3)
    >>> scores = conditional_vendi_scores_from_kernels(same, same, orders=(1,))
    >>> scores.conditional.round(12), scores.information.round(12)
    (array([1.]), array([3.]))
    """
    caller = "conditional_vendi_scores_from_kernels"
    read = read_orders(orders, caller)
    shapes = np.shape(output_kernel), np.shape(prompt_kernel)
    if shapes[0] != shapes[1]:
        raise ValueError(f"{caller}: kernels differ in shape, {shapes[0]} and {shapes[1]}")
    if max(shapes[0], default=0) > max_side:
        raise ValueError(_too_large(f"kernels of {max(shapes[0])} rows", max_side, caller))
    x, t = (
        kernel_density(kernel, max_side=max_side, caller=caller)
        for kernel in (output_kernel, prompt_kernel)
    )
    joint = Density(x.matrix * t.matrix * x.n_items, n_items=x.n_items, eps=max(x.eps, t.eps))
    found = [part.spectrum(eig_tol=eig_tol, caller=caller) for part in (x, t, joint)]
    return ConditionalScores(read, found[0], found[1], found[2])


def conditional_vendi_scores(
    outputs: ArrayLike,
    prompts: ArrayLike,
    *,
    orders: Sequence[Order] = CONDITIONAL_ORDERS,
    eig_tol: float | None = None,
    max_side: int = MAX_SIDE,
) -> ConditionalScores:
    """Conditional-Vendi and Information-Vendi of rows under the cosine kernel.

    Parameters
    ----------
    outputs : array of shape (n, d_x)
    prompts : array of shape (n, d_t)
        Row i belongs to output i.
    orders : sequence of float or "inf"
    eig_tol : float, optional
        Up to which size an eigenvalue is 0.
    max_side : int
        Refused where both n and ``d_x d_t`` are larger.

    Raises
    ------
    ValueError
        If the numbers of rows differ, or rows are not finite or zero.

    Notes
    -----
    See `conditional_vendi_scores_from_kernels`. Where ``d_x d_t < n`` the joint spectrum is that of
    the products of all pairs of features (the row-wise Khatri-Rao product), streamed, and n may be
    of any size.

    Examples
    --------
    >>> outputs, prompts = [[1, 0], [0, 1], [1, 0], [0, 1]], [[1, 0], [1, 0], [0, 1], [0, 1]]
    >>> conditional_vendi_scores(outputs, prompts, orders=(1,)).conditional.round(12)
    array([2.])
    """
    caller = "conditional_vendi_scores"
    read = read_orders(orders, caller)
    x, t = read_row_pairs(outputs, prompts, caller)
    n, width = len(x), x.shape[1] * t.shape[1]
    if min(n, width) > max_side:
        what = f"{n} rows of {x.shape[1]} x {t.shape[1]} features"
        raise ValueError(_too_large(what, max_side, caller))
    x, t = unit_rows(x, caller)[0], unit_rows(t, caller)[0]
    if n <= width:
        joint = Density((x @ x.T) * (t @ t.T) / n, n_items=n)
        joint_spectrum = joint.spectrum(eig_tol=eig_tol, caller=caller)
    else:
        joint_spectrum = _product_gram(x, t, max_side, caller).spectrum(eig_tol=eig_tol)
    x_spectrum, t_spectrum = (
        feature_spectrum(rows, eig_tol=eig_tol, max_side=max_side, caller=caller) for rows in (x, t)
    )
    return ConditionalScores(read, x_spectrum, t_spectrum, joint_spectrum)


def conditional_random_feature_scores(
    outputs: ArrayLike,
    prompts: ArrayLike,
    *,
    output_sigma: float,
    prompt_sigma: float,
    n_frequencies: int,
    seed: int,
    orders: Sequence[Order] = CONDITIONAL_ORDERS,
    eig_tol: float | None = None,
    max_side: int = MAX_SIDE,
) -> ConditionalScores:
    """Conditional-Vendi and Information-Vendi under Gaussian kernels, for any number of rows.

    Parameters
    ----------
    outputs : array of shape (n, d_x)
    prompts : array of shape (n, d_t)
    output_sigma, prompt_sigma : float
        Widths of the kernels, above 0.
    n_frequencies : int
        D; no score is above 2 D.
    seed : int
        Draws the frequencies; stored in the result.
    orders, eig_tol, max_side
        As for `random_feature_scores`.

    Raises
    ------
    ValueError
        If the numbers of rows differ, a row is not finite, or an option is out of range.

    Notes
    -----
    The product of both kernels is the Gaussian kernel of rows side by side, so the joint angles are
    the sums of the angles of outputs and prompts, which have frequencies of their own. (The
    authors' code takes those of the outputs for both.) These are estimates: H(X|T) can come out
    below 0, which a warning says.

    Examples
    --------
    >>> outputs, prompts = [[0.0], [90.0], [0.0], [90.0]], [[0.0], [0.0], [50.0], [50.0]]
    >>> scores = conditional_random_feature_scores(
    ...     outputs, prompts, output_sigma=1, prompt_sigma=1, n_frequencies=300, seed=0, orders=(1,)
    ... )
    >>> scores.conditional.round(1)
    array([2.])
    """
    caller = "conditional_random_feature_scores"
    read = read_orders(orders, caller)
    x, t = read_row_pairs(outputs, prompts, caller)
    check_width(output_sigma, caller, name="output_sigma")
    check_width(prompt_sigma, caller, name="prompt_sigma")
    check_frequencies(n_frequencies, max_side, caller)
    rng = seeded(seed, caller)
    maps = [
        FourierMap.draw(rows.shape[1], sigma=sigma, n_frequencies=n_frequencies, rng=rng)
        for rows, sigma in ((x, output_sigma), (t, prompt_sigma))
    ]
    grams = [StreamedGram(max_side=max_side, caller=caller) for _ in range(3)]
    angles = (
        fourier.angles(rows, caller=caller) for fourier, rows in zip(maps, (x, t), strict=True)
    )
    for x_angles, t_angles in zip(*angles, strict=True):
        for gram, part in zip(grams, (x_angles, t_angles, x_angles + t_angles), strict=True):
            gram.add(on_circle(part))
    found = [gram.spectrum(eig_tol=eig_tol) for gram in grams]
    return ConditionalScores(
        read,
        output_spectrum=found[0],
        prompt_spectrum=found[1],
        joint_spectrum=found[2],
        n_frequencies=int(n_frequencies),
        seed=int(seed),
    )


def _product_gram(x: FloatArray, t: FloatArray, max_side: int, caller: str) -> StreamedGram:
    """Gram matrix of the products of all pairs of features of each row."""
    width = x.shape[1] * t.shape[1]
    gram = StreamedGram(max_side=max_side, caller=caller)
    step = max(1, _CELLS // width)
    for start in range(0, len(x), step):
        at = slice(start, start + step)
        gram.add(np.einsum("ni,nj->nij", x[at], t[at]).reshape(-1, width))
    return gram


def _too_large(what: str, max_side: int, caller: str) -> str:
    return (
        f"{caller}: {what} are above max_side = {max_side}; "
        "conditional_vendi_scores on features works for any n where d_x d_t is small (project them "
        "to fewer features), conditional_random_feature_scores for Gaussian kernels; or give part "
        "of the rows"
    )
