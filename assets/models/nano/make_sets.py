"""Write the evaluation sets: texts and voice settings only; whoever tests lets espeak-ng speak them.

sentences.json  twenty fixed sentences in voices the model never heard, for a word-for-word test
held_out.json   sentences that are not in the training data, half in trained voices, half in unheard ones
"""

import json
import random
from pathlib import Path

import grammar
import voices

HERE = Path(__file__).parent
SEED = 77
PER_SET = 150
DEMO_ACCENTS = ["en-gb", "en-us", "en-gb-scotland", "en-029"]

FIXED = [
    ("Hey Antiphon, what time is it?", "en-us+f4", 160),
    ("Antiphon, what is seven plus five?", "en-gb+m7", 155),
    ("Antiphon, tell me a story.", "en-gb+m7", 170),
    ("Antiphon, stop.", "en-us+f4", 150),
    ("Antiphon, what is the date today?", "en-gb-scotland+m7", 150),
    ("Thank you, Antiphon.", "en-us+f4", 165),
    ("Goodbye.", "en-gb+m7", 160),
    ("Antiphon, what can you do?", "en-029+f4", 155),
    ("Antiphon, help.", "en-gb+m7", 150),
    ("I want to go home.", "en-us+f4", 175),
    ("Can you hear me?", "en-gb+f4", 160),
    ("Antiphon, what is twelve times three?", "en-us+m7", 160),
    ("Antiphon, what is twenty divided by five?", "en-us+f4", 145),
    ("What is the weather like today?", "en-gb+m7", 165),
    ("Antiphon, what is the weather in Paris?", "en-us+f4", 160),
    ("Repeat that.", "en-gb+f4", 150),
    ("Good morning, Antiphon.", "en-gb+m7", 160),
    ("Antiphon, start recording.", "en-us+m7", 170),
    ("Antiphon, leave the channel.", "en-us+f4", 160),
    ("I will see you tomorrow.", "en-gb+m7", 150),
]


def held_out_sentence(rng):
    while True:
        sent = grammar.sentence(rng)
        if grammar.held_out(sent):
            return sent


def main():
    rng = random.Random(SEED)
    fixed = [{"text": t, "voice": v, "speed": s, "pitch": 50} for t, v, s in FIXED]
    assert all(grammar.parse(t) and set(grammar.words(grammar.parse(t))) <= set(grammar.vocabulary()) for t, _, _ in FIXED)
    rows = []
    for name in ("trained_voices", "unheard_voices"):
        for _ in range(PER_SET):
            text = grammar.display(held_out_sentence(rng))
            if name == "trained_voices":
                voice = rng.choice(DEMO_ACCENTS) + rng.choice(["", "+m1", "+m3", "+m5", "+f1", "+f2", "+f5"])
            else:
                voice = rng.choice(DEMO_ACCENTS) + rng.choice(["+f4", "+m7"])
            rows.append({"set": name, "text": text, "voice": voice, "speed": rng.randint(140, 180), "pitch": 50})
    for name, body in (("sentences.json", fixed), ("held_out.json", rows)):
        lines = ",\n".join(json.dumps(r) for r in body)
        (HERE / name).write_text(f"[\n{lines}\n]\n")
    assert all(v not in voices.VARIANTS for v in voices.TEST_VARIANTS)


if __name__ == "__main__":
    main()
