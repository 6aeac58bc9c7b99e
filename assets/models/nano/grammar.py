"""The closed domain: every sentence the nano model is meant to know.

A sentence is kept as lower-case words and punctuation marks separated by spaces, for instance
``"hey antiphon , what time is it ?"``. `tokens` turns it into the model's tokens, `display` into the
text a transcript shows. Run this file to see samples and the size of the domain.
"""

import hashlib
import random
import re

WAKE = ["antiphon"] * 5 + ["hey antiphon"] * 3 + ["okay antiphon"] * 2 + ["hello antiphon", "hi antiphon"]
DAYS = "monday tuesday wednesday thursday friday saturday sunday".split()
MONTHS = "january february march april may june july august september october november december".split()
CITIES = "london paris berlin madrid rome tokyo".split()
NAMES = "alice bob charlie emma david anna".split()
SMALL = (
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen twenty"
).split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
ORDINALS = "first second third fourth fifth sixth seventh eighth ninth tenth".split()

SLOTS = {
    "wake": WAKE,
    "day": DAYS,
    "month": MONTHS,
    "city": CITIES,
    "name": NAMES,
    "ord": ORDINALS,
    "when": ["today"] * 3
    + ["tomorrow"] * 2
    + ["tonight", "this morning", "this evening", "this week", "next week", "on {day}", "now", "right now"],
    "wx": ["cold", "hot", "warm", "sunny", "cloudy", "windy", "rainy"],
    "dev": ["light", "lights", "music", "radio", "fan", "heater", "television", "lamp", "alarm"],
    "room": ["kitchen", "bedroom", "bathroom", "office", "garden", "living room"],
    "open": ["door", "window", "garage", "curtains"],
    "unit": ["seconds", "minutes", "hours", "days"],
    "part": ["morning", "afternoon", "evening", "night"],
    "op": ["plus", "minus", "times", "divided by"],
    "thing": ["joke", "story", "song", "secret"],
    "colour": ["red", "green", "blue", "white", "yellow"],
}

