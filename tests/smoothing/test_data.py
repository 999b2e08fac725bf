"""Datasets: real files in the published formats, read back against what was written byte by byte."""

import io
import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from data_files import cifar_record, damaged, denied, idx_bytes, picture, write_mnist, write_pictures
from PIL import Image

from geometry.errors import InputError
from smoothing.data import DATASETS, Dataset, load_dataset
from smoothing.data.arrays import ArraySource

PACKAGE = Path("/usr/share/datasets/fashion-mnist")
TWO = np.arange(2 * 2 * 3, dtype=np.uint8).reshape(2, 2, 3) * 20  # two images of 2×3 pixels


@pytest.fixture
def lonely(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without any data folder; the folder that is returned is its user's ~/.local/share."""
    monkeypatch.setattr("smoothing.data.files.SYSTEM", ())
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    monkeypatch.delenv("XDG_DATA_DIRS", raising=False)
    return tmp_path / "share"


def save(path: Path, **arrays: object) -> str:
    np.savez(path, **arrays)
    return f"npz:{path}"


def refuses(pattern: str, name: str, **how: object) -> None:
    """Loading and reading `name` raises InputError of one line that matches `pattern`."""
    with pytest.raises(InputError, match=pattern) as caught:
        ds = load_dataset(name, **how)  # type: ignore[arg-type]
        ds.images(range(len(ds)))
    assert "\n" not in str(caught.value)


# ---- the contract -------------------------------------------------------------------------------------


def test_digits_split_is_balanced_disjoint_and_fixed() -> None:
    from sklearn.datasets import load_digits

    raw = load_digits()
    test, train = load_dataset("digits"), load_dataset("digits", split="train")
    assert (test.name, test.split, test.shape, test.num_classes) == ("digits", "test", (1, 8, 8), 10)
    assert (len(test), len(train)) == (450, 1347)
    assert test.classes == tuple("0123456789")
    for start in range(0, 450, 10):  # any prefix of ten is a fair sample of the classes
        assert sorted(test.labels[start : start + 10]) == list(range(10))
    for stride in (2, 3, 5, 10):
        assert set(test.labels[::stride]) == set(range(10))
    assert set(train.labels[:60]) == set(range(10))
    both = [(d.images([i]).tobytes(), int(d.labels[i])) for d in (test, train) for i in range(len(d))]
    published = [(np.float32(x / 16).tobytes(), int(k)) for x, k in zip(raw.images, raw.target, strict=True)]
    assert sorted(both) == sorted(published)
    # Written down once: a split that changes makes every stored run and published number another one.
    assert test.labels[:10].tolist() == [1, 8, 4, 2, 7, 5, 0, 6, 9, 3]
    assert (test.fingerprint, train.fingerprint) == ("bd52b0eca999a9e7", "82e007a8ef2a02b2")


def test_images_are_fresh_contiguous_floats_in_the_order_asked() -> None:
    ds = load_dataset("digits")
    some = ds.images(np.array([7, 0, 7], dtype=np.uint8))
    assert some.shape == (3, 1, 8, 8) and some.dtype == np.float32 and some.flags.c_contiguous
    assert some.min() >= 0 and some.max() <= 1
    np.testing.assert_array_equal(some[0], some[2])
    np.testing.assert_array_equal(some[1:2], ds.images([0]))
    some[:] = 9
    assert ds.images([7]).max() <= 1
    assert ds.images([]).shape == (0, 1, 8, 8)
    assert ds.labels.dtype == np.int64 and not ds.labels.flags.writeable


@pytest.mark.parametrize("indices", [[450], [-1], [0.0], [[0]], 3, [True]])
def test_wrong_indices(indices: object) -> None:
    with pytest.raises(InputError, match="indices must"):
        load_dataset("digits").images(indices)  # type: ignore[arg-type]


def test_fingerprint_tells_data_apart() -> None:
    pixels, labels = np.zeros((2, 1, 2, 2), dtype=np.uint8), np.array([0, 1])
    other = pixels.copy()
    other[1, 0, 1, 1] = 1

    def of(name="npz:a", split="test", classes=("a", "b"), labels=labels, pixels=pixels):  # type: ignore[no-untyped-def]
        return Dataset(name, split, classes, labels, ArraySource(pixels)).fingerprint

    assert of() == of(name="npz:elsewhere/a")  # moved data is the same data
    changed = [
        of(name="mnist"),
        of(split="train"),
        of(classes=("a", "c")),
        of(labels=labels[::-1]),
        of(pixels=other),
        of(pixels=pixels.astype(np.float32)),
        of(pixels=pixels.reshape(2, 1, 1, 4)),
    ]
    assert len({of(), *changed}) == 1 + len(changed)
    assert len(of()) == 16 and int(of(), 16) >= 0


def test_names_and_splits() -> None:
    for wrong in ("imagenet", "", "digits:8", "Digits", "cifar10:x"):
        refuses("dataset must be one of digits, fashion-mnist, mnist, cifar10, folder:PATH, npz:PATH", wrong)
    for wrong in ("folder", "folder:", "npz", "npz:"):
        refuses(f"needs a path, {wrong.rstrip(':')}:PATH", wrong)
    refuses("split must be one of train, test, came 'val'", "digits", split="val")
    assert all(DATASETS.values())


def test_import_is_light() -> None:
    heavy = "{'torch', 'sklearn', 'PIL', 'scipy'}"
    code = f"import sys, smoothing.data.load; sys.exit(bool({heavy} & set(sys.modules)))"
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0


# ---- MNIST and Fashion-MNIST --------------------------------------------------------------------------


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("name", "place"),
    [("fashion-mnist", "."), ("fashion-mnist", "FashionMNIST/raw"), ("mnist", "mnist"), ("mnist", ".")],
)
def test_idx_round_trip(tmp_path: Path, name: str, place: str, packed: bool) -> None:
    write_mnist(tmp_path / place, "t10k", TWO, [9, 0], packed)
    write_mnist(tmp_path / place, "train", TWO[::-1], [3, 4], packed)
    test = load_dataset(name, data_dir=tmp_path)
    assert test.shape == (1, 2, 3) and test.labels.tolist() == [9, 0] and test.num_classes == 10
    assert test.images([1])[0, 0, 1, 2] == np.float32(220) / np.float32(255)
    np.testing.assert_array_equal(test.images([0, 1])[:, 0], TWO.astype(np.float32) / np.float32(255))
    train = load_dataset(name, split="train", data_dir=str(tmp_path))
    assert train.labels.tolist() == [3, 4] and train.fingerprint != test.fingerprint
    np.testing.assert_array_equal(train.images([0]), test.images([1]))


