//! What has a form of its own: web addresses, e-mail, machines' addresses, Discord's ids, secrets.
use std::collections::BTreeMap;
use std::net::Ipv6Addr;

use regex::Regex;

use super::normalize::Normalized;
use super::{Kind, Span};

/// The patterns, compiled once. They run in linear time on whatever text there is.
#[derive(Debug)]
pub(crate) struct Patterns {
    url: Regex,
    email: Regex,
    mention: Regex,
    handle: Regex,
    secret: Regex,
    ip4: Regex,
    ip6: Regex,
    mac: Regex,
    /// Persons' numbers that have letters: DNI and NIE (Spain), codice fiscale (Italy).
    person: Regex,
    pub(super) iban: Regex,
    pub(super) digits: Regex,
    pub(super) kanji_digits: Regex,
    pub(super) kana_digits: Regex,
    kana_email: Regex,
}

impl Patterns {
    pub(crate) fn new() -> Result<Self, regex::Error> {
        Ok(Self {
            url: Regex::new(r#"(?:\b(?:https?|wss?|ftp)://|\bwww\.|\bdiscord\.gg/|\bt\.me/)[^\s<>"'、。]+"#)?,
            email: Regex::new(
                r"[\p{Latin}\p{Cyrillic}\p{Greek}\p{N}._%+'-]+ ?@ ?[\p{L}\p{N}-]+(?:\.[\p{L}\p{N}-]+)*\.\p{L}{2,}",
            )?,
            mention: Regex::new(r"<(?:@[!&]?|#|a?:[a-z0-9_]+:|/[^:>]{1,64}:|id:)\d{5,20}>|\b\d{17,20}\b")?,
            handle: Regex::new(r"(?:^|[\s(,])(@[a-z0-9_][a-z0-9_.]{1,31}|[\p{L}\p{N}_.]{2,32}#\d{4}\b)")?,
            secret: Regex::new(
                r"[a-z0-9_-]{20,}(?:\.[a-z0-9_-]{5,}){0,2}|\b(?:sk|pk|ghp|gho|xox[bp])[-_][a-z0-9_-]{10,}",
            )?,
            ip4: Regex::new(r"\b\d{1,3}(?:\.\d{1,3}){3}\b")?,
            ip6: Regex::new(r"[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7}")?,
            mac: Regex::new(r"\b[0-9a-f]{2}(?:[:-][0-9a-f]{2}){5}\b")?,
            person: Regex::new(
                r"\b(?:\d{8}-?[a-z]|[xyz]-?\d{7}-?[a-z]|[a-z]{6}\d{2}[a-z]\d{2}[a-z]\d{3}[a-z])\b",
            )?,
            iban: Regex::new(r"\b[a-z]{2}[ ]?\d{2}[ -]?[a-z0-9]{2,4}")?,
            digits: Regex::new(r"(?:\+ ?|\b00)?\(?\d(?:[ ().,/·-]{0,3}\d)+")?,
            kana_email: Regex::new(
                r"[a-z0-9ァ-ヶー._-]+ ?(?:アットマーク|アット) ?[a-z0-9ァ-ヶー-]+(?:(?: ?ドット ?|\.)[a-z0-9ァ-ヶー-]+)+",
            )?,
            kanji_digits: Regex::new(
                r"[〇零一二三四五六七八九](?:[のー、・ -]{0,2}[〇零一二三四五六七八九]){6,}",
            )?,
            kana_digits: Regex::new(
                r"(?:ゼロ|レイ|マル|イチ|ニー?|サン|ヨン|シ|ゴー?|ロク|ナナ|シチ|ハチ|キュウ|ク|ぜろ|れい|いち|に|さん|よん|ご|ろく|なな|しち|はち|きゅう)(?:[のノー、・ -]{0,2}(?:ゼロ|レイ|マル|イチ|ニー?|サン|ヨン|シ|ゴー?|ロク|ナナ|シチ|ハチ|キュウ|ク|ぜろ|れい|いち|に|さん|よん|ご|ろく|なな|しち|はち|きゅう)){6,}",
            )?,
        })
    }

    pub(crate) fn find(
        &self,
        normalized: &Normalized,
        ids: &BTreeMap<u64, String>,
        give: &mut impl FnMut(Span),
    ) {
        let text = normalized.text.as_str();
        for found in self.url.find_iter(text) {
            let url = found.as_str().trim_end_matches(['.', ',', ')', '!', '?', ';', ':']);
            if is_personal(url) {
                give(Span::new(found.start()..found.start() + url.len(), Kind::Url));
            }
        }
        for found in self.email.find_iter(text).chain(self.kana_email.find_iter(text)) {
            give(Span::new(found.range(), Kind::Email));
        }
        for found in self.mention.find_iter(text) {
            let with = mention(found.as_str(), ids);
            give(Span { range: found.range(), kind: Kind::Id, with });
        }
        for found in self.mac.find_iter(text) {
            give(Span::new(found.range(), Kind::Ip));
        }
        for found in self.ip4.find_iter(text) {
            let octets = found.as_str().split('.').all(|part| part.parse::<u16>().is_ok_and(|n| n < 256));
            // "v1.2.3.4" is a version.
            if octets && !text[..found.start()].ends_with('v') {
                give(Span::new(found.range(), Kind::Ip));
            }
        }
        for found in self.ip6.find_iter(text) {
            let address = found.as_str().trim_end_matches(':');
            let address = if found.as_str().ends_with("::") { found.as_str() } else { address };
            let long = address.len() >= 6 && address.contains(|c: char| c.is_ascii_digit());
            if long && address.parse::<Ipv6Addr>().is_ok() {
                give(Span::new(found.start()..found.start() + address.len(), Kind::Ip));
            }
        }
        for found in self.person.find_iter(text) {
            give(Span::new(found.range(), Kind::Number));
        }
        for found in self.secret.find_iter(text) {
            if is_secret(found.as_str()) {
                give(Span::new(found.range(), Kind::Secret));
            }
        }
        for found in self.handle.captures_iter(text) {
            if let Some(handle) = found.get(1) {
                give(Span::new(handle.range(), Kind::Id));
            }
        }
    }
}

/// A mention of somebody known keeps its form, with the pseudonym's id.
fn mention(text: &str, ids: &BTreeMap<u64, String>) -> Option<String> {
    let id = text.trim_end_matches('>').rsplit(|c: char| !c.is_ascii_digit()).next()?;
    let known = ids.get(&id.parse::<u64>().ok()?)?;
    Some(text.replace(id, known))
}

/// Whether a web address leads to one person or carries a token; a public page's address may stay.
fn is_personal(url: &str) -> bool {
    const PERSONAL: &[&str] = &[
        "discord.gg/",
        "discord.com/invite",
        "discord.com/api/webhooks",
        "discord.com/channels",
        "discord.com/users",
        "facebook.com/",
        "instagram.com/",
        "linkedin.com/in",
        "twitter.com/",
        "//x.com/",
        "tiktok.com/@",
        "t.me/",
        "wa.me/",
        "github.com/",
        "vk.com/",
        "paypal.me/",
        "twitch.tv/",
        "youtube.com/@",
    ];
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if rest.contains(['?', '#', '@', '=']) || PERSONAL.iter().any(|personal| url.contains(personal)) {
        return true;
    }
    if host.split(':').next().is_some_and(|host| host.chars().all(|c| c.is_ascii_digit() || c == '.')) {
        return true;
    }
    rest.split('/').skip(1).any(|part| part.starts_with('~') || is_secret(part) || part.len() > 40)
}

/// Letters and digits mixed as no word has them.
fn is_secret(text: &str) -> bool {
    let digits = text.chars().filter(char::is_ascii_digit).count();
    let letters = text.chars().filter(char::is_ascii_alphabetic).count();
    let known =
        ["sk-", "sk_", "pk_", "ghp_", "gho_", "xoxb-", "xoxp-"].iter().any(|begin| text.starts_with(begin));
    let turns = text
        .as_bytes()
        .windows(2)
        .filter(|pair| pair[0].is_ascii_digit() != pair[1].is_ascii_digit())
        .count();
    (text.len() >= 16 && digits >= 3 && letters >= 3 && turns >= 4) || (known && digits + letters >= 12)
}
