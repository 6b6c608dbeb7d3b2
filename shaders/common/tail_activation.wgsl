// What follows a product, to whose sum the bias has been added: element `i` of the result is
// f(z + residual[i]). Twin: ProductTail in src/ops/product/tail.rs.
fn tail(z: FLOATS, i: u32) -> FLOATS {
  return activate_each(with_residual(z, i));
}
