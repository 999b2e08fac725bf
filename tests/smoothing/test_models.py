"""Models by name: published sizes and names, checkpoints in the layouts of other projects, every error."""

from __future__ import annotations

import pickle
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from geometry.errors import InputError
from smoothing.bring import state_hash
from smoothing.models import MODELS, PATTERNS, build_model, load_weights

CIFAR = (3, 32, 32)
TINY = (3, 8, 8)  # the same networks and weights, sixteen times quicker
IMAGENET = (3, 224, 224)
STATS = ("normalize.mean", "normalize.std")

State = dict[str, Tensor]


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Tiny tensors gain nothing from threads, and lose much where other tests use the cores."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def size(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def scrambled(name: str, shape: tuple[int, ...] = TINY, classes: int = 10, **options: str) -> nn.Module:
    """A model with norms and statistics unlike the defaults, so that a tensor left unloaded shows."""
    model = build_model(name, shape, classes, seed=1, **options)
    generator = torch.Generator().manual_seed(2)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5, generator=generator)
            nn.init.uniform_(module.bias, -0.5, 0.5, generator=generator)
            module.momentum = None  # the statistics of the next pass, not a mixture with 0 and 1
    with torch.no_grad():
        model.train()(torch.rand(8, *shape, generator=generator))
    first, second = logits(model, shape)
    assert first.std() > 1e-2 and not torch.allclose(first, second), "the network is degenerate"
    return model


