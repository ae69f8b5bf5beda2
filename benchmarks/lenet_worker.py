"""One process of bench_lenet_epoch.py: trains LeNet-5 with one framework and prints a JSON line.

Imports only the framework it measures, so that it runs in an interpreter that has nothing else. All start from the
same kind of random weights and do the same work: shuffle, take a batch of 64, forward, cross-entropy, backward, SGD
with momentum.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np

LEARNING_RATE, MOMENTUM, WEIGHT_DECAY, BATCH, SEED = 0.03, 0.9, 5e-4, 64, 0


def train_fastconv(x: np.ndarray, labels: np.ndarray, epochs: int, threads: int, layout: str) -> dict:
    import fastconv
    from fastconv import nn

    fastconv.set_num_threads(threads)
    model = nn.zoo.build("lenet5", seed=SEED)
    optimizer = nn.SGD(model.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY)
    trainer = nn.Trainer(model, optimizer, batch_size=BATCH, seed=SEED, schedule="constant")
    history = trainer.fit((x, labels), epochs=epochs)
    return {
        "version": fastconv.__version__,
        "seconds": [record["seconds"] for record in history],
        "losses": [record["train_loss"] for record in history],
    }


def train_torch(x: np.ndarray, labels: np.ndarray, epochs: int, threads: int, layout: str) -> dict:
    import torch
    from torch import nn

    torch.set_num_threads(threads)
    torch.manual_seed(SEED)
    memory_format = torch.channels_last if layout == "channels_last" else torch.contiguous_format
    model = nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    ).to(memory_format=memory_format)  # fmt: skip
    optimizer = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY)
    criterion = nn.CrossEntropyLoss()
    images = torch.from_numpy(x).to(memory_format=memory_format)
    targets = torch.from_numpy(labels)
    seconds, losses = [], []
    for _ in range(epochs):
        start = time.perf_counter()
        total = 0.0
        for chosen in torch.randperm(len(images)).split(BATCH):
            optimizer.zero_grad()
            loss = criterion(model(images[chosen]), targets[chosen])
            loss.backward()
            optimizer.step()
            total += loss.item() * len(chosen)
        seconds.append(time.perf_counter() - start)
        losses.append(total / len(images))
    return {"version": torch.__version__, "seconds": seconds, "losses": losses}


def main() -> None:
    framework, layout, path, epochs, threads = sys.argv[1:]
    with np.load(path) as arrays:
        images, labels = arrays["images"], arrays["labels"].astype(np.int64)
    x = ((images.astype(np.float32) / 255 - 0.286) / 0.353).reshape(-1, 1, 28, 28)
    train = {"fastconv": train_fastconv, "torch": train_torch}[framework]
    print(json.dumps(train(x, labels, int(epochs), int(threads), layout)))


if __name__ == "__main__":
    main()
