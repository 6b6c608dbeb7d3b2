//! A labeled image set, and the train / validation / test trio of them.

use std::borrow::Cow;

use super::examples::{Examples, SharedExamples, Table, TargetKind, Targets};
use super::pictures::{Crops, Loader, Pictures};
use super::{Damaged, DataAccount, DataError};

/// Labeled 8-bit images of one size, or examples of any shape.
///
/// [`Dataset::new`] checks that the parts agree; code that fills the fields itself takes over
/// that duty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dataset {
    /// Name of the set, for messages and reports.
    pub name: String,
    /// Pixels `[n, height, width, channels]`, row-major, 0..=255; empty where they are read from their
    /// files when they are asked for.
    pub images: Vec<u8>,
    /// Class index of each image: `[n]`, each below `classes.len()`.
    pub labels: Vec<u32>,
    /// Height of every image, in pixels.
    pub height: usize,
    /// Width of every image, in pixels.
    pub width: usize,
    /// Values per pixel: 1 for grayscale, 3 for RGB.
    pub channels: usize,
    /// Class names, by label.
    pub classes: Vec<String>,
    /// The files of the examples, where each is one.
    pub pictures: Option<Pictures>,
    /// Where inputs and targets come from that are no 8-bit images with a label each. Then `images` is
    /// empty, and so is `classes` where targets are numbers.
    pub examples: Option<SharedExamples>,
}

impl Dataset {
    /// Puts a set together from `images` `[n, height, width, channels]` and `labels` `[n]`, where
    /// `size` is `[height, width, channels]`.
    ///
    /// # Errors
    ///
    /// If the size is zero or overflows, `images` and `labels` hold different counts, there are no
    /// examples, or a label names no class.
    pub fn new(
        name: impl Into<String>,
        images: Vec<u8>,
        labels: Vec<u32>,
        size: [usize; 3],
        classes: Vec<String>,
    ) -> Result<Self, DataError> {
        let name = name.into();
        let inconsistent =
            |problem: String| DataError::Inconsistent { name: name.clone(), problem };
        let [height, width, channels] = size;
        if size.contains(&0) {
            return Err(inconsistent(format!(
                "images of {height}x{width}x{channels} hold nothing: every extent must be at least 1"
            )));
        }
        if labels.is_empty() {
            return Err(inconsistent("holds no examples: at least one is needed".to_string()));
        }
        let expected = size.iter().try_fold(labels.len(), |product, &dim| product.checked_mul(dim));
        if expected != Some(images.len()) {
            return Err(inconsistent(format!(
                "{} pixel values given for {} labels: expected {height}x{width}x{channels} values \
                 for each label",
                images.len(),
                labels.len()
            )));
        }
        let n_classes = classes.len();
        let stray = labels.iter().enumerate().find(|&(_, &label)| !names_class(label, n_classes));
        if let Some((example, label)) = stray {
            return Err(inconsistent(format!(
                "example {example} has label {label}, but there are {n_classes} classes: labels \
                 must be below {n_classes}"
            )));
        }
        let (pictures, examples) = (None, None);
        Ok(Self { name, images, labels, height, width, channels, classes, pictures, examples })
    }

    /// Inputs f32 `[n, input]` in memory, with their targets. They are taken as they are: bring them to
    /// about zero mean and unit variance. Labels are below the number of `classes`; with numbers as
    /// targets, there are none.
    ///
    /// ```
    /// use verigrad::data::{Dataset, Targets};
    ///
    /// let inputs = vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0];
    /// let targets = Targets::numbers([1], vec![1.0, 5.0, 9.0]);
    /// let data = Dataset::of_numbers("sums", [2], inputs, targets, vec![])?;
    /// assert_eq!(data.len(), 3);
    /// # Ok::<(), verigrad::data::DataError>(())
    /// ```
    ///
    /// # Errors
    /// If sizes disagree, there are no examples, or a label names no class.
    pub fn of_numbers(
        name: impl Into<String>,
        input: impl Into<Vec<usize>>,
        inputs: Vec<f32>,
        targets: Targets,
        classes: Vec<String>,
    ) -> Result<Self, DataError> {
        let name = name.into();
        let labels = match &targets {
            Targets::Class(labels) => Some(labels.clone()),
            _ => None,
        };
        let given = match &targets {
            Targets::Class(labels) | Targets::Classes { labels, .. } => labels.as_slice(),
            Targets::Numbers { .. } => &[],
        };
        let is_place = matches!(targets, Targets::Classes { .. });
        let stray = given
            .iter()
            .find(|&&label| !(names_class(label, classes.len()) || is_place && label == u32::MAX));
        if let Some(label) = stray {
            let n = classes.len();
            let problem = format!("label {label} was given, but there are {n} classes");
            return Err(DataError::Inconsistent { name, problem });
        }
        let table = Table::new(&name, input.into(), inputs, targets)?;
        let set = Self::of_examples(name, table, classes)?;
        Ok(Self { labels: labels.unwrap_or(set.labels.clone()), ..set })
    }