def logits(model: nn.Module, shape: tuple[int, ...], n: int = 2) -> Tensor:
    x = torch.rand(n, *shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        return model.eval()(x)


def network_state(model: nn.Module) -> State:
    """The state dict of the network alone, under the names its own file would have."""
    return {
        key.removeprefix("network."): value.clone()
        for key, value in model.state_dict().items()
        if key not in STATS
    }


def prefixed(prefix: str, state: State) -> State:
    return {prefix + key: value for key, value in state.items()}


def old(state: State) -> State:
    """As files written before PyTorch counted batches."""
    return {key: value for key, value in state.items() if not key.endswith("num_batches_tracked")}


# --- sizes and names, against published ones -------------------------------------------------


@pytest.mark.parametrize(
    ("name", "shape", "classes", "count", "source"),
    [
        ("resnet50", IMAGENET, 1000, 25_557_032, "torchvision's documentation of resnet50"),
        ("wide-resnet-40-2", CIFAR, 10, 2_243_546, "Zagoruyko & Komodakis (2016), table 4: 2.2 M"),
        # He et al. (2016), table 6: 0.27 M and 1.7 M. With padded shortcuts ResNet-110 has 1 727 962;
        # the projections add 16·32 + 32·64 weights and 2·(32 + 64) norms = 2 752.
        ("cifar-resnet110-pad", CIFAR, 10, 1_727_962, "table 6, 1.7 M"),
        ("cifar-resnet110", CIFAR, 10, 1_727_962 + 2_752, "table 6 and projections"),
        ("cifar-resnet20", CIFAR, 10, 269_722 + 2_752, "table 6, 0.27 M, and projections"),
    ],
)
def test_parameter_counts(name: str, shape: tuple[int, ...], classes: int, count: int, source: str) -> None:
    assert size(build_model(name, shape, classes)) == count, source


def norm_names(name: str) -> list[str]:
    parts = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    return [f"{name}.{part}" for part in parts]


def resnet50_names() -> set[str]:
    """He et al. (2016), table 1, 50-layer column, in the words of torchvision."""
    names = ["conv1.weight", *norm_names("bn1"), "fc.weight", "fc.bias"]
    for stage, depth in enumerate((3, 4, 6, 3), start=1):
        for block in range(depth):
            here = f"layer{stage}.{block}"
            for layer in (1, 2, 3):
                names += [f"{here}.conv{layer}.weight", *norm_names(f"{here}.bn{layer}")]
            if block == 0:
                names += [f"{here}.downsample.0.weight", *norm_names(f"{here}.downsample.1")]
    return set(names)


def test_resnet50_has_torchvisions_names_and_the_stride_of_version_1_5() -> None:
    expected = resnet50_names()
    assert len(expected) == 320
    model = build_model("resnet50", IMAGENET, 1000)
    assert set(network_state(model)) == expected
    strides = {
        name: module.stride[0]
        for name, module in model.named_modules()
        if isinstance(module, nn.Conv2d) and module.stride[0] == 2
    }
    blocks = [f"network.layer{stage}.0" for stage in (2, 3, 4)]
    assert set(strides) == {
        "network.conv1",
        *(f"{block}.conv2" for block in blocks),
        *(f"{block}.downsample.0" for block in blocks),
    }


# --- every named model runs ------------------------------------------------------------------


def shape_for(name: str) -> tuple[int, ...]:
    return {"small-cnn": (1, 8, 8), "mlp": (1, 1, 4), "linear": (7,), "resnet50": (3, 64, 64)}.get(
        name, CIFAR
    )


@pytest.mark.parametrize("name", MODELS)
def test_logits_are_finite_and_repeatable(name: str) -> None:
    shape = shape_for(name)
    model = build_model(name, shape, 5, seed=3)
    noisy = 3 * torch.randn(4, *shape, generator=torch.Generator().manual_seed(0))
    before = noisy.clone()
    model.train()
    assert model(noisy).isfinite().all()
    model.eval()
    with torch.no_grad():
        first, second = model(noisy), model(noisy)
    assert first.shape == (4, 5) and first.isfinite().all()
    assert torch.equal(first, second)
    assert torch.equal(noisy, before), "the model wrote into its input"
    model.eval().zero_grad()
    x = noisy.clone().requires_grad_()
    model(x).sum().backward()
    assert x.grad is not None and x.grad.isfinite().all()


@pytest.mark.parametrize("shape", [(1, 4, 4), (1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 31, 45), (2, 64, 20)])
def test_small_cnn_takes_any_image(shape: tuple[int, ...]) -> None:
    model = build_model("small-cnn", shape, 10)
    assert logits(model, shape).shape == (2, 10)
    assert size(model) < 400_000


def test_small_cnn_folds_its_norms_without_changing_the_function() -> None:
    model = build_model("small-cnn", (1, 8, 8), 10, seed=0)
    x = torch.rand(64, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    for _ in range(3):
        model.train()(x)
    model.eval()
    folded = model(x)
    out = model.normalize(x)
    for layer in model.network.features:
        out = torch.relu(layer.bn(layer.conv(out)))
    torch.testing.assert_close(folded, model.network.classifier(out.flatten(1)), rtol=1e-4, atol=1e-5)


def test_seed_fixes_the_weights_and_spares_the_global_generator() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first, second = build_model("mlp", (4,), 3, seed=1), build_model("mlp", (4,), 3, seed=1)
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(logits(first, (4,)), logits(second, (4,)))
    assert not torch.equal(logits(first, (4,)), logits(build_model("mlp", (4,), 3, seed=2), (4,)))


@pytest.mark.parametrize(
    ("dataset", "shape", "mean", "std"),
    [
        ("cifar10", CIFAR, (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)),
        ("folder:some/where", IMAGENET, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ("npz:x.npz", CIFAR, (0.5,) * 3, (0.5,) * 3),
        ("folder:grey", (1, 32, 32), (0.5,), (0.5,)),
    ],
)
def test_normalisation_is_the_first_layer(
    dataset: str, shape: tuple[int, ...], mean: tuple[float, ...], std: tuple[float, ...]
) -> None:
    model = build_model("linear", shape, 10, dataset=dataset)
    assert model.normalize.mean.shape == (shape[0], 1, 1)
    assert model.normalize.mean.flatten().tolist() == pytest.approx(mean)
    assert model.normalize.std.flatten().tolist() == pytest.approx(std)
    x = torch.rand(2, *shape)
    by_hand = (x - torch.tensor(mean).view(-1, 1, 1)) / torch.tensor(std).view(-1, 1, 1)
    torch.testing.assert_close(model(x), model.network(by_hand))


def test_import_and_bad_names_leave_torch_alone() -> None:
    code = (
        "import sys, smoothing.models as m\n"
        "try: m.build_model('nonesuch', (1, 8, 8), 10)\n"
        "except ValueError: pass\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# --- checkpoints -----------------------------------------------------------------------------


@pytest.mark.parametrize("file", ["w.safetensors", "w.pt", "w.pth", "w.pth.tar", "w.torch", "w.ckpt"])
def test_round_trip(tmp_path: Path, file: str) -> None:
    source = scrambled("small-cnn", (1, 8, 8), dataset="digits")
    if file.endswith(".safetensors"):
        save_file(source.state_dict(), tmp_path / file)
    else:
        torch.save(source.state_dict(), tmp_path / file)
    target = build_model("small-cnn", (1, 8, 8), 10)
    load_weights(target, tmp_path / file)
    assert torch.equal(logits(target, (1, 8, 8)), logits(source, (1, 8, 8)))


def layouts(state: State) -> dict[str, object]:
    """The same network as other projects save it."""
    mean, std = torch.tensor([0.1, 0.2, 0.3]), torch.tensor([0.4, 0.5, 0.6])
    tagged = {"epoch": 90, "arch": "cifar_resnet110", "optimizer": {"state": {}, "param_groups": []}}
    parallel = {"norm.module.mu": mean.view(3, 1, 1), "norm.module.log_sig": std.log().view(3, 1, 1)}
    single = {"norm.mu": mean.view(3, 1, 1), "norm.log_sig": std.log().view(3, 1, 1)}
    return {
        "network alone": state,
        "network in DataParallel": {"state_dict": prefixed("module.", state)},
        "sequential": tagged | {"state_dict": prefixed("1.", state)},
        "sequential, network in DataParallel": tagged | {"state_dict": prefixed("1.module.", state)},
        "sequential in DataParallel": {"model": prefixed("module.1.", state)},
        "sequential with statistics": {"0.means": mean, "0.sds": std} | prefixed("1.", state),
        "log std, DataParallel": parallel | prefixed("model.module.", state),
        "log std": single | prefixed("model.", state),
    }


@pytest.mark.parametrize("layout", layouts({}))
@pytest.mark.parametrize("drop", [False, True], ids=["new", "old"])
def test_layouts_of_other_projects(tmp_path: Path, layout: str, drop: bool) -> None:
    source = scrambled("cifar-resnet20", TINY, dataset="cifar10")
    state = network_state(source)
    torch.save(layouts(old(state) if drop else state)[layout], tmp_path / "w.pt")
    target = build_model("cifar-resnet20", TINY, 10, dataset="cifar10", seed=9)
    load_weights(target, tmp_path / "w.pt")
    if "statistics" in layout or "log std" in layout:
        torch.testing.assert_close(target.normalize.mean.flatten(), torch.tensor([0.1, 0.2, 0.3]))
        torch.testing.assert_close(target.normalize.std.flatten(), torch.tensor([0.4, 0.5, 0.6]))
        source.normalize.load_state_dict(target.normalize.state_dict())
    assert torch.equal(logits(target, TINY), logits(source, TINY))


def test_last_layer_called_linear(tmp_path: Path) -> None:
    source = scrambled("cifar-resnet110-pad", TINY, dataset="cifar10")
    state = {key.replace("fc.", "linear."): value for key, value in network_state(source).items()}
    for prefix in ("model.module.", "module.", ""):
        torch.save(prefixed(prefix, state), tmp_path / "w.torch")
        target = build_model("cifar-resnet110-pad", TINY, 10, dataset="cifar10", seed=9)
        load_weights(target, tmp_path / "w.torch")
        assert torch.equal(logits(target, TINY), logits(source, TINY)), prefix


def test_a_model_of_ones_own_keeps_its_names(tmp_path: Path) -> None:
    own = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    source = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    for prefix in ("", "module."):
        torch.save(prefixed(prefix, source.state_dict()), tmp_path / "w.pt")
        load_weights(own, tmp_path / "w.pt")
        assert torch.equal(logits(own, (4,)), logits(source, (4,)))


def refuses(model: nn.Module, path: Path, *words: str) -> None:
    """One line that names the file and says `words`; and the model is untouched."""
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(InputError) as caught:
        load_weights(model, path)
    message = str(caught.value)
    assert "\n" not in message and str(path) in message
    for word in words:
        assert word in message
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_another_architecture_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.pt"
    model = build_model("cifar-resnet20", CIFAR, 10)
    state = prefixed("1.", network_state(build_model("cifar-resnet110", CIFAR, 10)))
    torch.save({"arch": "cifar_resnet110", "state_dict": state}, path)
    refuses(model, path, "another architecture", "arch 'cifar_resnet110'", "0 missing", "540 unexpected")
    torch.save(build_model("linear", CIFAR, 10).state_dict(), path)
    refuses(model, path, "missing (network.conv1.weight, ", "2 unexpected (network.weight, network.bias)")
    torch.save(build_model("cifar-resnet20", CIFAR, 100).state_dict(), path)
    refuses(model, path, "network.fc.weight is 100×64 in the file and 10×64 in the model")


def test_values_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    model = build_model("linear", (4,), 3)
    state = {key: value.clone() for key, value in model.state_dict().items()}
    state["network.bias"][1] = float("nan")
    torch.save(state, tmp_path / "w.pt")
    refuses(model, tmp_path / "w.pt", "network.bias", "not finite")


class Malicious:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("this ran",)


def test_unreadable_files_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = build_model("small-cnn", (1, 8, 8), 10)
    refuses(model, tmp_path / "absent.pt", "no such file")
    (tmp_path / "w.onnx").write_bytes(b"x")
    refuses(model, tmp_path / "w.onnx", "must end in one of .safetensors")

    torch.save(model.state_dict(), tmp_path / "whole.pt")
    save_file(model.state_dict(), tmp_path / "whole.safetensors")
    for file in ("whole.pt", "whole.safetensors"):
        content = (tmp_path / file).read_bytes()
        for keep in (0, 5, len(content) // 2, len(content) - 10):
            cut = tmp_path / f"cut{keep}{Path(file).suffix}"
            cut.write_bytes(content[:keep])
            refuses(model, cut, "cannot be read")

    torch.save({"state_dict": model.state_dict(), "args": Malicious()}, tmp_path / "code.pt")
    refuses(model, tmp_path / "code.pt", "could run code")
    (tmp_path / "pickle.pt").write_bytes(pickle.dumps(Malicious(), protocol=2))
    refuses(model, tmp_path / "pickle.pt", "could run code")
    torch.save(model, tmp_path / "module.pt")
    refuses(model, tmp_path / "module.pt", "could run code")
    assert "this ran" not in capsys.readouterr().out

    for content_without_state in ({"epoch": 3}, [1, 2], {}, {"state_dict": {"a": 1}}):
        torch.save(content_without_state, tmp_path / "other.pt")
        refuses(model, tmp_path / "other.pt", "no state dict")


# --- names and shapes that cannot be used ----------------------------------------------------


def rejected(name: str, *words: str, shape: tuple[int, ...] = (1, 8, 8), classes: int = 10) -> None:
    with pytest.raises(InputError) as caught:
        build_model(name, shape, classes)
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)


def test_names_and_shapes() -> None:
    rejected("nonesuch", "'nonesuch'", *MODELS, *PATTERNS)
    rejected("small-cnn", "1×1×4", "'mlp'", shape=(1, 1, 4))
    rejected("resnet50", "at least 32", "3×16×16", shape=(3, 16, 16))
    rejected("wide-resnet-40-2", "'mlp'", shape=(12,))
    rejected("mlp", "image_shape", shape=())
    rejected("mlp", "image_shape", shape=(1, 0, 4))
    rejected("mlp", "image_shape", shape=(1, 8.5, 4))  # type: ignore[arg-type]
    rejected("mlp", "num_classes", "got 1", classes=1)


# --- timm and the user's own -----------------------------------------------------------------


def test_timm(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[str, dict[str, object]]] = []

    def create_model(name: str, *, pretrained: bool, in_chans: int, num_classes: int) -> nn.Module:
        calls.append((name, {"pretrained": pretrained, "in_chans": in_chans, "num_classes": num_classes}))
        if name == "unknown":
            raise RuntimeError("Unknown model (unknown)")
        return nn.Sequential(nn.Flatten(), nn.LazyLinear(num_classes))

    fake = types.ModuleType("timm")
    fake.create_model = create_model  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "timm", fake)
    model = build_model("timm:tiny", CIFAR, 10, dataset="cifar10")
    assert calls == [("tiny", {"pretrained": False, "in_chans": 3, "num_classes": 10})]
    assert logits(model, CIFAR).shape == (2, 10)
    assert model.normalize.mean.flatten().tolist() == pytest.approx([0.4914, 0.4822, 0.4465])
    rejected("timm:unknown", "RuntimeError: Unknown model")
    rejected("timm:", "lacks a name")
    monkeypatch.setitem(sys.modules, "timm", None)
    rejected("timm:tiny", "pip install 'smoothing-shapes[timm]'")


USERS = """
import math
from torch import nn

class Net(nn.Sequential):
    def __init__(self, num_classes, image_shape):
        super().__init__(nn.Flatten(), nn.Linear(math.prod(image_shape), num_classes))

class Space:
    @staticmethod
    def plain(): return Net(10, (1, 8, 8))

def keywords(**kwargs):
    assert set(kwargs) == {"num_classes"}
    return Net(image_shape=(1, 8, 8), **kwargs)

def normed():
    net = Net(10, (1, 8, 8))
    return nn.Sequential(nn.BatchNorm2d(1), net).train()

ready = Net(10, (1, 8, 8))
number = 3
def text(): return "model"
def fails(): raise KeyError("some\\nlines")
def exits(): raise SystemExit(3)
def features(): return Net(12, (1, 8, 8))
def elsewhere(): return Net(10, (3, 8, 8))
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "own_models.py").write_text(USERS)
    (tmp_path / "own_broken.py").write_text("import own_absent\n")
    (tmp_path / "own_raises.py").write_text("raise RuntimeError('no weights here')\n")
    for name in ("own_models", "own_broken", "own_raises"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return tmp_path


@pytest.mark.parametrize("factory", ["Net", "Space.plain", "keywords", "normed", "ready"])
def test_own_factory(here: Path, factory: str) -> None:
    model = build_model(f"own_models:{factory}", (1, 8, 8), 10)
    assert logits(model, (1, 8, 8)).shape == (2, 10)


def test_own_factory_is_handed_back_as_it_was_made(here: Path) -> None:
    model = build_model("own_models:normed", (1, 8, 8), 10)
    assert model.training and model[0].training
    assert model[0].num_batches_tracked == 0


def test_own_factory_errors(here: Path) -> None:
    rejected("own_nonesuch:f", "no module named 'own_nonesuch'")
    rejected("own_models.sub:f", "own_models.sub")
    rejected("own_broken:f", "importing 'own_broken'", "ModuleNotFoundError", "own_absent")
    rejected("own_raises:f", "RuntimeError: no weights here")
    rejected("own_models:absent", "no attribute 'absent'")
    rejected("own_models:number", "callable", "int")
    rejected("own_models:text", "torch.nn.Module", "str")
    rejected("own_models:fails", "KeyError")
    rejected("own_models:exits", "SystemExit")
    rejected("own_models:features", "(1, 10)", "(1, 12)")
    rejected("own_models:elsewhere", "(1, 8, 8)", "RuntimeError")
    rejected("own models:f", "PACKAGE.MODULE:FACTORY")
    rejected("own_models:", "PACKAGE.MODULE:FACTORY")


def test_the_hash_of_a_factory_model_covers_what_is_in_no_state_dict():
    class Scaled(nn.Module):
        def __init__(self, by):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(2))
            self.register_buffer("by", torch.tensor(by), persistent=False)

    assert state_hash(Scaled(1.0)) == state_hash(Scaled(1.0)) != state_hash(Scaled(2.0))
