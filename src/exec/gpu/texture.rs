//! Textures through which kernels read operands: four floats in a texel, row after row.

use crate::graph::texels::{ROW_BYTES, TEXEL_BYTES};

/// Four floats.
pub(super) const FORMAT: wgpu::TextureFormat = wgpu::TextureFormat::Rgba32Float;

/// A texture, and its only view.
#[derive(Debug)]
pub(super) struct Texture {
    texture: wgpu::Texture,
    pub view: wgpu::TextureView,
}

impl Texture {
    /// A texture of `rows` rows.
    pub fn new(device: &wgpu::Device, rows: usize) -> Self {
        let texture = device.create_texture(&wgpu::TextureDescriptor {
            label: Some("texels"),
            size: texels(ROW_BYTES, rows),
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format: FORMAT,
            usage: wgpu::TextureUsages::STORAGE_BINDING | wgpu::TextureUsages::COPY_DST,
            view_formats: &[],
        });
        let view = texture.create_view(&wgpu::TextureViewDescriptor::default());
        Self { texture, view }
    }

    /// Size in bytes.
    pub fn bytes(&self) -> usize {
        let wgpu::Extent3d { width, height, .. } = self.texture.size();
        width as usize * height as usize * TEXEL_BYTES
    }

    /// The copy of `bytes` of a buffer, from `offset` on, to the start of the texture.
    pub fn copy(&self, buffer: &wgpu::Buffer, offset: usize, bytes: usize) -> TextureCopy {
        let (buffer, texture) = (buffer.clone(), self.texture.clone());
        TextureCopy { buffer, offset, bytes, texture }
    }
}

/// A copy of a part of a buffer into a texture.
#[derive(Debug)]
pub(super) struct TextureCopy {
    buffer: wgpu::Buffer,
    offset: usize,
    bytes: usize,
    texture: wgpu::Texture,
}

impl TextureCopy {
    /// Adds the copy to a command buffer: of all whole rows, and of what is left.
    pub fn encode(&self, encoder: &mut wgpu::CommandEncoder) {
        let rows = self.bytes / ROW_BYTES;
        if rows > 0 {
            self.encode_rows(encoder, 0, texels(ROW_BYTES, rows));
        }
        let rest = self.bytes % ROW_BYTES;
        if rest > 0 {
            self.encode_rows(encoder, rows, texels(rest, 1));
        }
    }

    fn encode_rows(&self, encoder: &mut wgpu::CommandEncoder, first: usize, size: wgpu::Extent3d) {
        let source = wgpu::TexelCopyBufferInfo {
            buffer: &self.buffer,
            layout: wgpu::TexelCopyBufferLayout {
                offset: (self.offset + first * ROW_BYTES) as u64,
                bytes_per_row: Some(count(ROW_BYTES)),
                rows_per_image: None,
            },
        };
        let target = wgpu::TexelCopyTextureInfo {
            texture: &self.texture,
            mip_level: 0,
            origin: wgpu::Origin3d { x: 0, y: count(first), z: 0 },
            aspect: wgpu::TextureAspect::All,
        };
        encoder.copy_buffer_to_texture(source, target, size);
    }
}

/// The size of `rows` rows of `bytes` each.
fn texels(bytes: usize, rows: usize) -> wgpu::Extent3d {
    wgpu::Extent3d {
        width: count(bytes / TEXEL_BYTES),
        height: count(rows),
        depth_or_array_layers: 1,
    }
}

/// What does not fit is beyond every limit, which the device reports.
fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
