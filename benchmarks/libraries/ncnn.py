"""ncnn: one Convolution layer, Winograd allowed, float32 throughout; a batch is a loop over its images."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ncnn
import numpy as np

FLOAT32_WEIGHTS = b"\0\0\0\0"
threads = 1


def version() -> str:
    return ncnn.__version__


def set_threads(count: int) -> None:
    global threads
    threads = count


def prepare(job: dict[str, Any], arrays: dict[str, np.ndarray]) -> tuple[Callable[[], Any], Callable[[Any], Any]]:
    w = arrays["w"]
    net = ncnn.Net()
    net.opt.num_threads = threads
    net.opt.use_winograd_convolution = True
    net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = False
    net.opt.use_bf16_storage = False
    kind, groups = ("Convolution", "") if job["groups"] == 1 else ("ConvolutionDepthWise", f" 7={job['groups']}")
    numbers = f"0={w.shape[0]} 1={job['kernel']} 3={job['stride']} 4={job['padding']} 5=1 6={w.size}{groups}"
    with tempfile.TemporaryDirectory() as folder:
        text, binary = Path(folder, "layer.param"), Path(folder, "layer.bin")
        text.write_text(f"7767517\n2 2\nInput x 0 1 x\n{kind} conv 1 1 x y {numbers}\n")
        binary.write_bytes(FLOAT32_WEIGHTS + w.tobytes() + arrays["b"].tobytes())
        if net.load_param(str(text)) or net.load_model(str(binary)):
            raise RuntimeError("ncnn did not take the layer")
    images = [ncnn.Mat(np.ascontiguousarray(image)).clone() for image in arrays["x"]]

    def call() -> list[Any]:
        outputs = []
        for image in images:
            extractor = net.create_extractor()
            extractor.input("x", image)
            outputs.append(extractor.extract("y")[1])
        return outputs

    return call, lambda outputs: np.stack([np.array(output) for output in outputs])