    /// Examples that are read when they are needed. `classes` are the names of the labels; with numbers
    /// as targets, there are none.
    ///
    /// # Errors
    /// If there are no examples, or more than 32 bits count.
    pub fn of_examples(
        name: impl Into<String>,
        examples: impl Examples + 'static,
        classes: Vec<String>,
    ) -> Result<Self, DataError> {
        Self::of_shared(name.into(), SharedExamples::new(examples), classes)
    }

    fn of_shared(
        name: String,
        examples: SharedExamples,
        classes: Vec<String>,
    ) -> Result<Self, DataError> {
        let (n, input) = (examples.len(), examples.input());
        let problem = match () {
            () if n == 0 => "holds no examples: at least one is needed".to_owned(),
            () if u32::try_from(n).is_err() => {
                format!("holds {n} examples: at most 2^32 - 1 can be counted")
            }
            () if input.is_empty() || input.contains(&0) => {
                format!("inputs of shape {input:?} hold nothing: each extent must be at least 1")
            }
            () => {
                // Labels that are not known before an example is read; all that counts is that there are some.
                let labels = vec![0; n];
                let [height, width, channels] = match input[..] {
                    [height, width, channels] => [height, width, channels],
                    _ => [1, 1, input.iter().product()],
                };
                let (images, pictures, examples) = (Vec::new(), None, Some(examples));
                return Ok(Self {
                    name,
                    images,
                    labels,
                    height,
                    width,
                    channels,
                    classes,
                    pictures,
                    examples,
                });
            }
        };
        Err(DataError::Inconsistent { name, problem })
    }

    /// A set of pictures, whose pixels are read when they are asked for.
    pub(super) fn of_pictures(
        name: &str,
        pictures: Pictures,
        labels: Vec<u32>,
        [height, width, channels]: [usize; 3],
        classes: Vec<String>,
    ) -> Result<Self, DataError> {
        if labels.is_empty() {
            let problem = "holds no examples: at least one is needed".to_string();
            return Err(DataError::Inconsistent { name: name.to_owned(), problem });
        }
        let (name, images) = (name.to_owned(), Vec::new());
        let (pictures, examples) = (Some(pictures), None);
        Ok(Self { name, images, labels, height, width, channels, classes, pictures, examples })
    }

    /// Number of examples.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether the set holds no example.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Values in one image: `height * width * channels`.
    pub fn image_len(&self) -> usize {
        self.height * self.width * self.channels
    }

    /// Whether examples are read when they are asked for.
    pub fn streams(&self) -> bool {
        self.pictures.as_ref().is_some_and(Pictures::streams)
            || self.examples.as_ref().is_some_and(|examples| !examples.in_memory())
    }

    /// What kind of answer goes with an example.
    pub fn target(&self) -> TargetKind {
        self.examples.as_ref().map_or(TargetKind::Class, |examples| examples.target())
    }

    /// Shape of the input of one example.
    pub fn input(&self) -> Vec<usize> {
        match &self.examples {
            Some(examples) => examples.input(),
            None => vec![self.height, self.width, self.channels],
        }
    }

