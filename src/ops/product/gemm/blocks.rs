//! Results of products that are images, of which a row of the product is a block of pixels.

use super::{Product, with_constants};
use crate::graph::Kernel;
use crate::ops::kit::Lanes;

/// A result `[images, h, w, groups * channels]`: row `m` of the product is a block of pixels, and the
/// columns of a group are the pixels of the block, each with its channels. Pixels of a block that lie
/// outside the image are not stored. Nothing but a tail without bias follows such a product.
#[derive(Debug, Clone)]
pub struct Blocks {
    /// Rows and columns of an image.
    pub image: [usize; 2],
    /// Channels of a pixel in one group.
    pub channels: usize,
    /// Rows and columns of a block.
    pub block: [usize; 2],
    /// Blocks along the rows and columns of an image.
    pub grid: [usize; 2],
    /// Rows above and columns left of the image with which the first block begins.
    pub outside: [usize; 2],
}

impl Blocks {
    /// Columns of the result, as a matrix of pixels.
    pub(super) fn columns(&self, product: &Product) -> usize {
        self.channels * product.groups
    }

    /// Elements of the result.
    pub(super) fn elements(&self, product: &Product) -> usize {
        let images = product.m / (self.grid[0] * self.grid[1]);
        images * self.image[0] * self.image[1] * self.columns(product)
    }

    /// Adds `bias_of` and `store` for elements of as many channels.
    pub(super) fn with_store(&self, kernel: Kernel, lanes: Lanes) -> Kernel {
        let constants = [
            ("IMAGE_H", self.image[0]),
            ("IMAGE_W", self.image[1]),
            ("CHANNELS", self.channels / lanes.count()),
            ("BLOCK_H", self.block[0]),
            ("BLOCK_W", self.block[1]),
            ("BLOCKS_Y", self.grid[0]),
            ("BLOCKS_X", self.grid[1]),
            ("OUTSIDE_Y", self.outside[0]),
            ("OUTSIDE_X", self.outside[1]),
        ];
        with_constants(kernel, &constants)
            .file(include_str!("../../../../shaders/product/gemm/y_blocks.wgsl"))
            .file(match lanes {
                Lanes::One => {
                    include_str!("../../../../shaders/product/gemm/y_blocks_scalars.wgsl")
                }
                Lanes::Four => {
                    include_str!("../../../../shaders/product/gemm/y_blocks_vectors.wgsl")
                }
            })
    }
}
