//! Which values of a kernel follow from data: from what it loads from buffers, textures and workgroup
//! memory, or from floats. All others follow from shapes and from the invocation's place alone, so
//! that they are the same in every run.
//!
//! The analysis knows no order of stores: a variable depends on data if anything ever stored in it
//! does, or if data decide whether it is stored. It fails where data decide an index, a divisor or the
//! turns of a loop: such a kernel keeps the checks.

use std::fmt;

use naga::valid::ModuleInfo;
use naga::{
    AddressSpace, BinaryOperator, Block, Expression, Function, Handle, Module, ScalarKind,
    Statement, TypeInner,
};

use super::types::{Root, holds_floats, is_safe_divisor, root};

/// Why a kernel keeps the checks, whatever its shapes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Data decide an index.
    Index,
    /// Data decide the turns of a loop.
    Turns,
    /// Data decide what an integer is divided by.
    Divisor,
    /// It has something whose effects are not followed.
    Unknown(&'static str),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index => f.write_str("an index depends on data"),
            Self::Turns => f.write_str("the turns of a loop depend on data"),
            Self::Divisor => f.write_str("a divisor depends on data"),
            Self::Unknown(what) => write!(f, "{what} is not followed"),
        }
    }
}

/// What depends on data in one function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FunctionData {
    /// By expression.
    pub expressions: Vec<bool>,
    /// By local variable.
    pub locals: Vec<bool>,
    arguments: Vec<bool>,
    result: bool,
    /// Whether data decide that it is called.
    called: bool,
}

/// What depends on data in a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Data {
    /// Functions in their order, then the entry point.
    pub functions: Vec<FunctionData>,
    /// By global variable: those of private memory.
    globals: Vec<bool>,
}

/// Follows the data through a valid module with one entry point.
///
/// # Errors
/// Why it has to keep the checks.
pub(super) fn follow(module: &Module, info: &ModuleInfo) -> Result<Data, Reason> {
    let [entry] = &module.entry_points[..] else {
        return Err(Reason::Unknown("a second entry point"));
    };
    if !module.overrides.is_empty() {
        return Err(Reason::Unknown("a constant of the pipeline"));
    }
    let functions: Vec<&Function> =
        module.functions.iter().map(|(_, function)| function).chain([&entry.function]).collect();
    let mut data = Data {
        functions: functions.iter().map(|function| at_first(module, function)).collect(),
        globals: vec![false; module.global_variables.len()],
    };
    // What depends on data only grows, so that this ends.
    loop {
        let before = data.clone();
        for (id, function) in functions.iter().enumerate() {
            let info = match module.functions.iter().nth(id) {
                Some((handle, _)) => &info[handle],
                None => info.get_entry_point(0),
            };
            Walk { module, info, function, id, data: &mut data, returned: false }.all()?;
        }
        if data == before {
            return Ok(data);
        }
    }
}

/// Before anything is known: what holds floats counts as data, since their last bits may differ from
/// one compilation to the next.
fn at_first(module: &Module, function: &Function) -> FunctionData {
    let floats = |ty| holds_floats(module, &module.types[ty].inner);
    FunctionData {
        expressions: vec![false; function.expressions.len()],
        locals: function.local_variables.iter().map(|(_, local)| floats(local.ty)).collect(),
        arguments: function.arguments.iter().map(|argument| floats(argument.ty)).collect(),
        result: function.result.as_ref().is_some_and(|result| floats(result.ty)),
        called: false,
    }
}

/// The walk through a function.
struct Walk<'a> {
    module: &'a Module,
    info: &'a naga::valid::FunctionInfo,
    function: &'a Function,
    id: usize,
    data: &'a mut Data,
    /// Whether data have decided that the function has returned.
    returned: bool,
}

/// Where a statement is.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// Whether data decide that it is reached.
    by_data: bool,
    /// Whether a loop is around it.
    looped: bool,
    /// Whether a `break` leaves a `switch`.
    switched: bool,
}

