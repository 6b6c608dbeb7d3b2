//! A function of an audit form while it is made: what is known of the old one, and how the new one
//! grows.

use std::collections::HashSet;

use naga::valid::FunctionInfo;
use naga::{
    AddressSpace, BinaryOperator, Block, Expression, Function, GlobalVariable, Handle, Literal,
    Module, Range, ScalarKind, Span, Statement, Type, TypeInner, UniqueArena,
};

use super::analysis::{FunctionData, Reason};
use super::types::{Bound, Root, elements, root};

/// What the functions of a module share.
pub(super) struct Shared<'a> {
    pub module: &'a Module,
    pub bound: &'a [Bound],
    pub source: &'a str,
    pub types: UniqueArena<Type>,
    pub word: Handle<Type>,
    pub verdict: Handle<GlobalVariable>,
    pub told: Handle<GlobalVariable>,
    pub turns: Handle<GlobalVariable>,
    pub tests: Vec<String>,
}

impl Shared<'_> {
    /// The handle of a type.
    pub fn insert(&mut self, inner: TypeInner) -> Handle<Type> {
        self.types.insert(Type { name: None, inner }, Span::UNDEFINED)
    }

    /// What is bound to a global variable.
    pub fn bound_to(&self, global: Handle<GlobalVariable>) -> Option<Bound> {
        let binding = self.module.global_variables[global].binding.as_ref()?;
        self.bound.get(binding.binding as usize).copied()
    }

    /// Elements of an array at the end of what is bound to a global variable.
    fn bound_elements(&self, global: Handle<GlobalVariable>) -> Option<u32> {
        let Bound::Bytes(bytes) = self.bound_to(global)? else { return None };
        let (offset, array) =
            match &self.module.types[self.module.global_variables[global].ty].inner {
                TypeInner::Struct { members, .. } => {
                    let last = members.last()?;
                    (last.offset, &self.module.types[last.ty].inner)
                }
                other => (0, other),
            };
        let TypeInner::Array { stride, .. } = *array else { return None };
        u32::try_from(bytes.checked_sub(offset as usize)? / stride as usize).ok()
    }
}

/// The rewriting of a function.
pub(super) struct Rewrite<'a, 's> {
    pub shared: &'a mut Shared<'s>,
    pub old: &'a Function,
    pub info: &'a FunctionInfo,
    pub data: &'a FunctionData,
    pub new: Function,
    pub is_entry: bool,
    /// Indices that were tested on the way, and against which length.
    pub tested: HashSet<(Handle<Expression>, u32)>,
}

impl<'a, 's> Rewrite<'a, 's> {
    /// Starts from the old function.
    pub fn new(
        shared: &'a mut Shared<'s>,
        old: &'a Function,
        info: &'a FunctionInfo,
        data: &'a FunctionData,
    ) -> Self {
        let new = old.clone();
        Self { shared, old, info, data, new, is_entry: false, tested: HashSet::new() }
    }

    /// Whether it is memory that the form does not touch.
    pub fn is_foreign(&self, root: Root) -> bool {
        match root {
            Root::Local(local) => self.data.locals[local.index()],
            Root::Global(global) => {
                self.shared.module.global_variables[global].space != AddressSpace::Private
            }
        }
    }

    /// Elements of an array whose length the binding gives.
    pub fn runtime_elements(&self, array: Handle<Expression>) -> Result<u32, Reason> {
        match root(&self.old.expressions, array) {
            Some(Root::Global(global)) => self.shared.bound_elements(global),
            _ => None,
        }
        .ok_or(Reason::Unknown("the length of an array"))
    }

    /// Elements that an index into `base` reaches.
    pub fn elements(&self, base: Handle<Expression>) -> Result<u32, Reason> {
        let ty = self.info[base].ty.inner_with(&self.shared.module.types);
        match elements(self.shared.module, ty).map_err(Reason::Unknown)? {
            Some(count) => Ok(count),
            None => self.runtime_elements(base),
        }
    }

    /// Adds an expression, evaluated at the end of a block.
    pub fn add(&mut self, block: &mut Block, expression: Expression) -> Handle<Expression> {
        let known = matches!(
            expression,
            Expression::Literal(_) | Expression::ZeroValue(_) | Expression::GlobalVariable(_)
        );
        let handle = self.new.expressions.append(expression, Span::UNDEFINED);
        if !known {
            emit(block, handle);
        }
        handle
    }

    /// Adds a number.
    pub fn literal(&mut self, block: &mut Block, value: u32) -> Handle<Expression> {
        self.add(block, Expression::Literal(Literal::U32(value)))
    }

    /// Adds an operation of two.
    pub fn binary(
        &mut self,
        block: &mut Block,
        op: BinaryOperator,
        left: Handle<Expression>,
        right: Handle<Expression>,
    ) -> Handle<Expression> {
        self.add(block, Expression::Binary { op, left, right })
    }

    /// Adds the load of a global variable; its pointer and its value.
    pub fn load(
        &mut self,
        block: &mut Block,
        from: Handle<GlobalVariable>,
    ) -> [Handle<Expression>; 2] {
        let pointer = self.add(block, Expression::GlobalVariable(from));
        [pointer, self.add(block, Expression::Load { pointer })]
    }

    /// Tells if `bad`.
    pub fn tell(&mut self, block: &mut Block, bad: Handle<Expression>, what: String) {
        self.shared.tests.push(what);
        let code = u32::try_from(self.shared.tests.len()).unwrap_or(u32::MAX);
        let accept = self.literal(block, code);
        let [pointer, reject] = self.load(block, self.shared.told);
        let value = self.add(block, Expression::Select { condition: bad, accept, reject });
        block.push(Statement::Store { pointer, value }, Span::UNDEFINED);
    }

    /// Where an expression is, in words.
    pub fn place(&self, handle: Handle<Expression>) -> String {
        let line = self.old.expressions.get_span(handle).location(self.shared.source).line_number;
        let name = match root(&self.old.expressions, handle) {
            Some(Root::Local(local)) => self.old.local_variables[local].name.as_deref(),
            Some(Root::Global(global)) => {
                self.shared.module.global_variables[global].name.as_deref()
            }
            None => None,
        };
        format!("{}, line {line}", name.unwrap_or("a value"))
    }

    /// The bits of an integer, or of a vector of them, as those of unsigned ones.
    pub fn unsigned(&mut self, block: &mut Block, expr: Handle<Expression>) -> Handle<Expression> {
        let kind = self.info[expr].ty.inner_with(&self.shared.module.types).scalar_kind();
        if kind == Some(ScalarKind::Uint) {
            return expr;
        }
        self.add(block, Expression::As { expr, kind: ScalarKind::Uint, convert: None })
    }
}

/// Evaluates an expression at the end of a block.
pub(super) fn emit(block: &mut Block, handle: Handle<Expression>) {
    block.push(Statement::Emit(Range::new_from_bounds(handle, handle)), Span::UNDEFINED);
}
