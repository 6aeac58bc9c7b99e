//! Makes spellings comparable: small letters, no accents, full-width forms as plain ones.
use std::ops::Range;

/// A text for comparing, with the way back to the text as it was.
#[derive(Debug)]
pub(crate) struct Normalized {
    pub(crate) text: String,
    /// Where each character begins, here and in the original.
    places: Vec<(usize, usize)>,
    original: usize,
}

impl Normalized {
    pub(crate) fn new(original: &str) -> Self {
        let mut text = String::with_capacity(original.len());
        let mut places = Vec::with_capacity(original.len());
        for (at, c) in original.char_indices() {
            // Accents as characters of their own (a text that is not composed).
            if ('\u{300}'..='\u{36F}').contains(&c) {
                continue;
            }
            places.push((text.len(), at));
            text.push(fold(c));
        }
        Self { text, places, original: original.len() }
    }

    /// The range of the original that a range of the normalized text came from.
    pub(crate) fn original(&self, range: &Range<usize>) -> Range<usize> {
        self.place(range.start)..self.place(range.end)
    }

    fn place(&self, at: usize) -> usize {
        match self.places.binary_search_by_key(&at, |(here, _)| *here) {
            Ok(n) => self.places[n].1,
            Err(n) => self.places.get(n).map_or(self.original, |(_, there)| *there),
        }
    }
}

/// One character, so that places can be found.
pub(crate) fn fold(c: char) -> char {
    let c = match c {
        '\u{FF01}'..='\u{FF5E}' => char::from_u32(c as u32 - 0xFEE0).unwrap_or(c),
        '\u{3000}' | '\u{A0}' | '\u{202F}' | '\u{2009}' => ' ',
        '\u{2010}'..='\u{2015}' | '\u{2212}' => '-',
        '\u{2018}' | '\u{2019}' | '\u{02BC}' => '\'',
        c => c,
    };
    if c.is_ascii() {
        return c.to_ascii_lowercase();
    }
    let c = c.to_lowercase().next().unwrap_or(c);
    match c {
        'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' | 'ā' | 'ă' | 'ą' => 'a',
        'ç' | 'ć' | 'č' => 'c',
        'ď' | 'đ' | 'ð' => 'd',
        'è' | 'é' | 'ê' | 'ë' | 'ē' | 'ė' | 'ę' | 'ě' => 'e',
        'ğ' => 'g',
        'ì' | 'í' | 'î' | 'ï' | 'ī' | 'į' | 'ı' => 'i',
        'ł' | 'ľ' => 'l',
        'ñ' | 'ń' | 'ň' => 'n',
        'ò' | 'ó' | 'ô' | 'õ' | 'ö' | 'ø' | 'ő' => 'o',
        'ŕ' | 'ř' => 'r',
        'ß' | 'ś' | 'ş' | 'š' | 'ș' => 's',
        'ţ' | 'ť' | 'ț' => 't',
        'ù' | 'ú' | 'û' | 'ü' | 'ū' | 'ů' | 'ű' => 'u',
        'ý' | 'ÿ' => 'y',
        'ź' | 'ż' | 'ž' => 'z',
        'ё' => 'е',
        c => c,
    }
}

/// A whole text normalized, where places don't matter.
pub(crate) fn normalized(text: &str) -> String {
    Normalized::new(text).text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_spelling_of_a_name_folds_alike() {
        for name in ["Müller", "MULLER", "mu\u{308}ller", "Ｍüller"] {
            assert_eq!(normalized(name), "muller", "{name}");
        }
        assert_eq!(normalized("Łukasz İnanç Пётр"), "lukasz inanc петр");
    }

    proptest! {
        #[test]
        fn a_range_leads_back_to_whole_characters(text in "\\PC{0,40}", from in 0usize..40, length in 0usize..40) {
            let normalized = Normalized::new(&text);
            let starts: Vec<usize> = normalized.text.char_indices().map(|(at, _)| at).chain([normalized.text.len()]).collect();
            let from = starts[from.min(starts.len() - 1)];
            let to = starts[(starts.partition_point(|s| *s <= from) + length).min(starts.len() - 1)];
            let back = normalized.original(&(from..to.max(from)));
            prop_assert!(text.get(back).is_some());
        }
    }
}
