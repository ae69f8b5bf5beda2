"""ncnn: one Convolution layer or a whole network, Winograd allowed, float32 throughout; images one after the other."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ncnn
import numpy as np
from libraries.ncnn_network import FLOAT32_WEIGHTS, Files

threads = 1


def version() -> str:
    return ncnn.__version__


def set_threads(count: int) -> None:
    global threads
    threads = count


def loaded(text: str, binary: bytes) -> Any:
    """A network of these two files, Winograd allowed, float32 throughout."""
    net = ncnn.Net()
    net.opt.num_threads = threads
    net.opt.use_winograd_convolution = True
    net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = False
    net.opt.use_bf16_storage = False
    with tempfile.TemporaryDirectory() as folder:
        paths = Path(folder, "net.param"), Path(folder, "net.bin")
        paths[0].write_text(text)
        paths[1].write_bytes(binary)
        if net.load_param(str(paths[0])) or net.load_model(str(paths[1])):
            raise RuntimeError("ncnn did not take the network")
    return net


def one_by_one(net: Any, x: np.ndarray, output: str) -> tuple[Callable[[], Any], Callable[[Any], Any]]:
    """A call that runs every image of a batch, and what makes an array of its answer."""
    images = [ncnn.Mat(np.ascontiguousarray(image)).clone() for image in x]

    def call() -> list[Any]:
        outputs = []
        for image in images:
            extractor = net.create_extractor()
            extractor.input("x", image)
            outputs.append(extractor.extract(output)[1])
        return outputs

    return call, lambda outputs: np.stack([np.array(each) for each in outputs])


def prepare(job: dict[str, Any], arrays: dict[str, np.ndarray]) -> tuple[Callable[[], Any], Callable[[Any], Any]]:
    w = arrays["w"]
    kind, groups = ("Convolution", "") if job["groups"] == 1 else ("ConvolutionDepthWise", f" 7={job['groups']}")
    numbers = f"0={w.shape[0]} 1={job['kernel']} 3={job['stride']} 4={job['padding']} 5=1 6={w.size}{groups}"
    text = f"7767517\n2 2\nInput x 0 1 x\n{kind} conv 1 1 x y {numbers}\n"
    return one_by_one(loaded(text, FLOAT32_WEIGHTS + w.tobytes() + arrays["b"].tobytes()), arrays["x"], "y")


def prepare_network(
    job: dict[str, Any], arrays: dict[str, np.ndarray]
) -> tuple[Callable[[], Any], Callable[[Any], Any]]:
    config = json.loads(Path(job["config"]).read_text(encoding="utf-8"))
    with np.load(job["state"]) as state:
        files = Files(config, state)
    return one_by_one(loaded(files.text(), b"".join(files.binary)), arrays["x"], files.result)
