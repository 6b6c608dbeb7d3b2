#!/usr/bin/env python3
"""Makes assets/golden/*.safetensors: what PyTorch says the ops should compute.

    pip install torch safetensors numpy
    python assets/golden/make_golden.py

`tests/golden.rs` compares the reference code of the ops with these files, so that the code which
every kernel is checked against is itself checked against an independent implementation.

Inputs are drawn in float32 and widened, PyTorch computes in float64, and expected values are kept
as float64. Attributes that the engine holds as f32 are rounded to f32 before PyTorch sees them.
One file per family. Tensors: `<case>/in<i>`, `<case>/out<o>`; for a differentiable case also a
random cotangent `<case>/dy<o>` and the gradients `<case>/dx<i>`. The metadata entry `cases` lists
the cases: name, op (registry name), attributes (the op's serde form), inputs, outputs (counts),
checked_outputs, gradients (inputs whose gradient is checked).

Layouts are the engine's: activations NHWC, convolution weights HWIO, dense weights [in, out].
"""

import torch

import analysis_cases
import layer_cases
import training_cases

if __name__ == "__main__":
    torch.set_num_threads(1)
    for module in (layer_cases, training_cases, analysis_cases):
        for family in module.FAMILIES:
            family()
