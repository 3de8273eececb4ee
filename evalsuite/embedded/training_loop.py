"""What trainings share: steps, learning rate, averaged weights, checkpoints that survive a kill."""

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

log = logging.getLogger("evalsuite.training")


@dataclass(frozen=True)
class Schedule:
    """How long and how fast.

    Parameters
    ----------
    steps : int
    peak : float
        Highest learning rate, reached after ``warm_up`` steps, held until ``flat`` of all steps,
        and lowered to a hundredth of it along a cosine.
    decay : float
        Of the averaged weights.
    """

    steps: int
    peak: float
    warm_up: int = 200
    flat: float = 0.3
    decay: float = 0.999
    weight_decay: float = 0.01

    def rate(self, step: int) -> float:
        """Learning rate of a step."""
        if step < self.warm_up:
            return self.peak * (step + 1) / self.warm_up
        begin = self.flat * self.steps
        part = min(1.0, max(0.0, (step - begin) / max(1.0, self.steps - begin)))
        cosine = 0.5 * (1.0 + float(torch.cos(torch.tensor(part * torch.pi))))
        return self.peak * (0.01 + 0.99 * cosine)


def train(
    modules: dict[str, torch.nn.Module],
    loss_of: Callable[[int], torch.Tensor],
    schedule: Schedule,
    *,
    checkpoint: Path,
    every: int = 200,
) -> dict[str, dict[str, torch.Tensor]]:
    """Train modules together, from the checkpoint where there is one.

    Parameters
    ----------
    loss_of : callable
        The loss of a step; its randomness must follow from the number of the step.
    checkpoint : Path
        A safetensors file of weights, averages and the optimizer, replaced every so many steps.

    Returns
    -------
    The averaged weights of each module.
    """
    names = [(m, n) for m, module in modules.items() for n, _ in module.named_parameters()]
    weights = [p for module in modules.values() for p in module.parameters()]
    optimizer = torch.optim.AdamW(
        weights, lr=schedule.peak, betas=(0.9, 0.99), weight_decay=schedule.weight_decay
    )
    averages = [p.detach().clone() for p in weights]
    step = _resume(checkpoint, weights, averages, optimizer)
    began, losses = time.monotonic(), []
    while step < schedule.steps:
        for group in optimizer.param_groups:
            group["lr"] = schedule.rate(step)
        loss = loss_of(step)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        decay = min(schedule.decay, (step + 1) / (step + 10))
        with torch.no_grad():
            torch._foreach_lerp_(averages, weights, 1.0 - decay)
        losses.append(float(loss.detach()))
        step += 1
        if step % every == 0 or step == schedule.steps:
            mean = sum(losses) / len(losses)
            log.info("step %d loss %.4f, %.0f s", step, mean, time.monotonic() - began)
            losses = []
            _save(checkpoint, step, weights, averages, optimizer)
    found: dict[str, dict[str, torch.Tensor]] = {name: {} for name in modules}
    for (module, name), average in zip(names, averages, strict=True):
        found[module][name] = average
    return found


def put(module: torch.nn.Module, averages: dict[str, torch.Tensor]) -> None:
    """Give a module its averaged weights."""
    with torch.no_grad():
        for name, weight in module.named_parameters():
            weight.copy_(averages[name])


def _save(
    path: Path,
    step: int,
    weights: Iterable[torch.Tensor],
    averages: Iterable[torch.Tensor],
    optimizer: torch.optim.Optimizer,
) -> None:
    tensors: dict[str, torch.Tensor] = {"step": torch.tensor(step)}
    states: list[dict[str, Any]] = [optimizer.state[w] for w in weights]
    for i, (weight, average, state) in enumerate(zip(weights, averages, states, strict=True)):
        tensors |= {
            f"weight.{i}": weight.detach().contiguous(),
            f"average.{i}": average.contiguous(),
        }
        tensors |= {
            f"m.{i}": state["exp_avg"].contiguous(),
            f"v.{i}": state["exp_avg_sq"].contiguous(),
        }
    part = path.with_suffix(".part")
    save_file(tensors, part)
    part.replace(path)


def _resume(
    path: Path,
    weights: list[torch.nn.Parameter],
    averages: list[torch.Tensor],
    optimizer: torch.optim.Optimizer,
) -> int:
    if not path.exists():
        return 0
    tensors = load_file(path)
    step = int(tensors["step"])
    with torch.no_grad():
        for i, (weight, average) in enumerate(zip(weights, averages, strict=True)):
            weight.copy_(tensors[f"weight.{i}"])
            average.copy_(tensors[f"average.{i}"])
            optimizer.state[weight] = {
                "step": torch.tensor(float(step)),
                "exp_avg": tensors[f"m.{i}"].clone(),
                "exp_avg_sq": tensors[f"v.{i}"].clone(),
            }
    log.info("going on from step %d", step)
    return step
