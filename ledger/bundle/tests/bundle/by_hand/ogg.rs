//! Ogg files taken apart page by page and put together otherwise, with checksums that fit.
use super::Patient;
use crate::sample::ADA;

/// The CRC of Ogg pages: polynomial 0x04c11db7, nothing reflected, no initial value (RFC 3533, section 6).
fn crc(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte) << 24, |crc, _| {
            if crc & 0x8000_0000 == 0 { crc << 1 } else { crc << 1 ^ 0x04c1_1db7 }
        })
    })
}

#[derive(Clone)]
struct Page(Vec<u8>);

impl Page {
    fn all(mut bytes: &[u8]) -> Vec<Self> {
        let mut pages = Vec::new();
        while !bytes.is_empty() {
            let segments = usize::from(bytes[26]);
            let body: usize = bytes[27..27 + segments].iter().map(|length| usize::from(*length)).sum();
            let (page, rest) = bytes.split_at(27 + segments + body);
            pages.push(Self(page.to_vec()));
            bytes = rest;
        }
        pages
    }

    fn put(mut self, at: usize, bytes: &[u8]) -> Self {
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
        self
    }

    fn granule(&self) -> u64 {
        u64::from_le_bytes(self.0[6..14].try_into().unwrap())
    }

    fn with_granule(self, granule: u64) -> Self {
        self.put(6, &granule.to_le_bytes())
    }

    fn with_flags(self, flags: u8) -> Self {
        self.put(5, &[flags])
    }

    fn with_body(self, at: usize, bytes: &[u8]) -> Self {
        let body = 27 + usize::from(self.0[26]);
        self.put(body + at, bytes)
    }
}

/// Numbers from 0 and checksums that fit.
fn file(pages: &[Page]) -> Vec<u8> {
    let number = |(n, page): (usize, &Page)| {
        let mut page = page.clone().put(18, &(n as u32).to_le_bytes()).put(22, &[0; 4]);
        let sum = crc(&page.0);
        page = page.put(22, &sum.to_le_bytes());
        page.0
    };
    pages.iter().enumerate().flat_map(number).collect()
}

#[test]
fn rearranged_pages_are_refused_even_with_fitting_checksums() {
    let patient = Patient::new();
    let name = format!("tracks/{ADA}.ogg");
    let whole = patient.read(&name);
    let pages = Page::all(&whole);
    assert_eq!(file(&pages), whole, "taken apart and put together it is the same");
    let n = pages.len();
    assert!(n >= 6, "{n} pages");
    let changed = |edit: &dyn Fn(&mut Vec<Page>)| {
        let mut pages = pages.clone();
        edit(&mut pages);
        file(&pages)
    };
    let last = n - 1;
    let on =
        |page: usize, with: &dyn Fn(Page) -> Page| changed(&|pages| pages[page] = with(pages[page].clone()));
    let serial = 0xDEAD_BEEFu32.to_le_bytes();
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("without its head", changed(&|pages| drop(pages.remove(0)))),
        ("without its comments", changed(&|pages| drop(pages.remove(1)))),
        ("without a page", changed(&|pages| drop(pages.remove(3)))),
        ("without its last page", changed(&|pages| drop(pages.pop()))),
        ("with a page twice", changed(&|pages| pages.insert(4, pages[3].clone()))),
        ("with its last page twice", changed(&|pages| pages.push(pages[last].clone()))),
        ("with its head twice", changed(&|pages| pages.insert(1, pages[0].clone()))),
        ("with two pages exchanged", changed(&|pages| pages.swap(3, 4))),
        ("with comments first", changed(&|pages| pages.swap(0, 1))),
        ("backwards", changed(&|pages| pages.reverse())),
        ("with another stream's page", on(3, &|page| page.put(14, &serial))),
        (
            "of another stream",
            changed(&|pages| pages.iter_mut().for_each(|page| *page = page.clone().put(14, &serial))),
        ),
        ("with a granule position too many", on(3, &|page| page.clone().with_granule(page.granule() + 1))),
        ("with one too few", on(3, &|page| page.clone().with_granule(page.granule() - 1))),
        ("with none", on(3, &|page| page.with_granule(u64::MAX))),
        ("with an absurd one", on(last, &|page| page.with_granule(1 << 60))),
        ("that ends far too early", on(last, &|page| page.clone().with_granule(page.granule() - 5_000))),
        ("that ends in the middle", on(3, &|page| page.with_flags(4))),
        ("that never ends", on(last, &|page| page.with_flags(0))),
        ("with a packet that goes on from nowhere", on(3, &|page| page.with_flags(1))),
        ("of another version", on(0, &|page| page.with_body(8, &[2]))),
        ("with another pre-skip", on(0, &|page| page.with_body(10, &[1, 0]))),
        ("with mapping for many channels", on(0, &|page| page.with_body(18, &[255]))),
        ("that is something else", on(0, &|page| page.with_body(0, b"vorbisss"))),
        ("with other comments", on(1, &|page| page.with_body(0, b"OpusTigs"))),
        ("with a packet of other length", on(4, &|page| page.with_body(0, &[0x1B]))),
        ("with a packet that is none", on(4, &|page| page.with_body(0, &[0xFF, 0xFF]))),
        ("with another file behind", [whole.clone(), whole.clone()].concat()),
        ("with a word behind", [whole.as_slice(), b"OggS"].concat()),
        ("with a page's version changed", on(3, &|page| page.put(4, &[1]))),
    ];
    for (what, bytes) in cases {
        patient.forge(&name, &bytes);
        patient.refused(what, &[&name]);
        patient.use_it();
    }
    // Numbers and checksums as they were.
    let mut raw = pages.clone();
    raw.swap(3, 4);
    let raw: Vec<u8> = raw.into_iter().flat_map(|page| page.0).collect();
    patient.forge(&name, &raw);
    patient.refused("with two pages exchanged and their old numbers", &[&name]);
    for at in [0, 30, whole.len() / 2, whole.len() - 1] {
        let mut flipped = whole.clone();
        flipped[at] ^= 1;
        patient.forge(&name, &flipped);
        patient.refused(&format!("with byte {at} changed"), &[&name]);
    }
}
