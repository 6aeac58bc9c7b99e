//! Words on a drawing: escaped, measured, cut to fit.

/// For SVG and XML: markup escaped, and characters that XML 1.0 doesn't allow left out.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c if c.is_control() && !matches!(c, '\n' | '\t') || matches!(c, '\u{FFFE}' | '\u{FFFF}') => {}
            c => out.push(c),
        }
    }
    out
}

/// About how wide a text is at a font size: there is no font to ask, so wide letters count generously.
pub(super) fn width(text: &str, size: f64) -> f64 {
    let ems: f64 = text
        .chars()
        .map(|c| match c {
            'i' | 'l' | 'j' | 't' | 'f' | 'r' | 'I' | ' ' | '.' | ',' | ':' | ';' | '\'' | '!' | '|' => 0.32,
            'm' | 'w' | 'M' | 'W' | '@' => 0.9,
            c if c.is_ascii_uppercase() => 0.7,
            c if c.is_ascii() => 0.57,
            '\u{1100}'.. => 1.05,
            _ => 0.65,
        })
        .sum();
    ems * size
}

/// As much of a text as fits, with an ellipsis when cut; none when not even three letters fit.
pub(super) fn fit(text: &str, size: f64, room: f64) -> Option<String> {
    if width(text, size) <= room {
        return Some(text.to_owned());
    }
    let mut out = String::new();
    for c in text.chars() {
        out.push(c);
        if width(&out, size) + size > room {
            out.pop();
            break;
        }
    }
    let out = out.trim_end();
    (out.chars().count() >= 3).then(|| format!("{out}…"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_from_outside_stay_words() {
        assert_eq!(
            escape("</text><script>a&\"b\"\u{0}\u{1b}"),
            "&lt;/text&gt;&lt;script&gt;a&amp;&quot;b&quot;"
        );
        assert_eq!(fit("A long sentence that goes on", 11.0, 60.0).unwrap().chars().last(), Some('…'));
        assert_eq!(fit("abcdef", 11.0, 12.0), None);
        assert_eq!(fit("ab", 11.0, 100.0).as_deref(), Some("ab"));
    }
}
