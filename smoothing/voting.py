"""The voting engine: how often each class wins under noise.

The work unit is (image, stage, block). Its random numbers are a pure function of (seed, image, stage, block),
so the noise does not depend on batch size, order, number of workers or a restart. Noise is drawn on the model's
device into a reused buffer, votes are counted there, and one synchronisation ends an image.

On CPU the blocks of small images go to ``lanes``. Large images go one lane's way, with all threads inside the layers:
there the weights are what has to be read. (``tune`` finds out whether this machine has it otherwise.)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import nn

from geometry.errors import InputError
from smoothing.batching import Probe, Way, out_of_memory
from smoothing.lanes import Blocks, models_of, run_lanes
from smoothing.noise import Noise

SELECTION, ESTIMATION, PREDICTION, SEQUENTIAL = range(4)
_BLOCKS = (1000, 500, 250, 200, 100, 50, 25, 20, 10, 5, 2, 1)
_BUFFER = 1 << 24  # floats of noise held at once: 64 MiB in float32
_LANE_BUFFER = 200_000  # on CPU, by each lane: its noise and the activations of a small network stay near
_LANE_ROWS = 10  # but at least so many noise vectors
_UNCOUNTED = 64  # blocks whose winners are kept before they are counted
_LARGE = 1 << 15  # inputs from here on: networks whose weights are best read once, by all threads together


@dataclass(frozen=True)
class Votes:
    """``counts[c]`` of ``n`` noisy copies were classified as c; ``invalid`` of them had NaN logits.

    A NaN is a vote for no class: it counts in n and for nobody, which can only lower a certificate.
    """

    counts: np.ndarray
    invalid: int
    n: int

    def __add__(self, other: Votes) -> Votes:
        return Votes(self.counts + other.counts, self.invalid + other.invalid, self.n + other.n)


class Halted(Exception):
    """Counting was ended before all votes had come."""


def reuse_memory() -> None:
    """Let the C library keep freed activations instead of handing them back and faulting them in at every batch.

    Worth a factor of up to 1.5 for small models on CPU. It is a setting of the whole process, so commands call it
    and the library does not; without glibc it does nothing.
    """
    import ctypes

    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return
    mallopt(-3, 1 << 28)  # M_MMAP_THRESHOLD: below it, memory comes from the heap
    mallopt(-1, 1 << 30)  # M_TRIM_THRESHOLD: so much free heap is kept


def block_size(dim: int, stage: int, device: str = "cpu") -> int:
    """Noise vectors per work unit: fixed by the dimension, the stage and the kind of device, never by the machine."""
    if stage in (SELECTION, SEQUENTIAL):
        return min(64, block_size(dim, ESTIMATION, device))
    if device != "cpu":
        return next((b for b in _BLOCKS if b * dim <= _BUFFER), 1)
    return next((b for b in _BLOCKS if b <= 500 and (b * dim <= _LANE_BUFFER or b <= _LANE_ROWS)), 1)


def unit_seed(seed: int, image: int, stage: int, block: int) -> int:
    """The 64-bit seed of a work unit.

    ``draws`` uses all of it; torch's CPU generator, which draws radii, the low 32 bits only: these are a hash of
    (seed, image, stage) plus the block, so that no two blocks of a stage can ever share their noise.
    """
    high, low = _hash(seed, image, stage)
    return (high << 32) | ((low + block) & 0xFFFFFFFF)


@lru_cache(maxsize=64)
def _hash(seed: int, image: int, stage: int) -> tuple[int, int]:
    if min(seed, image) < 0:
        raise InputError(f"seed and image number must be at least 0, got {seed} and {image}")
    high, low = np.random.SeedSequence((seed, image, stage)).generate_state(2, np.uint32)
    return int(high), int(low)


def prefers_channels_last(model: nn.Module) -> bool:
    """Whether the model's convolutions are laid out so: then its images had better be."""
    return any(
        p.ndim == 4 and p.is_contiguous(memory_format=torch.channels_last) and not p.is_contiguous()
        for p in model.parameters()
    )


