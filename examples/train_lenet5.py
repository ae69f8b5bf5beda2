"""Train LeNet-5 from Python: the same run as the command `fastconv train`, in the open.

    python examples/train_lenet5.py --epochs 12

uses the full Fashion-MNIST where it is installed, else the sample that ships with fastconv.
"""

from __future__ import annotations

import argparse

from fastconv import data, nn


def main() -> None:
    parser = argparse.ArgumentParser(description="Train LeNet-5.")
    parser.add_argument("--data", help="name or folder of a data set")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--limit", type=int, help="use only the first pictures")
    parser.add_argument("--out", help="file for the trained network (.safetensors or .npz)")
    arguments = parser.parse_args()

    train = data.load(arguments.data, "train", limit=arguments.limit)
    test = data.load(arguments.data, "test", limit=arguments.limit)
    print(train.describe())

    model = nn.zoo.build("lenet5", input_shape=train.input_shape, num_classes=len(train.class_names))
    print(nn.summary(model, train.input_shape))

    metadata = {
        "network": "lenet5",
        "class_names": list(train.class_names),
        "mean": list(train.mean),
        "std": list(train.std),
        "input_shape": list(train.input_shape),
    }
    trainer = nn.Trainer(model, checkpoint=arguments.out, metadata=metadata)
    trainer.fit(
        (train.normalized(), train.labels),
        test=(data.normalize(test.images, train.mean, train.std), test.labels),
        epochs=arguments.epochs,
        callbacks=[nn.PrintEpochs()],
    )


if __name__ == "__main__":
    main()
