//! The models folder: what is there, whether it is whole, and what was chosen.
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::catalogue::{Catalogue, Kind, Model};
use super::error::ModelError;
use super::fetch::{digest, matches};

/// Where the choice is kept.
const CHOICE: &str = "in-use.json";

/// Whether a model is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum State {
    /// Nothing of it.
    Absent,
    /// Part of it.
    Partial { bytes: u64 },
    /// All of it, judged by size.
    Present,
}

/// A model and whether it is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// The model.
    #[serde(flatten)]
    pub model: Model,
    /// Whether it is there.
    #[serde(flatten)]
    pub state: State,
    /// Whether it was chosen by `antiphon models use`.
    pub in_use: bool,
}

/// What was chosen: file names in the models folder.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Chosen {
    /// Whisper model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub whisper: Option<String>,
    /// Voice activity detection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vad: Option<String>,
    /// Piper voice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub piper: Option<String>,
}

impl Chosen {
    fn slot(&mut self, kind: Kind) -> Option<&mut Option<String>> {
        match kind {
            Kind::Whisper => Some(&mut self.whisper),
            Kind::Vad => Some(&mut self.vad),
            Kind::Piper => Some(&mut self.piper),
            // A library is found by being there.
            Kind::Library => None,
        }
    }
}

/// A models folder.
#[derive(Debug, Clone)]
pub struct Folder(PathBuf);

impl Folder {
    /// The folder at `path`, which need not exist yet.
    pub fn new(path: &Path) -> Self {
        Self(path.to_path_buf())
    }

    /// Where a file of it is.
    pub fn path(&self, file: &str) -> PathBuf {
        self.0.join(file)
    }

    /// Every model of the catalogue and whether it is here.
    pub fn list(&self, catalogue: &Catalogue) -> Result<Vec<Listed>, ModelError> {
        let mut chosen = self.chosen()?;
        Ok(catalogue
            .models
            .iter()
            .map(|model| {
                let in_use = chosen
                    .slot(model.kind)
                    .is_some_and(|slot| slot.as_deref() == model.files.first().map(|f| f.file.as_str()));
                Listed { model: model.clone(), state: self.state(model), in_use }
            })
            .collect())
    }

    /// Whether a model is here, by the sizes of its files.
    pub fn state(&self, model: &Model) -> State {
        let length = |name: &str| std::fs::metadata(self.path(name)).map_or(0, |m| m.len());
        let whole = model.files.iter().filter(|f| length(&f.file) == f.bytes).count();
        if whole == model.files.len() {
            return State::Present;
        }
        let bytes = model.files.iter().map(|f| length(&f.file) + length(&format!("{}.part", f.file))).sum();
        if bytes == 0 { State::Absent } else { State::Partial { bytes } }
    }

    /// Checks sizes and digests of a model that is here.
    pub async fn verify(&self, model: &Model) -> Result<(), ModelError> {
        for file in &model.files {
            let path = self.path(&file.file);
            if !path.is_file() {
                return Err(self.absent(model));
            }
            if !matches(&path, file.bytes, &file.sha256).await? {
                return Err(ModelError::Digest {
                    file: path.display().to_string(),
                    expected: file.sha256.clone(),
                    got: digest(&path).await?,
                    hint: "delete it and fetch it again",
                });
            }
        }
        Ok(())
    }

    /// Makes a model the one in use, from the next start on. It must be here and right.
    pub async fn choose(&self, model: &Model) -> Result<(), ModelError> {
        self.verify(model).await?;
        let mut chosen = self.chosen()?;
        if let (Some(slot), Some(file)) = (chosen.slot(model.kind), model.files.first()) {
            *slot = Some(file.file.clone());
        }
        let path = self.path(CHOICE);
        let fresh = self.path(&format!("{CHOICE}.new"));
        let json = serde_json::to_vec_pretty(&chosen).unwrap_or_default();
        std::fs::write(&fresh, json).map_err(|e| ModelError::io(&fresh, &e))?;
        std::fs::rename(&fresh, &path).map_err(|e| ModelError::io(&path, &e))
    }

    /// What was chosen.
    pub fn chosen(&self) -> Result<Chosen, ModelError> {
        let path = self.path(CHOICE);
        match std::fs::read(&path) {
            Ok(json) => serde_json::from_slice(&json).map_err(|e| ModelError::Io {
                path: path.display().to_string(),
                why: format!("{e}; delete it and choose again with `antiphon models use`"),
            }),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Chosen::default()),
            Err(e) => Err(ModelError::io(&path, &e)),
        }
    }

    fn absent(&self, model: &Model) -> ModelError {
        ModelError::Absent { name: model.name.clone(), folder: self.0.display().to_string() }
    }
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;
    use crate::models::catalogue::ModelFile;

    fn model(content: &[u8]) -> Model {
        Model {
            name: "tiny".into(),
            kind: Kind::Whisper,
            about: String::new(),
            licence: "MIT".into(),
            system: None,
            files: vec![ModelFile {
                file: "ggml-tiny.bin".into(),
                url: "https://example.org/ggml-tiny.bin".into(),
                bytes: content.len() as u64,
                sha256: hex::encode(Sha256::digest(content)),
                archive: None,
            }],
        }
    }

    #[tokio::test]
    async fn what_is_here_is_listed_checked_and_chosen() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::new(dir.path());
        let model = model(b"weights");
        let catalogue = Catalogue { schema: 1, models: vec![model.clone()] };
        assert_eq!(folder.list(&catalogue).unwrap()[0].state, State::Absent);
        assert!(folder.verify(&model).await.unwrap_err().to_string().contains("models fetch tiny"));

        std::fs::write(folder.path("ggml-tiny.bin.part"), b"wei").unwrap();
        assert_eq!(folder.state(&model), State::Partial { bytes: 3 });

        std::fs::write(folder.path("ggml-tiny.bin"), b"weights").unwrap();
        folder.choose(&model).await.unwrap();
        let listed = folder.list(&catalogue).unwrap();
        assert!(listed[0].in_use && listed[0].state == State::Present);
        assert_eq!(folder.chosen().unwrap().whisper.as_deref(), Some("ggml-tiny.bin"));

        std::fs::write(folder.path("ggml-tiny.bin"), b"Weights").unwrap();
        let error = folder.verify(&model).await.unwrap_err();
        assert!(matches!(error, ModelError::Digest { .. }), "{error}");
        assert!(folder.choose(&model).await.is_err(), "a damaged model is not chosen");
    }

    #[test]
    fn a_broken_choice_is_named() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(CHOICE), "{").unwrap();
        let error = Folder::new(dir.path()).chosen().unwrap_err().to_string();
        assert!(error.contains(CHOICE) && error.contains("models use"), "{error}");
    }
}