def test_found_without_data_dir(lonely: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refuses("no data folder of this machine exists", "fashion-mnist")
    write_mnist(lonely / "datasets" / "mnist", "t10k", TWO, [1, 2], True)
    # Both sets use the same file names: one must not be taken for the other.
    refuses(
        "apt-get install dataset-fashion-mnist.*zalandoresearch/fashion-mnist.*--data-dir", "fashion-mnist"
    )
    assert load_dataset("mnist").labels.tolist() == [1, 2]
    monkeypatch.setenv("XDG_DATA_HOME", str(lonely / "none"))
    monkeypatch.setenv("XDG_DATA_DIRS", f"/none:{lonely}")
    assert load_dataset("mnist").labels.tolist() == [1, 2]
    refuses("data_dir must be an existing folder", "mnist", data_dir=lonely / "none")
    refuses(f"looked in: .*{lonely}", "mnist", split="train", data_dir=lonely)


@pytest.mark.skipif(not PACKAGE.is_dir(), reason="Debian's package dataset-fashion-mnist is not installed")
def test_fashion_mnist_as_published() -> None:
    test = load_dataset("fashion-mnist")
    assert (len(test), test.shape) == (10_000, (1, 28, 28))
    assert np.bincount(test.labels).tolist() == [1000] * 10
    assert test.classes[test.labels[0]] == "Ankle boot"
    # The mean and deviation of the training pixels that the field normalises by: 0.2860, 0.3530.
    train = load_dataset("fashion-mnist", split="train")
    pixels = train.images(range(0, len(train), 6))
    assert len(train) == 60_000
    assert pixels.mean() == pytest.approx(0.2860, abs=2e-3) and pixels.std() == pytest.approx(
        0.3530, abs=2e-3
    )


@pytest.mark.parametrize(
    ("images", "labels", "pattern"),
    [
        (b"", None, "must start with 00 00 08 03, came an empty file"),
        (idx_bytes((2, 2, 3), TWO.tobytes(), 0x0D00), None, "came 00 00 0d 03"),
        (idx_bytes((2, 6), TWO.tobytes()), None, "came 00 00 08 02"),
        (idx_bytes((2, 2, 3), b"")[:9], None, "header must have 16 bytes, came 9"),
        (idx_bytes((2, 2, 3), TWO.tobytes()[:-1]), None, "requires 12 bytes of data, came 11"),
        (idx_bytes((2, 2, 3), TWO.tobytes() + b"0"), None, "requires 12 bytes of data, came 13"),
        (idx_bytes((2**32 - 1,) * 3, TWO.tobytes()), None, "bytes of data, came 12"),
        (idx_bytes((0, 2, 3), b""), None, "every axis must be at least 1"),
        (None, idx_bytes((3,), b"\1\2\3"), r"2 images and labels of shape \(3,\)"),
        (None, idx_bytes((2,), b"\1\12"), r"labels .* must lie in 0 … 9, came 10 for image 1"),
    ],
)
def test_damaged_idx(tmp_path: Path, images: bytes | None, labels: bytes | None, pattern: str) -> None:
    write_mnist(tmp_path, "t10k", TWO, [1, 2], False)
    if images is not None:
        (tmp_path / "t10k-images-idx3-ubyte").write_bytes(images)
    if labels is not None:
        (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(labels)
    refuses(pattern, "mnist", data_dir=tmp_path)


# ---- CIFAR-10 -----------------------------------------------------------------------------------------


def test_cifar10_round_trip(tmp_path: Path) -> None:
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    for k in range(1, 6):
        (folder / f"data_batch_{k}.bin").write_bytes(cifar_record(k, {(0, 0, 0): k}) + cifar_record(0, {}))
    (folder / "test_batch.bin").write_bytes(cifar_record(8, {(0, 1, 2): 255, (1, 31, 0): 51, (2, 0, 31): 1}))
    train = load_dataset("cifar10", split="train", data_dir=tmp_path)
    assert train.labels.tolist() == [1, 0, 2, 0, 3, 0, 4, 0, 5, 0]
    assert (train.images(range(0, 10, 2))[:, 0, 0, 0] * 255).round().tolist() == [1, 2, 3, 4, 5]
    test = load_dataset("cifar10", data_dir=folder)
    image = test.images([0])[0]
    assert test.shape == (3, 32, 32) and test.classes[test.labels[0]] == "ship"
    assert (
        image[0, 1, 2] == 1 and image[1, 31, 0] == np.float32(0.2) and image[2, 0, 31] == np.float32(1 / 255)
    )
    assert np.count_nonzero(image) == 3
    (folder / "data_batch_4.bin").unlink()
    refuses("needs data_batch_4.bin beside data_batch_1.bin", "cifar10", split="train", data_dir=tmp_path)
    (folder / "test_batch.bin").write_bytes(cifar_record(10, {}))
    refuses("must lie in 0 … 9, came 10", "cifar10", data_dir=tmp_path)
    for size in (0, 3072, 3074):
        (folder / "test_batch.bin").write_bytes(bytes(size))
        refuses(f"multiple of 3073 bytes, came {size}", "cifar10", data_dir=tmp_path)


def test_cifar10_missing(tmp_path: Path) -> None:
    refuses("cifar-10-binary.tar.gz.*'The CIFAR-10 dataset'", "cifar10", data_dir=tmp_path)
    (tmp_path / "test_batch.bin").write_bytes(cifar_record(1, {}))
    with denied(tmp_path / "test_batch.bin"):
        refuses("permission denied", "cifar10", data_dir=tmp_path)


# ---- folders of images --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "resized", "box"),
    [  # by hand: the shorter side 256, the longer 256·500/375 = 341.3 → 341, (341 - 224)/2 = 58.5 → 58
        ((500, 375), (341, 256), (58, 16, 282, 240)),
        ((375, 500), (256, 341), (16, 58, 240, 282)),
        ((256, 300), (256, 300), (16, 38, 240, 262)),
        ((30, 20), (384, 256), (80, 16, 304, 240)),
        ((427, 320), (341, 256), (58, 16, 282, 240)),  # 341.6: the longer side is rounded down
        ((343, 256), (343, 256), (60, 16, 284, 240)),  # 59.5: the corner is rounded half to even
    ],
)
def test_resize_and_crop_as_imagenet_is_evaluated(
    tmp_path: Path, size: tuple[int, int], resized: tuple[int, int], box: tuple[int, int, int, int]
) -> None:
    write_pictures(tmp_path, "cat/1.png", size=size)
    ds = load_dataset(f"folder:{tmp_path}")
    expected = picture(*size).resize(resized, Image.Resampling.BILINEAR).crop(box)
    image = ds.images([0])[0]
    assert ds.shape == image.shape == (3, 224, 224)
    np.testing.assert_array_equal(
        image.transpose(1, 2, 0), np.asarray(expected, np.float32) / np.float32(255)
    )


def test_folder_order_layouts_and_size(tmp_path: Path) -> None:
    names = ("b/2.png", "b/10.PNG", "b/sub/0.jpg", "Zebra/x.webp", "a/1.bmp", "a/._1.bmp", ".git/x.png")
    write_pictures(tmp_path / "flat", *names)
    (tmp_path / "flat/b/notes.txt").write_text("no image")
    (tmp_path / "flat/b/loop").symlink_to(tmp_path / "flat/b")
    name = f"folder:{tmp_path}/flat,size=32"
    ds = load_dataset(name)
    assert (ds.name, ds.shape, ds.classes) == (name, (3, 32, 32), ("Zebra", "a", "b"))
    assert ds.source.files == ("Zebra/x.webp", "a/1.bmp", "b/10.PNG", "b/2.png", "b/sub/0.jpg")  # type: ignore[attr-defined]
    assert ds.labels.tolist() == [0, 1, 2, 2, 2]
    # 40×36 → shorter side round(32·8/7) = 37, longer int(41.1) = 41; corner (4.5 → 4, 2.5 → 2).
    expected = picture(40, 36, seed=4).resize((41, 37), Image.Resampling.BILINEAR).crop((4, 2, 36, 34))
    got = ds.images([3, 1, 3])[1].transpose(1, 2, 0)
    np.testing.assert_array_equal(got, np.asarray(expected, np.float32) / np.float32(255))
    assert len(load_dataset(name, split="train")) == 5
    assert load_dataset("folder:flat,size=32", data_dir=tmp_path).fingerprint == ds.fingerprint
    (tmp_path / "flat").rename(tmp_path / "moved, here")
    moved = load_dataset(f"folder:{tmp_path}/moved, here,size=32")
    assert moved.fingerprint == ds.fingerprint
    picture(41, 36).save(tmp_path / "moved, here/b/2.png")
    assert load_dataset(f"folder:{tmp_path}/moved, here,size=32").fingerprint != ds.fingerprint


def test_files_sort_by_folder_then_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tops, subs = (
        [f"a/{k}.png" for k in "zyxwvutsrq"],
        [f"a/{d}/{k}.png" for d in ("s/t", "s-", "r", "s", "q") for k in "21"],
    )
    write_pictures(tmp_path, *tops, *subs, size=(2, 2))
    ds = load_dataset(f"folder:{tmp_path},size=2")
    order = [f"a/{d}/{k}.png" for d in ("q", "r", "s", "s-", "s/t") for k in "12"]
    assert list(ds.source.files) == sorted(tops) + order  # type: ignore[attr-defined]
    scandir = os.scandir

    def guarded(path: str) -> object:
        if path.endswith("a/r"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)  # os.walk by itself would leave the folder out
    refuses("permission denied", f"folder:{tmp_path}")


def test_folder_splits(tmp_path: Path) -> None:
    write_pictures(tmp_path, "train/a/1.png", "train/b/1.png", "train/c/1.png", "val/c/1.png", "val/a/1.png")
    name = f"folder:{tmp_path},size=8"
    test = load_dataset(name)
    assert test.classes == ("a", "b", "c") and test.labels.tolist() == [0, 2]  # b keeps its number
    (tmp_path / "test").mkdir()  # as ImageNet's: without labels, so not the test split
    picture(9, 9).save(tmp_path / "test/1.png")
    assert load_dataset(name).fingerprint == test.fingerprint
    write_pictures(tmp_path, "test/b/1.png")
    assert load_dataset(name).labels.tolist() == [1]
    write_pictures(tmp_path, "test/dog/1.png")
    refuses("must be among those of .*train, came dog", name)
    write_pictures(tmp_path / "vehicles", "train/1.png", "plane/1.png")
    assert load_dataset(f"folder:{tmp_path}/vehicles,size=8").classes == ("plane", "train")
    write_pictures(tmp_path / "only", "val/a/1.png")
    assert load_dataset(f"folder:{tmp_path}/only,size=8").classes == ("a",)
    refuses("the train split needs train/CLASS in it, came val", f"folder:{tmp_path}/only", split="train")


def test_folder_refusals(tmp_path: Path) -> None:
    refuses("existing folder, came .*none; check the path", f"folder:{tmp_path}/none")
    refuses("only option is size=S, not crop=3", f"folder:{tmp_path},crop=3")
    for wrong in ("0", "-1", "x", "", "3.5", "4097"):
        refuses("size of dataset .* integer in 1 … 4096", f"folder:{tmp_path},size={wrong}")
    refuses("at least one image, came 0", f"folder:{tmp_path}")
    (tmp_path / "a").mkdir()
    refuses("a class folder must hold an image", f"folder:{tmp_path}")
    write_pictures(tmp_path, "a/1.png")
    with denied(tmp_path / "a"):
        refuses("permission denied", f"folder:{tmp_path}")
    ds = load_dataset(f"folder:{tmp_path}")
    (tmp_path / "a/1.png").unlink()
    for use in (lambda: ds.images([0]), lambda: ds.fingerprint):
        with pytest.raises(InputError, match=r"a/1\.png: no such file"):
            use()


def test_images_of_every_mode(tmp_path: Path) -> None:
    image = picture(9, 8)
    for mode in ("1", "L", "LA", "P", "RGBA", "CMYK"):
        path = tmp_path / "a" / f"{mode}.{'tif' if mode == 'CMYK' else 'png'}"
        path.parent.mkdir(exist_ok=True)
        image.convert(mode).save(path)
    ds = load_dataset(f"folder:{tmp_path},size=7")
    assert ds.images(range(6)).max() <= 1
    Image.fromarray(np.full((8, 8), 40_000, dtype=np.uint16)).save(tmp_path / "a/deep.png")
    refuses("deep.png: images must have 8 bits a channel", f"folder:{tmp_path}")
    (tmp_path / "a/deep.png").unlink()
    picture(1, 200).save(tmp_path / "a/thin.png")
    refuses("thin.png: the longer side must be at most 100 times", f"folder:{tmp_path}")


# ---- the user's arrays --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("axes", "shape", "turn"),
    [
        ((2, 5), (1, 1, 5), lambda x: x[:, None, None]),
        ((2, 4, 5), (1, 4, 5), lambda x: x[:, None]),
        ((2, 3, 4, 5), (3, 4, 5), lambda x: x),
        ((2, 4, 5, 3), (3, 4, 5), lambda x: np.moveaxis(x, 3, 1)),
        ((2, 4, 5, 1), (1, 4, 5), lambda x: np.moveaxis(x, 3, 1)),
        ((2, 3, 5, 3), (3, 5, 3), lambda x: x),
        ((2, 1, 1, 3), (1, 1, 3), lambda x: x),
        ((2, 4, 5, 6), (4, 5, 6), lambda x: x),
    ],
)
def test_npz_axes(tmp_path: Path, axes, shape, turn) -> None:  # type: ignore[no-untyped-def]
    values = np.arange(np.prod(axes), dtype=np.uint8).reshape(axes)
    ds = load_dataset(save(tmp_path / "x.npz", images=values, labels=np.array([2, 0], dtype=np.uint8)))
    got = ds.images([1, 0])
    assert ds.shape == shape and ds.classes == ("0", "1", "2") and got.flags.c_contiguous
    np.testing.assert_array_equal(got, turn(values)[::-1].astype(np.float32) / np.float32(255))
    same = save(tmp_path / "y.npz", images=np.ascontiguousarray(turn(values)), labels=ds.labels)
    assert load_dataset(same).fingerprint == ds.fingerprint


