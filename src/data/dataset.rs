//! A labeled image set, and the train / validation / test trio of them.

use std::borrow::Cow;

use super::examples::{Examples, SharedExamples, Table, TargetKind, Targets};
use super::pictures::{Crops, Loader, Pictures};
use super::task::{TargetTable, Task};
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
    /// Class index of each image: `[n]`, each below `classes.len()`; with `targets`, its row in them.
    pub labels: Vec<u32>,
    /// Height of every image, in pixels.
    pub height: usize,
    /// Width of every image, in pixels.
    pub width: usize,
    /// Values per pixel: 1 for grayscale, 3 for RGB.
    pub channels: usize,
    /// Class names, by label; with `targets`, a name for each number of a row.
    pub classes: Vec<String>,
    /// The files of the examples, where each is one.
    pub pictures: Option<Pictures>,
    /// Where inputs and targets come from that are no 8-bit images with a label each. Then `images` is
    /// empty, and so is `classes` where targets are numbers.
    pub examples: Option<SharedExamples>,
    /// The numbers that go with images, in place of a class each.
    pub targets: Option<TargetTable>,
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
        Ok(Self { images, ..Self::without_images(name, labels, size, classes) })
    }

    /// A set to which its images, or what takes their place, are added.
    fn without_images(
        name: String,
        labels: Vec<u32>,
        [height, width, channels]: [usize; 3],
        classes: Vec<String>,
    ) -> Self {
        Self {
            name,
            images: Vec::new(),
            labels,
            height,
            width,
            channels,
            classes,
            pictures: None,
            examples: None,
            targets: None,
        }
    }

    /// Images `[n, height, width, channels]` whose answers are not known: labels are 0, targets are zeros.
    ///
    /// # Errors
    ///
    /// As [`Self::new`].
    pub fn without_answers(
        name: impl Into<String>,
        images: Vec<u8>,
        size: [usize; 3],
        (task, classes): (Task, Vec<String>),
    ) -> Result<Self, DataError> {
        let n = images.len() / size.iter().product::<usize>().max(1);
        let zeros = vec![0.0; classes.len()];
        let set = Self::new(name, images, vec![0; n], size, classes)?;
        let targets =
            (!task.is_classification()).then(|| TargetTable::new(task, zeros.len(), zeros));
        Ok(Self { targets, ..set })
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
                let size = match input[..] {
                    [height, width, channels] => [height, width, channels],
                    _ => [1, 1, input.iter().product()],
                };
                let set = Self::without_images(name, labels, size, classes);
                return Ok(Self { examples: Some(examples), ..set });
            }
        };
        Err(DataError::Inconsistent { name, problem })
    }

    /// A set of pictures, whose pixels `images` are empty where they are read when they are asked for. With
    /// `targets`, labels are rows in them.
    pub(super) fn of_pictures(
        name: &str,
        (pictures, images): (Pictures, Vec<u8>),
        (labels, targets): (Vec<u32>, Option<TargetTable>),
        size: [usize; 3],
        classes: Vec<String>,
    ) -> Result<Self, DataError> {
        let name = name.to_owned();
        if labels.is_empty() {
            let problem = "holds no examples: at least one is needed".to_string();
            return Err(DataError::Inconsistent { name, problem });
        }
        if !pictures.streams() && targets.is_none() {
            let set = Self::new(name, images, labels, size, classes)?;
            return Ok(Self { pictures: Some(pictures), ..set });
        }
        let set = Self::without_images(name, labels, size, classes);
        Ok(Self { images, pictures: Some(pictures), targets, ..set })
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
        match (&self.examples, &self.targets) {
            (Some(examples), _) => examples.target(),
            (None, Some(targets)) => TargetKind::Numbers(vec![targets.width()]),
            (None, None) => TargetKind::Class,
        }
    }

    /// What a model learns of the images.
    pub fn task(&self) -> Task {
        self.targets.as_ref().map_or(Task::Classification, TargetTable::task)
    }

    /// The numbers that go with example `i`, in place of a class: `[classes]`.
    pub fn targets_of(&self, i: usize) -> Option<&[f32]> {
        self.targets.as_ref()?.row(self.label(i)?)
    }

    /// Groups of examples that a split draws from alike, `[n]`: classes, or one for all where examples are
    /// of no class.
    pub(super) fn strata(&self) -> Cow<'_, [u32]> {
        match &self.targets {
            Some(_) => Cow::Owned(vec![0; self.len()]),
            None => Cow::Borrowed(&self.labels),
        }
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

    /// Number of examples of each class: `[classes]`; those of several count for each. Where numbers are
    /// learned, there are none.
    pub fn class_counts(&self) -> Vec<usize> {
        if let Some(targets) = &self.targets {
            let mut found = vec![0; self.classes.len()];
            for row in self.labels.iter().filter_map(|&label| targets.row(label)) {
                for (count, &y) in found.iter_mut().zip(row) {
                    *count += usize::from(targets.task() == Task::MultiLabel && y > 0.5);
                }
            }
            return found;
        }
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
        let classes = self.classes.clone();
        match &self.pictures {
            Some(pictures) => {
                let pictures = pictures.subset(indices.iter().copied());
                let answers = (labels, self.targets.clone());
                Self::of_pictures(&self.name, (pictures, images), answers, size, classes)
            }
            // Labels that are rows need name no class.
            None if self.targets.is_some() => {
                let set = Self::without_images(self.name.clone(), labels, size, classes);
                Ok(Self { images, targets: self.targets.clone(), ..set })
            }
            None => Self::new(self.name.clone(), images, labels, size, classes),
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
mod tests;
