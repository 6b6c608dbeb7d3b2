// Sine and cosine of an angle in turns times 2^32, both times 2^14, by CORDIC: the same bits on
// every device, unlike the built-in functions.
// Twin: sine_cosine in src/tensor/turn.rs. Source: Volder, "The CORDIC Trigonometric Computing
// Technique", 1959.

const QUARTER_TURN: i32 = 1073741824;
// atan(2^-i), in turns times 2^32.
const CORDIC_STEPS: u32 = 18u;
const CORDIC_ANGLES = array<i32, 18>(
  536870912, 316933406, 167458907, 85004756, 42667331, 21354465, 10679838, 5340245, 2670163,
  1335087, 667544, 333772, 166886, 83443, 41722, 20861, 10430, 5215,
);

fn sine_cosine(angle: i32) -> vec2<i32> {
  let beyond = angle < -QUARTER_TURN || angle > QUARTER_TURN;
  // Half a turn more: integers wrap.
  var rest = select(angle, bitcast<i32>(bitcast<u32>(angle) + 0x80000000u), beyond);
  var angles = CORDIC_ANGLES;
  // The product of all cos(atan(2^-i)), times 2^28.
  var x = 163008219;
  var y = 0;
  for (var i = 0u; i < CORDIC_STEPS; i += 1u) {
    let across = x >> i;
    let along = y >> i;
    if rest >= 0 {
      x -= along;
      y += across;
      rest -= angles[i];
    } else {
      x += along;
      y -= across;
      rest += angles[i];
    }
  }
  let rounded = (vec2<i32>(y, x) + vec2<i32>(8192)) >> vec2<u32>(14u);
  return select(rounded, -rounded, beyond);
}
