//! Which layer of a file is which of a model: by name where the names agree, else by order.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::layers::{KerasLayer, KerasLayers};
use super::model::{Kind, OwnLayer};
use crate::tensor::{HostTensor, Shape};
use crate::train::store::exchange::error::ExchangeError;
use crate::train::store::exchange::given::Given;

/// Layers with numbers that are no weights of ours: recipes normalize their images by themselves.
const NORMALIZATION: &str = "normalization";
/// Layers that a message lists.
const LISTED: usize = 12;

/// Tensors under the names that the model has for them, those of no layer under their own.
#[derive(Debug)]
pub(in crate::train::store::exchange) struct Renamed {
    pub tensors: BTreeMap<String, Given>,
    /// What Keras normalizes images with, which no recipe needs.
    pub passed: Vec<String>,
    /// How layers were matched, for a message that tells what does not fit.
    pub how: String,
}

/// Renames `tensors`, whose names lack `prefix` of those in `file`.
///
/// # Errors
/// When a file has layers of one kind in two models, and not their order.
pub(in crate::train::store::exchange) fn renamed(
    own: &[OwnLayer],
    file: &KerasLayers,
    mut tensors: BTreeMap<String, Given>,
    prefix: &str,
) -> Result<Renamed, ExchangeError> {
    let mut passed = Vec::new();
    let mut layers = Vec::new();
    for layer in &file.layers {
        let inner = layer.tensors.iter().filter_map(|name| name.strip_prefix(prefix));
        let mut names: Vec<String> =
            inner.filter(|&name| tensors.contains_key(name)).map(str::to_owned).collect();
        if class_of(layer).0 == NORMALIZATION {
            passed.extend(names.drain(..).filter(|name| tensors.remove(name).is_some()));
        }
        if !names.is_empty() {
            layers.push(KerasLayer { tensors: names, ..layer.clone() });
        }
    }
    if file.in_order {
        layers = layers.into_iter().flat_map(|layer| taken_apart(layer, &tensors)).collect();
    }
    let (pairs, by) = match by_name(own, &layers) {
        Some(pairs) => (pairs, "name"),
        None if file.in_order => (by_rank(own, &layers, &tensors), "order among those of a kind"),
        None => (by_kind(own, &layers)?, "order among those of a kind"),
    };
    let mut found = BTreeMap::new();
    for (layer, at) in own.iter().zip(pairs) {
        let Some(theirs) = at.and_then(|at| layers.get(at)) else { continue };
        for ((part, ours, shape), name) in layer.parts.iter().zip(&theirs.tensors) {
            if let Some(given) = tensors.remove(name) {
                found.insert(ours.clone(), shaped(given, layer, part, shape));
            }
        }
    }
    let listed = |names: Vec<&str>| {
        let more = if names.len() > LISTED { ", ..." } else { "" };
        format!("{}{more}", names[..names.len().min(LISTED)].join(", "))
    };
    let how = format!(
        "layers of the file ({}: {}) were taken for those of the model ({}: {}) by {by}",
        layers.len(),
        listed(layers.iter().map(|layer| layer.path.as_str()).collect()),
        own.len(),
        listed(own.iter().map(|layer| layer.name.as_str()).collect()),
    );
    found.extend(tensors);
    Ok(Renamed { tensors: found, passed, how })
}

/// A depthwise kernel in our shape, whichever of Keras' two layers made it.
fn shaped(given: Given, layer: &OwnLayer, part: &str, ours: &Shape) -> Given {
    match given {
        Given::Floats(tensor) if tensor.ty().shape == layer.keras_shape(part, ours) => {
            match HostTensor::from_f32(ours.clone(), tensor.f32s()) {
                Ok(tensor) => Given::Floats(tensor),
                Err(_) => Given::Floats(tensor),
            }
        }
        given => given,
    }
}

/// The layers of the file that have our names; none where one of ours is not among them.
fn by_name(own: &[OwnLayer], layers: &[KerasLayer]) -> Option<Vec<Option<usize>>> {
    let place = |layer: &OwnLayer| {
        let word = layer.word();
        let mut named = layers
            .iter()
            .enumerate()
            .filter(|(_, layer)| layer.name.as_ref().is_some_and(|name| *name == word));
        named.next().map(|(at, _)| at).filter(|_| named.next().is_none())
    };
    own.iter().map(|layer| place(layer).map(Some)).collect()
}

