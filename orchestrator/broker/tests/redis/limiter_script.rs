//! The limiter's script compared with the plain model, over every sequence of a few steps there is.
//!
//! Two guilds, two people. Redis runs scripts one at a time: however many ask at once, what happens is one of these
//! sequences, and there is no other interleaving. The store runs in this process, and its time is set by the test, so
//! that a sequence branches without being run again: the keys of a guild are copied for each branch, and branches are
//! taken in the order of their time, since time does not run backwards in a store.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

use antiphon_core::ids::{GuildId, UserId};
use broker::keys::GuildKeys;
use broker::limits::{Model, Quota, Subject, Window};
use bytes::Bytes;
use redis_embedded::Reply;
use redis_embedded::{ClientId, Store, StoreConfig};

const TAKE: &str = include_str!("../../src/limits/limiter.lua");
const CORRECT: &str = include_str!("../../src/limits/correct.lua");
const START_MS: u64 = 1_000_000;

/// What can happen next.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Of this guild, perhaps this person, so many tokens.
    Take(usize, Option<usize>, u64),
    /// What the first guild was granted last turns out to have been so many.
    Correct(u64),
    /// The first guild gets a quota of its own for requests, or loses it.
    Own(Option<u64>),
    /// Milliseconds.
    Pass(u64),
}

const STEPS: &[Step] = &[
    Step::Take(0, Some(0), 3),
    Step::Take(0, Some(1), 2),
    Step::Take(0, None, 0),
    Step::Take(1, Some(0), 5),
    Step::Correct(0),
    Step::Correct(1),
    Step::Own(Some(1)),
    Step::Own(None),
    Step::Pass(1),
    Step::Pass(2),
];

fn quota(limit: u64, ms: u64) -> Quota {
    Quota { limit, window: Duration::from_millis(ms) }
}

/// Windows of different lengths, and quotas that a few requests use up.
fn usual(subject: Subject) -> Quota {
    match subject {
        Subject::GuildRequests => quota(3, 4),
        Subject::GuildTokens => quota(7, 3),
        Subject::PersonRequests => quota(2, 3),
        Subject::PersonTokens => quota(5, 4),
    }
}

/// What was granted last: numbers of the script, numbers of the models, person, tokens.
#[derive(Clone, Debug)]
struct Granted {
    entries: Vec<Bytes>,
    numbers: Vec<u64>,
    person: Option<usize>,
    tokens: u64,
}

/// A sequence so far: what the models hold, and under which names the store holds the same.
#[derive(Clone)]
struct Branch {
    now: u64,
    steps: Vec<Step>,
    /// By guild.
    names: [u64; 2],
    own: Option<u64>,
    /// By guild, person (none for the guild's own) and whether they count tokens.
    models: BTreeMap<(usize, Option<usize>, bool), Model>,
    granted: Option<Granted>,
}

struct World {
    store: Store,
    client: ClientId,
    next_name: u64,
    /// Hashes of both scripts.
    take: String,
    correct: String,
}

fn words(line: &[&str]) -> Vec<Bytes> {
    line.iter().map(|word| Bytes::copy_from_slice(word.as_bytes())).collect()
}

fn person_id(person: usize) -> UserId {
    UserId(person as u64 + 1)
}

fn keys(name: u64) -> [String; 4] {
    let names = GuildKeys::new(GuildId(name));
    let person = |person| names.limit(Some(person_id(person)));
    [names.quotas(), names.limit(None), person(0), person(1)]
}

fn ints(reply: &Reply) -> Vec<i64> {
    let Reply::Array(items) = reply else { panic!("{reply:?}") };
    let int = |item: &Reply| if let Reply::Int(n) = item { *n } else { panic!("{item:?}") };
    items.iter().map(int).collect()
}

impl World {
    fn new() -> Self {
        let mut store = Store::new(StoreConfig::default(), START_MS * 1000);
        let client = store.connect(START_MS * 1000, "test").unwrap();
        let mut world = Self { store, client, next_name: 2, take: String::new(), correct: String::new() };
        world.take = world.load(TAKE);
        world.correct = world.load(CORRECT);
        world
    }

