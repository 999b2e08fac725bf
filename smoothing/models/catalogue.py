"""The named models as data: what `--model` accepts, and which file defines each.

A new network is one file and one entry here; `build_model` imports the file only when it is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """One named model: ``module:factory`` is called as ``factory(image_shape, num_classes)``.

    `min_side` is the least height and width (pixels) the network can take; 0 says that it
    flattens its input and takes any shape, vectors included.
    """

    module: str
    factory: str
    help: str
    min_side: int


ENTRIES: dict[str, Entry] = {
    "small-cnn": Entry(
        "small", "SmallCNN", "two to five strided convolutions; the default, fast on a CPU", min_side=4
    ),
    "mlp": Entry("small", "MLP", "two hidden layers of 256; vectors and tiny images", min_side=0),
    "linear": Entry("small", "Linear", "one affine layer on the flattened input", min_side=0),
    "wide-resnet-40-2": Entry(
        "wide_resnet", "wide_resnet_40_2", "Wide ResNet, depth 40, width 2; 32×32 images", min_side=8
    ),
    "resnet50": Entry("resnet", "resnet50", "ResNet-50 v1.5 with torchvision's names; ImageNet", min_side=32),
    "cifar-resnet20": Entry("cifar_resnet", "cifar_resnet20", "ResNet-20 of 32×32 images", min_side=8),
    "cifar-resnet110": Entry("cifar_resnet", "cifar_resnet110", "ResNet-110 of 32×32 images", min_side=8),
    "cifar-resnet110-pad": Entry(
        "cifar_resnet", "cifar_resnet110_pad", "ResNet-110 with parameter-free (padded) shortcuts", min_side=8
    ),
}

MODELS: dict[str, str] = {name: entry.help for name, entry in ENTRIES.items()}

PATTERNS: dict[str, str] = {
    "timm:NAME": "any model of timm, untrained (pip install 'smoothing-shapes[timm]')",
    "PACKAGE.MODULE:FACTORY": "your own: FACTORY() returns an nn.Module; the current directory is importable",
}