# (weight, template). {num} is drawn by `number`; everything else from SLOTS.
TEMPLATES = [
    # The name, greetings, thanks, farewells.
    (5, "{wake} ."), (3, "hello ."), (2, "hi there ."), (3, "good {part} ."), (3, "good {part} , antiphon ."),
    (1, "good {part} {name} ."), (3, "goodbye ."), (2, "goodbye , antiphon ."), (1, "bye bye ."),
    (1, "see you {when} ."), (3, "i will see you {when} ."), (4, "thank you ."), (4, "thank you , antiphon ."),
    (1, "thank you very much ."), (2, "thanks ."), (1, "please ."), (1, "sorry ."), (4, "how are you ?"),
    (1, "how are you {when} ?"), (1, "i am fine ."), (1, "i am fine thank you ."),
    # About the bot.
    (3, "who are you ?"), (2, "what is your name ?"), (2, "my name is {name} ."), (3, "what can you do ?"),
    (4, "can you hear me ?"), (1, "can you help me ?"), (3, "are you there ?"), (1, "i can hear you ."),
    (1, "i am here ."), (1, "what did you say ?"), (1, "what did i say ?"), (1, "who is speaking ?"),
    # Time and date.
    (5, "what time is it ?"), (2, "what time is it in {city} ?"), (2, "what is the time ?"),
    (3, "what day is it {when} ?"), (3, "what is the date {when} ?"), (1, "what month is it ?"),
    (2, "is it {day} {when} ?"), (1, "it is {day} ."), (1, "when is {day} ?"), (2, "it is {num} o'clock ."),
    (1, "it is {num} thirty ."),
    # Weather.
    (4, "what is the weather like {when} ?"), (2, "what is the weather in {city} ?"),
    (3, "what is the weather in {city} {when} ?"), (3, "how is the weather {when} ?"),
    (2, "how is the weather in {city} ?"), (2, "will it rain {when} ?"), (2, "will it snow {when} ?"),
    (2, "will it be {wx} {when} ?"), (2, "is it {wx} outside ?"), (2, "is it {wx} in {city} ?"),
    (1, "is it raining ?"), (2, "it is {wx} {when} ."), (3, "it is {wx} outside ."),
    # Answers.
    (5, "yes ."), (5, "no ."), (1, "yes please ."), (1, "no thank you ."), (2, "maybe ."), (2, "okay ."),
    (1, "sure ."), (1, "that is right ."), (1, "that is wrong ."), (1, "i do not know ."),
    (1, "i do not understand ."),
    # Steering the bot.
    (6, "stop ."), (4, "cancel ."), (2, "wait ."), (2, "pause ."), (2, "continue ."), (4, "repeat that ."),
    (1, "say that again ."), (1, "stop the {dev} ."), (1, "stop it now ."), (2, "cancel the timer ."),
    (2, "cancel the alarm ."), (1, "cancel that ."), (1, "wait a minute ."), (1, "go on ."), (1, "be quiet ."),
    (5, "help ."), (1, "start again ."), (1, "never mind ."), (4, "start recording ."), (4, "stop recording ."),
    (1, "pause the recording ."), (1, "delete the recording ."), (4, "leave the channel ."),
    (2, "join the channel ."), (1, "speak slower ."), (1, "speak louder ."),
    (2, "louder ."), (2, "quieter ."), (2, "volume up ."), (2, "volume down ."), (1, "turn it up ."),
    (1, "turn it down ."), (1, "set the volume to {num} ."),
    # The house, music.
    (3, "turn on the {dev} ."), (3, "turn off the {dev} ."), (2, "turn on the {dev} in the {room} ."),
    (2, "turn off the {dev} in the {room} ."), (2, "make the {dev} {colour} ."), (2, "open the {open} ."),
    (2, "close the {open} ."), (1, "open the {room} {open} ."), (2, "is the {open} open ?"),
    (3, "play some music ."), (3, "let us play some music ."), (1, "let us play a {thing} ."),
    (1, "play the radio ."), (2, "play the news ."), (2, "play the next song ."), (1, "play music in the {room} ."),
    # Timers.
    (4, "set a timer for {num} {unit} ."), (3, "set an alarm for {num} ."), (3, "set an alarm for {num} {when} ."),
    (2, "wake me up at {num} ."), (2, "start a timer for {num} {unit} ."), (1, "how many {unit} are left ?"),
    # People and places.
    (2, "call {name} ."), (2, "call {name} {when} ."), (2, "send a message to {name} ."), (1, "where is {name} ?"),
    (1, "who is {name} ?"), (1, "is {name} at home ?"), (5, "tell me a {thing} ."), (1, "tell me the news ."),
    (1, "tell me about {city} ."), (1, "do you know {city} ?"), (1, "do you like {city} ?"), (1, "i like {city} ."),
    (1, "where is {city} ?"), (1, "{name} ."), (1, "{city} ."), (1, "{colour} ."), (3, "i want to go home ."),
    (2, "i want to go to {city} {when} ."), (1, "i am in the {room} ."), (1, "are you in the {room} ?"),
    # Numbers, days.
    (2, "count to {num} ."), (10, "what is {num} {op} {num} ?"), (3, "{num} ."), (3, "{num} {num} {num} ."),
    (2, "{day} ."), (2, "{day} the {ord} of {month} ."), (2, "{month} ."), (1, "{day} {part} ."),
]

# What the demo's and the validation matrix's speakers say, word for word; never held out.
SCRIPTED = [
    "Hey Antiphon, what time is it?", "What is seven plus five?", "Antiphon, what is seven plus five?",
    "Antiphon, tell me a story.", "Stop.", "Antiphon, stop.", "Antiphon, what is the date today?",
    "Antiphon, what day is it today?", "Thank you, Antiphon.", "Thank you.", "Goodbye.",
    "Antiphon, what can you do?", "Help.", "Antiphon, help.", "Antiphon, who are you?", "How are you?",
    "Antiphon, how are you?", "I want to go home.", "Can you hear me?", "Antiphon, can you hear me?",
    "Antiphon, what is twelve times three?", "Antiphon, what is nine minus four?",
    "Antiphon, what is twenty divided by five?", "What is the weather like today?",
    "Antiphon, what is the weather in Paris?", "Antiphon, tell me a joke.", "Are you there?", "Repeat that.",
    "Antiphon, repeat that.", "Good morning, Antiphon.", "Yes.", "No.", "Antiphon, start recording.",
    "Antiphon, stop recording.", "Antiphon, leave the channel.", "I will see you tomorrow.",
    "Let us play some music.", "It is cold outside.",
]

