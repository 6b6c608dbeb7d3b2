"""Compares the events of a run, as TensorBoard reads them, with the run's own files."""

import csv
import pathlib
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2

run = pathlib.Path(sys.argv[1])
events = EventAccumulator(
    str(run / "tensorboard"), size_guidance={"scalars": 0, "histograms": 0, "images": 0, "tensors": 0}
)
events.Reload()
tags = events.Tags()


def rows(name):
    with open(run / name, newline="") as file:
        return list(csv.DictReader(file))


def same(tag, steps, values):
    found = events.Scalars(tag)
    assert [scalar.step for scalar in found] == steps, (tag, [scalar.step for scalar in found], steps)
    for scalar, value in zip(found, values):
        assert abs(scalar.value - value) <= 1e-6 * max(1.0, abs(value)), (tag, scalar, value)
    print(f"{tag}: {len(found)} values")


steps = rows("steps.csv")
counted = [int(row["step"]) for row in steps]
same("train/loss", counted, [float(row["loss"]) for row in steps])
same("train/learning_rate", counted, [float(row["learning_rate"]) for row in steps])
epochs = rows("metrics.csv")
assert len(epochs) == 3, epochs
ends = [int(row["step"]) for row in epochs]
for split in ["test"]:
    for name in ["loss", "accuracy"]:
        same(f"{split}/{name}", ends, [float(row[f"{split}_{name}"]) for row in epochs])

histograms = tags["histograms"]
assert "weights/conv1.weight" in histograms and "gradients/conv1.weight" in histograms, histograms
last = events.Histograms("weights/conv1.weight")[-1].histogram_value
assert last.num == 3 * 3 * 8, last
print(f"{len(histograms)} histograms")

images = tags["images"]
assert "curves" in images and "right" in images, images
assert events.Images("curves")[-1].encoded_image_string.startswith(b"\x89PNG")
print(f"pictures: {', '.join(images)}")

text = events.Tensors("recipe")[-1].tensor_proto.string_val[0].decode()
assert 'name = "digits"' in text, text
content = events.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
data = plugin_data_pb2.HParamsPluginData.FromString(content)
hparams = data.session_start_info.hparams
assert hparams["batch_size"].number_value > 0 and hparams["optimizer.type"].string_value, hparams
print(f"{len(hparams)} hyperparameters")