    /// The file of example `i`, from the folder of the set on, where examples are files.
    pub fn file(&self, i: usize) -> Option<Cow<'_, str>> {
        Some(self.pictures.as_ref()?.file(i)?.to_string_lossy())
    }

    /// Pixels `[height, width, channels]` of example `i`, from memory or from its file.
    ///
    /// # Errors
    ///
    /// If its file cannot be used, or there is no such example.
    pub fn pixels(&self, i: usize) -> Result<Cow<'_, [u8]>, DataError> {
        match self.pictures.as_ref().filter(|pictures| pictures.streams() && i < self.len()) {
            Some(pictures) => pictures.read(i, None).map(Cow::Owned),
            None => self.image(i).map(Cow::Borrowed).ok_or_else(|| self.no_example(i)),
        }
    }

    /// The same set with all pixels in memory.
    ///
    /// # Errors
    ///
    /// If a file cannot be used.
    pub fn in_memory(self) -> Result<Self, DataError> {
        if !self.streams() || self.examples.is_some() {
            return Ok(self);
        }
        let mut images = Vec::with_capacity(self.len().saturating_mul(self.image_len()));
        for i in 0..self.len() {
            images.extend_from_slice(&self.pixels(i)?);
        }
        let pictures = self.pictures.as_ref().map(Pictures::in_memory);
        Ok(Self { images, pictures, ..self })
    }

    /// Starts to read the examples of `order` from position `from` on, on threads of its own, at most
    /// `ahead` examples before they are taken; parts of pictures are drawn where `crops` says so. None
    /// where the pixels are in memory.
    pub fn loader(
        &self,
        order: &[u32],
        from: usize,
        ahead: usize,
        crops: Option<Crops>,
    ) -> Option<Loader> {
        let pictures = self.pictures.clone().filter(Pictures::streams)?;
        Some(Loader::start(pictures, order.to_vec(), from, ahead, crops))
    }

    /// Files that turned out to be damaged while they were read, where others took their places.
    pub fn found_damaged(&self, split: &str) -> Vec<Damaged> {
        let damaged = self.pictures.as_ref().map(Pictures::damaged).unwrap_or_default();
        let of = |(i, problem)| Damaged {
            file: self.file(i).unwrap_or_default().into_owned(),
            split: split.to_owned(),
            class: self.label(i).and_then(|label| self.class_name(label)).unwrap_or("").to_owned(),
            problem,
        };
        damaged.into_iter().map(of).collect()
    }

    fn no_example(&self, i: usize) -> DataError {
        let problem = format!("example {i} asked for, but the set holds {}", self.len());
        DataError::Inconsistent { name: self.name.clone(), problem }
    }

    /// Pixels `[height, width, channels]` of example `i`, or `None` past the end and where they are not
    /// in memory.
    pub fn image(&self, i: usize) -> Option<&[u8]> {
        let start = i.checked_mul(self.image_len())?;
        self.images.get(start..start.checked_add(self.image_len())?)
    }

    /// Class index of example `i`, or `None` past the end.
    pub fn label(&self, i: usize) -> Option<u32> {
        self.labels.get(i).copied()
    }

    /// Name of a class, or `None` for a label that names no class.
    pub fn class_name(&self, label: u32) -> Option<&str> {
        self.classes.get(usize::try_from(label).ok()?).map(String::as_str)
    }

    /// Number of examples of each class: `[classes]`.
    pub fn class_counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.classes.len()];
        for &label in &self.labels {
            if let Some(count) = usize::try_from(label).ok().and_then(|label| counts.get_mut(label))
            {
                *count += 1;
            }
        }
        counts
    }

    /// The examples at `indices`, in that order; an index may come more than once.
    ///
    /// # Errors
    ///
    /// If an index is past the end, or there are no indices.
    pub fn subset(&self, indices: &[usize]) -> Result<Self, DataError> {
        if let Some(examples) = &self.examples {
            let label = |&i: &usize| self.label(i).ok_or_else(|| self.no_example(i));
            let labels = indices.iter().map(label).collect::<Result<Vec<u32>, _>>()?;
            let (name, classes) = (self.name.clone(), self.classes.clone());
            let set = Self::of_shared(name, examples.subset(indices), classes)?;
            return Ok(Self { labels, ..set });
        }
        let streams = self.streams();
        let room = if streams { 0 } else { indices.len().saturating_mul(self.image_len()) };
        let mut images = Vec::with_capacity(room);
        let mut labels = Vec::with_capacity(indices.len());
        for &i in indices {
            let image = if streams { Some(&[][..]) } else { self.image(i) };
            let (Some(image), Some(label)) = (image, self.label(i)) else {
                return Err(DataError::Inconsistent {
                    name: self.name.clone(),
                    problem: format!(
                        "subset: example {i} asked for, but the set holds {}",
                        self.len()
                    ),
                });
            };
            images.extend_from_slice(image);
            labels.push(label);
        }
        let size = [self.height, self.width, self.channels];
        let (name, classes) = (self.name.clone(), self.classes.clone());
        let subset = |pictures: &Pictures| pictures.subset(indices.iter().copied());
        let pictures = self.pictures.as_ref().map(subset);
        match pictures {
            Some(pictures) if streams => Self::of_pictures(&name, pictures, labels, size, classes),
            pictures => Ok(Self { pictures, ..Self::new(name, images, labels, size, classes)? }),
        }
    }

    /// The first `n` examples, or all of them where there are fewer.
    #[must_use]
    pub fn take_first(mut self, n: usize) -> Self {
        let n = n.min(self.len());
        if let Some(examples) = self.examples.take() {
            let first: Vec<usize> = (0..n).collect();
            self.examples =
                Some(if n < self.labels.len() { examples.subset(&first) } else { examples });
        }
        self.images.truncate(n * self.image_len());
        if let Some(pictures) = self.pictures.as_ref().filter(|_| n < self.labels.len()) {
            self.pictures = Some(pictures.subset(0..n));
        }
        self.labels.truncate(n);
        self
    }
}

