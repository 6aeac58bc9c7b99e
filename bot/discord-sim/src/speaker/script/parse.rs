//! Reading and checking a script: everything that is wrong, each with its line and field.
use std::collections::HashSet;
use std::path::Path;

use super::locate::{At, line_of};
use super::model::{Script, Step};
use crate::speaker::espeak::MAX_TEXT;

/// Speakers in one script at most.
const MAX_SPEAKERS: usize = 64;
/// No step waits longer than an hour.
const MAX_MS: u64 = 3_600_000;
/// What means the bot under test wherever somebody is named.
pub(super) const BOT: &str = "bot";

/// One thing that is wrong with a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The line, from 1.
    pub line: usize,
    /// The field, as a path.
    pub field: String,
    /// What is wrong, and what would be right.
    pub why: String,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}, {}: {}", self.line, self.field, self.why)
    }
}

/// A script cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScriptError {
    /// The file cannot be read.
    #[error("cannot read the script {path}: {why}")]
    Unreadable {
        /// The file.
        path: String,
        /// What the system said.
        why: String,
    },
    /// It says something that cannot be done.
    #[error("the script {path} cannot be used:{}", listed(faults))]
    Faulty {
        /// The file.
        path: String,
        /// Everything that is wrong.
        faults: Vec<Fault>,
    },
}

fn listed(faults: &[Fault]) -> String {
    faults.iter().map(|fault| format!("\n  {fault}")).collect()
}

impl Script {
    /// Reads and checks a script file; files that it names are relative to it.
    pub fn load(path: &Path) -> Result<Self, ScriptError> {
        let text = std::fs::read_to_string(path).map_err(|error| ScriptError::Unreadable {
            path: path.display().to_string(),
            why: error.to_string(),
        })?;
        let folder = path.parent().unwrap_or(Path::new(""));
        Self::parse(&text, folder)
            .map_err(|faults| ScriptError::Faulty { path: path.display().to_string(), faults })
    }

    /// Reads and checks a script; files that it names are relative to `folder`.
    pub fn parse(text: &str, folder: &Path) -> Result<Self, Vec<Fault>> {
        let mut json = serde_json::Deserializer::from_str(text);
        let mut script: Self = serde_path_to_error::deserialize(&mut json).map_err(|error| {
            let field = match error.path().to_string() {
                path if path == "." || path.is_empty() => "the script".to_owned(),
                path => path,
            };
            let inner = error.into_inner();
            // serde_json repeats the place, which is named already.
            let why = inner.to_string();
            let why = why.split(" at line ").next().unwrap_or(&why).to_owned();
            vec![Fault { line: inner.line().max(1), field, why }]
        })?;
        json.end().map_err(|error| {
            let (line, field) = (error.line().max(1), "the script".to_owned());
            vec![Fault { line, field, why: "something follows its closing brace".to_owned() }]
        })?;
        let mut checker = Checker { text, faults: Vec::new() };
        checker.check(&script, folder);
        script.folder = folder.to_owned();
        if checker.faults.is_empty() { Ok(script) } else { Err(checker.faults) }
    }
}

struct Checker<'a> {
    text: &'a str,
    faults: Vec<Fault>,
}