@pytest.mark.parametrize("dtype", ["float16", "<f4", ">f8"])
def test_npz_floats_in_keras_style(tmp_path: Path, dtype: str) -> None:
    values = np.linspace(0, 1, 12).reshape(3, 4).astype(dtype)
    np.savez_compressed(
        tmp_path / "x.npz",
        x_train=values,
        y_train=[[0], [4], [1]],
        x_test=values[:1],
        y_test=[[1]],
        classes=list("abcde"),
    )
    train = load_dataset("npz:x.npz", split="train", data_dir=tmp_path)
    test = load_dataset(f"npz:{tmp_path}/x.npz")
    assert (
        train.labels.tolist() == [0, 4, 1] and test.labels.tolist() == [1] and test.classes == tuple("abcde")
    )
    np.testing.assert_array_equal(train.images([2, 0])[:, 0, 0], values[[2, 0]].astype(np.float32))


def test_npz_classes_come_from_both_splits_and_rounding_is_forgiven(tmp_path: Path) -> None:
    edge = np.array([[1 + 2e-16, -1e-17]])
    name = save(tmp_path / "x.npz", x_train=edge, y_train=[6], x_test=edge, y_test=[0])
    assert load_dataset(name).num_classes == 7
    assert load_dataset(name).images([0]).ravel().tolist() == [1, 0]


