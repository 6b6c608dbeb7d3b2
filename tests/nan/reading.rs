//! Where a kernel's text compares floats, or takes the larger or the smaller of two: where a compiler
//! that assumes no NaN may lose one. Found in naga's form of the text, so that types are known.

use std::ops::Range;

use naga::valid::{Capabilities, FunctionInfo, ShaderStages, SubgroupOperationSet};
use naga::valid::{ValidationFlags, Validator};
use naga::{
    BinaryOperator, Expression, Function, Handle, MathFunction, Module, ScalarKind, TypeInner,
};

/// What is done with floats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// A comparison; whether both sides are the same expression.
    Compare(BinaryOperator, Same),
    /// `max`, `min`, `clamp` or the like.
    Built(MathFunction),
    /// A `select` of two values by a comparison of the same two: a `max`, or else a `min`.
    Fold(Extreme),
}

/// Whether both operands of a comparison are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Same {
    Yes,
    No,
}

/// Which of two values a compiler takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extreme {
    Max,
    Min,
}

/// A place in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// Its bytes.
    pub range: Range<usize>,
    /// The function that it is in.
    pub function: String,
    pub what: What,
    /// Floats of a vector, or one.
    pub lanes: usize,
}

/// All such places in a kernel's text.
pub fn sites(text: &str) -> Vec<Site> {
    let module = naga::front::wgsl::parse_str(text)
        .unwrap_or_else(|error| panic!("{}\n{text}", error.emit_to_string(text)));
    let info = Validator::new(ValidationFlags::all(), Capabilities::all())
        .subgroup_stages(ShaderStages::COMPUTE)
        .subgroup_operations(SubgroupOperationSet::all())
        .validate(&module)
        .unwrap_or_else(|error| panic!("{}\n{text}", error.emit_to_string(text)));
    let mut found = Vec::new();
    for (handle, function) in module.functions.iter() {
        let name = function.name.clone().unwrap_or_default();
        let reader = Reader { text, module: &module, function, info: &info[handle] };
        reader.read(&name, &mut found);
    }
    for (number, entry) in module.entry_points.iter().enumerate() {
        let info = info.get_entry_point(number);
        let reader = Reader { text, module: &module, function: &entry.function, info };
        reader.read(&entry.name, &mut found);
    }
    found
}

/// A function with what naga knows of it.
struct Reader<'a> {
    text: &'a str,
    module: &'a Module,
    function: &'a Function,
    info: &'a FunctionInfo,
}

impl Reader<'_> {
    fn read(&self, name: &str, found: &mut Vec<Site>) {
        for (handle, expression) in self.function.expressions.iter() {
            let Some((what, operand)) = self.what(expression) else { continue };
            let Some(lanes) = self.lanes(operand) else { continue };
            let range = self.function.expressions.get_span(handle).to_range();
            let range = range.unwrap_or_else(|| panic!("no place for {expression:?} in {name}"));
            let range = match what {
                What::Compare(..) => range,
                What::Built(_) | What::Fold(_) => range.start..self.end_of_call(range.end),
            };
            found.push(Site { range, function: name.to_owned(), what, lanes });
        }
    }

    /// The end of the call whose name, all that naga keeps of its place, ends at `name`.
    fn end_of_call(&self, name: usize) -> usize {
        let mut depth = 0_usize;
        for (at, c) in self.text[name..].char_indices() {
            match c {
                '(' => depth += 1,
                ')' if depth == 1 => return name + at + 1,
                ')' => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        name
    }

    /// What an expression does, and an operand whose type is that of the floats.
    fn what(&self, expression: &Expression) -> Option<(What, Handle<Expression>)> {
        match *expression {
            Expression::Binary { op, left, right } if is_comparison(op) => {
                let same = if self.same(left, right) { Same::Yes } else { Same::No };
                Some((What::Compare(op, same), left))
            }
            Expression::Math { fun, arg, .. } => {
                let built = matches!(
                    fun,
                    MathFunction::Max
                        | MathFunction::Min
                        | MathFunction::Clamp
                        | MathFunction::Saturate
                        | MathFunction::Sign
                        | MathFunction::Step
                        | MathFunction::SmoothStep
                );
                built.then_some((What::Built(fun), arg))
            }
            Expression::Select { condition, accept, reject } => {
                let &Expression::Binary { op, left, right } = &self.function.expressions[condition]
                else {
                    return None;
                };
                let less = match op {
                    BinaryOperator::Less | BinaryOperator::LessEqual => true,
                    BinaryOperator::Greater | BinaryOperator::GreaterEqual => false,
                    _ => return None,
                };
                // Where `left < right` takes the left one, it is the smaller that is taken.
                let takes_left = self.same(accept, left) && self.same(reject, right);
                let takes_right = self.same(accept, right) && self.same(reject, left);
                let extreme = match (takes_left, takes_right) {
                    (true, _) if less => Extreme::Min,
                    (true, _) => Extreme::Max,
                    (_, true) if less => Extreme::Max,
                    (_, true) => Extreme::Min,
                    _ => return None,
                };
                Some((What::Fold(extreme), accept))
            }
            _ => None,
        }
    }

    /// Whether two expressions are one, or read alike.
    fn same(&self, a: Handle<Expression>, b: Handle<Expression>) -> bool {
        let written = |handle| {
            let range = self.function.expressions.get_span(handle).to_range()?;
            let is_call = self.text[range.end..].starts_with('(');
            let end = if is_call { self.end_of_call(range.end) } else { range.end };
            self.text.get(range.start..end)
        };
        a == b || written(a).zip(written(b)).is_some_and(|(a, b)| a == b)
    }

    /// Floats in a value; none where it has no floats.
    fn lanes(&self, handle: Handle<Expression>) -> Option<usize> {
        let (lanes, scalar) = match *self.info[handle].ty.inner_with(&self.module.types) {
            TypeInner::Scalar(scalar) => (1, scalar),
            TypeInner::Vector { size, scalar } => (size as usize, scalar),
            _ => return None,
        };
        (scalar.kind == ScalarKind::Float).then_some(lanes)
    }
}

fn is_comparison(op: BinaryOperator) -> bool {
    matches!(
        op,
        BinaryOperator::Less
            | BinaryOperator::LessEqual
            | BinaryOperator::Greater
            | BinaryOperator::GreaterEqual
            | BinaryOperator::Equal
            | BinaryOperator::NotEqual
    )
}
