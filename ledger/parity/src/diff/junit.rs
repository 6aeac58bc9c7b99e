//! A comparison as JUnit XML, for CI systems that show tests: a test case a turn.
use std::fmt::Write as _;

use super::parity::Parity;
use bundle::draw::escape;

/// Writes a test suite in which each turn is a test case, failed when it differs.
pub fn junit(parity: &Parity, turns: impl IntoIterator<Item = antiphon_core::ids::TurnId>) -> String {
    let (name, failures) =
        (escape(&format!("{} against {}", parity.a, parity.b)), parity.turns - parity.agreed);
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n  \
         <testsuite name=\"{name}\" tests=\"{}\" failures=\"{failures}\">\n",
        parity.turns
    );
    for turn in turns {
        let found: Vec<String> = parity
            .of_turn(turn)
            .map(|difference| {
                let show = |value: &Option<String>| value.clone().unwrap_or_else(|| "(nothing)".into());
                format!(
                    "{} ({}): {} | {}",
                    difference.field,
                    difference.class.as_str(),
                    show(&difference.a),
                    show(&difference.b)
                )
            })
            .collect();
        let case = format!("    <testcase classname=\"{}\" name=\"turn {turn}\"", parity.session_a);
        // Writing to a String cannot fail.
        let _ = if found.is_empty() {
            writeln!(xml, "{case}/>")
        } else {
            let (message, text) =
                (escape(&format!("{} fields differ", found.len())), escape(&found.join("\n")));
            writeln!(xml, "{case}>\n      <failure message=\"{message}\">{text}</failure>\n    </testcase>")
        };
    }
    xml.push_str("  </testsuite>\n</testsuites>\n");
    xml
}
