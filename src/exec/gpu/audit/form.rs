//! The audit form of a kernel: its index arithmetic alone, with a test of each index.
//!
//! It is the kernel's own code in which no value that depends on data is left: nothing is loaded and
//! nothing stored, and where data choose between two ways, both are taken. What is left decides
//! which elements are reached, and each of them is tested: whether an index lies in its array, a
//! divisor is not zero, a loop ends. The first of them that fails is told in the only buffer.

use naga::proc::TypeResolution;
use naga::valid::ModuleInfo;
use naga::{
    AddressSpace, BinaryOperator, Block, Expression, Function, GlobalVariable, Handle, Literal,
    MemoryDecorations, Module, ResourceBinding, Scalar, Span, Statement, StorageAccess, SwitchCase,
    Type, TypeInner,
};

use super::analysis::{Data, Reason};
use super::function::{Rewrite, Shared, emit};
use super::types::{Bound, Root, is_constructible, root};

/// The audit form of a kernel.
#[derive(Debug)]
pub(super) struct Form {
    /// What runs; its only binding is a number, which is the position in `tests` plus 1 of one that
    /// failed, else 0.
    pub module: Module,
    /// What is tested, in words.
    pub tests: Vec<String>,
}

/// Makes the audit form of a module whose data have been followed.
///
/// # Errors
/// When something in it cannot be tested.
pub(super) fn make(
    module: &Module,
    info: &ModuleInfo,
    data: &Data,
    bound: &[Bound],
    source: &str,
) -> Result<Form, Reason> {
    let mut made = module.clone();
    let word = Type { name: None, inner: TypeInner::Scalar(Scalar::U32) };
    let word = made.types.insert(word, Span::UNDEFINED);
    let mut add = |name: &str, space, binding| {
        let name = Some(name.to_owned());
        let memory_decorations = MemoryDecorations::empty();
        let variable =
            GlobalVariable { name, space, binding, ty: word, init: None, memory_decorations };
        made.global_variables.append(variable, Span::UNDEFINED)
    };
    let access = StorageAccess::LOAD | StorageAccess::STORE;
    let binding = Some(ResourceBinding { group: 0, binding: 0 });
    let verdict = add("audit_verdict", AddressSpace::Storage { access }, binding);
    let told = add("audit_told", AddressSpace::Private, None);
    let turns = add("audit_turns", AddressSpace::Private, None);
    let mut shared = Shared {
        module,
        bound,
        source,
        types: std::mem::take(&mut made.types),
        word,
        verdict,
        told,
        turns,
        tests: Vec::new(),
    };
    for (id, (handle, function)) in module.functions.iter().enumerate() {
        let rewrite = Rewrite::new(&mut shared, function, &info[handle], &data.functions[id]);
        *made.functions.get_mut(handle) = rewrite.all(false)?;
    }
    let entry = &module.entry_points[0].function;
    let own = &data.functions[module.functions.len()];
    let rewrite = Rewrite::new(&mut shared, entry, info.get_entry_point(0), own);
    made.entry_points[0].function = rewrite.all(true)?;
    let Shared { types, tests, .. } = shared;
    made.types = types;
    Ok(Form { module: made, tests })
}

impl Rewrite<'_, '_> {
    fn all(mut self, is_entry: bool) -> Result<Function, Reason> {
        self.is_entry = is_entry;
        self.new.named_expressions.clear();
        for (handle, local) in self.new.local_variables.iter_mut() {
            if self.data.locals[handle.index()] {
                local.ty = self.shared.word;
                local.init = None;
            }
        }
        for (handle, expression) in self.old.expressions.iter() {
            if let Some(other) = self.replacement(handle, expression)? {
                *self.new.expressions.get_mut(handle) = other;
            }
        }
        let mut body = Block::new();
        self.block(&self.old.body, &mut body, false)?;
        if !matches!(body.last(), Some(Statement::Return { .. })) {
            let zero = |result: &naga::FunctionResult| Expression::ZeroValue(result.ty);
            let value = self.old.result.as_ref().map(zero);
            let value = value.map(|zero| self.add(&mut body, zero));
            self.returns(value, &mut body);
        }
        self.new.body = body;
        Ok(self.new)
    }

    /// What takes the place of an expression, if anything does.
    fn replacement(
        &mut self,
        handle: Handle<Expression>,
        expression: &Expression,
    ) -> Result<Option<Expression>, Reason> {
        // Nobody reads it.
        const UNUSED: Expression = Expression::Literal(Literal::Bool(false));
        Ok(match *expression {
            Expression::Literal(_)
            | Expression::Constant(_)
            | Expression::ZeroValue(_)
            | Expression::FunctionArgument(_)
            | Expression::LocalVariable(_)
            | Expression::CallResult(_) => None,
            Expression::GlobalVariable(global) => {
                self.is_foreign(Root::Global(global)).then_some(UNUSED)
            }
            Expression::ArrayLength(array) => {
                let count = self.runtime_elements(array)?;
                Some(Expression::Literal(Literal::U32(count)))
            }
            Expression::Access { .. } | Expression::AccessIndex { .. }
                if root(&self.old.expressions, handle).is_some_and(|r| self.is_foreign(r)) =>
            {
                Some(UNUSED)
            }
            _ if !self.data.expressions[handle.index()] => None,
            _ => {
                let ty = match &self.info[handle].ty {
                    TypeResolution::Handle(ty) => *ty,
                    TypeResolution::Value(inner) => self.shared.insert(inner.clone()),
                };
                let constructible = is_constructible(&self.shared.types, ty);
                Some(if constructible { Expression::ZeroValue(ty) } else { UNUSED })
            }
        })
    }

