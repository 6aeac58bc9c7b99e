//! Lists of words that detectors look into. All normalized.

/// Parts of names that say nothing of a person.
#[rustfmt::skip]
pub(super) const NEVER: &[&str] = &[
    "the", "and", "der", "die", "das", "und", "von", "van", "den", "del", "dos", "las", "los", "les", "des", "bot",
    "user", "guest", "admin", "mod", "test", "team", "not", "you", "mrs", "miss", "her", "his", "she", "one", "two",
    "para", "por", "con", "che", "mit",
];

/// Parts of names that are also words: taken for a name only with a capital letter.
#[rustfmt::skip]
pub(super) const WORDS: &[&str] = &[
    "will", "mark", "bill", "grace", "may", "june", "april", "august", "rose", "faith", "hope", "joy", "art", "dawn",
    "eve", "guy", "jack", "rob", "sue", "pat", "drew", "chase", "hunter", "mason", "sky", "summer", "autumn", "amber",
    "ruby", "pearl", "crystal", "iris", "lily", "daisy", "violet", "ivy", "holly", "robin", "dean", "earl", "duke",
    "king", "page", "reed", "brook", "cliff", "dale", "glen", "heath", "lane", "miles", "wade", "wolf", "dark",
    "cool", "real", "just", "music", "game", "gamer", "night", "light", "star", "sun", "moon", "fire", "ice", "red",
    "blue", "green", "black", "white", "young", "long", "short", "good", "best", "ernst", "frank", "klein", "gross",
    "lang", "stark", "jung", "kaiser", "konig", "schwarz", "weis", "braun", "koch", "richter", "pierre", "marguerite",
    "claire", "blanche", "olive", "prune", "belle", "petit", "grand", "fleur", "dolores", "luz", "sol",
    "pilar", "cruz", "rosa", "blanca", "angel", "leon", "reyes", "esperanza", "gioia", "stella", "bianca", "luna",
    "chiara", "serena", "vera", "franco", "massimo", "marina", "gemma", "vitoria", "clara", "aurora", "branco",
    "silva", "roos", "wil", "ster", "bas", "beer", "kot", "sowa", "zajac", "wilk", "deniz", "can", "umut", "baris",
    "gunes", "yaprak", "gul", "cicek", "ozgur", "savas", "ege", "toprak", "bahar", "duygu", "onur", "ufuk", "melek",
    "yildiz", "ilk", "вера", "надежда", "любовь", "роза", "лев", "слава", "мир", "майя", "ben", "max",
    "sam", "song", "bell", "cook", "baker", "smith", "ford",
];

/// What nouns of people end in when they are declined, or possess something.
#[rustfmt::skip]
pub(super) const ENDINGS: &[&str] = &[
    "s", "es", "ns", "a", "u", "e", "i", "y", "ie", "em", "om", "owi", "owie", "iem", "in", "un", "nin", "nun", "ya",
    "ye", "yi", "yu", "da", "de", "dan", "den", "ta", "te", "la", "le", "yla", "yle", "а", "у", "ом", "ем", "е", "ы",
    "и", "ю", "я", "ой", "ей", "ым",
];

/// Words before which a word that could be a name is a verb, when it begins a sentence.
#[rustfmt::skip]
pub(super) const AFTER_VERBS: &[&str] = &[
    "you", "i", "we", "he", "she", "they", "it", "the", "this", "that", "there", "my", "your", "our", "me", "us",
    "be",
];

/// Words near a number that say what it is, or how words that say so begin.
#[rustfmt::skip]
pub(super) const CUES: &[&str] = &[
    "phone", "number", "call", "cell", "mobile", "whatsapp", "telefon", "nummer", "handy", "anruf", "ruf",
    "telephone", "numero", "appel", "portable", "joindre", "movil", "llam", "cellulare", "chiama", "telemovel",
    "celular", "liga", "mobiel", "bel", "numer", "komork", "zadzwon", "dzwon", "numara", "ara", "tel", "fax", "sms",
    "dial", "reach", "text", "телефон", "номер", "позвони", "звони", "мобильн", "電話", "番号", "携帯", "pin", "code",
    "passcode", "codigo", "codice", "kod", "код", "пин", "password", "geheimzahl", "passwort", "account", "konto",
    "conto", "cuenta", "compte", "conta", "rekening",
];

/// Words after a number that make it an amount.
#[rustfmt::skip]
pub(super) const UNITS: &[&str] = &[
    "euro", "eur", "dollar", "usd", "pound", "zl", "zloty", "lira", "tl", "yen", "円", "rub", "руб", "рубл", "real",
    "reais", "peso", "frank", "franc", "chf", "people", "person", "menschen", "einwohner", "personnes", "habitants",
    "personas", "habitantes", "persone", "abitanti", "pessoas", "mensen", "inwoners", "osob", "ludzi", "mieszkanc",
    "kisi", "insan", "человек", "жител", "km", "kilo", "meter", "metr", "byte", "mb", "gb", "人", "million", "тысяч",
];

/// Length of an IBAN by country (SWIFT's IBAN registry).
#[rustfmt::skip]
pub(super) const IBAN_LENGTHS: &[(&str, usize)] = &[
    ("ad", 24), ("ae", 23), ("at", 20), ("az", 28), ("ba", 20), ("be", 16), ("bg", 22), ("br", 29), ("ch", 21),
    ("cr", 22), ("cy", 28), ("cz", 24), ("de", 22), ("dk", 18), ("ee", 20), ("es", 24), ("fi", 18), ("fr", 27),
    ("gb", 22), ("ge", 22), ("gr", 27), ("hr", 21), ("hu", 28), ("ie", 22), ("il", 23), ("is", 26), ("it", 27),
    ("kz", 20), ("li", 21), ("lt", 20), ("lu", 20), ("lv", 21), ("mc", 27), ("mt", 31), ("nl", 18), ("no", 15),
    ("pl", 28), ("pt", 25), ("ro", 24), ("rs", 22), ("sa", 24), ("se", 24), ("si", 19), ("sk", 24), ("tr", 26),
    ("ua", 29),
];

/// Words that stand before "at" without being somebody's address ("find us at example dot com").
#[rustfmt::skip]
pub(super) const NO_LOCAL_PART: &[&str] = &[
    "us", "me", "it", "look", "is", "are", "was", "were", "meet", "find", "here", "there", "am", "be", "them", "him",
    "her", "you", "work", "working", "works", "live", "lives", "page", "site", "website", "shop", "more", "online",
    "available", "up", "out",
];
