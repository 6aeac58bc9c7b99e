//! How much of the corpus goes that must, and how much that need not.
use std::collections::BTreeMap;
use std::ops::Range;

use bundle::anonymize::scrub::{Kind, Scrubber};

const CORPUS: &str = include_str!("corpus.txt");

/// The people and terms that the corpus' head names.
pub(super) const MEMBERS: [&str; 10] = [
    "Ada Lovelace",
    "Jean-Luc Moreau",
    "Müller_Thomas",
    "Zofia Kowalczyk",
    "Ayşe Yılmaz",
    "Анна Петрова",
    "田中太郎",
    "xX_Nightfox_Xx",
    "Will Parker",
    "Giulia",
];
pub(super) const TERMS: [&str; 2] = ["Project Bluebird", "Kranichweg"];

/// A text without its marks, and the marks: kind and place.
struct Text {
    language: String,
    text: String,
    marks: Vec<(String, Range<usize>)>,
}

fn corpus() -> Vec<Text> {
    let lines = CORPUS.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (language, mut rest) = line.split_once('\t').unwrap();
            let (mut text, mut marks) = (String::new(), Vec::new());
            while let Some((before, after)) = rest.split_once("{{") {
                text.push_str(before);
                let (mark, after) = after.split_once("}}").unwrap();
                let (kind, words) = mark.split_once(':').unwrap();
                marks.push((kind.to_owned(), text.len()..text.len() + words.len()));
                text.push_str(words);
                rest = after;
            }
            text.push_str(rest);
            Text { language: language.to_owned(), text, marks }
        })
        .collect()
}

/// Letters and digits of a range that none of the others covers.
fn left(text: &str, range: &Range<usize>, covers: &[Range<usize>]) -> String {
    text[range.clone()]
        .char_indices()
        .filter(|(at, c)| {
            c.is_alphanumeric() && !covers.iter().any(|cover| cover.contains(&(range.start + at)))
        })
        .map(|(_, c)| c)
        .collect()
}

fn names_learnt(scrubber: &mut Scrubber, texts: &[Text]) {
    for text in texts {
        scrubber.meet(&text.text);
    }
}