    /// Rewrites a block to the end of another; `both` where data would choose whether it is run.
    fn block(&mut self, old: &Block, new: &mut Block, both: bool) -> Result<(), Reason> {
        let before = self.tested.clone();
        for statement in old.iter() {
            self.statement(statement, new, both)?;
        }
        self.tested = before;
        Ok(())
    }

    fn inner(&mut self, old: &Block, both: bool) -> Result<Block, Reason> {
        let mut new = Block::new();
        self.block(old, &mut new, both)?;
        Ok(new)
    }

    fn statement(
        &mut self,
        statement: &Statement,
        new: &mut Block,
        both: bool,
    ) -> Result<(), Reason> {
        let span = Span::UNDEFINED;
        match *statement {
            Statement::Emit(ref range) => {
                for handle in range.clone() {
                    let gone = matches!(
                        self.new.expressions[handle],
                        Expression::Literal(_) | Expression::ZeroValue(_)
                    );
                    if !gone {
                        emit(new, handle);
                    }
                    self.test(new, handle)?;
                }
            }
            Statement::Block(ref block) => {
                let block = self.inner(block, both)?;
                new.push(Statement::Block(block), span);
            }
            Statement::If { condition, ref accept, ref reject } => {
                if self.data.expressions[condition.index()] {
                    self.block(accept, new, true)?;
                    self.block(reject, new, true)?;
                } else {
                    let accept = self.inner(accept, both)?;
                    let reject = self.inner(reject, both)?;
                    new.push(Statement::If { condition, accept, reject }, span);
                }
            }
            Statement::Switch { selector, ref cases } => {
                if self.data.expressions[selector.index()] {
                    for case in cases {
                        self.block(&case.body, new, true)?;
                    }
                } else {
                    let case = |case: &SwitchCase| {
                        let SwitchCase { value, fall_through, .. } = *case;
                        let body = self.inner(&case.body, both)?;
                        Ok(SwitchCase { value, body, fall_through })
                    };
                    let cases = cases.iter().map(case).collect::<Result<_, _>>()?;
                    new.push(Statement::Switch { selector, cases }, span);
                }
            }
            Statement::Loop { ref body, ref continuing, break_if } => {
                let mut counted = Block::new();
                self.count_turn(&mut counted);
                self.block(body, &mut counted, both)?;
                let continuing = self.inner(continuing, both)?;
                new.push(Statement::Loop { body: counted, continuing, break_if }, span);
            }
            // What data would choose to leave goes on.
            Statement::Break | Statement::Continue | Statement::Return { .. } if both => {}
            Statement::Break => new.push(Statement::Break, span),
            Statement::Continue => new.push(Statement::Continue, span),
            Statement::Return { value } => self.returns(value, new),
            Statement::Store { pointer, value } => {
                let foreign =
                    root(&self.old.expressions, pointer).is_none_or(|r| self.is_foreign(r));
                if !foreign {
                    new.push(Statement::Store { pointer, value }, span);
                }
            }
            Statement::Call { .. } => new.push(statement.clone(), span),
            Statement::CooperativeStore { target, ref data } => {
                self.test_matrix(new, target, data)?;
            }
            Statement::ControlBarrier(_)
            | Statement::MemoryBarrier(_)
            | Statement::Atomic { .. }
            | Statement::WorkGroupUniformLoad { .. }
            | Statement::SubgroupBallot { .. }
            | Statement::SubgroupGather { .. }
            | Statement::SubgroupCollectiveOperation { .. } => {}
            _ => return Err(Reason::Unknown("a statement")),
        }
        Ok(())
    }

    /// Leaves the function; the entry point tells.
    fn returns(&mut self, value: Option<Handle<Expression>>, block: &mut Block) {
        let span = Span::UNDEFINED;
        if self.is_entry {
            let [_, value] = self.load(block, self.shared.told);
            let none = self.literal(block, 0);
            let condition = self.binary(block, BinaryOperator::NotEqual, value, none);
            let pointer = self.add(block, Expression::GlobalVariable(self.shared.verdict));
            let mut accept = Block::new();
            accept.push(Statement::Store { pointer, value }, span);
            block.push(Statement::If { condition, accept, reject: Block::new() }, span);
        }
        block.push(Statement::Return { value }, span);
    }
}
