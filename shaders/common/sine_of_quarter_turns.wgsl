// sin(x * pi / 2) for x in [0, 1]: the Taylor series, whose next term is below 7e-10.
fn sine_of_quarter_turns(x: f32) -> f32 {
  let z = x * x;
  var sum = 5.692172921967926e-8;
  sum = sum * z - 3.598843235212085e-6;
  sum = sum * z + 1.6044118478735982e-4;
  sum = sum * z - 4.681754135318688e-3;
  sum = sum * z + 7.969262624616704e-2;
  sum = sum * z - 0.6459640975062462;
  sum = sum * z + 1.5707963267948966;
  return x * sum;
}
