"""Speech that is not the domain's: the model must answer [INAUDIBLE] to all of it."""

import numpy as np
from scipy.signal import resample_poly

import grammar
import voices

WORDS = """
able accept across actor address admit advice afraid agency airport almost amount ancient animal answer apple april argue
article attack author autumn average balance balloon banana basket battle beach beautiful because become bedrock before
behind believe beneath benefit bicycle biology bishop bitter blanket blossom border borrow bottle bottom bread bridge
brother budget building butcher butter button cabin camera camp candle capital captain carbon career carpet castle cattle
celery central century certain chair champion chance chapter chemical cherry chicken chocolate church cinema circle citizen
climate climb closet clothes coffee collar collect college comfort common company compare complete computer concert
consider contract cookie copper corner cotton country courage cousin cradle create credit crime crowd crystal culture
cupboard curious current customer damage dancer danger daughter deadline decade decide defend degree deliver dentist depend
desert design detail diamond dinner director discover disease distance doctor document dollar donkey dragon dream dress
driver eagle early earth economy editor education effort elbow election electric elephant embassy emotion empire employ
energy engine enough entire envelope escape evidence exactly example excite expect expert explain fabric factory failure
family famous farmer father favour feather fence fiction field figure finger finish fisher flavour flight flower follow
football foreign forest forget fortune forward fountain fragile freedom friend frozen furniture future gallery gather general
gentle giant ginger glass glove government grammar grand grass gravel grocery guilty guitar habit hammer handle happen
harbour harvest health heaven height hesitate history holiday honest honey horizon hospital hotel human hungry hunter husband
imagine impact import include industry injury insect inside instead island jacket jealous jewel journal journey judge juice
jungle justice keyboard kidney kingdom knife knowledge ladder language laptop laugh lawyer leather lecture legend lemon
letter library liquid listen litter lizard locker lonely lovely lucky lumber machine magazine magnet manager marble market
marriage master matter meadow measure medicine member memory mention merchant metal middle military mirror mistake mixture
model modern monkey moral mother motor mountain museum mushroom mystery nation nature needle neighbour nephew nervous network
nobody normal notice novel number object ocean offer officer onion opinion orange orchestra ordinary organ original oxygen
package paint palace panic paper parade parent parliament partner passage passenger patient pattern payment peanut pencil
pepper perfect period person phone photo physics piano picnic picture pillow pilot planet plastic platform pleasure pocket
poem police polite pollution poor popular position possible potato powder practice prefer prepare present president pressure
price prison problem process produce professor promise property protect public puddle pumpkin purple purpose puzzle quality
quarter question quickly rabbit railway reason receive recipe regular relative religion remember report rescue respect
restaurant result return reward rhythm ribbon river rocket roof rough royal rubber rumour salad salmon sample sandwich
satellite scatter school science scissors season section senator sentence serious service shadow shallow shelter sheriff
shoulder shower sister skeleton sleeve smooth soldier sparrow special spider spirit sponge square squirrel stadium station
statue stomach strange strategy strawberry street student subject success sugar suggest summer supper support surface
surprise survey swallow sweater symbol system table tailor talent teacher temple tennis theatre theory thirsty thread thunder
ticket tiger tissue tobacco tomato tongue towel tower traffic train travel treasure treaty trouble trumpet tunnel turkey
umbrella uncle under uniform universe useful valley value vegetable vehicle velvet version vessel victim village violin
visitor voyage waiter wallet water wealth weapon wedding welcome whistle widow willow winter wisdom witness wizard wolf
wonder wooden worker worry writer yesterday young zebra
""".split()

FRAMES = [
    "what is the capital of {w}", "the {w} of the {w} was {w}", "do you want {w} with your {w}", "i think {w} is {w}",
    "my {w} bought a {w}", "we went to the {w} last {w}", "there is no {w} in this {w}", "can you {w} the {w} for me",
    "tell me about the {w}", "he said that the {w} is {w}", "she never liked {w}", "{w}", "{w} {w}", "{w} and {w}",
    "{w} {w} {w} {w}", "play {w} by {w}", "why does the {w} {w}", "they will {w} before the {w}",
    "if you {w} then i will {w} the {w}", "hey {w}", "okay {w} what is a {w}", "antiphon find {w} near the {w}",
    "so anyway the {w} came back with {w} and {w}", "it was not {w} but {w}", "please {w} that {w}",
]
ONSETS = "b br ch d dr f fl g gl gr h j k kl l m n p pl pr r s sh sk sp st t tr v w z".split() + [""]
NUCLEI = "a e i o u ee oo ai ou ar or er".split()
CODAS = "b d f g k l m n p r s sh t st nd nk mp ".split() + [""]


def _pseudo_word(rng):
    return "".join(rng.choice(ONSETS) + rng.choice(NUCLEI) + rng.choice(CODAS) for _ in range(rng.randint(1, 3)))


def text(rng):
    """A sentence with at least one word the domain does not have."""
    known = set(grammar.vocabulary())
    pool = [w for w in WORDS if w not in known]
    sent = rng.choice(FRAMES)
    while "{w}" in sent:
        word = rng.choice(pool) if rng.random() < 0.8 else _pseudo_word(rng)
        sent = sent.replace("{w}", word, 1)
    return sent


def speech(rng):
    """Audio outside the domain, and a word on what it is."""
    k = rng.random()
    if k < 0.12:  # the domain backwards
        x = voices.speak(grammar.display(grammar.sentence(rng)), *voices.draw(rng))
        return None if x is None else np.ascontiguousarray(x[::-1])
    if k < 0.34:  # a voice that is not English, or not the formant synthesiser
        return voices.speak(text(rng), rng.choice(voices.FOREIGN), rng.randint(130, 190), rng.randint(30, 75))
    x = voices.speak(text(rng), *voices.draw(rng))
    if x is not None and rng.random() < 0.3:  # a larger or smaller speaker
        x = resample_poly(x, rng.randint(75, 130), 100).astype(np.float32)
    return x
