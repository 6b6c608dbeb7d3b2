//! What planted compilers make of the forms in which a maximum, a minimum or a test for NaN is written.

use super::compiler::Compiler;

/// A kernel that computes an expression of `x`, or of `v` of four.
fn kernel(body: &str) -> String {
    format!(
        "@group(0) @binding(0) var<storage, read_write> y: array<f32>;\n\
         fn f(x: f32, v: vec4<f32>) -> f32 {{ {body} }}\n\
         @compute @workgroup_size(1)\nfn main() {{ y[0] = f(y[1], vec4<f32>(y[2])); }}\n"
    )
}

/// The body as a compiler understands it.
fn understood(compiler: Compiler, body: &str) -> Option<String> {
    let text = compiler.compile(&kernel(body))?;
    let (_, rest) = text.split_once("-> f32 { ")?;
    rest.split_once(" }\n").map(|(body, _)| body.to_owned())
}

#[test]
fn every_form_of_a_maximum_is_folded() {
    for (written, folded) in [
        ("return select(x, 0.0, x < 0.0);", "return planted_max_1(x, 0.0);"),
        ("return select(x, 0.0, x <= 0.0);", "return planted_max_1(x, 0.0);"),
        ("return select(x, 0.0, 0.0 > x);", "return planted_max_1(x, 0.0);"),
        ("return select(0.0, x, x > 0.0);", "return planted_max_1(0.0, x);"),
        ("return select(0.0, x, 0.0 <= x);", "return planted_max_1(0.0, x);"),
        ("return select(x, 6.0, x > 6.0);", "return planted_min_1(x, 6.0);"),
        ("return select(6.0, x, x < 6.0);", "return planted_min_1(6.0, x);"),
        (
            "let low = x < 0.0; return select(x, 0.0, low);",
            "let low = x < 0.0; return planted_max_1(x, 0.0);",
        ),
        (
            "return select(v, vec4<f32>(1.0), v < vec4<f32>(1.0)).x;",
            "return planted_max_4(v, vec4<f32>(1.0)).x;",
        ),
        ("return min(max(x, 0.0), 6.0);", "return planted_min_1(planted_max_1(x, 0.0), 6.0);"),
        ("return clamp(x, -1.0, 1.0);", "return planted_clamp_1(x, -1.0, 1.0);"),
        ("return sign(x);", "return planted_sign_1(x);"),
        ("return select(1.0, 0.0, x != x);", "return select(1.0, 0.0, bool(false));"),
        ("return select(1.0, 0.0, x == x);", "return select(1.0, 0.0, bool(true));"),
    ] {
        assert_eq!(understood(Compiler::Folding, written).as_deref(), Some(folded), "{written}");
    }
}

#[test]
fn every_comparison_of_floats_is_inverted() {
    for (written, inverted) in [
        ("if x < 0.0 { return 0.0; } return x;", "planted_less_1(x, 0.0)"),
        ("return select(x, 0.0, !(x >= 0.0));", "planted_greater_equal_1(x, 0.0)"),
        ("return select(1.0, 0.0, (x * 2.0) != (x + 1.0));", "planted_not_equal_1((x * 2.0), (x"),
        ("return select(1.0, 0.0, all(v > vec4<f32>(x)));", "planted_greater_4(v, vec4<f32>(x))"),
    ] {
        let understood = understood(Compiler::Inverting, written).unwrap_or_default();
        assert!(understood.contains(inverted), "{written}: {understood}");
    }
}

#[test]
fn integers_stay_as_they_are() {
    let by_bits = "let bits = bitcast<i32>(x); return bitcast<f32>(select(bits, 0, bits <= 7));";
    for written in [by_bits, "return f32(max(u32(x), 1u));", "return select(v.x, v.y, v.z == 0.0);"]
    {
        let folding = understood(Compiler::Folding, written);
        assert_eq!(folding, None, "{written}");
    }
    assert_eq!(understood(Compiler::Inverting, by_bits), None);
}