/// The `i`-th layer whose first tensor has so many dimensions for the `i`-th of ours, in a file that tells the
/// order: four are a convolution's, two a dense layer's, and one is of a normalization. Not the `i`-th of all,
/// since Keras has branches side by side: both convolutions, then both normalizations.
fn by_rank(
    own: &[OwnLayer],
    layers: &[KerasLayer],
    tensors: &BTreeMap<String, Given>,
) -> Vec<Option<usize>> {
    let mut ranks: BTreeMap<usize, VecDeque<usize>> = BTreeMap::new();
    for (at, layer) in layers.iter().enumerate() {
        let first = layer.tensors.first().and_then(|name| tensors.get(name));
        let rank = first.map_or(0, |given| given.shape().rank());
        ranks.entry(rank).or_default().push_back(at);
    }
    let rank = |layer: &OwnLayer| layer.parts.first().map_or(0, |(_, _, shape)| shape.rank());
    own.iter().map(|layer| ranks.get_mut(&rank(layer))?.pop_front()).collect()
}

/// The `i`-th layer of a kind for the `i`-th of ours.
fn by_kind(own: &[OwnLayer], layers: &[KerasLayer]) -> Result<Vec<Option<usize>>, ExchangeError> {
    let mut kinds: BTreeMap<String, Vec<(usize, usize)>> = BTreeMap::new();
    for (at, layer) in layers.iter().enumerate() {
        let (class, number) = class_of(layer);
        kinds.entry(class).or_default().push((number, at));
    }
    for (class, members) in &mut kinds {
        let model = |&(_, at): &(usize, usize)| {
            layers[at].path.rsplit_once('/').map_or("", |(model, _)| model)
        };
        let models: BTreeSet<&str> = members.iter().map(model).collect();
        if models.len() > 1 && own.iter().any(|layer| layer.kind.class() == class) {
            let models = models.into_iter().collect::<Vec<_>>().join(" and ");
            return Err(ExchangeError::Selection(format!(
                "{class} lies in {models}, and the file does not tell which comes first: \
                 model.save(\"w.keras\") writes a file that does, and --prefix takes one of them"
            )));
        }
        members.sort_unstable();
    }
    // A convolution with a group for each channel is the same, whatever it is called.
    let has_depthwise = kinds.contains_key(Kind::DepthwiseConv2d.class());
    let mut kinds: BTreeMap<String, _> =
        kinds.into_iter().map(|(class, members)| (class, members.into_iter())).collect();
    let place = |layer: &OwnLayer| {
        let kind = match layer.kind {
            Kind::DepthwiseConv2d if !has_depthwise => Kind::Conv2d,
            kind => kind,
        };
        kinds.get_mut(kind.class())?.next().map(|(_, at)| at)
    };
    Ok(own.iter().map(place).collect())
}

/// The class of a layer in snake case, and its number among those of the class, from the end of its path
/// or, in a model of a class of its own, from the name that Keras gave it.
fn class_of(layer: &KerasLayer) -> (String, usize) {
    const KINDS: [Kind; 5] = [
        Kind::Conv2d,
        Kind::DepthwiseConv2d,
        Kind::Conv2dTranspose,
        Kind::Dense,
        Kind::BatchNormalization,
    ];
    let of = |text: &str| match text.rsplit_once('_') {
        Some((class, number)) if number.bytes().all(|byte| byte.is_ascii_digit()) => {
            (class.to_owned(), number.parse().unwrap_or(usize::MAX))
        }
        _ => (text.to_owned(), 0),
    };
    let last = of(layer.path.rsplit('/').next().unwrap_or_default());
    let is_known = |class: &str| KINDS.iter().any(|kind| kind.class() == class);
    let named = layer.name.as_deref().map(of).filter(|(class, _)| is_known(class));
    if is_known(&last.0) || last.0 == NORMALIZATION { last } else { named.unwrap_or(last) }
}

