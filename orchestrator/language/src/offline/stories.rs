//! Stories and jokes, written for this bot. Which one is chosen follows from the time.
use super::question::Question;

const STORIES: [&str; 3] = [
    "Once there was a lighthouse keeper who was afraid of the dark. Every evening she lit the great lamp, and told \
     herself that she did it for the ships. One night a storm blew the lamp out, and the sea was as black as ink. She \
     stood very still, and heard a small boat calling from below. So she sang, as loudly as she could, until the boat \
     had found its way by her voice. The sailors thanked her for the light. She laughed, and said that there had been \
     none. From that night on she slept with the window open, and the dark came in and sat beside her like a cat.",
    "A fox found a bell in the forest and wondered what it was for. He rang it once, and a bird answered. He rang it \
     twice, and the brook seemed to run a little faster. All day long he carried it about and asked each animal what it \
     heard. The owl heard midnight, the mouse heard supper, and the old badger heard his brother, whom he had not seen \
     for years. In the evening the fox hung the bell on a branch, where the wind could reach it. Whoever passes there \
     still hears what they miss the most.",
    "In a town by a river there lived a clockmaker whose clocks were always late. People complained, but they kept \
     buying them, because in her shop nobody was ever in a hurry. One day a merchant came and offered gold for a clock \
     that was always right. She worked for a year, and the clock she made was perfect to the second. The merchant hung \
     it in his hall, and from then on he knew exactly how much time he was losing. After a week he brought it back. She \
     turned the hands a little, and he smiled, and stayed for tea.",
];

const JOKES: [&str; 5] = [
    "Why did the microphone break up with the speaker? There was too much feedback.",
    "I would tell you a joke about packets, but I am not sure that you would get it.",
    "Why was the clock sent out of the class? It was always tocking.",
    "What do you call a bear that is caught in the rain? A drizzly bear.",
    "I asked the library for a book on silence. They told me nothing.",
];

pub(super) fn reply(q: &Question<'_>) -> Option<String> {
    if q.has_any(&["story", "stories", "tale", "fairytale"]) {
        return pick(&STORIES, q).map(str::to_owned);
    }
    if q.has_any(&["joke", "jokes", "funny", "laugh"]) {
        return pick(&JOKES, q).map(str::to_owned);
    }
    None
}

fn pick<'t>(of: &[&'t str], q: &Question<'_>) -> Option<&'t str> {
    let seconds = usize::try_from(q.at.as_millis() / 1000).unwrap_or(0);
    of.get(seconds % of.len().max(1)).copied()
}
