//! One user.

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::selector::{Denied, Selector};
use crate::spec::Spec;

const NO_SUCH_PASSWORD: &str = "The password you are trying to remove from the user does not exist";
const BAD_HASH: &str =
    "The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters";
/// Passwords and selectors of one user at most.
const MAX_PARTS: usize = 100;

#[derive(Clone, Debug, Default)]
pub(crate) struct User {
    pub(crate) enabled: bool,
    pub(crate) nopass: bool,
    /// `sanitize-payload` or `skip-sanitize-payload`, if one was said.
    sanitize: Option<&'static str>,
    /// SHA-256 of each password, in hexadecimal digits.
    passwords: Vec<String>,
    root: Selector,
    selectors: Vec<Selector>,
}

fn digest(password: &[u8]) -> String {
    hex::encode(Sha256::digest(password))
}

impl User {
    /// The user that all connections begin as.
    pub(crate) fn default_user(password: Option<&str>) -> Self {
        Self {
            enabled: true,
            nopass: password.is_none(),
            passwords: password.map(|password| digest(password.as_bytes())).into_iter().collect(),
            root: Selector::everything(),
            ..Self::default()
        }
    }

    pub(crate) fn accepts(&self, password: &[u8]) -> bool {
        let given = digest(password);
        let same = |known: &String| bool::from(known.as_bytes().ct_eq(given.as_bytes()));
        self.enabled && (self.nopass || self.passwords.iter().any(same))
    }

    pub(crate) fn is_unrestricted(&self) -> bool {
        self.root.is_everything()
    }

    /// Whether any selector allows a command; if none does, what the first one lacks.
    pub(crate) fn check(&self, spec: &Spec, words: &[Bytes]) -> Result<(), Denied> {
        let denied = match self.root.check(spec, words) {
            Ok(()) => return Ok(()),
            Err(denied) => denied,
        };
        let other = self.selectors.iter().any(|selector| selector.check(spec, words).is_ok());
        if other { Ok(()) } else { Err(denied) }
    }

    /// Changes the user by one word of ACL SETUSER.
    pub(crate) fn apply(&mut self, word: &Bytes, known: impl Fn(&[u8]) -> bool) -> Result<(), &'static str> {
        let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        if self.passwords.len().max(self.selectors.len()) >= MAX_PARTS {
            return Err("Too many passwords or selectors for one user");
        }
        match () {
            () if is("on") => self.enabled = true,
            () if is("off") => self.enabled = false,
            () if is("nopass") => {
                self.nopass = true;
                self.passwords.clear();
            }
            () if is("resetpass") => {
                self.nopass = false;
                self.passwords.clear();
            }
            () if is("sanitize-payload") => self.sanitize = Some("sanitize-payload"),
            () if is("skip-sanitize-payload") => self.sanitize = Some("skip-sanitize-payload"),
            () if is("clearselectors") => self.selectors.clear(),
            () if is("reset") => *self = Self { sanitize: Some("sanitize-payload"), ..Self::default() },
            () => match word.first() {
                Some(b'>') => self.add(digest(&word[1..])),
                Some(b'#') => self.add(hash(&word[1..])?),
                Some(b'<') => self.remove(&digest(&word[1..]))?,
                Some(b'!') => self.remove(&hash(&word[1..])?)?,
                Some(b'(') => {
                    let inner = word.slice(1..).to_vec();
                    let inner =
                        inner.strip_suffix(b")").ok_or("Unmatched parenthesis in selector definition.")?;
                    let mut selector = Selector::default();
                    for word in inner.split(|&byte| byte == b' ').filter(|word| !word.is_empty()) {
                        selector.apply(&Bytes::copy_from_slice(word), &known)?;
                    }
                    self.selectors.push(selector);
                }
                _ => self.root.apply(word, known)?,
            },
        }
        Ok(())
    }

    fn add(&mut self, password: String) {
        if !self.passwords.contains(&password) {
            self.passwords.push(password);
        }
        self.nopass = false;
    }

    fn remove(&mut self, password: &str) -> Result<(), &'static str> {
        let at = self.passwords.iter().position(|known| known == password).ok_or(NO_SUCH_PASSWORD)?;
        self.passwords.remove(at);
        Ok(())
    }

    pub(crate) fn flags(&self) -> Vec<&'static str> {
        let mut flags = vec![if self.enabled { "on" } else { "off" }];
        flags.extend(self.nopass.then_some("nopass"));
        flags.extend(self.sanitize);
        flags
    }

    pub(crate) fn passwords(&self) -> &[String] {
        &self.passwords
    }

    pub(crate) fn root(&self) -> &Selector {
        &self.root
    }

    pub(crate) fn selectors(&self) -> &[Selector] {
        &self.selectors
    }

    /// A line of ACL LIST.
    pub(crate) fn describe(&self, name: &str) -> String {
        let mut parts = vec![format!("user {name}")];
        parts.extend(self.flags().into_iter().map(str::to_owned));
        parts.extend(self.passwords.iter().map(|password| format!("#{password}")));
        parts.push(self.root.describe());
        parts.extend(self.selectors.iter().map(|selector| format!("({})", selector.describe())));
        parts.join(" ")
    }
}

fn hash(text: &[u8]) -> Result<String, &'static str> {
    let valid = text.len() == 64 && text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if valid { Ok(String::from_utf8_lossy(text).into_owned()) } else { Err(BAD_HASH) }
}
