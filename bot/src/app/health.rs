//! The state of each part, for machines and for people.
use serde::Serialize;

/// One part that work depends on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Part {
    /// Its name.
    pub name: &'static str,
    /// Whether it works.
    pub ok: bool,
    /// What it is, or what is wrong with it.
    pub detail: String,
}

/// All parts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Health {
    /// Always `ok` while the process answers.
    pub status: &'static str,
    /// Whether every part works that new sessions need.
    pub ready: bool,
    /// This build.
    pub version: &'static str,
    /// Running sessions.
    pub sessions: usize,
    /// Whether new sessions are taken.
    pub draining: bool,
    /// The parts.
    pub parts: Vec<Part>,
}

impl Health {
    /// For people in a chat.
    pub fn in_words(&self) -> String {
        let mut lines = vec![if self.ready {
            "I am well.".to_owned()
        } else {
            "I am not well: see what is marked below.".to_owned()
        }];
        for part in &self.parts {
            let mark = if part.ok { "✅" } else { "❌" };
            lines.push(format!("{mark} {}: {}", part.name, part.detail));
        }
        lines.push(format!("Sessions: {}. Version {}.", self.sessions, self.version));
        lines.join("\n")
    }
}
