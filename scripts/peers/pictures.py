"""Images per second that torchvision's loader decodes: pictures.py FOLDER [IMAGES] [WORKERS].

FOLDER holds a sub-folder of JPEG files per class. Each is decoded, cut by RandomResizedCrop(224) and made a
tensor of bytes, as verigrad does with random_resized_crop = {} and image_size = [224, 224].
"""

import sys
import time

import torch
from torchvision import datasets, transforms

folder = sys.argv[1]
images = int(sys.argv[2]) if len(sys.argv) > 2 else 2000
workers = int(sys.argv[3]) if len(sys.argv) > 3 else 0
torch.set_num_threads(1)
started = time.time()
cut = transforms.Compose([transforms.RandomResizedCrop(224), transforms.PILToTensor()])
data = datasets.ImageFolder(folder, cut)
loader = torch.utils.data.DataLoader(data, batch_size=32, shuffle=True, num_workers=workers)
batches = iter(loader)
next(batches)
first = time.time()
seen = 0
while seen < images:
    seen += len(next(batches)[1])
rate = seen / (time.time() - first)
print(f"{len(data)} files: first batch after {first - started:.1f} s, then {rate:.0f} images/s")
