//! The textures of a program: which operand is copied into which, and when that can be spared since
//! the copy is still there.
//!
//! There are as many textures as the dispatch with most operands needs. Each gets the operand that
//! replaces the content which is needed again last (Belady, "A study of replacement algorithms for a
//! virtual-storage computer", 1966): all dispatches are known beforehand.

use super::program::{BoundRegion, Dispatch, Region, Step, TextureRead};
use crate::graph::{Access, texels};

/// Gives each operand that `steps` read through a texture its place; rows of all textures.
pub fn place_in_textures(steps: &mut [Step]) -> Vec<usize> {
    let dispatches: Vec<&mut Dispatch> =
        steps.iter_mut().flat_map(|step| &mut step.dispatches).collect();
    let regions: Vec<Regions> = dispatches.iter().map(|d| Regions::of(&d.bindings)).collect();
    let (places, rows) = place_all(&regions);
    for (dispatch, reads) in dispatches.into_iter().zip(places) {
        dispatch.textures = reads;
    }
    rows
}

/// Leaves out textures that nothing is copied into: a dispatch that reads an operand twice needs fewer than
/// it reads.
fn without_unused(
    mut places: Vec<Vec<TextureRead>>,
    rows: Vec<usize>,
) -> (Vec<Vec<TextureRead>>, Vec<usize>) {
    let used = |texture: &usize| rows[*texture] > 0;
    let kept: Vec<usize> = (0..rows.len()).filter(used).collect();
    for read in places.iter_mut().flatten() {
        read.texture = kept.partition_point(|&texture| texture < read.texture);
    }
    let rows = kept.into_iter().map(|texture| rows[texture]).collect();
    (places, rows)
}

/// A place for each operand that the dispatches read, in their order; rows of all textures.
fn place_all(regions: &[Regions]) -> (Vec<Vec<TextureRead>>, Vec<usize>) {
    let count = regions.iter().map(|regions| regions.read.len()).max().unwrap_or(0);
    let mut textures = vec![Texture::default(); count];
    let mut places = Vec::with_capacity(regions.len());
    for (position, Regions { written, .. }) in regions.iter().enumerate() {
        places.push(place(&mut textures, regions, position));
        for texture in &mut textures {
            let kept = |held: &Region| !written.iter().any(|written| overlap(written, held));
            texture.content = texture.content.filter(kept);
        }
    }
    without_unused(places, textures.iter().map(|texture| texture.rows).collect())
}

/// What a dispatch reads through textures, and what it writes.
struct Regions {
    read: Vec<Region>,
    written: Vec<Region>,
}

impl Regions {
    fn of(bindings: &[BoundRegion]) -> Self {
        let all = |fits: &dyn Fn(Access) -> bool| {
            bindings.iter().filter(|b| fits(b.access)).map(|b| b.region).collect()
        };
        Self { read: all(&|access| access == Access::Texels), written: all(&Access::writes) }
    }
}

#[derive(Debug, Clone, Default)]
struct Texture {
    rows: usize,
    /// The region whose copy it holds, as long as nothing has changed the region.
    content: Option<Region>,
}

/// A texture for each operand that the dispatch at `position` reads.
fn place(textures: &mut [Texture], regions: &[Regions], position: usize) -> Vec<TextureRead> {
    let read = &regions[position].read;
    let held = |textures: &[Texture], region: &Region| {
        textures.iter().position(|texture| texture.content.as_ref() == Some(region))
    };
    let mut used: Vec<Option<usize>> = read.iter().map(|region| held(textures, region)).collect();
    read.iter()
        .enumerate()
        .map(|(i, region)| {
            if let Some(texture) = used[i].or_else(|| held(textures, region)) {
                return TextureRead { texture, copied: false };
            }
            let rows = texels::rows_of(region.bytes);
            let free = (0..textures.len()).filter(|texture| !used.contains(&Some(*texture)));
            let best = free.max_by_key(|&texture| {
                let Texture { rows: has, content } = &textures[texture];
                let next = content.map_or(usize::MAX, |held| next_use(regions, position, &held));
                // Among equals the one that grows least, then the smallest.
                (next, std::cmp::Reverse((rows.saturating_sub(*has), *has)))
            });
            // There are as many textures as any dispatch reads.
            let texture = best.unwrap_or(0);
            used[i] = Some(texture);
            textures[texture].rows = textures[texture].rows.max(rows);
            textures[texture].content = Some(*region);
            TextureRead { texture, copied: true }
        })
        .collect()
}

/// The next dispatch that reads a region as it is now; beyond all where none does.
fn next_use(regions: &[Regions], position: usize, region: &Region) -> usize {
    for (later, regions) in regions.iter().enumerate().skip(position) {
        if regions.read.contains(region) && later > position {
            return later;
        }
        if regions.written.iter().any(|written| overlap(written, region)) {
            break;
        }
    }
    usize::MAX
}

fn overlap(one: &Region, other: &Region) -> bool {
    one.buffer == other.buffer
        && one.offset < other.offset + other.bytes
        && other.offset < one.offset + one.bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(buffer: usize) -> Region {
        Region { buffer, offset: 0, bytes: 1 << 20 }
    }

    fn regions(read: &[usize], written: &[usize]) -> Regions {
        let all = |buffers: &[usize]| buffers.iter().map(|&buffer| region(buffer)).collect();
        Regions { read: all(read), written: all(written) }
    }

    /// Where each operand goes, and whether it is copied.
    fn placed(regions: &[Regions]) -> Vec<Vec<(usize, bool)>> {
        let (places, _) = place_all(regions);
        let pairs =
            |reads: &Vec<TextureRead>| reads.iter().map(|r| (r.texture, r.copied)).collect();
        places.iter().map(pairs).collect()
    }

    #[test]
    fn a_copy_is_spared_until_its_source_changes() {
        let regions = [regions(&[0], &[1]), regions(&[0], &[0]), regions(&[0], &[2])];
        assert_eq!(placed(&regions), [[(0, true)], [(0, false)], [(0, true)]]);
    }

    #[test]
    fn what_is_needed_again_stays() {
        let regions =
            [regions(&[0, 1], &[9]), regions(&[2], &[9]), regions(&[1], &[9]), regions(&[2], &[9])];
        let places = placed(&regions);
        assert!(places[0].iter().all(|&(_, copied)| copied));
        assert_eq!(places[1], [(places[0][0].0, true)], "0 is not needed again");
        assert_eq!(places[2], [(places[0][1].0, false)]);
        assert_eq!(places[3], [(places[1][0].0, false)]);
    }

    #[test]
    fn one_operand_twice_is_copied_once() {
        let places = placed(&[regions(&[3, 3], &[4])]);
        let texture = places[0][0].0;
        assert_eq!(places, [[(texture, true), (texture, false)]]);
        let (_, rows) = place_all(&[regions(&[3, 3], &[4])]);
        assert_eq!(rows.len(), 1, "no texture is empty: {rows:?}");
    }
}
