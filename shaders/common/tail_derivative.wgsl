// What follows a product, to whose sum the bias has been added: element `i` of the result is
// (z + residual[i]) * f'(x[i]), where `value` is f(x). Twin: ProductTail in src/ops/product/tail.rs.
fn tail(z: FLOATS, i: u32) -> FLOATS {
  return with_residual(z, i) * derivative_each(value[i]);
}