#[test]
fn personal_data_in_many_languages_goes_and_little_else_does() {
    let texts = corpus();
    let mut scrubber = Scrubber::for_people(&MEMBERS, &TERMS).unwrap();
    names_learnt(&mut scrubber, &texts);
    // By kind and by language: found, in all.
    let mut kinds: BTreeMap<String, (u32, u32)> = BTreeMap::new();
    let mut languages: BTreeMap<String, (u32, u32, u32, u32)> = BTreeMap::new();
    let (mut right_kind, mut found_at_all) = (0, 0);
    for text in &texts {
        let scrubbed = scrubber.scrub(&text.text);
        let covers: Vec<Range<usize>> = scrubbed.found.iter().map(|found| found.range.clone()).collect();
        let of = languages.entry(text.language.clone()).or_default();
        for (kind, range) in &text.marks {
            // A title may stay, and an ending: what identifies the person must go.
            let rest = left(&text.text, range, &covers);
            let titles = [
                "Dr",
                "MrandMrs",
                "Frau",
                "HerrnProfessor",
                "Madame",
                "Monsieur",
                "Señora",
                "Signora",
                "Senhor",
                "Meneer",
                "Pani",
                "Panem",
                "Bey",
                "様",
                "s",
                "nin",
            ];
            let gone = rest.is_empty() || titles.contains(&rest.as_str());
            let count = kinds.entry(kind.clone()).or_default();
            count.1 += 1;
            count.0 += u32::from(gone);
            if kind != "other" {
                of.1 += 1;
                of.0 += u32::from(gone);
            }
            if gone {
                found_at_all += 1;
                let same = |found: &Kind| serde_json::to_value(found).unwrap().as_str() == Some(kind);
                right_kind += u32::from(
                    scrubbed
                        .found
                        .iter()
                        .any(|f| same(&f.kind) && f.range.start < range.end && range.start < f.range.end),
                );
            } else {
                println!(
                    "missed  {} {kind}: {:?} left of {:?}",
                    text.language,
                    rest,
                    &text.text[range.clone()]
                );
            }
        }
        // Words that none of the marks has, and that went all the same.
        let marked: Vec<Range<usize>> = text.marks.iter().map(|(_, range)| range.clone()).collect();
        let mut place = 0;
        for word in text.text.split_inclusive(|c: char| c.is_whitespace() || "。、はのが".contains(c)) {
            let range = place..place + word.len();
            place = range.end;
            let own = left(&text.text, &range, &marked);
            if own.is_empty() || marked.iter().any(|mark| mark.start < range.end && range.start < mark.end) {
                continue;
            }
            of.3 += 1;
            if left(&text.text, &range, &covers) != own {
                of.2 += 1;
                println!("too much {}: {:?} in {:?}", text.language, word.trim(), text.text);
            }
        }
    }
    println!("\nkind      found of    recall");
    for (kind, (found, all)) in &kinds {
        println!("{kind:<8} {found:>6} {all:>3}   {:>6.1} %", f64::from(*found) / f64::from(*all) * 100.0);
    }
    println!("\nlanguage  found of    recall   words taken wrongly");
    let (mut found, mut all, mut wrong, mut words) = (0, 0, 0, 0);
    for (language, of) in &languages {
        println!(
            "{language:<8} {:>6} {:>3}   {:>6.1} %   {} of {}",
            of.0,
            of.1,
            f64::from(of.0) / f64::from(of.1) * 100.0,
            of.2,
            of.3
        );
        (found, all, wrong, words) = (found + of.0, all + of.1, wrong + of.2, words + of.3);
        assert!(f64::from(of.0) >= f64::from(of.1) * 0.8, "{language}: {} of {} found", of.0, of.1);
    }
    let (recall, false_rate) = (f64::from(found) / f64::from(all), f64::from(wrong) / f64::from(words));
    println!(
        "in all   {found:>6} {all:>3}   {:>6.1} %   {wrong} of {words} ({:.2} %); {right_kind} of {found_at_all} under the right name",
        recall * 100.0,
        false_rate * 100.0
    );
    assert!(recall >= 0.95, "recall {recall}");
    assert!(false_rate <= 0.01, "taken wrongly: {false_rate}");
}

#[test]
fn scrubbing_twice_takes_nothing_more() {
    let texts = corpus();
    let mut scrubber = Scrubber::for_people(&MEMBERS, &TERMS).unwrap();
    names_learnt(&mut scrubber, &texts);
    for text in &texts {
        let once = scrubber.scrub(&text.text);
        let twice = scrubber.scrub(&once.text);
        let again: Vec<&str> = twice
            .found
            .iter()
            .filter(|f| f.kind != Kind::Name)
            .map(|f| &once.text[f.range.clone()])
            .collect();
        assert!(again.is_empty(), "{again:?} in {:?}", once.text);
    }
}

mod hostile {
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::*;

    static SCRUBBER: LazyLock<Scrubber> = LazyLock::new(|| Scrubber::for_people(&MEMBERS, &TERMS).unwrap());

    proptest! {
        #[test]
        fn no_text_panics_and_the_rest_is_unchanged(text in "\\PC{0,200}|[0-9 +().,/a-z@:-]{0,120}") {
            let scrubbed = SCRUBBER.scrub(&text);
            let mut at = 0;
            for found in &scrubbed.found {
                prop_assert!(found.range.start >= at && found.range.end <= text.len());
                prop_assert!(text.is_char_boundary(found.range.start) && text.is_char_boundary(found.range.end));
                at = found.range.end;
            }
            if scrubbed.found.is_empty() {
                prop_assert_eq!(scrubbed.text, text);
            }
        }
    }
}
