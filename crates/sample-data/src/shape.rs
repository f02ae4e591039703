//! Bundles whose references make a certain figure.

use std::fmt::Write as _;

/// What the references of a bundle's objects make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Each object refers to the next one.
    Chain,
    /// Each object refers to the first one.
    Star,
    /// Each object refers to the two before it: there are more ways through it than atoms.
    Ladder,
    /// Each object refers to both of its neighbours in a ring.
    Ring,
}

impl Shape {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Chain, Self::Star, Self::Ladder, Self::Ring];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Chain => "chain",
            Self::Star => "star",
            Self::Ladder => "ladder",
            Self::Ring => "ring",
        }
    }

    /// A bundle of so many objects.
    ///
    /// ```
    /// let bundle = sample_data::Shape::Chain.bundle(2);
    /// assert!(bundle.contains(r#""id":"tool--0","created_by_refs":["tool--1"]"#));
    /// ```
    pub fn bundle(self, objects: usize) -> String {
        let mut text = String::from(r#"{"type":"bundle","id":"bundle--1","objects":["#);
        for object in 0..objects {
            let refs: Vec<String> = self
                .refs(object, objects)
                .iter()
                .map(|to| format!("\"tool--{to}\""))
                .collect();
            let comma = if object == 0 { "" } else { "," };
            let refs = refs.join(",");
            // A string takes whatever is written to it.
            let _ = write!(
                text,
                r#"{comma}{{"type":"tool","id":"tool--{object}","created_by_refs":[{refs}]}}"#
            );
        }
        text + "]}"
    }

    fn refs(self, object: usize, objects: usize) -> Vec<usize> {
        match self {
            Self::Chain => (object + 1..objects).take(1).collect(),
            Self::Star => (0..object.min(1)).collect(),
            Self::Ladder => (object.saturating_sub(2)..object).collect(),
            Self::Ring => vec![(object + 1) % objects, (object + objects - 1) % objects],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Shape;

    #[test]
    fn references_make_the_figure() {
        let check = |shape: Shape, expect: [&[usize]; 4]| {
            for (object, expect) in expect.into_iter().enumerate() {
                assert_eq!(shape.refs(object, 4), expect, "{} {object}", shape.name());
            }
        };
        check(Shape::Chain, [&[1], &[2], &[3], &[]]);
        check(Shape::Star, [&[], &[0], &[0], &[0]]);
        check(Shape::Ladder, [&[], &[0], &[0, 1], &[1, 2]]);
        check(Shape::Ring, [&[1, 3], &[2, 0], &[3, 1], &[0, 2]]);
    }
}
