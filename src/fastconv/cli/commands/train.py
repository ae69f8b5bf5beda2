"""Train a network and write it, with a picture of how it went, to a folder.

Without arguments: LeNet-5 on Fashion-MNIST, on Debian's copy if it is installed, else on the sample that ships with
fastconv. Ctrl-C stops early and leaves what was learned so far.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastconv.cli.output import Output, available
from fastconv.cli.parsing import add_data_options, add_output_options, add_threads_option, count, positive, whole

if TYPE_CHECKING:
    from fastconv.data import Dataset
    from fastconv.nn import Trainer

NAME = "train"
HELP = "train a network"
PICTURE = "training.png"
INTERRUPTED = 130


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("network", nargs="?", default="lenet5", help="which network (default: lenet5)")
    add_data_options(parser)
    parser.add_argument("--epochs", type=count, default=12, metavar="N", help="passes over the data (default: 12)")
    parser.add_argument("--batch-size", type=count, default=64, metavar="N", help="pictures a step (default: 64)")
    parser.add_argument("--lr", type=positive, metavar="X", help="learning rate at the start (default: the trainer's)")
    parser.add_argument("--seed", type=whole, default=0, metavar="N", help="of weights and shuffling (default: 0)")
    add_threads_option(parser)
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="where files go (default: a new folder in ./fastconv-runs)"
    )
    add_output_options(parser)


def run(arguments: argparse.Namespace) -> int:
    import fastconv
    from fastconv import nn
    from fastconv.cli import checkpoints, data_choice

    output = Output(quiet=arguments.quiet, as_json=arguments.json)
    if arguments.threads is not None:
        fastconv.set_num_threads(arguments.threads)
    if arguments.network not in nn.zoo.NETWORKS:
        raise ValueError(f"network (={arguments.network!r}) must be one of {', '.join(nn.zoo.NETWORKS)}")
    location = data_choice.find(arguments, output)
    train, test = (data_choice.read(location, split, arguments, output) for split in ("train", "test"))
    model = nn.zoo.build(
        arguments.network, arguments.seed, input_shape=train.input_shape, num_classes=len(train.class_names)
    )
    folder = _writable(arguments.out or checkpoints.free_folder(arguments.network))
    trainer = nn.Trainer(
        model,
        batch_size=arguments.batch_size,
        seed=arguments.seed,
        checkpoint=folder / f"{arguments.network}{_suffix()}",
        metadata=_metadata(arguments.network, train),
    )
    if arguments.lr is not None:
        trainer.optimizer.lr = arguments.lr
    _name_missing_extras(output)
    output.line(
        f"network: {arguments.network}, {model.parameter_count():,} parameters; batch {arguments.batch_size}, "
        f"lr {trainer.optimizer.lr:g}, seed {arguments.seed}, {_counted(fastconv.get_num_threads(), 'thread')}"
    )
    try:
        _fit(trainer, train, test, arguments.epochs, output)
        if available("matplotlib"):
            _draw(folder / PICTURE, trainer, test, arguments.network, output)
    except KeyboardInterrupt:
        output.warn(_farewell(trainer))
        return INTERRUPTED
    if arguments.quiet and not arguments.json:
        output.notice(_result(trainer))
    output.line(f"wrote {trainer.checkpoint_path}")
    return 0


def _fit(trainer: Trainer, train: Dataset, test: Dataset, epochs: int, output: Output) -> None:
    from fastconv.nn import Callback

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
        trainer.fit(
            (train.normalized(), train.labels), (_as_trained(test, train), test.labels), epochs,
            callbacks=[Reporter(bar)],
        )  # fmt: skip


def _as_trained(test: Dataset, train: Dataset) -> Any:
    from fastconv.data import normalize

    return normalize(test.images, train.mean, train.std)


def _draw(path: Path, trainer: Trainer, test: Dataset, network: str, output: Output) -> None:
    """Draw the report; a failure to draw is told and spoils nothing."""
    from fastconv import data, nn, plot

    said = trainer.metadata
    found = nn.evaluate(trainer.model, data.normalize(test.images, said["mean"], said["std"]), test.labels)
    counts = nn.confusion_matrix(test.labels, found.predictions, len(test.class_names))
    weight = next(parameter.data for parameter in trainer.model.parameters() if parameter.data.ndim == 4)
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


def _writable(folder: Path) -> Path:
    """Make the folder, and make sure before any work that files can be written there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".probe-"):
            pass
    except OSError as error:
        raise ValueError(f"out (={str(folder)!r}) cannot be written to: {error.strerror or error}") from error
    return folder


def _suffix() -> str:
    return ".safetensors" if available("safetensors") else ".npz"


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


def _farewell(trainer: Trainer) -> str:
    done = f"interrupted after {_counted(len(trainer.history), 'complete epoch')}"
    if trainer.checkpoint_path is None:
        return f"{done}; nothing was written"
    return f"{done}; the network as it is now: {trainer.checkpoint_path}"
