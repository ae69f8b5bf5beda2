"""The layers, one family a file. `LAYERS` lists them by name: adding one is one file and its names here."""

from __future__ import annotations

from fastconv.nn.layers.activation import LeakyReLU, ReLU, ReLU6
from fastconv.nn.layers.adaptive_pool import (
    AdaptiveAvgPool1d,
    AdaptiveAvgPool2d,
    AdaptiveAvgPool3d,
    AdaptiveMaxPool1d,
    AdaptiveMaxPool2d,
    AdaptiveMaxPool3d,
)
from fastconv.nn.layers.avg_pool import AvgPool1d, AvgPool2d, AvgPool3d
from fastconv.nn.layers.batch_norm import BatchNorm1d, BatchNorm2d, BatchNorm3d
from fastconv.nn.layers.channel_shuffle import ChannelShuffle
from fastconv.nn.layers.conv import Conv1d, Conv2d, Conv3d
from fastconv.nn.layers.conv_transpose import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from fastconv.nn.layers.dropout import Dropout
from fastconv.nn.layers.flatten import Flatten, Unflatten
from fastconv.nn.layers.graph import Graph
from fastconv.nn.layers.identity import Identity
from fastconv.nn.layers.linear import Linear
from fastconv.nn.layers.local_response_norm import LocalResponseNorm
from fastconv.nn.layers.lp_pool import LPPool1d, LPPool2d, LPPool3d
from fastconv.nn.layers.max_pool import MaxPool1d, MaxPool2d, MaxPool3d
from fastconv.nn.layers.merge import Add, Concat, Multiply
from fastconv.nn.layers.pad import (
    ChannelPad,
    CircularPad1d,
    CircularPad2d,
    CircularPad3d,
    ConstantPad1d,
    ConstantPad2d,
    ConstantPad3d,
    ReflectionPad1d,
    ReflectionPad2d,
    ReflectionPad3d,
    ReplicationPad1d,
    ReplicationPad2d,
    ReplicationPad3d,
    ZeroPad1d,
    ZeroPad2d,
    ZeroPad3d,
)
from fastconv.nn.layers.prelu import PReLU
from fastconv.nn.layers.rbf import RBF
from fastconv.nn.layers.reparametrize import Reparametrize
from fastconv.nn.layers.scale import Scale
from fastconv.nn.layers.sequential import Sequential
from fastconv.nn.layers.smooth import GELU, Hardsigmoid, Hardswish, ScaledTanh, Sigmoid, SiLU, Tanh
from fastconv.nn.layers.softmax import Softmax
from fastconv.nn.layers.table_conv import TableConv2d
from fastconv.nn.layers.upsample import Upsample
from fastconv.nn.layers.whiten import Whiten2d
from fastconv.nn.module import Module

#: every layer by its name; what a checkpoint may name
LAYERS: dict[str, type[Module]] = {
    layer.__name__: layer
    for layer in (
        Conv1d, Conv2d, Conv3d, TableConv2d, Whiten2d,
        ConvTranspose1d, ConvTranspose2d, ConvTranspose3d,
        MaxPool1d, MaxPool2d, MaxPool3d,
        AvgPool1d, AvgPool2d, AvgPool3d,
        LPPool1d, LPPool2d, LPPool3d,
        AdaptiveAvgPool1d, AdaptiveAvgPool2d, AdaptiveAvgPool3d,
        AdaptiveMaxPool1d, AdaptiveMaxPool2d, AdaptiveMaxPool3d,
        BatchNorm1d, BatchNorm2d, BatchNorm3d,
        LocalResponseNorm, Scale,
        ReLU, ReLU6, LeakyReLU, PReLU, Sigmoid, Tanh, ScaledTanh, SiLU, GELU, Hardsigmoid, Hardswish, Softmax,
        Linear, RBF, Dropout, Flatten, Unflatten, Identity,
        Upsample, ChannelShuffle, ChannelPad,
        ZeroPad1d, ZeroPad2d, ZeroPad3d,
        ConstantPad1d, ConstantPad2d, ConstantPad3d,
        ReflectionPad1d, ReflectionPad2d, ReflectionPad3d,
        ReplicationPad1d, ReplicationPad2d, ReplicationPad3d,
        CircularPad1d, CircularPad2d, CircularPad3d,
        Add, Concat, Multiply, Reparametrize,
        Sequential, Graph,
    )
}  # fmt: skip

__all__ = ["LAYERS", *LAYERS]
