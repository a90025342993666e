"""`grace-rtc codec train STAGE`: one command per stage, resumable, with progress, metrics and held-out evaluation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from grace_codec.errors import CodecError
from grace_rtc.console import errors_in_one_line

if TYPE_CHECKING:
    from grace_codec.training.loop import Trainer
    from grace_codec.training.stages import Stage

EVALUATION_LEVELS = (24, 48, 68)
EVALUATION_LOSSES = (0.0, 0.5)


def train(
    stage: Annotated[str, typer.Argument(help="pretrain, joint, decoder or levels; see codec/TRAINING.md")],
    data: Annotated[Path, typer.Option(help="Folder of .mp4 clips; whole sub-folders are held out.")],
    runs: Annotated[Path, typer.Option(help="Where runs, checkpoints and metrics live.")] = Path("runs"),
    cache: Annotated[Path | None, typer.Option(help="Keep decoded clips and their motion here.")] = None,
    until: Annotated[int | None, typer.Option(help="Stop at this step; run again to go on.")] = None,
    steps: Annotated[int | None, typer.Option(help="Length of the stage, instead of the table's.")] = None,
    batch: Annotated[int | None, typer.Option(help="Chains per process, instead of the table's.")] = None,
    size: Annotated[int | None, typer.Option(help="Crop side in pixels, a multiple of 32.")] = None,
    accelerator: Annotated[str, typer.Option(help="cpu, cuda or auto.")] = "auto",
    devices: Annotated[int, typer.Option(help="GPUs (or CPU processes) to train on.")] = 1,
    fused: Annotated[bool, typer.Option(help="Compile the objective: for a GPU.")] = False,
    evaluate: Annotated[bool, typer.Option(help="Measure the held-out clips at the end.")] = True,
    publish: Annotated[bool, typer.Option(help="Install the finished weights into the package.")] = False,
) -> None:
    """Train one stage, or continue it where it stopped."""
    console = Console()
    with errors_in_one_line("torch,codec"):
        chosen = _stage(stage, steps, batch, size)
        trainer = _trainer(chosen, data, runs, cache, accelerator, devices, fused, console)
        _run(trainer, until, console)
        if evaluate and trainer.fabric.global_rank == 0 and trainer.step >= chosen.steps:
            card = _evaluate(trainer, data, cache, console)
            if publish:
                _publish(trainer, card, console)


def _stage(name: str, steps: int | None, batch: int | None, size: int | None) -> Stage:
    from dataclasses import replace

    from grace_codec.training.stages import STAGES

    if name not in STAGES:
        raise CodecError(f"unknown stage {name!r}; there are {', '.join(STAGES)}")
    chosen = STAGES[name]
    if size is not None and (size < 64 or size % 32):
        raise CodecError(f"--size {size}: wanted a multiple of 32, at least 64")
    return replace(chosen, steps=steps or chosen.steps, batch=batch or chosen.batch, size=size or chosen.size)


def _trainer(
    stage: Stage,
    data: Path,
    runs: Path,
    cache: Path | None,
    accelerator: str,
    devices: int,
    fused: bool,
    console: Console,
) -> Trainer:
    from lightning_fabric import Fabric

    from grace_codec.training.data import load_folder
    from grace_codec.training.loop import RunFolder, Trainer

    fabric = Fabric(accelerator=accelerator, devices=devices)
    fabric.launch()
    start = RunFolder(runs / stage.start).weights if stage.start else None
    if start is not None and not start.exists():
        raise CodecError(f"stage {stage.name!r} begins with {start}; run `codec train {stage.start}` first")
    with Progress(console=console, disable=fabric.global_rank > 0) as progress:
        task = progress.add_task("clips", total=None)
        clips = load_folder(data, cache, on_clip=lambda n, of: progress.update(task, completed=n, total=of))
    return Trainer(stage, clips, runs / stage.name, fabric, start, fused=fused)


def _run(trainer: Trainer, until: int | None, console: Console) -> None:
    import torch

    with Progress(console=console, disable=trainer.fabric.global_rank > 0) as progress:
        task = progress.add_task(trainer.stage.name, total=trainer.stage.steps, completed=trainer.step)

        def on_step(step: int, means: dict[str, float]) -> None:
            shown = " ".join(f"{k}={v:.3f}" for k, v in means.items())
            progress.update(task, completed=step, description=f"{trainer.stage.name} {shown}")

        torch.set_flush_denormal(True)  # Laplace tails make denormals, which are slow
        try:
            trainer.run(until, on_step)
        finally:  # a state of the processor, which all other code of this process shares
            torch.set_flush_denormal(False)


def _evaluate(trainer: Trainer, data: Path, cache: Path | None, console: Console) -> dict[str, dict[str, float]]:
    """Measure the held-out clips in closed loop; the results go to the metrics file and the model card."""
    from grace_codec.profiles import load_file
    from grace_codec.training.data import load_folder
    from grace_codec.training.evaluate import closed_loop, summary

    model = load_file(trainer.folder.weights, trainer.stage.profile)
    clips = load_folder(data, cache, held_out=True)
    results: dict[str, dict[str, float]] = {}
    for loss in EVALUATION_LOSSES:
        for level in EVALUATION_LEVELS:
            row = summary(closed_loop(model, clip, level, loss) for clip in clips)
            results[f"level {level}, loss {loss:.0%}"] = row
            console.print(f"level {level} loss {loss:.0%}: " + " ".join(f"{k} {v:.3f}" for k, v in row.items()))
    with trainer.folder.metrics.open("a") as out:
        out.write(json.dumps({"stage": trainer.stage.name, "step": trainer.step, "held_out": results}) + "\n")
    return results


def _publish(trainer: Trainer, results: dict[str, dict[str, float]], console: Console) -> None:
    from grace_codec.training.checkpoint import publish

    stage = trainer.stage
    card = {
        "stage": stage.name,
        "steps": trainer.step,
        "chains": stage.batch,
        "crop_px": stage.size,
        "seed": stage.seed,
        "held_out": results,
    }
    digest = publish(trainer.folder.weights, stage.profile, card)
    console.print(f"{stage.profile}: installed, SHA-256 {digest}")
