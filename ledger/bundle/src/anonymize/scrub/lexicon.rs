//! Words for numbers and for the signs of e-mail addresses, in the languages that speech is scrubbed in. All normalized.
use std::collections::HashMap;
use std::sync::LazyLock;

/// What a word says in a row of dictated digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Said {
    /// A number up to 900.
    Number(u16),
    /// "Double" or "triple": so often the next digit.
    Times(u16),
    /// A thousand and more: what is said is an amount.
    Big,
    /// Joins tens and units ("y", "und").
    And,
}

/// One language.
#[derive(Debug)]
pub(crate) struct Language {
    words: HashMap<String, Said>,
    /// "At" of an e-mail address.
    pub(crate) at: &'static [&'static str],
    /// Its dots.
    pub(crate) dot: &'static [&'static str],
    /// Underscores, hyphens.
    pub(crate) sign: &'static [&'static str],
}

impl Language {
    pub(crate) fn said(&self, word: &str) -> Option<Said> {
        self.words.get(word).copied()
    }
}

/// The spelling of a language: units from 0 (several spellings with `|`), tens from 20, hundreds from 100.
struct Spelling {
    units: &'static str,
    tens: &'static str,
    hundreds: &'static str,
    more: &'static [(&'static str, Said)],
    /// Makes a compound of a unit and tens, in languages that write them as one word.
    compound: Option<fn(&str, &str) -> String>,
    at: &'static [&'static str],
    dot: &'static [&'static str],
    sign: &'static [&'static str],
}

pub(crate) static LANGUAGES: LazyLock<Vec<Language>> =
    LazyLock::new(|| SPELLINGS.iter().map(Spelling::language).collect());

impl Spelling {
    fn language(&self) -> Language {
        let mut words = HashMap::new();
        let mut put = |spelled: &str, value: u16| {
            for word in spelled.split('|') {
                words.insert(word.to_owned(), Said::Number(value));
            }
        };
        for (value, spelled) in (0u16..).zip(self.units.split_whitespace()) {
            put(spelled, value);
        }
        for (value, spelled) in (2u16..).zip(self.tens.split_whitespace()) {
            put(spelled, value * 10);
        }
        for (value, spelled) in (1u16..).zip(self.hundreds.split_whitespace()) {
            put(spelled, value * 100);
        }
        if let Some(compound) = self.compound {
            let tens: Vec<&str> = self.tens.split_whitespace().collect();
            for (value, units) in (0u16..10).zip(self.units.split_whitespace()).skip(1) {
                for unit in units.split('|') {
                    for (ten, spelled) in (2u16..).zip(&tens) {
                        put(&compound(unit, spelled), ten * 10 + value);
                    }
                }
            }
        }
        words.extend(self.more.iter().map(|(word, said)| ((*word).to_owned(), *said)));
        Language { words, at: self.at, dot: self.dot, sign: self.sign }
    }
}

const NONE: &[&str] = &[];