impl Walk<'_> {
    fn all(&mut self) -> Result<(), Reason> {
        let pointer = |ty| matches!(self.module.types[ty].inner, TypeInner::Pointer { .. });
        if self.function.arguments.iter().any(|argument| pointer(argument.ty)) {
            return Err(Reason::Unknown("a pointer as an argument"));
        }
        for (handle, expression) in self.function.expressions.iter() {
            let ty = self.info[handle].ty.inner_with(&self.module.types);
            let by_data = holds_floats(self.module, ty) || self.expression(expression)?;
            self.data.functions[self.id].expressions[handle.index()] |= by_data;
        }
        let place = Place { by_data: false, looped: false, switched: false };
        self.block(&self.function.body, place).map(drop)
    }

    fn own(&mut self) -> &mut FunctionData {
        &mut self.data.functions[self.id]
    }

    fn by_data(&self, handle: Handle<Expression>) -> bool {
        self.data.functions[self.id].expressions[handle.index()]
    }

    /// Whether an expression depends on data.
    fn expression(&self, expression: &Expression) -> Result<bool, Reason> {
        let own = &self.data.functions[self.id];
        let any = |handles: &[Handle<Expression>]| handles.iter().any(|&h| self.by_data(h));
        Ok(match *expression {
            Expression::Literal(_)
            | Expression::Constant(_)
            | Expression::ZeroValue(_)
            | Expression::GlobalVariable(_)
            | Expression::LocalVariable(_)
            | Expression::ArrayLength(_) => false,
            Expression::FunctionArgument(position) => own.arguments[position as usize],
            Expression::Compose { ref components, .. } => any(components),
            Expression::Access { base, index } => {
                if self.by_data(index) {
                    return Err(Reason::Index);
                }
                any(&[base])
            }
            Expression::AccessIndex { base, .. } => any(&[base]),
            Expression::Splat { value, .. } => any(&[value]),
            Expression::Swizzle { vector, .. } => any(&[vector]),
            Expression::Unary { expr, .. } | Expression::As { expr, .. } => any(&[expr]),
            Expression::Binary { op, left, right } => {
                self.divisor(op, left, right)?;
                any(&[left, right])
            }
            Expression::Select { condition, accept, reject } => any(&[condition, accept, reject]),
            Expression::Relational { argument, .. } => any(&[argument]),
            Expression::Math { arg, arg1, arg2, arg3, .. } => {
                any(&[arg]) || [arg1, arg2, arg3].into_iter().flatten().any(|h| self.by_data(h))
            }
            Expression::CallResult(function) => self.data.functions[function.index()].result,
            Expression::Load { pointer } => match root(&self.function.expressions, pointer) {
                Some(Root::Local(local)) => own.locals[local.index()],
                Some(Root::Global(global)) => {
                    self.module.global_variables[global].space != AddressSpace::Private
                        || self.data.globals[global.index()]
                }
                None => return Err(Reason::Unknown("a pointer")),
            },
            Expression::ImageLoad { coordinate, array_index, sample, level, .. } => {
                if array_index.or(sample).or(level).is_some() {
                    return Err(Reason::Unknown("such a texture"));
                }
                if self.by_data(coordinate) {
                    return Err(Reason::Index);
                }
                true
            }
            Expression::CooperativeLoad { ref data, .. } => {
                if self.by_data(data.stride) {
                    return Err(Reason::Index);
                }
                true
            }
            Expression::CooperativeMultiplyAdd { .. }
            | Expression::AtomicResult { .. }
            | Expression::WorkGroupUniformLoadResult { .. }
            | Expression::SubgroupBallotResult
            | Expression::SubgroupOperationResult { .. } => true,
            _ => return Err(Reason::Unknown("an expression")),
        })
    }

    /// Fails where data decide what an integer is divided by.
    fn divisor(
        &self,
        op: BinaryOperator,
        left: Handle<Expression>,
        right: Handle<Expression>,
    ) -> Result<(), Reason> {
        let kind = self.info[right].ty.inner_with(&self.module.types).scalar_kind();
        let signed = kind == Some(ScalarKind::Sint);
        let divides = matches!(op, BinaryOperator::Divide | BinaryOperator::Modulo)
            && (signed || kind == Some(ScalarKind::Uint));
        if !divides || is_safe_divisor(self.module, &self.function.expressions, right) {
            return Ok(());
        }
        if self.by_data(right) || signed && self.by_data(left) {
            return Err(Reason::Divisor);
        }
        Ok(())
    }

    /// Whether data decide that what follows the block is reached, where it is still in the same turn
    /// of a loop or the same case of a switch.
    fn block(&mut self, block: &Block, mut place: Place) -> Result<bool, Reason> {
        let mut left = false;
        for statement in block.iter() {
            place.by_data |= self.returned;
            left |= self.statement(statement, place)?;
            place.by_data |= left;
        }
        Ok(left)
    }

    /// Like [`Self::block`], for a statement.
    fn statement(&mut self, statement: &Statement, place: Place) -> Result<bool, Reason> {
        match *statement {
            Statement::Emit(_)
            | Statement::ControlBarrier(_)
            | Statement::MemoryBarrier(_)
            // Results of these count as data.
            | Statement::WorkGroupUniformLoad { .. }
            | Statement::SubgroupBallot { .. }
            | Statement::SubgroupGather { .. }
            | Statement::SubgroupCollectiveOperation { .. }
            // What it writes is of no memory whose content is followed.
            | Statement::Atomic { .. } => Ok(false),
            Statement::Block(ref block) => self.block(block, place),
            Statement::If { condition, ref accept, ref reject } => {
                let by_data = place.by_data || self.by_data(condition);
                let place = Place { by_data, ..place };
                Ok(self.block(accept, place)? | self.block(reject, place)?)
            }
            Statement::Switch { selector, ref cases } => {
                let by_data = place.by_data || self.by_data(selector);
                let inner = Place { by_data, switched: true, ..place };
                let mut left = false;
                for case in cases {
                    left |= self.block(&case.body, inner)?;
                }
                // A `continue` may be what left it.
                Ok(left && place.looped)
            }
            Statement::Loop { ref body, ref continuing, break_if } => {
                let inner = Place { looped: true, switched: false, ..place };
                self.block(body, inner)?;
                self.block(continuing, inner)?;
                match break_if {
                    Some(condition) if place.by_data || self.by_data(condition) => {
                        Err(Reason::Turns)
                    }
                    _ => Ok(false),
                }
            }
            Statement::Break if place.by_data && !place.switched => Err(Reason::Turns),
            Statement::Break | Statement::Continue => Ok(place.by_data),
            Statement::Return { value } => self.returns(value, place),
            Statement::Store { pointer, value } => self.store(pointer, value, place),
            Statement::Call { function, ref arguments, .. } => {
                let given: Vec<bool> = arguments.iter().map(|&h| self.by_data(h)).collect();
                let called = place.by_data || self.own().called;
                let callee = &mut self.data.functions[function.index()];
                callee.called |= called;
                callee.arguments.iter_mut().zip(given).for_each(|(known, given)| *known |= given);
                Ok(false)
            }
            Statement::CooperativeStore { ref data, .. } if self.by_data(data.stride) => {
                Err(Reason::Index)
            }
            Statement::CooperativeStore { .. } => Ok(false),
            _ => Err(Reason::Unknown("a statement")),
        }
    }

    fn returns(&mut self, value: Option<Handle<Expression>>, place: Place) -> Result<bool, Reason> {
        if place.by_data && place.looped {
            return Err(Reason::Turns);
        }
        self.returned |= place.by_data;
        let by_data = place.by_data || value.is_some_and(|value| self.by_data(value));
        self.own().result |= by_data;
        Ok(false)
    }

    fn store(
        &mut self,
        pointer: Handle<Expression>,
        value: Handle<Expression>,
        place: Place,
    ) -> Result<bool, Reason> {
        let by_data = place.by_data || self.by_data(value);
        match root(&self.function.expressions, pointer) {
            Some(Root::Local(local)) => self.own().locals[local.index()] |= by_data,
            Some(Root::Global(global)) => {
                let by_data = by_data || self.own().called;
                self.data.globals[global.index()] |= by_data;
            }
            None => return Err(Reason::Unknown("a pointer")),
        }
        Ok(false)
    }
}
