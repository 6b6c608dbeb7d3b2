//! The tests of an audit form: of each index, each divisor and each turn of a loop.

use naga::{
    BinaryOperator, Block, Expression, Handle, Literal, RelationalFunction, Scalar, ScalarKind,
    Span, Statement, TypeInner, VectorSize,
};

use super::analysis::Reason;
use super::function::Rewrite;
use super::types::{Bound, Root, constant, cooperative, elements, is_safe_divisor, root};

/// Turns of all loops of an invocation from which on it is told: less than what llvmpipe ends loops
/// at, without a word.
const MOST_TURNS: u32 = 65_535;

impl Rewrite<'_, '_> {
    /// Counts a turn, and leaves the loop after too many.
    pub fn count_turn(&mut self, block: &mut Block) {
        let span = Span::UNDEFINED;
        let [pointer, turns] = self.load(block, self.shared.turns);
        let one = self.literal(block, 1);
        let value = self.binary(block, BinaryOperator::Add, turns, one);
        block.push(Statement::Store { pointer, value }, span);
        let most = self.literal(block, MOST_TURNS);
        let condition = self.binary(block, BinaryOperator::GreaterEqual, value, most);
        self.tell(block, condition, format!("more than {MOST_TURNS} turns of loops"));
        let mut accept = Block::new();
        accept.push(Statement::Break, span);
        block.push(Statement::If { condition, accept, reject: Block::new() }, span);
    }