const SPELLINGS: &[Spelling] = &[
    // English
    Spelling {
        units: "zero|oh|o|nought one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen \
                seventeen eighteen nineteen",
        tens: "twenty thirty forty|fourty fifty sixty seventy eighty ninety",
        hundreds: "hundred",
        more: &[
            ("double", Said::Times(2)),
            ("triple", Said::Times(3)),
            ("thousand", Said::Big),
            ("million", Said::Big),
            ("billion", Said::Big),
        ],
        compound: None,
        at: &["at"],
        dot: &["dot", "period"],
        sign: &["underscore", "dash", "hyphen", "minus", "plus"],
    },
    // German
    Spelling {
        units: "null eins|ein zwei|zwo drei vier funf|fuenf sechs sieben acht neun zehn elf zwolf|zwoelf dreizehn vierzehn \
                funfzehn sechzehn siebzehn achtzehn neunzehn",
        tens: "zwanzig dreisig|dreissig vierzig funfzig|fuenfzig sechzig siebzig achtzig neunzig",
        hundreds: "hundert|einhundert zweihundert dreihundert vierhundert funfhundert sechshundert siebenhundert achthundert \
                   neunhundert",
        more: &[
            ("doppel", Said::Times(2)),
            ("tausend", Said::Big),
            ("millionen", Said::Big),
            ("million", Said::Big),
        ],
        compound: Some(|unit, ten| format!("{unit}und{ten}")),
        at: &["at", "klammeraffe", "affenschwanz"],
        dot: &["punkt", "dot"],
        sign: &["unterstrich", "bindestrich", "minus", "plus"],
    },
    // French
    Spelling {
        units: "zero un|une deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize dix-sept dix-huit \
                dix-neuf",
        tens: "vingt|vingts trente quarante cinquante soixante septante huitante|octante nonante",
        hundreds: "cent|cents",
        more: &[
            ("et", Said::And),
            ("double", Said::Times(2)),
            ("mille", Said::Big),
            ("million", Said::Big),
            ("millions", Said::Big),
        ],
        compound: None,
        at: &["arobase", "arrobase", "arobas", "aerobase"],
        dot: &["point"],
        sign: &["tiret", "underscore", "souligne"],
    },
    // Spanish
    Spelling {
        units: "cero uno|un|una dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince dieciseis diecisiete \
                dieciocho diecinueve",
        tens: "veinte treinta cuarenta cincuenta sesenta setenta ochenta noventa",
        hundreds: "cien|ciento doscientos trescientos cuatrocientos quinientos seiscientos setecientos ochocientos novecientos",
        more: &[
            ("y", Said::And),
            ("veintiuno", Said::Number(21)),
            ("veintidos", Said::Number(22)),
            ("veintitres", Said::Number(23)),
            ("veinticuatro", Said::Number(24)),
            ("veinticinco", Said::Number(25)),
            ("veintiseis", Said::Number(26)),
            ("veintisiete", Said::Number(27)),
            ("veintiocho", Said::Number(28)),
            ("veintinueve", Said::Number(29)),
            ("doble", Said::Times(2)),
            ("mil", Said::Big),
            ("millon", Said::Big),
            ("millones", Said::Big),
        ],
        compound: None,
        at: &["arroba"],
        dot: &["punto"],
        sign: &["guion", "bajo", "subrayado"],
    },
    // Italian
    Spelling {
        units: "zero uno|un due tre quattro cinque sei sette otto nove dieci undici dodici tredici quattordici quindici sedici \
                diciassette diciotto diciannove",
        tens: "venti trenta quaranta cinquanta sessanta settanta ottanta novanta",
        hundreds: "cento duecento trecento quattrocento cinquecento seicento settecento ottocento novecento",
        more: &[
            ("doppio", Said::Times(2)),
            ("mille", Said::Big),
            ("mila", Said::Big),
            ("milioni", Said::Big),
        ],
        compound: Some(|unit, ten| {
            let vowel = unit.starts_with(['u', 'o']);
            format!("{}{unit}", if vowel { &ten[..ten.len() - 1] } else { ten })
        }),
        at: &["chiocciola", "chiocciolina", "at"],
        dot: &["punto"],
        sign: &["trattino", "basso", "underscore"],
    },
    // Portuguese
    Spelling {
        units: "zero um|uma dois|duas tres quatro cinco seis|meia sete oito nove dez onze doze treze catorze|quatorze quinze \
                dezasseis|dezesseis dezassete|dezessete dezoito dezanove|dezenove",
        tens: "vinte trinta quarenta cinquenta sessenta setenta oitenta noventa",
        hundreds: "cem|cento duzentos trezentos quatrocentos quinhentos seiscentos setecentos oitocentos novecentos",
        more: &[("e", Said::And), ("mil", Said::Big), ("milhao", Said::Big), ("milhoes", Said::Big)],
        compound: None,
        at: &["arroba"],
        dot: &["ponto"],
        sign: &["traco", "hifen", "underline", "sublinhado", "underscore"],
    },
    // Dutch
    Spelling {
        units: "nul een twee drie vier vijf zes zeven acht negen tien elf twaalf dertien veertien vijftien zestien zeventien achttien \
                negentien",
        tens: "twintig dertig veertig vijftig zestig zeventig tachtig negentig",
        hundreds: "honderd tweehonderd driehonderd vierhonderd vijfhonderd zeshonderd zevenhonderd achthonderd negenhonderd",
        more: &[("dubbel", Said::Times(2)), ("duizend", Said::Big), ("miljoen", Said::Big)],
        // "Tweeëntwintig" folds to the same letters as "vierentwintig" has.
        compound: Some(|unit, ten| format!("{unit}en{ten}")),
        at: &["apenstaartje", "apestaartje", "at"],
        dot: &["punt"],
        sign: &["streepje", "underscore", "liggend"],
    },
    // Polish
    Spelling {
        units: "zero jeden|jedna dwa|dwie trzy cztery piec szesc siedem osiem dziewiec dziesiec jedenascie dwanascie trzynascie \
                czternascie pietnascie szesnascie siedemnascie osiemnascie dziewietnascie",
        tens: "dwadziescia trzydziesci czterdziesci piecdziesiat szescdziesiat siedemdziesiat osiemdziesiat dziewiecdziesiat",
        hundreds: "sto dwiescie trzysta czterysta piecset szescset siedemset osiemset dziewiecset",
        more: &[("tysiac", Said::Big), ("tysiace", Said::Big), ("tysiecy", Said::Big), ("milion", Said::Big)],
        compound: None,
        at: &["malpa", "malpka", "at"],
        dot: &["kropka"],
        sign: &["podkreslnik", "myslnik", "podkreslenie", "minus"],
    },
    // Turkish
    Spelling {
        units: "sifir bir iki uc dort bes alti yedi sekiz dokuz on",
        tens: "yirmi otuz kirk elli altmis yetmis seksen doksan",
        hundreds: "yuz",
        more: &[("bin", Said::Big), ("milyon", Said::Big)],
        compound: None,
        at: &["et", "at", "kuyruklu", "isareti"],
        dot: &["nokta"],
        sign: &["tire", "cizgi"],
    },
    // Russian
    Spelling {
        units: "ноль|нуль один|одна два|две три четыре пять шесть семь восемь девять десять одиннадцать двенадцать тринадцать \
                четырнадцать пятнадцать шестнадцать семнадцать восемнадцать девятнадцать",
        tens: "двадцать тридцать сорок пятьдесят шестьдесят семьдесят восемьдесят девяносто",
        hundreds: "сто двести триста четыреста пятьсот шестьсот семьсот восемьсот девятьсот",
        more: &[
            ("тысяча", Said::Big),
            ("тысячи", Said::Big),
            ("тысяч", Said::Big),
            ("миллион", Said::Big),
            ("миллионов", Said::Big),
        ],
        compound: None,
        at: &["собака", "собачка"],
        dot: &["точка"],
        sign: &["подчеркивание", "нижнее", "дефис", "тире"],
    },
    // Digits by themselves, in whatever language: "5 5 5 1 2 3 4".
    Spelling {
        units: "",
        tens: "",
        hundreds: "",
        more: &[],
        compound: None,
        at: NONE,
        dot: NONE,
        sign: NONE,
    },
];

/// Ends of domain names that people say aloud.
pub(crate) const ENDS: &[&str] = &[
    "com", "net", "org", "info", "biz", "edu", "gov", "io", "me", "tv", "app", "dev", "eu", "de", "at", "ch",
    "fr", "be", "lu", "es", "it", "pt", "br", "nl", "pl", "tr", "ru", "ua", "jp", "uk", "co", "ie", "us",
    "ca", "au", "mx", "ar", "cl", "se", "no", "dk", "fi", "cz", "cn", "in", "gg", "xyz", "online", "mail",
    "ру", "ком", "рф", "орг", "нет",
];
