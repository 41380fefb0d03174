"""The training loop that the backbones share: AdamW, warm-up and cosine decay, progress, checkpoints that resume."""

import logging
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path

import torch
from tqdm import tqdm

logger = logging.getLogger(__name__)

_CHECKPOINT_EVERY = 250


def train(
    model: torch.nn.Module,
    loss_of_step: Callable[[int], torch.Tensor],
    num_steps: int,
    learning_rate: float,
    checkpoint: Path,
    description: str,
    report: Callable[[int], str] | None = None,
    schedule: tuple[int, int] | None = None,
    data: object = None,
) -> None:
    """Train a model in place; a checkpoint of the same training is continued, one of another begun anew.

    Args:
        model: what is trained.
        loss_of_step: draws the batch of a step, a function of the step's number alone, and returns its loss.
        num_steps: steps in all.
        learning_rate: the peak, after a warm-up over the first 4% of the schedule.
        checkpoint: file written every 250 steps and at the end.
        description: what the progress bar says.
        report: called with the number of steps done at every checkpoint; what it returns is printed.
        schedule: where the steps begin in a schedule of the learning rate, and the schedule's length; they are all of
            it by default.
        data: what the batches are drawn from, as something whose `repr` says it; with it and the model's weights a
            checkpoint is known again.
    """
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=0.01, betas=(0.9, 0.98))
    first, length = schedule or (0, num_steps)
    warmup = max(1, length // 25)

    def factor(step: int) -> float:
        step += first
        progress = max(0, step - warmup) / max(1, length - warmup)
        return min(1.0, (step + 1) / warmup) * (0.02 + 0.98 * 0.5 * (1 + torch.cos(torch.tensor(torch.pi * progress))))

    decay = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: float(factor(step)))
    identity = _identity(model, num_steps, learning_rate, first, length, data)
    done = _resume(checkpoint, identity, model, optimizer, decay)
    running = None
    model.train()
    with tqdm(total=num_steps, initial=done, desc=description, mininterval=5) as progress:
        for step in range(done, num_steps):
            loss = loss_of_step(step)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            decay.step()
            running = loss.item() if running is None else 0.98 * running + 0.02 * loss.item()
            progress.update()
            progress.set_postfix(loss=f"{running:.3f}", refresh=False)
            if (step + 1) % _CHECKPOINT_EVERY == 0 or step + 1 == num_steps:
                _save(checkpoint, identity, model, optimizer, decay, step + 1)
                if report is not None:
                    model.eval()
                    progress.write(f"{description}, step {step + 1}, loss {running:.3f}: {report(step + 1)}")
                    model.train()
    model.eval()


def _identity(model: torch.nn.Module, *settings: object) -> str:
    digest = blake2b(repr(settings).encode(), digest_size=16)
    for name, tensor in model.state_dict().items():
        digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _save(path: Path, identity: str, model, optimizer, schedule, step: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "schedule": schedule.state_dict()}
    partial = path.with_suffix(".partial")
    torch.save({**state, "identity": identity, "step": step}, partial)
    partial.replace(path)


def _resume(path: Path, identity: str, model, optimizer, schedule) -> int:
    if not path.is_file():
        return 0
    state = torch.load(path, weights_only=True)
    if state.get("identity") != identity:
        logger.warning("%s is a checkpoint of another training, which this one will replace", path)
        return 0
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    schedule.load_state_dict(state["schedule"])
    return state["step"]
