//! The task of examples/classify_images.rs in Burn: bars that lie or stand, in noise.

use std::error::Error;

use burn::data::dataloader::{DataLoaderBuilder, batcher::Batcher};
use burn::data::dataset::InMemDataset;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::loss::CrossEntropyLossConfig;
use burn::nn::pool::{AdaptiveAvgPool2d, AdaptiveAvgPool2dConfig, MaxPool2d, MaxPool2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig, PaddingConfig2d};
use burn::optim::{AdamConfig, GradientsParams};
use burn::prelude::*;
use burn::tensor::activation::relu;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

#[derive(Clone, Debug)]
struct Bar {
    image: Vec<f32>,
    label: i64,
}

/// `n` images of 12x12 pixels, and what each shows.
fn bars(n: i64, seed: u64) -> Vec<Bar> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let items = (0..n).map(|i| {
        let (mut image, label) = (Vec::new(), (i + 1) % 2);
        let bar = rng.random_range(1..11);
        for (row, column) in (0..12).flat_map(|row| (0..12).map(move |column| (row, column))) {
            let is_bar = bar == if label == 1 { column } else { row };
            let pixel: u8 = rng.random_range(0..100) + if is_bar { 150 } else { 0 };
            image.push(f32::from(pixel) / 255.0);
        }
        Bar { image, label }
    });
    items.collect()
}

#[derive(Clone)]
struct BarBatcher;

#[derive(Clone, Debug)]
struct BarBatch {
    images: Tensor<4>,
    labels: Tensor<1, Int>,
}

impl Batcher<Bar, BarBatch> for BarBatcher {
    fn batch(&self, items: Vec<Bar>, device: &Device) -> BarBatch {
        let labels: Vec<i64> = items.iter().map(|item| item.label).collect();
        let shape = [items.len(), 1, 12, 12];
        let pixels: Vec<f32> = items.into_iter().flat_map(|item| item.image).collect();
        BarBatch {
            images: Tensor::from_data(TensorData::new(pixels, shape), device),
            labels: Tensor::from_data(labels.as_slice(), device),
        }
    }
}

#[derive(Module, Debug)]
struct Model {
    conv1: Conv2d,
    max_pool: MaxPool2d,
    conv2: Conv2d,
    norm: BatchNorm,
    average_pool: AdaptiveAvgPool2d,
    linear: Linear,
}

impl Model {
    fn new(device: &Device) -> Self {
        let conv =
            |channels| Conv2dConfig::new(channels, [3, 3]).with_padding(PaddingConfig2d::Same);
        Self {
            conv1: conv([1, 8]).init(device),
            max_pool: MaxPool2dConfig::new([2, 2]).init(),
            conv2: conv([8, 16]).with_bias(false).init(device),
            norm: BatchNormConfig::new(16).init(device),
            average_pool: AdaptiveAvgPool2dConfig::new([1, 1]).init(),
            linear: LinearConfig::new(16, 2).init(device),
        }
    }

    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let x = self.max_pool.forward(relu(self.conv1.forward(images)));
        let x = relu(self.norm.forward(self.conv2.forward(x)));
        self.linear.forward(self.average_pool.forward(x).flatten(1, 3))
    }

    fn classes(&self, images: Tensor<4>) -> Tensor<1, Int> {
        self.forward(images).argmax(1).squeeze_dim(1)
    }
}

fn accuracy(model: &Model, batch: &BarBatch) -> f32 {
    let right = model.classes(batch.images.clone()).equal(batch.labels.clone());
    right.float().mean().into_scalar()
}

fn main() -> Result<(), Box<dyn Error>> {
    let plain = Device::flex();
    let device = plain.clone().autodiff();
    device.seed(1);
    let test = BarBatcher.batch(bars(200, 2), &plain);
    let loader = DataLoaderBuilder::new(BarBatcher)
        .batch_size(32)
        .shuffle(1)
        .set_device(device.clone())
        .build(InMemDataset::new(bars(800, 1)));

    let mut model = Model::new(&device);
    let mut optimizer = AdamConfig::new().init();
    let loss_function = CrossEntropyLossConfig::new().init(&device);
    for epoch in 1..=8 {
        let mut losses = Vec::new();
        for batch in loader.iter() {
            let batch = batch?;
            let loss = loss_function.forward(model.forward(batch.images), batch.labels);
            losses.push(loss.clone().into_scalar::<f32>());
            let gradients = GradientsParams::from_grads(loss.backward(), &model);
            model = optimizer.step(1e-3, model, gradients);
        }
        let loss = losses.iter().sum::<f32>() / losses.len() as f32;
        let accuracy = accuracy(&model.valid(), &test);
        println!("epoch {epoch}: loss {loss:.3}, accuracy {accuracy:.3}");
    }

    let model = model.valid();
    let classes = model.classes(test.images.clone().narrow(0, 0, 2)).into_data();
    let names = ["lying", "standing"];
    let shown: Vec<&str> = classes.iter::<i64>().map(|class| names[class as usize]).collect();
    println!(
        "accuracy {:.2}; the first image shows a {} bar, the second a {} one",
        accuracy(&model, &test),
        shown[0],
        shown[1]
    );
    Ok(())
}
