//! The list of models: names, homes, sizes and digests. It ships with the program (`assets/models/catalogue.json`).
use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::error::ModelError;

/// What a model is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Speech to text by whisper.cpp.
    Whisper,
    /// Voice activity detection.
    Vad,
    /// A voice for Piper.
    Piper,
    /// A library that others need.
    Library,
}

impl Kind {
    /// The name in files and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Whisper => "whisper",
            Kind::Vad => "vad",
            Kind::Piper => "piper",
            Kind::Library => "library",
        }
    }
}

/// One file of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelFile {
    /// Its name in the models folder.
    pub file: String,
    /// Its public home.
    pub url: String,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256, in hex.
    pub sha256: String,
    /// The archive it comes in, when it does not come by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archive: Option<Archive>,
}

/// A zip archive (such as a Python wheel) that holds a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Archive {
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256, in hex.
    pub sha256: String,
    /// The file's path inside.
    pub member: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// The name to fetch it by.
    pub name: String,
    /// What it is for.
    pub kind: Kind,
    /// What it is, in a few words.
    pub about: String,
    /// Its licence.
    pub licence: String,
    /// The system it is for, such as `linux-x86_64`; none for any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// Its files; the first is the one that settings name.
    pub files: Vec<ModelFile>,
}

impl Model {
    /// Bytes in the models folder.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|f| f.bytes).sum()
    }
}

/// The list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalogue {
    /// Version of the format: 1.
    pub schema: u32,
    pub models: Vec<Model>,
}

impl Catalogue {
    /// The list that ships with the program, for this system.
    pub fn embedded() -> Result<Self, ModelError> {
        Self::parse(include_str!("../../../../assets/models/catalogue.json"), &this_system())
    }

    /// Reads a list, leaving out what is for other systems.
    pub fn parse(json: &str, system: &str) -> Result<Self, ModelError> {
        let fault = |why: String| ModelError::Catalogue { why };
        let mut catalogue: Self = serde_json::from_str(json).map_err(|e| fault(e.to_string()))?;
        if catalogue.schema != 1 {
            return Err(fault(format!("its schema is {}, this program knows 1", catalogue.schema)));
        }
        catalogue.models.retain(|m| m.system.as_deref().is_none_or(|s| s == system));
        let mut names = BTreeSet::new();
        for model in &catalogue.models {
            if !names.insert(model.name.as_str()) {
                return Err(fault(format!("{} comes twice", model.name)));
            }
            if model.files.is_empty() {
                return Err(fault(format!("{} has no files", model.name)));
            }
            for file in &model.files {
                check(file).map_err(|why| fault(format!("{}: {why}", model.name)))?;
            }
        }
        Ok(catalogue)
    }

    /// The model of this name.
    pub fn find(&self, name: &str) -> Result<&Model, ModelError> {
        self.models.iter().find(|m| m.name == name).ok_or_else(|| {
            let near = self.models.iter().filter(|m| m.name.contains(name) || name.contains(&m.name));
            let near: Vec<&str> = near.map(|m| m.name.as_str()).take(5).collect();
            ModelError::NoSuchModel { name: name.to_owned(), near: near.join(", ") }
        })
    }
}

fn check(file: &ModelFile) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if file.file.is_empty() || file.file.starts_with('.') || !file.file.chars().all(plain) {
        return Err(format!("{:?} is not a plain file name", file.file));
    }
    let digests = [Some(&file.sha256), file.archive.as_ref().map(|a| &a.sha256)];
    if digests.into_iter().flatten().any(|d| d.len() != 64 || hex::decode(d).is_err()) {
        return Err(format!("{} has no proper SHA-256", file.file));
    }
    if file.bytes == 0 {
        return Err(format!("{} has no size", file.file));
    }
    reqwest::Url::parse(&file.url).map(|_| ()).map_err(|e| format!("{}: {e}", file.url))
}

/// This system's name in the list.
pub fn this_system() -> String {
    format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_list_has_what_the_docs_promise() {
        let json = include_str!("../../../../assets/models/catalogue.json");
        for system in ["linux-x86_64", "linux-aarch64"] {
            let catalogue = Catalogue::parse(json, system).unwrap();
            for name in ["tiny.en", "base.en", "small-q5_1", "large-v3-turbo-q5_0", "silero-v6.2.0"] {
                assert!(catalogue.find(name).is_ok(), "{name}");
            }
            assert_eq!(catalogue.find("onnxruntime").unwrap().system.as_deref(), Some(system));
            let voice = catalogue.find("en_GB-alba-medium").unwrap();
            assert!(voice.files[0].file.ends_with(".onnx") && voice.files[1].file.ends_with(".onnx.json"));
            assert!(catalogue.models.iter().flat_map(|m| &m.files).all(|f| f.url.starts_with("https://")));
        }
        assert!(Catalogue::parse(json, "plan9-mips").unwrap().find("onnxruntime").is_err());
    }

    #[test]
    fn a_mistyped_name_is_answered_with_what_is_near() {
        let error = Catalogue::embedded().unwrap().find("large").unwrap_err().to_string();
        assert!(error.contains("large-v3-turbo") && error.contains("models list"), "{error}");
    }

    #[test]
    fn a_list_that_would_write_outside_its_folder_is_refused() {
        let list = |file: &str| {
            format!(
                r#"{{"schema":1,"models":[{{"name":"x","kind":"vad","about":"","licence":"","files":[
                {{"file":"{file}","url":"https://x/y","bytes":1,"sha256":"{}"}}]}}]}}"#,
                "0".repeat(64)
            )
        };
        assert!(Catalogue::parse(&list("ok.bin"), "any").is_ok());
        for file in ["../x", "/etc/x", "a/b", ".hidden", ""] {
            assert!(Catalogue::parse(&list(file), "any").is_err(), "{file}");
        }
    }
}