class Voter:
    """Counts votes of a model under a noise; holds the reused buffers and nothing else."""

    def __init__(
        self,
        model: nn.Module,
        noise: Noise,
        num_classes: int,
        *,
        batch: int | None = None,
        device: torch.device | str | None = None,
        lanes: int | None = None,
    ) -> None:
        """``batch``: rows per forward pass, the whole block where None; it falls where memory runs out. ``device``: the
        model's where None.

        ``lanes``: threads that call the model side by side, on one core each; where None as many as torch would
        use for small images on CPU, else one that uses them all.
        """
        if batch is not None and batch < 1:
            raise InputError(f"batch must be at least 1, got {batch}")
        if lanes is not None and lanes < 1:
            raise InputError(f"lanes must be at least 1, got {lanes}")
        parameter = next(model.parameters(), None)
        self.device = torch.device(device or (parameter.device if parameter is not None else "cpu"))
        self.dtype = parameter.dtype if parameter is not None else torch.float32
        self.model = model
        self.noise = noise
        self.num_classes = num_classes
        self.batch = batch
        share = lanes is None and (self.device.type != "cpu" or noise.dim >= _LARGE)
        self.lanes = 1 if share else lanes or torch.get_num_threads()
        self._threads = None if share else 1
        self.channels_last = prefers_channels_last(model)
        self._buffers: dict[int, torch.Tensor] = {}
        self._blocks: Blocks | None = None
        self._halted = False

    def on_one_lane(self, model: nn.Module) -> Voter:
        """Another one, of the same ``model`` or a copy, whose counts do not disturb this one's."""
        return Voter(model, self.noise, self.num_classes, batch=self.batch, device=self.device, lanes=1)

    def check(self, shape: tuple[int, ...]) -> None:
        """InputError unless the model maps images of this shape to ``num_classes`` logits."""
        if int(np.prod(shape)) != self.noise.dim:
            raise InputError(f"images of shape {shape} do not have the noise's dimension {self.noise.dim}")
        probe = torch.zeros((2, *shape), device=self.device, dtype=self.dtype)
        try:
            with torch.inference_mode():
                logits = self.model(probe)
        except Exception as error:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise InputError(f"the model does not accept images of shape {shape}: {reason}") from error
        if not torch.is_tensor(logits) or tuple(logits.shape) != (2, self.num_classes):
            got = tuple(logits.shape) if torch.is_tensor(logits) else type(logits).__name__
            raise InputError(
                f"the model must return logits of shape (n, {self.num_classes}), got {got} for n=2"
            )

    def tune(self, shape: tuple[int, ...]) -> None:
        """Set ``batch`` to the fastest one for images of this shape, after a probe of seconds.

        Where all threads would share large images and the cores are few, lanes are tried too, with as many images in
        flight: on a busy machine they do not wait for each other's layers.
        """
        most = block_size(self.noise.dim, ESTIMATION, self.device.type)
        models, threads = self._models(self.lanes)
        last = self.channels_last and len(shape) == 3
        probe = Probe(shape, last, self.device, self.dtype)
        found = probe.best_batch(Way(models, threads, most))
        self.batch = found[0].batch
        cores = torch.get_num_threads()
        if self.device.type != "cpu" or threads is not None or not 1 < cores <= most:
            return
        models = models_of(self.model, cores)
        if len(models) < cores:
            return
        try:
            best = probe.better(found, probe.best_batch(Way(models, 1, most // cores)))
        except Exception as error:
            if out_of_memory(error):
                return
            raise
        self.batch, self.lanes, self._threads = best.batch, len(best.models), best.threads

    def count(
        self,
        x: torch.Tensor,
        n: int,
        *,
        seed: int,
        image: int,
        stage: int = ESTIMATION,
        first: int = 0,
        progress: Callable[[int], object] | None = None,
    ) -> Votes:
        """The votes of ``n`` noisy copies of one image ``x``, in the model's layout without the batch axis.

        ``image`` names the image in the seeding; ``progress`` is told the rows done after each block. ``first``: how
        many copies were counted before, whole blocks; these are the next ones.
        """
        x = x.to(device=self.device, dtype=self.dtype)
        if x.ndim == 3 and self.channels_last:
            # The noise does not care which coordinate it is added to, so the flat buffer may be in any order.
            channels, height, width = x.shape
            flat = x.permute(1, 2, 0).reshape(-1)

            def images(rows: torch.Tensor) -> torch.Tensor:
                return rows.view(-1, height, width, channels).permute(0, 3, 1, 2)
        else:
            flat, shape = x.reshape(-1), x.shape

            def images(rows: torch.Tensor) -> torch.Tensor:
                return rows.view(-1, *shape)

        if not torch.isfinite(flat).all():
            raise InputError(f"image {image} contains NaN or infinite pixels")
        size = block_size(self.noise.dim, stage, self.device.type)
        if first % size:
            raise ValueError(f"counting goes on after whole blocks of {size}, not after {first} copies")
        start = first // size
        blocks = Blocks(range(start, start - (-n // size)), progress)
        models, threads = self._models(len(blocks))
        self._blocks = blocks
        if self._halted:  # asked after the blocks can be found, so that no call of ``halt`` is lost
            blocks.stop()

        def lane(number: int) -> torch.Tensor:
            """Count blocks until none is left."""
            tally = _Tally(self.num_classes, self.device)
            with torch.inference_mode(), blocks:
                buffer = self._buffer(number, size)
                for block in blocks:
                    # A last, partial block is drawn whole, so that more samples extend a run of fewer.
                    self.noise.sample(out=buffer, generator=unit_seed(seed, image, stage, block)).add_(flat)
                    rows = min(size, first + n - block * size)
                    tally.add(self._logits(models[number], images(buffer[:rows])))
                    blocks.done(rows)
                return tally.counts()

        counts = run_lanes(lane, blocks, lanes=len(models), threads=threads)
        if self._halted:
            raise Halted
        total = torch.stack(counts).sum(dim=0).cpu().numpy()
        return Votes(total[:-1], int(total[-1]), n)

    def halt(self) -> None:
        """Have the count that another thread is in, and those after it, end after a block by ``Halted``."""
        self._halted = True
        if self._blocks is not None:
            self._blocks.stop()

    def _models(self, most: int) -> tuple[list[nn.Module], int | None]:
        """A model for each lane, ``most`` of them, and the threads each computes on: all, where None."""
        models = models_of(self.model, min(self.lanes, most))
        alone = len(models) == 1 < min(self.lanes, most)  # no two lanes can call it
        return models, None if alone else self._threads

    def _buffer(self, lane: int, size: int) -> torch.Tensor:
        """The lane's memory for ``size`` noise vectors, kept from call to call."""
        if lane not in self._buffers or len(self._buffers[lane]) < size:
            self._buffers[lane] = torch.empty(size, self.noise.dim, device=self.device, dtype=self.dtype)
        return self._buffers[lane][:size]

    def _logits(self, model: nn.Module, x: torch.Tensor) -> torch.Tensor:
        """Of all images, ``batch`` at a time."""
        if self.batch is not None and len(x) > self.batch:
            return torch.cat([self._logits(model, part) for part in x.split(self.batch)])
        try:
            logits = model(x)
        except Exception as error:
            if not out_of_memory(error) or len(x) == 1:
                reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
                raise InputError(
                    f"the model failed on {len(x)} images of shape {tuple(x.shape[1:])}: {reason}"
                ) from error
        else:
            if tuple(logits.shape) != (len(x), self.num_classes):
                raise InputError(
                    f"the model must return logits of shape ({len(x)}, {self.num_classes}), "
                    f"got {tuple(logits.shape)}"
                )
            return logits
        # After the handler, which keeps the failed pass's activations alive. All later batches are as small.
        self.batch = min(self.batch or len(x), (len(x) + 1) // 2)
        return self._logits(model, x)


class _Tally:
    """Counts winners: seldom, as each count has a GPU wait for it, and a lane for the interpreter."""

    def __init__(self, classes: int, device: torch.device) -> None:
        self._counts = torch.zeros(classes + 1, dtype=torch.int64, device=device)
        self._waiting: list[tuple[torch.Tensor, torch.Tensor]] = []

    def add(self, logits: torch.Tensor) -> None:
        top, winner = logits.max(dim=1)
        self._waiting.append((top, winner))
        if len(self._waiting) == _UNCOUNTED:
            self.counts()

    def counts(self) -> torch.Tensor:
        """Of each class, and of no class: max propagates NaN."""
        if self._waiting:
            top, winner = (torch.cat(parts) for parts in zip(*self._waiting, strict=True))
            self._waiting.clear()
            bins = len(self._counts)
            self._counts += torch.bincount(winner.masked_fill(top.isnan(), bins - 1), minlength=bins)
        return self._counts