/// The parts of a data set, kept apart from each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Splits {
    /// Examples to train on.
    pub train: Dataset,
    /// Examples to choose by: held out of the training set, or of a folder of their own; if there are
    /// such.
    pub validation: Option<Dataset>,
    /// Examples to report on.
    pub test: Dataset,
    /// What was read, and what was not.
    pub account: DataAccount,
}

fn names_class(label: u32, n_classes: usize) -> bool {
    usize::try_from(label).is_ok_and(|label| label < n_classes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> Dataset {
        let classes = vec!["a".to_string(), "b".to_string()];
        Dataset::new("small", (0..12).collect(), vec![0, 1, 1], [1, 2, 2], classes)
            .expect("the parts agree")
    }

    #[test]
    fn images_and_labels_are_found_by_index() {
        let set = small();
        assert_eq!(set.len(), 3);
        assert!(!set.is_empty());
        assert_eq!(set.image_len(), 4);
        assert_eq!(set.image(1), Some(&[4, 5, 6, 7][..]));
        assert_eq!(set.image(3), None);
        assert_eq!(set.image(usize::MAX), None);
        assert_eq!(set.label(2), Some(1));
        assert_eq!(set.class_name(1), Some("b"));
        assert_eq!(set.class_name(2), None);
        assert_eq!(set.class_counts(), [1, 2]);
    }

    #[test]
    fn subset_keeps_the_order_given() {
        let set = small().subset(&[2, 0]).expect("both exist");
        assert_eq!(set.images, [8, 9, 10, 11, 0, 1, 2, 3]);
        assert_eq!(set.labels, [1, 0]);
    }

    #[test]
    fn subset_refuses_an_index_past_the_end() {
        let message = small().subset(&[0, 3]).expect_err("3 is past the end").to_string();
        assert_eq!(message, "data set small: subset: example 3 asked for, but the set holds 3");
    }

    #[test]
    fn take_first_is_clamped() {
        assert_eq!(small().take_first(2).images.len(), 8);
        assert_eq!(small().take_first(9), small());
    }

    #[test]
    fn new_refuses_parts_that_disagree() {
        let classes = || vec!["a".to_string()];
        let label = Dataset::new("x", vec![0; 2], vec![0, 1], [1, 1, 1], classes());
        let message = label.expect_err("label 1 names no class").to_string();
        assert!(message.contains("example 1 has label 1, but there are 1 classes"), "{message}");

        let count = Dataset::new("x", vec![0; 3], vec![0, 0], [1, 1, 1], classes());
        let message = count.expect_err("three pixels for two labels").to_string();
        assert!(message.contains("3 pixel values given for 2 labels"), "{message}");

        assert!(Dataset::new("x", vec![], vec![0], [0, 1, 1], classes()).is_err());
        assert!(Dataset::new("x", vec![], vec![], [1, 1, 1], classes()).is_err());
        let huge = [usize::MAX, usize::MAX, 3];
        assert!(Dataset::new("x", vec![0], vec![0], huge, classes()).is_err());
    }
}
