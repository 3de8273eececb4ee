"""Scendi: diversity of outputs after the part that prompts explain is taken out."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from evalsuite.metrics.vendi.random_features import (
    FourierMap,
    check_frequencies,
    check_width,
    on_circle,
    seeded,
)
from evalsuite.metrics.vendi.rows import read_row_pairs, unit_rows
from evalsuite.metrics.vendi.spectrum import (
    FLOAT64_EPS,
    MAX_SIDE,
    FloatArray,
    Spectrum,
    StreamedGram,
    eigenvalue_rounding,
    spectrum_of_eigenvalues,
)

_CELLS = 4_000_000
"""Features held at a time: 32 MB."""


@dataclass(frozen=True, eq=False)
class ScendiScore:
    """Schur complement score of outputs given prompts.

    Parameters
    ----------
    score : float
        ``VS_1(mu / sum mu) ^ (sum mu)`` over the eigenvalues mu of the model part; 1 where prompts
        explain everything.
    model_mass, prompt_mass : float
        Traces of the part that prompts do not explain and of the one they do; they sum to 1.
    model_spectrum : Spectrum or None
        Of the model part over its trace; None where the part is only rounding.
    prompt_rank : int
        Directions of the prompt features that are not rounding.
    tolerance : float
        Eigenvalues of the model part up to this count as 0.
    n_items : int or None
    n_frequencies, seed : int or None
        Of random Fourier features.
    warnings : tuple of str
        Texts "code: why"; ``saturated`` where the prompt features have as many directions as rows
        and so explain any output whatever.
    """

    score: float
    model_mass: float
    prompt_mass: float
    model_spectrum: Spectrum | None
    prompt_rank: int
    tolerance: float
    n_items: int | None = None
    n_frequencies: int | None = None
    seed: int | None = None
    warnings: tuple[str, ...] = ()


def scendi_score(
    outputs: ArrayLike, prompts: ArrayLike, *, eig_tol: float | None = None
) -> ScendiScore:
    """Scendi of two feature maps, whose rows are scaled to unit length.

    Parameters
    ----------
    outputs : array of shape (n, d_x)
    prompts : array of shape (n, d_t)
        Row i belongs to output i.
    eig_tol : float, optional
        Up to which size an eigenvalue of the model part is 0.

    Raises
    ------
    ValueError
        If the numbers of rows differ, or rows are not finite or zero.

    Notes
    -----
    As `scendi_score_of_covariances`; the cosine kernel of embeddings, or any map of unit length.
    Nothing is centred: a single prompt explains the mean of its outputs.

    Examples
    --------
    >>> outputs, prompts = [[1, 0], [0, 1], [1, 0], [0, 1]], [[1, 0], [1, 0], [0, 1], [0, 1]]
    >>> found = scendi_score(outputs, prompts)
    >>> round(found.score, 6), round(found.prompt_mass, 6)
    (1.0, 0.5)
    """
    caller = "scendi_score"
    given, other = read_row_pairs(outputs, prompts, caller)
    x, t = unit_rows(given, caller)[0], unit_rows(other, caller)[0]
    width = x.shape[1] + t.shape[1]
    gram = StreamedGram(max_side=2 * MAX_SIDE, caller=caller)
    step = max(1, _CELLS // width)
    for start in range(0, len(x), step):
        gram.add(np.hstack([x[start : start + step], t[start : start + step]]))
    return _of_gram(gram, x.shape[1], eig_tol=eig_tol, caller=caller)


def scendi_score_random_features(
    outputs: ArrayLike,
    prompts: ArrayLike,
    *,
    output_sigma: float,
    prompt_sigma: float,
    n_frequencies: int,
    seed: int,
    eig_tol: float | None = None,
    max_side: int = MAX_SIDE,
) -> ScendiScore:
    """Scendi under Gaussian kernels, by random Fourier features of both.

    Parameters
    ----------
    outputs : array of shape (n, d_x)
    prompts : array of shape (n, d_t)
    output_sigma, prompt_sigma : float
        Widths of the kernels; 3.5 for CLIP features in the authors' code.
    n_frequencies : int
        D for each side; 2500 in the authors' code. Well below n / 2, or prompts explain everything.
    seed : int
        Draws the frequencies; stored in the result.
    eig_tol : float, optional
        Up to which size an eigenvalue of the model part is 0.
    max_side : int
        More than this many features, 2 D, are refused.

    Raises
    ------
    ValueError
        If the numbers of rows differ, a row is not finite, or an option is out of range.

    Examples
    --------
    >>> rows = np.arange(40.0)[:, np.newaxis]
    >>> found = scendi_score_random_features(
    ...     rows, rows % 2, output_sigma=9, prompt_sigma=1, n_frequencies=3, seed=0
    ... )
    >>> found.prompt_rank, round(found.model_mass + found.prompt_mass, 12)
    (2, 1.0)
    """
    caller = "scendi_score_random_features"
    x, t = read_row_pairs(outputs, prompts, caller)
    check_width(output_sigma, caller, name="output_sigma")
    check_width(prompt_sigma, caller, name="prompt_sigma")
    check_frequencies(n_frequencies, max_side, caller)
    rng = seeded(seed, caller)
    maps = [
        FourierMap.draw(rows.shape[1], sigma=sigma, n_frequencies=n_frequencies, rng=rng)
        for rows, sigma in ((x, output_sigma), (t, prompt_sigma))
    ]
    gram = StreamedGram(max_side=4 * n_frequencies, caller=caller)
    angles = (
        fourier.angles(rows, caller=caller) for fourier, rows in zip(maps, (x, t), strict=True)
    )
    for parts in zip(*angles, strict=True):
        gram.add(np.hstack([on_circle(part) for part in parts]))
    return _of_gram(
        gram,
        2 * n_frequencies,
        eig_tol=eig_tol,
        n_frequencies=int(n_frequencies),
        seed=int(seed),
        caller=caller,
    )


def scendi_score_of_covariances(
    outputs: ArrayLike, prompts: ArrayLike, cross: ArrayLike, *, eig_tol: float | None = None
) -> ScendiScore:
    """Scendi of covariances that are already summed.

    Parameters
    ----------
    outputs : array of shape (a, a)
        Mean of ``x x^T`` over output features of length 1, so of trace 1.
    prompts : array of shape (b, b)
        Mean of ``t t^T`` over prompt features, on any scale.
    cross : array of shape (a, b)
        Mean of ``x t^T``.
    eig_tol : float, optional
        Up to which size an eigenvalue of the model part is 0.

    Raises
    ------
    ValueError
        If shapes do not fit, values are not finite, the trace is not 1, or the three are not the
        covariances of one sample.

    Notes
    -----
    Model part ``S = C_XX - C_XT C_TT^+ C_TX``; ``C_XX - S`` is the prompt part. The authors' code
    (scendi-score) adds 1e-12 to the diagonal of C_TT and raises the eigenvalues of S to 1e-10,
    which adds ``d 1e-10`` to the mass. Here directions of C_TT that are rounding are left out, and
    so are eigenvalues of S that are rounding beside those of C_XX: numbers differ from the
    reference by as much as those constants moved them. Where eigenvalues of C_TT fall smoothly to
    the cut-off (a wide kernel with many frequencies), rounding decides which directions count, and
    the score has some 5 digits.

    Examples
    --------
    >>> found = scendi_score_of_covariances(np.eye(2) / 2, [[1.0]], [[0.0], [0.0]])
    >>> round(found.score, 12), found.model_mass
    (2.0, 1.0)
    """
    caller = "scendi_score_of_covariances"
    xx, tt, xt = (np.asarray(part, dtype=np.float64) for part in (outputs, prompts, cross))
    if xt.ndim != 2 or not xt.size or xx.shape != (len(xt),) * 2 or tt.shape != (xt.shape[1],) * 2:
        raise ValueError(
            f"{caller}: expected shapes (a, a), (b, b), (a, b), got {xx.shape}, {tt.shape}, "
            f"{xt.shape}"
        )
    if not all(np.isfinite(part).all() for part in (xx, tt, xt)):
        raise ValueError(f"{caller}: the covariances are not finite")
    for name, part in (("outputs", xx), ("prompts", tt)):
        if np.abs(part - part.T).max() > 1e-6 * np.abs(part).max():
            raise ValueError(f"{caller}: the covariance of the {name} is not symmetric")
    if abs(float(np.trace(xx)) - 1.0) > 1e-6:
        raise ValueError(f"{caller}: the trace of outputs is 1, got {float(np.trace(xx)):.9g}")
    return _score((xx + xx.T) / 2, (tt + tt.T) / 2, xt, eig_tol=eig_tol, caller=caller)


def _of_gram(
    gram: StreamedGram,
    a: int,
    *,
    eig_tol: float | None,
    caller: str,
    n_frequencies: int | None = None,
    seed: int | None = None,
) -> ScendiScore:
    density = gram.density()
    # Two unit rows side by side have the squared length 2, which the Gram matrix takes out.
    both = 2.0 * density.matrix
    return _score(
        both[:a, :a],
        both[a:, a:],
        both[:a, a:],
        eig_tol=eig_tol,
        n_items=density.n_items,
        n_frequencies=n_frequencies,
        seed=seed,
        caller=caller,
    )


def _score(
    xx: FloatArray,
    tt: FloatArray,
    xt: FloatArray,
    *,
    eig_tol: float | None,
    caller: str,
    n_items: int | None = None,
    n_frequencies: int | None = None,
    seed: int | None = None,
) -> ScendiScore:
    values, vectors = np.linalg.eigh(tt)
    is_kept = values > eigenvalue_rounding(values, FLOAT64_EPS)
    root = xt @ (vectors[:, is_kept] / np.sqrt(values[is_kept]))
    prompt_part = root @ root.T
    rounding = eigenvalue_rounding(np.linalg.eigvalsh(xx), FLOAT64_EPS)
    tolerance = rounding if eig_tol is None else float(eig_tol)
    found = np.linalg.eigvalsh(xx - prompt_part)
    if not 0.0 <= tolerance < 1.0:
        raise ValueError(f"{caller}: eig_tol must be in [0, 1), got {eig_tol!r}")
    if found[0] < -max(1e-7, tolerance):
        raise ValueError(
            f"{caller}: the model part has the eigenvalue {found[0]:.6g} below 0; these are not "
            "the covariances of one sample"
        )
    prompt_rank = int(is_kept.sum())
    spectrum, score, mass = _model_part(found, tolerance, n_items, caller)
    return ScendiScore(
        score=score,
        model_mass=mass,
        prompt_mass=float(np.trace(prompt_part)),
        model_spectrum=spectrum,
        prompt_rank=prompt_rank,
        tolerance=tolerance,
        n_items=n_items,
        n_frequencies=n_frequencies,
        seed=seed,
        warnings=_saturated(prompt_rank, n_items),
    )


def _model_part(
    values: FloatArray, tolerance: float, n_items: int | None, caller: str
) -> tuple[Spectrum | None, float, float]:
    """Spectrum, score and mass of the model part from its eigenvalues."""
    kept = np.where(values > tolerance, values, 0.0)
    mass = float(kept.sum())
    if mass == 0.0:
        return None, 1.0, 0.0
    spectrum = spectrum_of_eigenvalues(kept / mass, eig_tol=0.0, n_items=n_items, caller=caller)
    return spectrum, math.exp(mass * spectrum.entropy(1.0)), mass


def _saturated(prompt_rank: int, n_items: int | None) -> tuple[str, ...]:
    if n_items is None or prompt_rank < n_items:
        return ()
    return (
        f"saturated: the prompt features have {prompt_rank} directions for {n_items} rows and "
        "explain any output; take fewer features or more rows",
    )