/// A separable convolution is two of ours: its first kernel is that of the depthwise one.
fn taken_apart(layer: KerasLayer, tensors: &BTreeMap<String, Given>) -> Vec<KerasLayer> {
    let is_kernel = |name: &String| tensors.get(name).is_some_and(|g| g.shape().rank() == 4);
    let kernels = layer.tensors.iter().take_while(|name| is_kernel(name)).count();
    if kernels != 2 {
        return vec![layer];
    }
    let mut first = layer.clone();
    let rest = first.tensors.split_off(1);
    vec![first, KerasLayer { tensors: rest, ..layer }]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(layers: &[(&str, Kind)]) -> Vec<OwnLayer> {
        let part = |name: &str| {
            vec![
                ("kernel", format!("{name}.weight"), Shape::from([2, 2])),
                ("bias", format!("{name}.bias"), Shape::from([2])),
            ]
        };
        let layer = |&(name, kind): &(&str, Kind)| OwnLayer {
            name: name.to_owned(),
            kind,
            groups: 1,
            parts: part(name),
        };
        layers.iter().map(layer).collect()
    }

    fn file(layers: &[(&str, Option<&str>)], in_order: bool) -> KerasLayers {
        let layer = |&(path, name): &(&str, Option<&str>)| KerasLayer {
            path: path.to_owned(),
            name: name.map(str::to_owned),
            tensors: vec![format!("{path}/vars/0"), format!("{path}/vars/1")],
        };
        KerasLayers { layers: layers.iter().map(layer).collect(), in_order }
    }

    /// Which layer's tensor each of ours is: a number for each layer of the file.
    fn matched(own: &[OwnLayer], file: &KerasLayers) -> Result<Vec<Option<f32>>, ExchangeError> {
        let mut tensors = BTreeMap::new();
        let mut number = 0.0;
        for layer in &file.layers {
            let tensor = HostTensor::from_f32([2, 2], &[number; 4]).expect("four");
            number += 1.0;
            tensors.insert(layer.tensors[0].clone(), Given::Floats(tensor));
        }
        let renamed = renamed(own, file, tensors, "")?;
        let of = |layer: &OwnLayer| match renamed.tensors.get(&layer.parts[0].1) {
            Some(Given::Floats(tensor)) => Some(tensor.f32s()[0]),
            _ => None,
        };
        Ok(own.iter().map(of).collect())
    }

    const CONV: Kind = Kind::Conv2d;

    #[test]
    fn names_come_before_order_and_order_before_kinds() {
        let ours = own(&[("conv1", CONV), ("residual1.conv1", CONV), ("dense1", Kind::Dense)]);
        let names = [("a", Some("dense1")), ("b", Some("residual1_conv1")), ("c", Some("conv1"))];
        let found = matched(&ours, &file(&names, true)).expect("by name");
        assert_eq!(found, [Some(2.0), Some(1.0), Some(0.0)]);
        let found = matched(&ours, &file(&[("x", None), ("y", None)], true)).expect("by order");
        assert_eq!(found, [Some(0.0), Some(1.0), None]);
        // Ten comes behind two, and the kinds of a model of its own are those of the names.
        let kinds = [
            ("layers/conv2d_10", None),
            ("layers/conv2d_2", None),
            ("layers/head", Some("dense_4")),
            ("layers/normalization", None),
        ];
        let found = matched(&ours, &file(&kinds, false)).expect("by kind");
        assert_eq!(found, [Some(1.0), Some(0.0), Some(2.0)]);
    }

    #[test]
    fn two_models_without_an_order_are_refused() {
        let ours = own(&[("conv1", CONV), ("conv2", CONV)]);
        let two = [("layers/conv2d", None), ("layers/sequential/layers/conv2d", None)];
        let error = matched(&ours, &file(&two, false)).expect_err("no order").to_string();
        assert!(error.contains("conv2d lies in layers and layers/sequential/layers"), "{error}");
        assert_eq!(matched(&ours, &file(&two, true)).expect("order"), [Some(0.0), Some(1.0)]);
    }

    #[test]
    fn a_depthwise_kernel_has_either_shape() {
        let ours = Shape::from([3, 3, 1, 6]);
        let layer = OwnLayer {
            name: "conv1".to_owned(),
            kind: Kind::DepthwiseConv2d,
            groups: 3,
            parts: vec![("depthwise_kernel", "conv1.weight".to_owned(), ours.clone())],
        };
        for (dims, fits) in [
            ([3, 3, 6, 1], false),
            ([3, 3, 3, 2], true),
            ([3, 3, 1, 6], true),
            ([3, 3, 6, 2], false),
            ([1, 9, 6, 1], false),
        ] {
            let values = vec![1.0; dims.iter().product()];
            let given = Given::Floats(HostTensor::from_f32(dims, &values).expect("all"));
            let shape = shaped(given, &layer, "depthwise_kernel", &ours).shape().clone();
            assert_eq!(shape == ours, fits, "{dims:?}");
        }
    }
}
