"""What the examples on scenes share: their arguments, and scenes to learn from and to test.

    python examples/scenes.py --picture scenes.png

draws some, with what each pixel shows.
"""

from __future__ import annotations

import argparse

from fastconv import data

TESTED = 500


def options(description: str, epochs: int, scenes: int) -> argparse.ArgumentParser:
    """The arguments of all of them."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--data", help="name or folder of a data set of grey pictures (default: Fashion-MNIST)")
    parser.add_argument("--scenes", type=int, default=scenes, help=f"how many to learn from (default: {scenes})")
    parser.add_argument("--epochs", type=int, default=epochs, help=f"default: {epochs}")
    parser.add_argument("--seed", type=int, default=0, help="of the scenes, the weights and the order")
    parser.add_argument("--picture", help="PNG for what is found in some test scenes")
    return parser


def compose(arguments: argparse.Namespace, **settings: object) -> tuple[data.Scenes, data.Scenes]:
    """Scenes to learn from, and scenes to test, of pictures that are in none of the others."""
    try:
        parts = [data.load(arguments.data, split) for split in ("train", "test")]
        counts = arguments.scenes, min(TESTED, arguments.scenes)
        return tuple(
            data.compose_scenes(part, count, seed=2 * arguments.seed + place, **settings)
            for place, (part, count) in enumerate(zip(parts, counts, strict=True))
        )
    except ValueError as error:
        raise SystemExit(str(error)) from None


def main() -> None:
    from fastconv.plot.figures import new_figure, save, show

    arguments = options("Compose scenes.", epochs=0, scenes=6).parse_args()
    scenes, _ = compose(arguments)
    if arguments.picture:
        figure = new_figure(2 * len(scenes), 4)
        rows = figure.subplots(2, len(scenes), squeeze=False)
        for place, (image, classes) in enumerate(zip(scenes.images, scenes.class_map(), strict=True)):
            show(rows[0, place], image[0] / 255)
            show(rows[1, place], classes, cmap="tab20", vmax=20)
        save(figure, arguments.picture)
    for labels in scenes.labels:
        print(", ".join(scenes.class_names[label] for label in labels if label >= 0))


if __name__ == "__main__":
    main()
