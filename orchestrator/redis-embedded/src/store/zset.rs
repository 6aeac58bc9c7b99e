//! Sorted sets.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::ops::Bound;

use bytes::Bytes;

use super::scanmap::ScanMap;
use super::settings::Sizes;
use crate::number::parse_f64;

/// A score with a total order. NaN never gets in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Score(pub(crate) f64);

impl PartialEq for Score {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Score {}

impl PartialOrd for Score {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Score {
    fn cmp(&self, other: &Self) -> Ordering {
        // Zero and minus zero are one score.
        self.0.partial_cmp(&other.0).unwrap_or(Ordering::Equal)
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct ZSet {
    scores: ScanMap<f64>,
    order: BTreeSet<(Score, Bytes)>,
    /// It has, or had, too many members, or too long ones, to be a `listpack`.
    large: bool,
}

/// One end of a range of scores.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ScoreEnd {
    pub(crate) value: f64,
    pub(crate) open: bool,
}

impl ScoreEnd {
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        match text.strip_prefix(b"(") {
            Some(rest) => Some(Self { value: parse_f64(rest)?, open: true }),
            None => Some(Self { value: parse_f64(text)?, open: false }),
        }
    }

    pub(crate) fn admits_above(self, score: f64) -> bool {
        if self.open { score > self.value } else { score >= self.value }
    }

    pub(crate) fn admits_below(self, score: f64) -> bool {
        if self.open { score < self.value } else { score <= self.value }
    }
}

/// One end of a range of names.
#[derive(Clone, Debug)]
pub(crate) enum LexEnd {
    Lowest,
    Highest,
    Closed(Bytes),
    Open(Bytes),
}

impl LexEnd {
    pub(crate) fn parse(text: &Bytes) -> Option<Self> {
        match text.first()? {
            b'-' if text.len() == 1 => Some(Self::Lowest),
            b'+' if text.len() == 1 => Some(Self::Highest),
            b'[' => Some(Self::Closed(text.slice(1..))),
            b'(' => Some(Self::Open(text.slice(1..))),
            _ => None,
        }
    }

    pub(crate) fn admits_above(&self, member: &Bytes) -> bool {
        match self {
            Self::Lowest => true,
            Self::Highest => false,
            Self::Closed(end) => member >= end,
            Self::Open(end) => member > end,
        }
    }

    pub(crate) fn admits_below(&self, member: &Bytes) -> bool {
        match self {
            Self::Lowest => false,
            Self::Highest => true,
            Self::Closed(end) => member <= end,
            Self::Open(end) => member < end,
        }
    }
}

impl ZSet {
    pub(crate) fn len(&self) -> usize {
        self.scores.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.scores.is_empty()
    }

    pub(crate) fn score(&self, member: &Bytes) -> Option<f64> {
        self.scores.get(member).copied()
    }

    /// Sets a score; gives the one before.
    pub(crate) fn insert(&mut self, member: Bytes, score: f64, sizes: &Sizes) -> Option<f64> {
        self.large |= member.len() > sizes.zset.1;
        let before = self.scores.insert(member.clone(), score);
        if let Some(old) = before {
            self.order.remove(&(Score(old), member.clone()));
        }
        self.order.insert((Score(score), member));
        self.large |= self.len() > sizes.zset.0;
        before
    }

    pub(crate) fn remove(&mut self, member: &Bytes) -> Option<f64> {
        let score = self.scores.remove(member)?;
        self.order.remove(&(Score(score), member.clone()));
        Some(score)
    }

    pub(crate) fn encoding(&self) -> &'static str {
        if self.large { "skiplist" } else { "listpack" }
    }

    /// Members from a cursor on, and the cursor after them: all at once, and in order, of a small sorted set.
    pub(crate) fn scan(&self, cursor: u64, count: usize) -> (u64, Vec<(Bytes, f64)>) {
        if !self.large {
            return (0, self.iter().map(|(member, score)| (member.clone(), score)).collect());
        }
        let (next, found) = self.scores.scan(cursor, count);
        (next, found.into_iter().map(|(member, score)| (member.clone(), *score)).collect())
    }

    /// Members in order of score, then of name.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (&Bytes, f64)> {
        self.order.iter().map(|(score, member)| (member, score.0))
    }

    pub(crate) fn rank(&self, member: &Bytes) -> Option<usize> {
        let score = self.score(member)?;
        let key = (Score(score), member.clone());
        Some(self.order.range(..key).count())
    }

    pub(crate) fn by_score(&self, min: ScoreEnd, max: ScoreEnd) -> Vec<(Bytes, f64)> {
        if min.value > max.value {
            return Vec::new();
        }
        let low = Bound::Included((Score(min.value), Bytes::new()));
        self.order
            .range((low, Bound::Unbounded))
            .map(|(score, member)| (member, score.0))
            .skip_while(|(_, score)| !min.admits_above(*score))
            .take_while(|(_, score)| max.admits_below(*score))
            .map(|(member, score)| (member.clone(), score))
            .collect()
    }

    pub(crate) fn by_lex(&self, min: &LexEnd, max: &LexEnd) -> Vec<(Bytes, f64)> {
        self.iter()
            .filter(|(member, _)| min.admits_above(member) && max.admits_below(member))
            .map(|(member, score)| (member.clone(), score))
            .collect()
    }

    /// Members by rank, both ends included, negative ones counted from the end.
    pub(crate) fn by_rank(&self, start: i64, stop: i64, reverse: bool) -> Vec<(Bytes, f64)> {
        let Some((start, stop)) = slice(start, stop, self.len()) else { return Vec::new() };
        let owned = |(member, score): (&Bytes, f64)| (member.clone(), score);
        let take = stop - start + 1;
        if reverse {
            self.iter().rev().skip(start).take(take).map(owned).collect()
        } else {
            self.iter().skip(start).take(take).map(owned).collect()
        }
    }
}

/// Redis' inclusive ranges with negative ends, cut to a length; `None` when nothing is left.
pub(crate) fn slice(start: i64, stop: i64, len: usize) -> Option<(usize, usize)> {
    let length = i64::try_from(len).unwrap_or(i64::MAX);
    let start = if start < 0 { start.saturating_add(length).max(0) } else { start };
    let stop = if stop < 0 { stop.saturating_add(length) } else { stop };
    if start > stop || start >= length || stop < 0 {
        return None;
    }
    Some((usize::try_from(start).ok()?, usize::try_from(stop.min(length - 1)).ok()?))
}