ONE = np.zeros((1, 2), dtype=np.float32)


@pytest.mark.parametrize(
    ("arrays", "pattern"),
    [
        ({"images": ONE}, "needs images and labels, or x_train.* came images; save x_test and y_test"),
        ({}, "came an empty archive"),
        ({"images": ONE, "labels": [0], "x_test": ONE, "y_test": [0]}, "both kinds are there; keep one"),
        ({"images": ONE + np.nan, "labels": [0]}, r"must be finite, came nan at \(0, 0\)"),
        ({"images": ONE - np.inf, "labels": [0]}, "must be finite, came -inf"),
        ({"images": ONE + 255, "labels": [0]}, r"must lie in \[0, 1\].* came 255 … 255; scale it"),
        ({"images": ONE - 0.01, "labels": [0]}, r"must lie in \[0, 1\]"),
        ({"images": ONE.astype(int), "labels": [0]}, "must be uint8 .* came int64"),
        ({"images": ONE.astype(bool), "labels": [0]}, "must be uint8 .* came bool"),
        ({"images": ONE.astype(complex), "labels": [0]}, "came complex128"),
        ({"images": np.array([[None]]), "labels": [0]}, "array images: not readable .*allow_pickle=False"),
        ({"images": ONE, "labels": np.array([None])}, "array labels: not readable"),
        ({"images": ONE[0], "labels": [0]}, r"images must be \(n, C, H, W\).* came \(2,\)"),
        ({"images": ONE[:, :0], "labels": [0]}, r"came \(1, 0\)"),
        ({"images": ONE[:0], "labels": np.zeros(0, int)}, r"came \(0, 2\)"),
        ({"images": ONE, "labels": [0.0]}, "labels must be integers of shape .* came float64"),
        ({"images": ONE, "labels": [[0, 1]]}, "one-hot: argmax"),
        ({"images": ONE, "labels": [-1]}, "class numbers in 0 … 99999, came -1"),
        ({"images": ONE, "labels": np.array([2**64 - 1])}, "came 18446744073709551615"),
        ({"images": ONE, "labels": [0, 1]}, r"came 1 images and labels of shape \(2,\)"),
        ({"images": ONE, "labels": [2], "classes": ["a", "b"]}, "must lie in 0 … 1, came 2"),
        ({"images": ONE, "labels": [0], "classes": [1]}, "1-D array of strings, came int64"),
    ],
)
def test_npz_refusals(tmp_path: Path, arrays: dict[str, object], pattern: str) -> None:
    refuses(pattern, save(tmp_path / "x.npz", **arrays))


