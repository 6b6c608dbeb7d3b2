"""The task of examples/classify_images.rs in PyTorch: bars that lie or stand, in noise."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def bars(n, seed):
    """`n` images of 12x12 pixels, and what each shows."""
    generator = torch.Generator().manual_seed(seed)
    labels = (torch.arange(n) + 1) % 2
    images = torch.randint(0, 100, (n, 1, 12, 12), generator=generator)
    for image, label in zip(images, labels):
        bar = torch.randint(1, 11, (), generator=generator)
        if label == 1:
            image[0, :, bar] += 150
        else:
            image[0, bar, :] += 150
    return TensorDataset(images / 255, labels)


def accuracy(model, data):
    model.eval()
    with torch.no_grad():
        images, labels = data.tensors
        return (model(images).argmax(1) == labels).float().mean().item()


train, test = bars(800, 1), bars(200, 2)
model = nn.Sequential(
    nn.Conv2d(1, 8, 3, padding="same"),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Conv2d(8, 16, 3, padding="same", bias=False),
    nn.BatchNorm2d(16),
    nn.ReLU(),
    nn.AdaptiveAvgPool2d(1),
    nn.Flatten(),
    nn.Linear(16, 2),
)
optimizer = torch.optim.Adam(model.parameters())
loss_function = nn.CrossEntropyLoss()
for epoch in range(1, 9):
    model.train()
    losses = []
    for images, labels in DataLoader(train, 32, shuffle=True, drop_last=True):
        optimizer.zero_grad()
        loss = loss_function(model(images), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    print(f"epoch {epoch}: loss {sum(losses) / len(losses):.3f}, accuracy {accuracy(model, test):.3f}")

classes = ["lying", "standing"]
model.eval()
first, second = (classes[i] for i in model(test.tensors[0][:2]).argmax(1))
print(
    f"accuracy {accuracy(model, test):.2f}; "
    f"the first image shows a {first} bar, the second a {second} one"
)
