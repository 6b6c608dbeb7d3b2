//! How axes lie in ONNX, which has the channels of images in front of their height and width.

use crate::tensor::permuted;

/// The axes of our images `[n, h, w, c]` in the order of ONNX.
pub(super) const IMAGE_AXES: [usize; 4] = [0, 3, 1, 2];

/// How the elements of an activation lie in ONNX.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// As here.
    Same,
    /// Ours is `[n, h, w, c]`, theirs `[n, c, h, w]`.
    Image,
    /// Ours is `[n, h w c]`, theirs `[n, c h w]`: an image of height, width and channels that was flattened.
    FlatImage([usize; 3]),
}

impl Order {
    /// Of a flattened image.
    pub fn of_flat(image: [usize; 3]) -> Self {
        let [h, w, c] = image;
        // The order is the same where there is one pixel or one channel.
        if h * w == 1 || c == 1 { Self::Same } else { Self::FlatImage(image) }
    }

    /// Numbers of the last axis of an activation, such as those of a bias.
    pub fn of_vector(self, values: &[f32]) -> Vec<f32> {
        self.along(values, 1, 1)
    }

    /// An array `[outer, axis, inner]`, whose axis goes along the last one of an activation.
    pub fn along<T: Copy>(self, values: &[T], outer: usize, inner: usize) -> Vec<T> {
        match self {
            Self::FlatImage([h, w, c]) => {
                permuted(values, &[outer, h, w, c, inner], &[0, 3, 1, 2, 4])
            }
            Self::Same | Self::Image => values.to_vec(),
        }
    }
}