def test_npz_files_that_are_none(tmp_path: Path) -> None:
    refuses("none.npz: no such file", f"npz:{tmp_path}/none.npz")
    refuses("not readable as npz archive", f"npz:{tmp_path}")
    refuses("path", "npz:~nobody-of-this-name/x.npz")
    (tmp_path / "empty.npz").touch()
    (tmp_path / "text.npz").write_text("images,labels\n")
    for name in ("empty", "text"):
        refuses("not readable as npz archive", f"npz:{tmp_path}/{name}.npz")
    np.save(tmp_path / "one.npy", ONE)
    refuses("came a single array", f"npz:{tmp_path}/one.npy")
    refuses("not readable|File name too long", "npz:" + "x" * 5000)
    with denied(tmp_path / "one.npy"):
        refuses("permission denied", f"npz:{tmp_path}/one.npy")


# ---- damage -------------------------------------------------------------------------------------------


def formats(folder: Path) -> dict[Path, tuple[str, Path | None]]:
    """A good file of each format → the name and data_dir that read it."""
    write_mnist(folder, "t10k", TWO, [1, 2], True)
    np.savez_compressed(folder / "x.npz", images=TWO, labels=[0, 1])
    files: dict[Path, tuple[str, Path | None]] = {
        folder / "t10k-images-idx3-ubyte.gz": ("mnist", folder),
        folder / "x.npz": (f"npz:{folder}/x.npz", None),
    }
    for suffix in ("jpg", "png", "bmp", "ppm", "tif", "webp"):
        write_pictures(folder / suffix, f"a/1.{suffix}", size=(12, 10))
        files[folder / suffix / f"a/1.{suffix}"] = (f"folder:{folder}/{suffix},size=8", None)
    return files