PUNCTUATION = [",", ".", "?"]
BLANK = " [BLANK_AUDIO]"
INAUDIBLE = " [INAUDIBLE]"
PROPER = set(DAYS) | set(MONTHS) | set(CITIES) | set(NAMES) | {"antiphon", "i"}
# Of each pair that sounds alike, the one left out where no sentence tells them apart.
HOMOPHONES = {"to", "for", "hear", "know", "by"}


def number(rng):
    """A number in words, mostly small ones."""
    k = rng.random()
    if k < 0.75:
        return rng.choice(SMALL)
    if k < 0.90:
        return rng.choice(TENS)
    if k < 0.97:
        return rng.choice(TENS) + " " + rng.choice(SMALL[:9])
    return rng.choice(["zero", "one hundred"])


def expand(template, rng):
    """Fill a template's slots, which may hold slots themselves."""
    while "{" in template:
        template = re.sub(
            r"\{(\w+)\}",
            lambda m: number(rng) if m[1] == "num" else rng.choice(SLOTS[m[1]]),
            template,
            count=1,
        )
    return template


def sentence(rng):
    """A random sentence of the domain."""
    template = rng.choices([t for _, t in TEMPLATES], [w for w, _ in TEMPLATES])[0]
    text = expand(template, rng)
    if "antiphon" not in text and rng.random() < 0.25:
        return rng.choice(WAKE) + " , " + text
    polite = text.endswith(" .") and len(text.split()) > 3 and not text.endswith(("please .", "you ."))
    if polite and rng.random() < 0.06:
        return text[:-1] + "please ."
    return text


def random_words(rng):
    """Words of the domain in no order, so that the decoder listens rather than guesses."""
    pool = [w for w in vocabulary() if w not in HOMOPHONES]
    return " ".join(rng.choice(pool) for _ in range(rng.randint(1, 5))) + " " + rng.choice("..?")


def parse(text):
    """Display text to sentence form: ``"Hey Antiphon, stop."`` to ``"hey antiphon , stop ."``."""
    return " ".join(re.sub(r"([,.?])", r" \1", text.lower()).split())


def words(sent):
    """The words of a sentence, without punctuation."""
    return [w for w in sent.split() if w not in PUNCTUATION]


def capital(word):
    return word[0].upper() + word[1:]


def tokens(sent):
    """The model's tokens: whole words with a leading space, punctuation without."""
    out = []
    for i, w in enumerate(sent.split()):
        if w in PUNCTUATION:
            out.append(w)
        else:
            out.append(" " + (capital(w) if i == 0 or w in PROPER else w))
    return out


def display(sent):
    """The transcript of a sentence."""
    return "".join(tokens(sent)).strip()


def vocabulary():
    """Every word of the domain, sorted."""
    v = set(SMALL) | set(TENS) | {"zero", "hundred"}
    for text in [t for _, t in TEMPLATES] + [w for s in SLOTS.values() for w in s] + [parse(s) for s in SCRIPTED]:
        v |= set(words(re.sub(r"\{\w+\}", "", text)))
    return sorted(v)


def token_list():
    """Token id is the index here. whisper.cpp looks for a token that is exactly one space."""
    out = [" "] + PUNCTUATION + [BLANK, INAUDIBLE]
    for w in vocabulary():
        out += [" " + capital(w)] if w in PROPER else [" " + w, " " + capital(w)]
    return out


def held_out(sent):
    """Whether a sentence is kept for evaluation: one in ten, by its hash, of three words and up."""
    if len(words(sent)) < 3 or display(sent) in SCRIPTED:
        return False
    return hashlib.sha256(sent.encode()).digest()[0] < 26


def main():
    rng = random.Random(1)
    seen = {sentence(rng) for _ in range(20000)}
    print(len(vocabulary()), "words,", len(token_list()), "tokens,", len(TEMPLATES), "templates")
    print(len(seen), "different sentences in 20000,", sum(map(held_out, seen)), "of them held out")
    for _ in range(15):
        print("  ", display(sentence(rng)))


if __name__ == "__main__":
    main()
