//! What the classes of `assets/report/picture.css` look like, for pictures that no browser draws.
//!
//! The style sheet is the only place where colors and sizes stand. Of CSS, this reads what that file
//! needs: rules for `:root`, for texts and for classes, later ones over earlier ones.

use std::sync::LazyLock;

/// Colors and text styles, for pages and for pictures alone.
pub(crate) const PICTURE_CSS: &str = include_str!("../../../assets/report/picture.css");

/// Red, green and blue.
pub(super) type Color = [u8; 3];

/// How a shape looks.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Style {
    /// Color of texts and areas.
    pub fill: Option<Color>,
    /// Color of lines.
    pub stroke: Option<Color>,
    pub stroke_width: f64,
    pub stroke_opacity: f64,
    pub font_size: f64,
    pub bold: bool,
}

/// A class, empty for what all texts share, and its declarations.
type Rule = (&'static str, Vec<(&'static str, &'static str)>);

static RULES: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    let mut rules = Vec::new();
    for (selectors, body) in blocks() {
        let declarations: Vec<_> = declarations(body).collect();
        for selector in selectors.split(',') {
            match selector.trim().strip_prefix(".picture ") {
                Some("text") => rules.push(("", declarations.clone())),
                Some(class) => rules.push((class.trim_start_matches('.'), declarations.clone())),
                None => {}
            }
        }
    }
    rules
});

/// Selectors and body of each rule.
fn blocks() -> impl Iterator<Item = (&'static str, &'static str)> {
    PICTURE_CSS.split('}').filter_map(|rule| rule.split_once('{'))
}

fn declarations(body: &'static str) -> impl Iterator<Item = (&'static str, &'static str)> {
    let pairs = body.split(';').filter_map(|declaration| declaration.split_once(':'));
    pairs.map(|(name, value)| (name.trim(), value.trim()))
}

/// The color of light pages that a value names.
fn color(value: &str) -> Option<Color> {
    let value = match value.strip_prefix("var(").and_then(|rest| rest.strip_suffix(')')) {
        Some(variable) => {
            let root = blocks().find(|(selector, _)| selector.trim() == ":root");
            root.and_then(|(_, body)| declarations(body).find(|(name, _)| *name == variable))?.1
        }
        None => value,
    };
    let digits = value.strip_prefix('#')?;
    let [_, red, green, blue] = u32::from_str_radix(digits, 16).ok()?.to_be_bytes();
    Some([red, green, blue])
}

impl Style {
    /// The style of a shape with the given classes.
    pub fn of(classes: &str) -> Self {
        let mut style = Self {
            fill: Some([0; 3]),
            stroke: None,
            stroke_width: 1.0,
            stroke_opacity: 1.0,
            font_size: 16.0,
            bold: false,
        };
        for (class, declarations) in RULES.iter() {
            if class.is_empty() || classes.split(' ').any(|one| one == *class) {
                declarations.iter().for_each(|&(name, value)| style.declare(name, value));
            }
        }
        style
    }

    fn declare(&mut self, name: &str, value: &str) {
        let number = value.trim_end_matches("px").parse::<f64>();
        match (name, number) {
            ("fill", _) => self.fill = color(value),
            ("stroke", _) => self.stroke = color(value),
            ("stroke-width", Ok(width)) => self.stroke_width = width,
            ("stroke-opacity", Ok(opacity)) => self.stroke_opacity = opacity,
            ("font-size", Ok(size)) => self.font_size = size,
            ("font-weight", Ok(weight)) => self.bold = weight >= 600.0,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_look_as_the_style_sheet_says() {
        let text = Style::of("");
        assert_eq!((text.fill, text.font_size, text.bold), (Some([31, 35, 40]), 13.0, false));
        let small = Style::of("strong small");
        assert_eq!((small.fill, small.font_size), (Some([255; 3]), 11.0));
        let curve = Style::of("l0 faint");
        assert_eq!((curve.fill, curve.stroke), (None, Some([0, 114, 178])));
        assert_eq!((curve.stroke_width, curve.stroke_opacity), (1.0, 0.3));
        assert!(Style::of("head").bold);
    }

    /// A declaration that this does not read would look otherwise in a browser.
    #[test]
    fn all_of_the_style_sheet_is_read() {
        const READ: [&str; 6] =
            ["fill", "stroke", "stroke-width", "stroke-opacity", "font-size", "font-weight"];
        // Round ends are what bitmaps draw, anyway.
        const OTHERS: [&str; 2] = ["stroke-linejoin", "stroke-linecap"];
        for (class, declarations) in RULES.iter() {
            for (name, value) in declarations {
                assert!(READ.contains(name) || OTHERS.contains(name), "{class}: {name}");
                if ["fill", "stroke"].contains(name) && *value != "none" {
                    assert!(color(value).is_some(), "{class}: {name}: {value}");
                }
            }
        }
    }
}
