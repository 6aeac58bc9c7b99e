//! Whether the machines decide again what was recorded.
use antiphon_core::event::Input;
use antiphon_core::ids::Lane;
use antiphon_core::time::{ManualClock, Timestamp};
use bundle::{ActionLine, InputLine};
use parity::diff::{FirstDifference, Identity};

use mind::lanes::{Decided, LaneActions, Lanes};

/// Fresh lanes on a virtual clock, fed step by step.
#[derive(Debug, Default)]
pub struct Replayer {
    lanes: Lanes,
    clock: ManualClock,
    step: u64,
    /// The step from which on the candidate did not answer any more, if it failed.
    candidate_until: Option<u64>,
}

impl Replayer {
    /// Before the first input.
    pub fn new() -> Self {
        Self::default()
    }

    /// Replays what was recorded in a bundle of this version of the format.
    pub fn of_format(version: u32) -> Self {
        let lanes = if version < 2 { Lanes::of_format_1() } else { Lanes::new() };
        Self { lanes, ..Self::default() }
    }

    /// The candidate failed when it was recorded, after so many steps: it is not fed any more from there on.
    pub fn candidate_until(self, steps: Option<u64>) -> Self {
        Self { candidate_until: steps, ..self }
    }

    /// Feeds the next recorded input; gives what each lane wants, as a bundle would record it.
    pub fn feed(&mut self, line: &InputLine) -> [(Lane, Vec<ActionLine>); 2] {
        self.clock.advance_to(line.at);
        if self.candidate_until == Some(self.step) {
            self.lanes.lose_candidate();
        }
        let LaneActions { production, sandbox, .. } = self.lanes.step(line.at, &line.input);
        let step = self.step;
        self.step += 1;
        [(Lane::Production, lines(line.at, step, production)), (Lane::Sandbox, lines(line.at, step, sandbox))]
    }

    /// The virtual clock: it shows the time of the input that was fed last.
    pub fn clock(&self) -> &ManualClock {
        &self.clock
    }

    /// Inputs fed so far.
    pub fn steps(&self) -> u64 {
        self.step
    }

    /// The lanes as they are now.
    pub fn lanes(&self) -> &Lanes {
        &self.lanes
    }
}

fn lines(at: Timestamp, step: u64, decided: Vec<Decided>) -> Vec<ActionLine> {
    decided.into_iter().map(|Decided { policy, action }| ActionLine { at, step, policy, action }).collect()
}

/// What a verifying replay gave.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Replayed {
    /// Inputs fed.
    pub inputs: u64,
    /// Production's actions: recorded (a) against replayed (b).
    pub production: Identity,
    /// The sandbox's.
    pub sandbox: Identity,
}

impl Replayed {
    /// Whether both lanes decided bit for bit what was recorded.
    pub fn identical(&self) -> bool {
        self.production.identical() && self.sandbox.identical()
    }

    /// The first difference, with the lane in which it lies: production's, if there is one.
    pub fn first_difference(&self) -> Option<(Lane, &FirstDifference)> {
        let of = |lane, identity: &'_ Identity| identity.first_difference.as_ref().map(|_| lane);
        let lane = of(Lane::Production, &self.production).or_else(|| of(Lane::Sandbox, &self.sandbox))?;
        let identity = match lane {
            Lane::Production => &self.production,
            Lane::Sandbox => &self.sandbox,
        };
        identity.first_difference.as_ref().map(|difference| (lane, difference))
    }
}

/// How many steps the candidate of a recorded session had made when it was put out of service; none if it never was.
pub fn candidate_stop<E>(inputs: impl IntoIterator<Item = Result<InputLine, E>>) -> Result<Option<u64>, E> {
    for line in inputs {
        if let Input::CandidateStopped { steps, .. } = line?.input {
            return Ok(Some(steps));
        }
    }
    Ok(None)
}

/// Feeds `inputs` to fresh lanes and compares their actions, as JSON, with those recorded. Reads everything once and
/// keeps nothing. Fails with the first line that cannot be read.
pub fn verify<E>(
    mut replayer: Replayer,
    inputs: impl IntoIterator<Item = Result<InputLine, E>>,
    production: impl IntoIterator<Item = Result<ActionLine, E>>,
    sandbox: impl IntoIterator<Item = Result<ActionLine, E>>,
) -> Result<Replayed, E> {
    let mut production = Comparison::new(production.into_iter());
    let mut sandbox = Comparison::new(sandbox.into_iter());
    for line in inputs {
        for (lane, actions) in replayer.feed(&line?) {
            for action in &actions {
                match lane {
                    Lane::Production => production.next(action)?,
                    Lane::Sandbox => sandbox.next(action)?,
                }
            }
        }
    }
    Ok(Replayed {
        inputs: replayer.steps(),
        production: production.finish(Lane::Production)?,
        sandbox: sandbox.finish(Lane::Sandbox)?,
    })
}

struct Comparison<I> {
    recorded: I,
    lines: u64,
    difference: Option<FirstDifference>,
}

impl<E, I: Iterator<Item = Result<ActionLine, E>>> Comparison<I> {
    fn new(recorded: I) -> Self {
        Self { recorded, lines: 0, difference: None }
    }

    fn next(&mut self, replayed: &ActionLine) -> Result<(), E> {
        if self.difference.is_none() {
            let recorded = self.recorded.next().transpose()?;
            self.compare(recorded.as_ref(), Some(replayed));
        }
        Ok(())
    }

    fn finish(mut self, lane: Lane) -> Result<Identity, E> {
        if self.difference.is_none()
            && let Some(surplus) = self.recorded.next().transpose()?
        {
            self.compare(Some(&surplus), None);
        }
        let of = format!("{lane}: recorded against replayed");
        Ok(Identity { of, lines: self.lines, first_difference: self.difference })
    }

    fn compare(&mut self, recorded: Option<&ActionLine>, replayed: Option<&ActionLine>) {
        let json = |line: Option<&ActionLine>| line.and_then(|line| serde_json::to_string(line).ok());
        let (a, b) = (json(recorded), json(replayed));
        if a == b {
            self.lines += 1;
        } else {
            self.difference = Some(FirstDifference { line: self.lines + 1, a, b });
        }
    }
}