impl Checker<'_> {
    fn fault(&mut self, path: &[At<'_>], why: impl Into<String>) {
        let field = path.iter().fold(String::new(), |field, step| match step {
            At::Key(key) if field.is_empty() => (*key).to_owned(),
            At::Key(key) => format!("{field}.{key}"),
            At::Index(index) => format!("{field}[{index}]"),
        });
        self.faults.push(Fault { line: line_of(self.text, path), field, why: why.into() });
    }

    fn check(&mut self, script: &Script, folder: &Path) {
        use At::{Index, Key};
        if script.speakers.is_empty() || script.speakers.len() > MAX_SPEAKERS {
            self.fault(&[Key("speakers")], format!("there must be 1 to {MAX_SPEAKERS} speakers"));
        }
        self.milliseconds(&[Key("timeout_ms")], script.timeout_ms);
        let mut names = HashSet::new();
        for (n, role) in script.speakers.iter().enumerate() {
            let of_role = |field| [Key("speakers"), Index(n), Key(field)];
            if role.name.trim().is_empty() || role.name == BOT {
                self.fault(&of_role("name"), "a speaker needs a name other than \"bot\"");
            }
            if !names.insert(&role.name) {
                self.fault(&of_role("name"), format!("there are two speakers called {:?}", role.name));
            }
            if let Some((field, why)) = role.voice.fault() {
                self.fault(&[Key("speakers"), Index(n), Key("voice"), Key(field)], why);
            }
            if role.record.as_deref().is_some_and(|folder| folder.trim().is_empty()) {
                self.fault(&of_role("record"), "name a folder");
            }
        }
        for (n, role) in script.speakers.iter().enumerate() {
            let (mut present, mut under_way, mut clock) = (false, false, 0);
            for (s, step) in role.steps.iter().enumerate() {
                let at = [Key("speakers"), Index(n), Key("steps"), Index(s)];
                let field = |field| [at[0], at[1], at[2], at[3], Key(step.name()), Key(field)];
                let value = [at[0], at[1], at[2], at[3], Key(step.name())];
                match step {
                    Step::Join if present => self.fault(&at, "it has joined already"),
                    Step::Join => present = true,
                    Step::WaitMs(ms) => self.milliseconds(&value, *ms),
                    Step::AtMs(ms) => {
                        self.milliseconds(&value, *ms);
                        if *ms < clock {
                            self.fault(&value, format!("{ms} lies before the {clock} of an earlier step"));
                        }
                        clock = clock.max(*ms);
                    }
                    _ if !present => {
                        self.fault(&at, format!("\"{}\" needs a \"join\" before it", step.name()));
                    }
                    Step::Leave => (present, under_way) = (false, false),
                    Step::StartSaying(_) | Step::StartPlaying(_) => under_way = true,
                    Step::Finish | Step::Stop if !under_way => {
                        self.fault(&at, "nothing was begun by \"start_saying\" or \"start_playing\"");
                    }
                    Step::Finish | Step::Stop => under_way = false,
                    Step::WaitUntilSpeaking(wait) => {
                        self.person(&field("who"), &wait.who, &names);
                        self.milliseconds(&field("timeout_ms"), wait.timeout_ms);
                    }
                    Step::WaitUntilSilent(wait) => {
                        self.person(&field("who"), &wait.who, &names);
                        self.milliseconds(&field("for_ms"), wait.for_ms);
                        self.milliseconds(&field("timeout_ms"), wait.timeout_ms);
                    }
                    Step::WaitForKeys(wait) => {
                        for who in &wait.with {
                            self.person(&field("with"), who, &names);
                        }
                        self.milliseconds(&field("timeout_ms"), wait.timeout_ms);
                    }
                    Step::BargeIn(barge_in) => {
                        self.person(&field("who"), &barge_in.who, &names);
                        self.milliseconds(&field("after_ms"), barge_in.after_ms);
                        self.milliseconds(&field("timeout_ms"), barge_in.timeout_ms);
                    }
                    Step::Say(_) | Step::Play(_) | Step::Mute | Step::Unmute | Step::Cut => {}
                }
                if let Some(text) = step.text()
                    && (text.trim().is_empty() || text.len() > MAX_TEXT)
                {
                    self.fault(&value, format!("a text has 1 to {MAX_TEXT} bytes"));
                }
                if let Some(file) = step.wav()
                    && !folder.join(file).is_file()
                {
                    self.fault(&value, format!("there is no file {file:?} next to the script"));
                }
            }
        }
    }

    fn milliseconds(&mut self, path: &[At<'_>], ms: u64) {
        if ms == 0 || ms > MAX_MS {
            self.fault(path, format!("{ms} ms is not within 1 to {MAX_MS}"));
        }
    }

    fn person(&mut self, path: &[At<'_>], who: &str, names: &HashSet<&String>) {
        let known = who == BOT || names.iter().any(|name| *name == who) || who.parse::<u64>().is_ok();
        if !known {
            self.fault(path, format!("{who:?} is neither \"bot\", nor a speaker here, nor a user id"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> Vec<String> {
        Script::parse(text, Path::new("."))
            .err()
            .unwrap_or_default()
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn the_example_in_the_documentation_is_a_script() {
        let documented = include_str!("model.rs");
        let example: String = documented
            .lines()
            .skip_while(|line| !line.contains("```json"))
            .skip(1)
            .take_while(|line| !line.contains("```"))
            .map(|line| line.trim_start_matches("//!"))
            .collect();
        let script = Script::parse(&example, Path::new(".")).unwrap();
        assert_eq!(script.speakers.len(), 2);
        assert_eq!(script.speakers[0].steps[0], Step::Join);
        let again = serde_json::to_string(&script).unwrap();
        assert_eq!(Script::parse(&again, Path::new(".")).unwrap(), script);
    }

    #[test]
    fn wrong_fields_are_named_with_their_line() {
        let wrong = "{ \"speakers\": [\n { \"name\": \"A\", \"steps\": [ \"join\",\n  { \"wait_ms\": \"soon\" } ] } ] }";
        assert_eq!(
            faults(wrong),
            ["line 3, speakers[0].steps[1].wait_ms: invalid type: string \"soon\", expected u64"]
        );
        let missing = "{ \"speakers\": [\n { \"name\": \"A\", \"steps\": [\n {\"wait_until_silent\": {\"who\": \"bot\"}} ] } ] }";
        assert_eq!(
            faults(missing),
            ["line 3, speakers[0].steps[0].wait_until_silent: missing field `for_ms`"]
        );
        let unknown = "{ \"speakers\": [\n { \"name\": \"A\",\n \"volume\": 3, \"steps\": [] } ] }";
        assert!(
            faults(unknown)[0].starts_with("line 3, speakers[0].volume: unknown field"),
            "{:?}",
            faults(unknown)
        );
        let step = "{ \"speakers\": [\n { \"name\": \"A\", \"steps\": [\n \"jion\" ] } ] }";
        let found = faults(step);
        assert!(
            found[0].starts_with("line 3, speakers[0].steps[0]") && found[0].contains("`jion`"),
            "{found:?}"
        );
        assert_eq!(faults("{").len(), 1);
        assert!(faults("{\"speakers\":[]} x")[0].contains("follows its closing brace"));
    }

    #[test]
    fn everything_that_cannot_be_done_is_reported_at_once() {
        let text = r#"{ "timeout_ms": 0,
  "speakers": [
    { "name": "A", "voice": { "speed": 9 }, "steps": [
      { "say": "too early" },
      "join",
      { "say": " " },
      { "play": "no such.wav" },
      { "wait_until_speaking": {
          "who": "Zoe" } },
      { "at_ms": 5000 },
      { "at_ms": 4000 },
      "join",
      "stop" ] },
    { "name": "A", "steps": [] },
    { "name": "bot", "steps": [] } ] }"#;
        let found = faults(text);
        let expected = [
            "line 1, timeout_ms: 0 ms is not within",
            "line 3, speakers[0].voice.speed: 9 words",
            "line 14, speakers[1].name: there are two",
            "line 15, speakers[2].name: a speaker needs a name",
            "line 4, speakers[0].steps[0]: \"say\" needs a \"join\"",
            "line 6, speakers[0].steps[2].say: a text has",
            "line 7, speakers[0].steps[3].play: there is no file \"no such.wav\"",
            "line 9, speakers[0].steps[4].wait_until_speaking.who: \"Zoe\" is neither",
            "line 11, speakers[0].steps[6].at_ms: 4000 lies before",
            "line 12, speakers[0].steps[7]: it has joined already",
            "line 13, speakers[0].steps[8]: nothing was begun",
        ];
        assert_eq!(found.len(), expected.len(), "{found:#?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.starts_with(expected), "{found} is not {expected}…");
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = Script::load(Path::new("/nowhere/x.json")).unwrap_err();
        assert!(error.to_string().contains("/nowhere/x.json"), "{error}");
    }
}