def test_damaged_files_raise_nothing_but_input_errors(tmp_path: Path) -> None:
    """Cut or changed at random (seeded), a file is read as data in range or refused; nothing else comes."""
    for path, (name, data_dir) in formats(tmp_path).items():
        good, refused = path.read_bytes(), 0
        for data in damaged(good, rounds=30, seed=1):
            path.write_bytes(data)
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # Pillow warns of odd metadata and goes on
                    ds = load_dataset(name, data_dir=data_dir)
                    images = ds.images(range(len(ds)))
            except InputError as error:
                refused += 1
                assert "\n" not in str(error)
                assert str(path) in str(error) or name in str(error)
            else:
                assert images.min() >= 0 and images.max() <= 1
        assert refused >= 10, f"{path}: too few damaged files were refused"


def test_truncated_image_names_its_file_among_good_ones(tmp_path: Path) -> None:
    write_pictures(tmp_path, *(f"a/{k}.jpg" for k in range(4)))
    buffer = io.BytesIO()
    picture(40, 36).save(buffer, format="jpeg")
    (tmp_path / "a/2.jpg").write_bytes(buffer.getvalue()[:-200])
    ds = load_dataset(f"folder:{tmp_path},size=16")
    assert ds.images([0, 1, 3]).shape == (3, 3, 16, 16)  # decoded when asked for, so the others can be had
    refuses(f"a{os.sep}2.jpg: not readable as image .*truncated", f"folder:{tmp_path},size=16")