    /// Tests what the evaluation of an expression relies on.
    pub fn test(&mut self, block: &mut Block, handle: Handle<Expression>) -> Result<(), Reason> {
        match self.old.expressions[handle] {
            Expression::Access { base, index } => {
                let written = constant(self.shared.module, &self.old.expressions, index);
                let count = self.elements(base)?;
                match written {
                    Some(index) => self.test_constant(block, handle, index, count),
                    None => self.test_index(block, handle, index, count),
                }
            }
            Expression::AccessIndex { base, index } => {
                let ty = self.info[base].ty.inner_with(&self.shared.module.types);
                if elements(self.shared.module, ty).map_err(Reason::Unknown)?.is_none() {
                    let count = self.runtime_elements(base)?;
                    self.test_constant(block, handle, index.into(), count);
                }
            }
            Expression::Binary {
                op: BinaryOperator::Divide | BinaryOperator::Modulo,
                left,
                right,
            } => self.test_divisor(block, handle, [left, right])?,
            Expression::ImageLoad { image, coordinate, .. } => {
                self.test_texel(block, handle, image, coordinate)?;
            }
            Expression::CooperativeLoad { ref data, .. } => {
                self.test_matrix(block, handle, data)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn test_constant(
        &mut self,
        block: &mut Block,
        handle: Handle<Expression>,
        index: i64,
        count: u32,
    ) {
        if !(0..i64::from(count)).contains(&index) {
            let what = format!("element {index} of {count} of {}", self.place(handle));
            let always = self.add(block, Expression::Literal(Literal::Bool(true)));
            self.tell(block, always, what);
        }
    }

    fn test_index(
        &mut self,
        block: &mut Block,
        handle: Handle<Expression>,
        index: Handle<Expression>,
        count: u32,
    ) {
        if !self.tested.insert((index, count)) {
            return;
        }
        let index = self.unsigned(block, index);
        let limit = self.literal(block, count);
        let bad = self.binary(block, BinaryOperator::GreaterEqual, index, limit);
        let what = format!("an element beyond the {count} of {}", self.place(handle));
        self.tell(block, bad, what);
    }

    fn test_divisor(
        &mut self,
        block: &mut Block,
        handle: Handle<Expression>,
        [left, right]: [Handle<Expression>; 2],
    ) -> Result<(), Reason> {
        let module = self.shared.module;
        let inner = self.info[right].ty.inner_with(&module.types).clone();
        let kind = inner.scalar_kind();
        if !matches!(kind, Some(ScalarKind::Sint | ScalarKind::Uint))
            || is_safe_divisor(module, &self.old.expressions, right)
        {
            return Ok(());
        }
        // A matrix by a scalar and the like exist for floats only; here both sides are alike.
        let ty = self.shared.insert(inner.clone());
        let zero = self.add(block, Expression::ZeroValue(ty));
        let mut bad = self.binary(block, BinaryOperator::Equal, right, zero);
        if kind == Some(ScalarKind::Sint) {
            let TypeInner::Scalar(Scalar::I32) = inner else {
                return Err(Reason::Unknown("a division of signed vectors"));
            };
            let one = self.add(block, Expression::Literal(Literal::I32(-1)));
            let least = self.add(block, Expression::Literal(Literal::I32(i32::MIN)));
            let by_minus_one = self.binary(block, BinaryOperator::Equal, right, one);
            let of_least = self.binary(block, BinaryOperator::Equal, left, least);
            let overflow = self.binary(block, BinaryOperator::LogicalAnd, by_minus_one, of_least);
            bad = self.binary(block, BinaryOperator::LogicalOr, bad, overflow);
        } else if matches!(inner, TypeInner::Vector { .. }) {
            let fun = RelationalFunction::Any;
            bad = self.add(block, Expression::Relational { fun, argument: bad });
        }
        let what = format!("a divisor of 0: {}", self.place(handle));
        self.tell(block, bad, what);
        Ok(())
    }

    fn test_texel(
        &mut self,
        block: &mut Block,
        handle: Handle<Expression>,
        image: Handle<Expression>,
        coordinate: Handle<Expression>,
    ) -> Result<(), Reason> {
        let module = self.shared.module;
        let unknown = Reason::Unknown("such a texture");
        let Some(Root::Global(global)) = root(&self.old.expressions, image) else {
            return Err(unknown);
        };
        let Some(Bound::Texels([columns, rows])) = self.shared.bound_to(global) else {
            return Err(unknown);
        };
        let size = VectorSize::Bi;
        if !matches!(
            self.info[coordinate].ty.inner_with(&module.types),
            TypeInner::Vector { size: VectorSize::Bi, .. }
        ) {
            return Err(unknown);
        }
        if !self.tested.insert((coordinate, rows)) {
            return Ok(());
        }
        let coordinate = self.unsigned(block, coordinate);
        let ty = self.shared.insert(TypeInner::Vector { size, scalar: Scalar::U32 });
        let components = vec![self.literal(block, columns), self.literal(block, rows)];
        let limit = self.add(block, Expression::Compose { ty, components });
        let bad = self.binary(block, BinaryOperator::GreaterEqual, coordinate, limit);
        let fun = RelationalFunction::Any;
        let bad = self.add(block, Expression::Relational { fun, argument: bad });
        let name = self.place(image);
        let line = self.place(handle);
        let what = format!("a texel beyond {columns} x {rows} of {name} ({line})");
        self.tell(block, bad, what);
        Ok(())
    }

    /// Tests the last element of a matrix of a subgroup; the first is that of its pointer.
    pub fn test_matrix(
        &mut self,
        block: &mut Block,
        handle: Handle<Expression>,
        data: &naga::CooperativeData,
    ) -> Result<(), Reason> {
        let unknown = Reason::Unknown("such a matrix");
        let module = self.shared.module;
        let (base, index) = match self.old.expressions[data.pointer] {
            Expression::Access { base, index } => (base, index),
            Expression::AccessIndex { base, index } => (base, self.literal(block, index)),
            _ => return Err(unknown),
        };
        let matrix = self.info[handle].ty.inner_with(&module.types);
        let pointer = self.info[data.pointer].ty.inner_with(&module.types);
        let (lines, row) = cooperative(module, matrix, pointer).ok_or(unknown)?;
        let count = self.elements(base)?;
        if count > u32::MAX / (2 * lines) {
            return Err(unknown);
        }
        let index = if matches!(self.new.expressions[index], Expression::Literal(_)) {
            index
        } else {
            self.unsigned(block, index)
        };
        let stride = self.unsigned(block, data.stride);
        let lines = self.literal(block, lines - 1);
        let row = self.literal(block, row - 1);
        let limit = self.literal(block, count);
        let far = self.binary(block, BinaryOperator::GreaterEqual, stride, limit);
        let last = self.binary(block, BinaryOperator::Multiply, stride, lines);
        let last = self.binary(block, BinaryOperator::Add, last, row);
        let last = self.binary(block, BinaryOperator::Add, last, index);
        let beyond = self.binary(block, BinaryOperator::GreaterEqual, last, limit);
        let bad = self.binary(block, BinaryOperator::LogicalOr, far, beyond);
        let what = format!("a matrix beyond the {count} of {}", self.place(data.pointer));
        self.tell(block, bad, what);
        Ok(())
    }
}
