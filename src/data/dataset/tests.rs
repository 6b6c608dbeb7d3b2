//! Tests of data sets in memory.

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

/// Targets follow their images into subsets, and are counted by class where classes apply.
#[test]
fn targets_go_with_their_images() {
    let classes = vec!["a".to_string(), "b".to_string()];
    let size = [1, 2, 2];
    let answers = (Task::MultiLabel, classes.clone());
    let set = Dataset::without_answers("three", (0..12).collect(), size, answers);
    let set = set.expect("three images");
    assert_eq!((set.task(), set.target()), (Task::MultiLabel, TargetKind::Numbers(vec![2])));
    assert_eq!(set.targets_of(2), Some(&[0.0, 0.0][..]));
    let values = vec![0.0, 1.0, 1.0, 1.0, 1.0, 0.0];
    let table = TargetTable::new(Task::MultiLabel, 2, values.clone());
    let set = Dataset { labels: vec![2, 0, 1], targets: Some(table), ..set };
    assert_eq!(set.class_counts(), [2, 2]);
    assert_eq!(*set.strata(), [0; 3]);
    let some = set.clone().take_first(2);
    assert_eq!(some.targets_of(1), Some(&[0.0, 1.0][..]));
    assert_eq!((some.targets_of(2), some.class_counts()), (None, vec![1, 1]));
    let table = TargetTable::new(Task::Regression, 2, values);
    let numbers = Dataset { targets: Some(table), ..set };
    assert_eq!(
        (numbers.class_counts(), numbers.targets_of(0)),
        (vec![0, 0], Some(&[1.0, 0.0][..]))
    );
    let two = numbers.subset(&[2, 1]).expect("both exist");
    assert_eq!(
        (two.labels.as_slice(), two.images.as_slice()),
        (&[1, 0][..], &[8, 9, 10, 11, 4, 5, 6, 7][..])
    );
    assert_eq!(two.targets_of(0), Some(&[1.0, 1.0][..]));
    // Without pictures in files, too, a label beyond the classes is a row.
    assert!(numbers.subset(&[0]).is_ok_and(|one| one.labels == [2]));
}
