"""Train a network and write it, with its settings, its history and a picture of how it went, to a folder.

Without arguments: LeNet-5 on Fashion-MNIST, on Debian's copy if it is installed, else on the sample that ships with
fastconv. Settings come from a TOML file (--settings) and from --set NAME=VALUE; those of a run are printed and written
beside its result. Ctrl-C stops early and leaves the last whole epoch; --resume FOLDER goes on from there, with the
results of a run that was never stopped.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastconv.cli.output import Output, available
from fastconv.cli.parsing import add_data_options, add_output_options, add_threads_option, count, positive, whole
from fastconv.cli.run_folder import PICTURE, SETTINGS, checkpoint_in, checkpoint_suffix, make_writable, refuse_trained
from fastconv.cli.settings import NETWORK_DEFAULTS, Settings, parse_assignment, read_toml

if TYPE_CHECKING:
    from fastconv.data import Dataset
    from fastconv.nn import Callback, Trainer

NAME = "train"
HELP = "train a network"
INTERRUPTED = 130
#: options of the command that are settings too
_MAY_CHANGE = ("epochs", "data", "tensorboard")
_OPTIONS = ("network", "data", "limit", "skip_unreadable", "epochs", "batch_size", "lr", "seed")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("network", nargs="?", help="which network, see `fastconv zoo` (default: lenet5)")
    add_data_options(parser)
    parser.add_argument("--settings", type=Path, metavar="FILE", help="TOML file of settings, as a run writes it")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="any one setting")
    parser.add_argument("--epochs", type=count, metavar="N", help="passes over the data (default: 12)")
    parser.add_argument("--batch-size", type=count, metavar="N", help="pictures a step (default: 64)")
    parser.add_argument(
        "--lr", type=positive, metavar="X", help="learning rate (default: 0.03, lower for some networks)"
    )
    parser.add_argument("--seed", type=whole, metavar="N", help="of weights and shuffling (default: 0)")
    add_threads_option(parser)
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="where files go (default: a new folder in ./fastconv-runs)"
    )
    parser.add_argument("--resume", type=Path, metavar="DIR", help="go on with the training in this folder")
    add_output_options(parser)


def run(arguments: argparse.Namespace) -> int:
    import fastconv
    from fastconv import nn
    from fastconv.cli import checkpoints, data_choice
    from fastconv.cli.feeding import fit_filters
    from fastconv.nn.files import replacing

    output = Output(quiet=arguments.quiet, as_json=arguments.json)
    if arguments.threads is not None:
        fastconv.set_num_threads(arguments.threads)
    settings = _settings(arguments)
    if settings.network not in nn.zoo.NETWORKS:
        raise ValueError(f"network (={settings.network!r}) must be one of {', '.join(nn.zoo.NETWORKS)}")
    task = nn.zoo.NETWORKS[settings.network].task
    if task != "classification":
        raise ValueError(f"network (={settings.network!r}) is for {task}: no classifier")
    resumed = None if arguments.resume is None else checkpoint_in(arguments.resume)
    location = data_choice.find(arguments, output, settings.data or None)
    train, test = (
        data_choice.read(location, split, output, settings.limit or None, settings.skip_unreadable)
        for split in ("train", "test")
    )
    _check_parts(train, test)
    model = nn.zoo.build(
        settings.network, settings.seed, input_shape=train.input_shape, num_classes=len(train.class_names)
    )
    if arguments.out is not None:
        refuse_trained(arguments.out)
    if resumed is None:
        fit_filters(model, train)
    folder = make_writable(arguments.resume or arguments.out or checkpoints.free_folder(settings.network))
    path = resumed or folder / f"{settings.network}{checkpoint_suffix()}"
    trainer = _trainer(settings, model, path, _metadata(settings.network, train))
    callbacks = _writers(folder, settings)
    if resumed is not None:
        trainer.resume()
        _check_same_data(resumed, _metadata(settings.network, train))
    _name_missing_extras(output)
    with replacing(folder / SETTINGS) as beside:
        beside.write(settings.as_toml().encode())
    output.line(
        f"network: {settings.network}, {model.parameter_count():,} parameters; batch {settings.batch_size}, "
        f"lr {settings.lr:g}, seed {settings.seed}, {_counted(fastconv.get_num_threads(), 'thread')}"
    )
    output.line(f"settings, as in {folder / SETTINGS}:")
    output.line("".join(f"  {line}\n" for line in settings.as_toml().splitlines()).rstrip("\n"))
    if resumed is not None:
        output.line(f"resumed after {_counted(len(trainer.history), 'epoch')}: {resumed}")
    try:
        _fit(trainer, train, test, settings, callbacks, output)
        if available("matplotlib"):
            _draw(folder / PICTURE, trainer, test, settings.network, output)
    except KeyboardInterrupt:
        output.warn(_farewell(trainer, folder))
        return INTERRUPTED
    if arguments.quiet and not arguments.json:
        output.notice(_result(trainer))
    output.line(f"wrote {trainer.checkpoint_path}")
    return 0


def _settings(arguments: argparse.Namespace) -> Settings:
    """What counts, from the defaults to the options of the command."""
    if arguments.resume is not None:
        for option in ("settings", "out"):
            if getattr(arguments, option) is not None:
                raise ValueError(f"--{option} does not go with --resume, whose folder has its own")
        checkpoint_in(arguments.resume)
        arguments.settings = arguments.resume / SETTINGS
    read = {} if arguments.settings is None else read_toml(arguments.settings)
    assigned = dict(map(parse_assignment, arguments.set))
    given = {name: getattr(arguments, name) for name in _OPTIONS if getattr(arguments, name) not in (None, False)}
    settings = Settings()
    network = {**read, **assigned, **given}.get("network", settings.network)
    if isinstance(network, str):
        settings = settings.changed(NETWORK_DEFAULTS.get(network, {}), network)
    optimizer = {**read, **assigned}.get("optimizer")
    if optimizer in ("adam", "adamw"):
        settings = settings.changed({"lr": 1e-3}, optimizer)
    settings = settings.changed(read, str(arguments.settings))
    changed = settings.changed(assigned, "--set").changed(given, "options")
    if arguments.resume is not None:
        _check_same_settings(arguments.resume, settings, changed)
    return changed


def _check_same_settings(folder: Path, there: Settings, here: Settings) -> None:
    """What a resumed training may change is how long it goes on, where its data lies, and what else it writes."""
    other = [
        f"{name} {value!r}, now {getattr(here, name)!r}"
        for name, value in vars(there).items()
        if name not in _MAY_CHANGE and value != getattr(here, name)
    ]
    if other:
        raise ValueError(f"--resume {folder} was trained with {'; '.join(other)}: start a new run for other settings")


def _check_same_data(checkpoint: Path, here: dict[str, Any]) -> None:
    from fastconv import nn

    there = nn.load_checkpoint(checkpoint).metadata
    other = [name for name in ("class_names", "mean", "std", "input_shape") if there.get(name) != here[name]]
    if other:
        raise ValueError(f"{checkpoint}: was trained on other data ({', '.join(other)} differ): give --data as then")


def _check_parts(train: Dataset, test: Dataset) -> None:
    if train.input_shape != test.input_shape:
        raise ValueError(
            f"{test.source}: pictures of the test part are {test.input_shape}, those of training {train.input_shape}"
        )


def _trainer(settings: Settings, model: Any, path: Path, metadata: dict[str, Any]) -> Trainer:
    from fastconv import nn
    from fastconv.nn.schedules import SCHEDULES, OneCycle, WarmUp

    parameters: Any = model.parameters()
    if not settings.decay_norms_and_biases:
        parameters = nn.optim.decay_groups(model, settings.weight_decay)
    options = {"momentum": settings.momentum, "nesterov": settings.nesterov} if settings.optimizer == "sgd" else {}
    optimizer = nn.optim.OPTIMIZERS[settings.optimizer](
        parameters, lr=settings.lr, weight_decay=settings.weight_decay, **options
    )
    schedule = SCHEDULES[settings.schedule]
    if settings.warm_up:
        onecycle = settings.schedule == "onecycle"
        schedule = OneCycle(peak=settings.warm_up) if onecycle else WarmUp(schedule, settings.warm_up)
    return nn.Trainer(
        model,
        optimizer,
        nn.CrossEntropyLoss(label_smoothing=settings.label_smoothing),
        batch_size=settings.batch_size,
        seed=settings.seed,
        schedule=schedule,
        accumulate=settings.accumulate,
        clip_norm=settings.clip_norm or None,
        ema=settings.ema or None,
        early_stopping=settings.early_stopping or None,
        checkpoint=path,
        metadata=metadata,
    )


def _writers(folder: Path, settings: Settings) -> list[Callback]:
    from fastconv import nn

    files: list[Callback] = [nn.HistoryFile(folder / "history.csv"), nn.HistoryFile(folder / "history.jsonl")]
    return [*files, nn.TensorBoard(folder / "events")] if settings.tensorboard else files


def _fit(
    trainer: Trainer, train: Dataset, test: Dataset, settings: Settings, writers: list[Callback], output: Output
) -> None:
    from fastconv.cli.feeding import feed
    from fastconv.nn import Callback

    epochs = settings.epochs

    class Reporter(Callback):
        """Tells after every batch how far the epochs are, and after every epoch how it went."""

        def __init__(self, bar: Any) -> None:
            self.bar = bar
            self.batches = 0

        def on_fit_start(self, trainer: Trainer, epochs: int, batches: int) -> None:
            self.batches = batches

        def on_batch_end(self, trainer: Trainer, epoch: int, batch: int, loss: float) -> None:
            self.bar((epoch - 1) * self.batches + batch, epochs * self.batches)

        def on_epoch_end(self, trainer: Trainer, record: dict[str, Any]) -> None:
            output.record({**record, "epochs": epochs, "data": train.source, "checkpoint": trainer.checkpoint_path})
            output.line(
                f"epoch {record['epoch']:>{len(str(epochs))}}/{epochs}  train loss {record['train_loss']:.4f}  "
                f"test loss {record['test_loss']:.4f}  test accuracy {record['test_accuracy']:.4f}  "
                f"{record['seconds']:.1f} s"
            )

    with output.bar("training") as bar:
        fed = feed(train, test, crop=settings.crop, flip=settings.flip, cutout=settings.cutout)
        trainer.fit(
            fed.train, fed.test, epochs, transform=fed.transform, test_transform=fed.test_transform,
            callbacks=[*writers, Reporter(bar)],
        )  # fmt: skip


def _draw(path: Path, trainer: Trainer, test: Dataset, network: str, output: Output) -> None:
    """Draw the report; a failure to draw is told and spoils nothing."""
    from fastconv import data, nn, plot

    said = trainer.metadata
    normalize = data.Normalize(said["mean"], said["std"])
    found = nn.evaluate(trainer.tested, test.images, test.labels, transform=normalize)
    counts = nn.confusion_matrix(test.labels, found.predictions, len(test.class_names))
    weight = next(parameter.data for parameter in trainer.tested.parameters() if parameter.data.ndim == 4)
    title = f"{network} on {test.name}, {_counted(len(trainer.history), 'epoch')}"
    try:
        plot.training_report(path, trainer.history, weight, counts, test.class_names, title=title)
    except Exception as error:  # whatever matplotlib or the disk has against it, the network is trained and saved
        output.warn(f"{path}: could not be drawn ({error})")
    else:
        output.line(f"wrote {path}")


def _metadata(network: str, train: Dataset) -> dict[str, Any]:
    return {
        "network": network,
        "class_names": list(train.class_names),
        "mean": list(train.mean),
        "std": list(train.std),
        "input_shape": list(train.input_shape),
        "data": train.describe(),
    }


def _name_missing_extras(output: Output) -> None:
    uses = {
        "rich": "progress bars" if output.shows_bars else "",
        "matplotlib": f"{PICTURE}",
        "safetensors": ".safetensors, so the checkpoint is an .npz",
    }
    missing = [f"{package} ({use})" for package, use in uses.items() if use and not available(package)]
    if missing:
        output.warn(f"not installed: {', '.join(missing)}; pip install 'fastconv[cli]' brings it")


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _result(trainer: Trainer) -> str:
    last = trainer.history[-1]
    epochs = _counted(last["epoch"], "epoch")
    return f"test accuracy {last['test_accuracy']:.4f} after {epochs}, in {trainer.checkpoint_path}"


def _farewell(trainer: Trainer, folder: Path) -> str:
    done = f"interrupted after {_counted(len(trainer.history), 'complete epoch')}"
    if trainer.checkpoint_path is None:
        return f"{done}; nothing was written"
    if not trainer.history:
        return f"{done}; the network as it is now: {trainer.checkpoint_path}"
    return f"{done}; `fastconv train --resume {folder}` goes on from {trainer.checkpoint_path}"
