"""Random images in the files of MNIST and CIFAR-10, and as a folder: speed does not depend on what
they show. Needs nothing but Python.

    python3 scripts/peers/random_data.py DIR
"""

import gzip
import pathlib
import random
import struct
import sys
import zlib


def write_mnist(folder, source):
    folder.mkdir()
    for prefix, count in (("train", 10_000), ("t10k", 1_000)):
        images = source.randbytes(count * 28 * 28)
        labels = bytes(source.randrange(10) for _ in range(count))
        with gzip.open(folder / f"{prefix}-images-idx3-ubyte.gz", "wb", 1) as file:
            file.write(struct.pack(">4I", 2051, count, 28, 28) + images)
        with gzip.open(folder / f"{prefix}-labels-idx1-ubyte.gz", "wb", 1) as file:
            file.write(struct.pack(">2I", 2049, count) + labels)


def write_cifar(folder, source):
    folder.mkdir()
    for name in [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]:
        records = bytearray(source.randbytes(2_000 * 3_073))
        for first in range(0, len(records), 3_073):
            records[first] %= 10
        (folder / f"{name}.bin").write_bytes(records)
    (folder / "batches.meta.txt").write_text("".join(f"class{i}\n" for i in range(10)))


def png(width, height, pixels):
    rows = b"".join(
        b"\0" + pixels[row * 3 * width : (row + 1) * 3 * width] for row in range(height)
    )
    chunks = (
        (b"IHDR", struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows, 0)),
        (b"IEND", b""),
    )
    text = b"\x89PNG\r\n\x1a\n"
    for name, data in chunks:
        text += struct.pack(">I", len(data)) + name + data
        text += struct.pack(">I", zlib.crc32(name + data))
    return text


def write_images(folder, source, size=224, classes=10):
    for part, count in (("train", 16), ("test", 2)):
        for label in range(classes):
            place = folder / part / f"class{label}"
            place.mkdir(parents=True)
            for number in range(count):
                pixels = source.randbytes(3 * size * size)
                (place / f"{number}.png").write_bytes(png(size, size, pixels))


def write_data(folder):
    """Writes all of it below a folder, always the same."""
    source = random.Random(1)
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_mnist(folder / "mnist", source)
    write_cifar(folder / "cifar-10-batches-bin", source)
    write_images(folder / "images", source)


if __name__ == "__main__":
    write_data(sys.argv[1])
