//! The key `class_weights`: how much examples count in the loss, by their class.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::data::Dataset;
use crate::ops::ClassWeights;
use crate::tensor::Real as _;

/// How much examples of each class count in the loss that is trained on. Evaluation counts all alike.
#[derive(Debug, Clone, PartialEq)]
pub enum ClassWeightsConfig {
    /// By how rare they are among the `n` examples of training: `n / (classes * examples of the class)`, as
    /// scikit-learn's `"balanced"`.
    Balanced,
    /// A number for each class, in the order of the classes.
    InOrder(Vec<f64>),
    /// Numbers by name; 1 for classes that are not named.
    ByName(BTreeMap<String, f64>),
}

impl ClassWeightsConfig {
    /// The weights of all classes, for the labels of training.
    ///
    /// # Errors
    /// When there are other classes than weights, in words.
    pub(in crate::train) fn resolve(&self, data: &Dataset) -> Result<Vec<f32>, String> {
        let classes = &data.classes;
        let (count, most) = (classes.len(), ClassWeights::MOST_CLASSES);
        if count > most {
            return Err(format!("there are {count} classes; class_weights takes up to {most}"));
        }
        match self {
            Self::Balanced => Ok(balanced(&data.class_counts())),
            Self::InOrder(weights) if weights.len() == count => {
                Ok(weights.iter().map(|&weight| f32::from_f64(weight)).collect())
            }
            Self::InOrder(weights) => Err(format!(
                "class_weights has {} numbers, the data set has {count} classes, in this order: {}",
                weights.len(),
                classes.join(", ")
            )),
            Self::ByName(weights) => {
                if let Some(name) = weights.keys().find(|name| !classes.contains(name)) {
                    let classes = classes.join(", ");
                    return Err(format!("class_weights names {name:?}; the classes are {classes}"));
                }
                let weight = |name| weights.get(name).map_or(1.0, |&weight| f32::from_f64(weight));
                Ok(classes.iter().map(weight).collect())
            }
        }
    }

    /// Checks the numbers; the error has the key below `class_weights`, if any, and what is wrong.
    pub(super) fn check(&self) -> Result<(), (String, String)> {
        let numbers: Vec<(String, f64)> = match self {
            Self::Balanced => return Ok(()),
            Self::InOrder(weights) => {
                weights.iter().enumerate().map(|(i, &weight)| (i.to_string(), weight)).collect()
            }
            Self::ByName(weights) => weights.iter().map(|(name, &w)| (name.clone(), w)).collect(),
        };
        for (key, weight) in &numbers {
            if !(*weight >= 0.0 && *weight <= f64::from(f32::MAX)) {
                return Err((key.clone(), format!("must not be negative, it is {weight}")));
            }
        }
        if matches!(self, Self::InOrder(_)) && numbers.iter().all(|(_, weight)| *weight == 0.0) {
            return Err((String::new(), "one weight at least must not be 0".to_owned()));
        }
        Ok(())
    }
}

/// `n / (classes * examples of the class)`, of the classes that have examples; 0 for others.
#[expect(clippy::cast_precision_loss, reason = "numbers of examples, far below 2^53")]
fn balanced(counts: &[usize]) -> Vec<f32> {
    let all = counts.iter().sum::<usize>() as f64;
    let met = counts.iter().filter(|&&count| count > 0).count() as f64;
    let weight = |count: usize| if count == 0 { 0.0 } else { all / (met * count as f64) };
    counts.iter().map(|&count| f32::from_f64(weight(count))).collect()
}

/// The word for [`ClassWeightsConfig::Balanced`].
const BALANCED: &str = "balanced";

impl JsonSchema for ClassWeightsConfig {
    fn schema_name() -> Cow<'static, str> {
        "ClassWeightsConfig".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let weight = json_schema!({ "type": "number", "minimum": 0 });
        json_schema!({
            "description": "How much examples of each class count in the loss that is trained on. Evaluation \
                            counts all alike.",
            "oneOf": [
                {
                    "const": BALANCED,
                    "description": "By how rare classes are among the `n` examples of training: `n / \
                                    (classes * examples of the class)`, as scikit-learn's.",
                },
                {
                    "type": "array", "items": &weight, "minItems": 1,
                    "description": "A number for each class, in the order of the classes; not all 0.",
                },
                {
                    "type": "object", "additionalProperties": &weight,
                    "description": "Numbers by name; 1 for classes that are not named.",
                },
            ],
        })
    }
}

impl Serialize for ClassWeightsConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Balanced => serializer.serialize_str(BALANCED),
            Self::InOrder(weights) => weights.serialize(serializer),
            Self::ByName(weights) => weights.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for ClassWeightsConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Kinds)
    }
}

struct Kinds;

impl<'de> Visitor<'de> for Kinds {
    type Value = ClassWeightsConfig;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"balanced\", a number for each class, or a table of class names and numbers")
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<Self::Value, E> {
        if word == BALANCED {
            Ok(ClassWeightsConfig::Balanced)
        } else {
            Err(E::invalid_value(serde::de::Unexpected::Str(word), &self))
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(list)).map(ClassWeightsConfig::InOrder)
    }

    fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<Self::Value, A::Error> {
        BTreeMap::deserialize(MapAccessDeserializer::new(table)).map(ClassWeightsConfig::ByName)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(config: &ClassWeightsConfig) -> Result<Vec<f32>, String> {
        let classes = ["cat", "dog", "newt"].map(str::to_owned).to_vec();
        let set = Dataset::new("pets", vec![0; 4], vec![0, 0, 0, 1], [1, 1, 1], classes);
        let mut set = set.expect("a label for each image");
        set.labels.push(u32::MAX);
        config.resolve(&set)
    }

    #[test]
    fn balanced_weights_are_those_of_scikit_learn() {
        // compute_class_weight("balanced", classes=[0, 1], y=[0, 0, 0, 1]) gives 0.6667 and 2.
        let weights = resolved(&ClassWeightsConfig::Balanced).expect("any labels do");
        assert_eq!(weights, [2.0 / 3.0, 2.0, 0.0]);
        assert_eq!(balanced(&[0, 0]), [0.0, 0.0]);
    }

    #[test]
    fn weights_are_of_the_classes_there_are() {
        let named = |name: &str| ClassWeightsConfig::ByName([(name.to_owned(), 2.5)].into());
        assert_eq!(resolved(&named("dog")).expect("it is a class"), [1.0, 2.5, 1.0]);
        let message = resolved(&named("bat")).expect_err("there is no bat");
        assert!(message.contains("\"bat\"") && message.contains("cat, dog, newt"), "{message}");
        let message = resolved(&ClassWeightsConfig::InOrder(vec![1.0; 2])).expect_err("of 3");
        assert!(message.contains("2 numbers") && message.contains("3 classes"), "{message}");
    }
}