    fn load(&mut self, script: &str) -> String {
        match self.run(START_MS, &words(&["SCRIPT", "LOAD", script])) {
            Reply::Bulk(sha) => String::from_utf8(sha.to_vec()).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    fn run(&mut self, now: u64, command: &[Bytes]) -> Reply {
        let reply = self.store.apply(now * 1000, self.client, command).unwrap();
        assert!(!matches!(reply, Reply::Error(_)), "{reply:?}");
        reply
    }

    /// The same state under other names.
    fn fork(&mut self, branch: &Branch) -> Branch {
        let mut forked = branch.clone();
        for name in &mut forked.names {
            let (old, new) = (keys(*name), keys(self.next_name));
            *name = self.next_name;
            self.next_name += 1;
            for (old, new) in old.iter().zip(&new) {
                self.run(branch.now, &words(&["COPY", old, new]));
            }
        }
        forked
    }

    fn forget(&mut self, branch: &Branch) {
        for name in branch.names {
            let keys = keys(name);
            let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
            self.run(branch.now, &words(&[&["DEL"], &keys[..]].concat()));
        }
    }

    fn step(&mut self, branch: &mut Branch, step: Step) {
        branch.steps.push(step);
        match step {
            Step::Pass(ms) => branch.now += ms,
            Step::Own(most) => {
                branch.own = most;
                let key = &keys(branch.names[0])[0];
                let field = Subject::GuildRequests.as_str();
                match most {
                    Some(most) => {
                        self.run(branch.now, &words(&["HSET", key, field, &quota(most, 6).to_string()]))
                    }
                    None => self.run(branch.now, &words(&["HDEL", key, field])),
                };
            }
            Step::Correct(really) => self.correct(branch, really),
            Step::Take(guild, person, tokens) => self.take(branch, guild, person, tokens),
        }
    }

    fn take(&mut self, branch: &mut Branch, guild: usize, person: Option<usize>, tokens: u64) {
        let now = branch.now;
        let subjects: Vec<(Subject, Option<usize>, bool)> = [
            (Subject::GuildRequests, None, false),
            (Subject::GuildTokens, None, true),
            (Subject::PersonRequests, person, false),
            (Subject::PersonTokens, person, true),
        ]
        .into_iter()
        .take(if person.is_some() { 4 } else { 2 })
        .collect();
        let quota_of = |subject: Subject| match branch.own {
            Some(most) if guild == 0 && subject == Subject::GuildRequests => quota(most, 6),
            _ => usual(subject),
        };
        // What the model says.
        let wanted = |counts_tokens: bool| if counts_tokens { tokens } else { 1 };
        let mut expected: Vec<Window> = Vec::new();
        for (subject, whose, counts_tokens) in &subjects {
            let model = branch.models.entry((guild, *whose, *counts_tokens)).or_default();
            expected.push(model.look(*subject, quota_of(*subject), wanted(*counts_tokens), now));
        }
        let allowed = expected.iter().all(|window| window.retry_after == Some(Duration::ZERO));
        let mut numbers = Vec::new();
        if allowed {
            for (window, (subject, whose, counts_tokens)) in expected.iter_mut().zip(&subjects) {
                let model = branch.models.entry((guild, *whose, *counts_tokens)).or_default();
                numbers.push(model.take(wanted(*counts_tokens), now));
                window.remaining -= wanted(*counts_tokens);
                window.reset_after = model.reset_after(quota_of(*subject), now);
            }
        }
        // What the script says.
        let names = keys(branch.names[guild]);
        let logs: Vec<&str> = [Some(&names[1]), person.map(|person| &names[2 + person])]
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect();
        let count = (logs.len() + 1).to_string();
        let mut command =
            words(&[&["EVALSHA", &self.take, &count, &names[0]], &logs[..], &[&tokens.to_string()]].concat());
        for (subject, ..) in &subjects {
            let usual = usual(*subject);
            let ms = usual.window.as_millis().to_string();
            command.extend(words(&[subject.as_str(), &usual.limit.to_string(), &ms]));
        }
        let reply = self.run(now, &command);
        let Reply::Array(parts) = &reply else { panic!("{reply:?}") };
        let [Reply::Int(said), Reply::Array(entries), Reply::Array(windows)] = &parts[..] else {
            panic!("{reply:?}")
        };
        assert_eq!(*said == 1, allowed, "{:?}", branch.steps);
        let ms = |duration: Duration| i64::try_from(duration.as_millis()).unwrap();
        let expected: Vec<Vec<i64>> = expected
            .iter()
            .map(|window| {
                let used = window.limit.saturating_sub(window.remaining);
                let wait = window.retry_after.map_or(-1, ms);
                vec![
                    i64::try_from(window.limit).unwrap(),
                    i64::try_from(used).unwrap(),
                    ms(window.reset_after),
                    wait,
                ]
            })
            .collect();
        let mut found: Vec<Vec<i64>> = windows.iter().map(ints).collect();
        for window in &mut found {
            // More may have been used than a quota that came later allows.
            window[1] = window[1].min(window[0]);
        }
        assert_eq!(found, expected, "{:?}", branch.steps);
        if allowed && guild == 0 {
            let text = |entry: &Reply| {
                if let Reply::Bulk(text) = entry { text.clone() } else { panic!("{entry:?}") }
            };
            branch.granted =
                Some(Granted { entries: entries.iter().map(text).collect(), numbers, person, tokens });
        }
    }

    fn correct(&mut self, branch: &mut Branch, really: u64) {
        let Some(granted) = branch.granted.clone().filter(|granted| granted.tokens > 0) else { return };
        let names = keys(branch.names[0]);
        let logs: Vec<&str> = [Some(&names[1]), granted.person.map(|person| &names[2 + person])]
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect();
        let (count, taken) = (logs.len().to_string(), granted.tokens.to_string());
        let mut command =
            words(&[&["EVALSHA", &self.correct, &count], &logs[..], &[&taken, &really.to_string()]].concat());
        command.extend(granted.entries.iter().cloned());
        self.run(branch.now, &command);
        for (whose, number) in [(None, 1), (granted.person, 3)].into_iter().take(logs.len()) {
            if let (Some(model), Some(number)) =
                (branch.models.get_mut(&(0, whose, true)), granted.numbers.get(number))
            {
                model.correct(*number, granted.tokens, really);
            }
        }
    }
}

/// All sequences of this many steps; gives how many states were visited.
fn walk(depth: usize) -> usize {
    let mut world = World::new();
    let first = Branch {
        now: START_MS,
        steps: Vec::new(),
        names: [0, 1],
        own: None,
        models: BTreeMap::new(),
        granted: None,
    };
    let mut branches = vec![Some(first)];
    let mut queue = BinaryHeap::from([Reverse((START_MS, 0))]);
    let mut visited = 0;
    while let Some(Reverse((_, at))) = queue.pop() {
        let branch = branches[at].take().unwrap();
        visited += 1;
        if branch.steps.len() < depth {
            for step in STEPS {
                let mut next = world.fork(&branch);
                world.step(&mut next, *step);
                queue.push(Reverse((next.now, branches.len())));
                branches.push(Some(next));
            }
        }
        world.forget(&branch);
    }
    visited
}

#[test]
fn the_script_agrees_with_the_model_after_every_sequence() {
    // One more step is ten times as long: `ANTIPHON_MODEL_DEPTH=6` for those who have a while.
    let depth = std::env::var("ANTIPHON_MODEL_DEPTH").ok().and_then(|depth| depth.parse().ok()).unwrap_or(4);
    let visited = walk(depth);
    println!("{visited} states, all sequences of up to {depth} of {} steps", STEPS.len());
    let expected: usize = (0..=depth).map(|steps| STEPS.len().pow(u32::try_from(steps).unwrap())).sum();
    assert_eq!(visited, expected);
}
