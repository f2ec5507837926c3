use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::Once;
use std::time::{Duration, Instant};

use neuron_fuzz::trial::{self, Fault};
use neuron_fuzz::{Mutator, Target, corpus};

use crate::coverage::Coverage;
use crate::findings::{self, Findings};

/// Inputs that are kept to make others of; the oldest that are no seeds go.
const MOST_INPUTS: usize = 4096;
/// Runs that are spent on making a finding shorter.
const SHORTENING: usize = 2000;

/// A target on the way through its inputs.
pub(crate) struct Hunt {
    name: &'static str,
    target: Target,
    mutator: Mutator,
    /// Inputs that were taken, to make others of; the seeds first.
    taken: Vec<Vec<u8>>,
    /// Inputs that were refused in ways of their own.
    refused: Vec<Vec<u8>>,
    coverage: Coverage,
    findings: Findings,
    /// The faults that were found, by kind, and how often.
    faults: BTreeMap<String, usize>,
    tally: Tally,
    /// Whether a refused input is next.
    turn: bool,
}

/// What the runs so far took.
#[derive(Default)]
struct Tally {
    runs: usize,
    taken: usize,
    /// Panics that readers caught themselves, by their places.
    caught: BTreeMap<String, usize>,
    elapsed: Duration,
    slowest: Duration,
    most_bytes: usize,
}

impl Hunt {
    pub(crate) fn new(name: &'static str, target: Target, seed: u64) -> io::Result<Self> {
        static WATCH: Once = Once::new();
        WATCH.call_once(|| drop(std::thread::spawn(findings::watch)));
        Ok(Self {
            name,
            target,
            mutator: Mutator::new(seed, corpus::dictionary(name)?),
            taken: corpus::seeds(name)?.into_iter().map(|seed| seed.bytes).collect(),
            refused: Vec::new(),
            coverage: Coverage::default(),
            findings: Findings::of(name)?,
            faults: BTreeMap::new(),
            tally: Tally::default(),
            turn: false,
        })
    }

    pub(crate) fn is_clean(&self) -> bool {
        self.faults.is_empty()
    }

    /// Runs the seeds, then changes of them and of what was new about those, until the time is over.
    pub(crate) fn run(&mut self, time: Duration) -> io::Result<()> {
        let started = Instant::now();
        for seed in self.taken.clone() {
            self.run_once(&seed)?;
        }
        self.coverage.is_new();
        while started.elapsed() < time {
            // What is refused leads to other ways of refusing, and there are many: half of the time is for the rest.
            self.turn = !self.turn;
            let of_refused = self.turn && !self.refused.is_empty();
            let input = self.mutator.mutate(if of_refused { &self.refused } else { &self.taken });
            let taken = self.run_once(&input)?;
            if self.coverage.is_new() {
                let inputs = if taken { &mut self.taken } else { &mut self.refused };
                if inputs.len() == MOST_INPUTS {
                    inputs.remove(MOST_INPUTS / 2);
                }
                inputs.push(input);
            }
        }
        self.tally.elapsed = started.elapsed();
        Ok(())
    }

    /// Whether the input was taken.
    fn run_once(&mut self, input: &[u8]) -> io::Result<bool> {
        self.findings.begin(input)?;
        let tally = &mut self.tally;
        tally.runs += 1;
        match trial::run(self.target, input) {
            Ok(cost) => {
                tally.taken += usize::from(cost.taken);
                tally.slowest = tally.slowest.max(cost.elapsed);
                tally.most_bytes = tally.most_bytes.max(cost.peak_bytes);
                if let Some(panic) = cost.caught {
                    *tally.caught.entry(panic.place).or_default() += 1;
                }
                Ok(cost.taken)
            }
            Err(fault) => {
                self.note(input, &fault)?;
                Ok(false)
            }
        }
    }

    /// Keeps a finding of a new kind, as short as it can be made.
    fn note(&mut self, input: &[u8], fault: &Fault) -> io::Result<()> {
        let known = self.faults.entry(fault.kind().to_owned()).or_default();
        *known += 1;
        if *known > 1 {
            return Ok(());
        }
        let short = self.shorten(input.to_vec(), fault)?;
        let path = self.findings.keep(&format!("{:02}", self.faults.len()), &short)?;
        println!(
            "{}: {fault}\n  cargo run -p neuron-fuzz -- {} --input {}",
            self.name,
            self.name,
            path.display()
        );
        Ok(())
    }

    /// Leaves out as much as can be without another outcome.
    fn shorten(&mut self, mut input: Vec<u8>, fault: &Fault) -> io::Result<Vec<u8>> {
        let mut runs = if matches!(fault, Fault::Slow { .. }) { 8 } else { SHORTENING };
        let mut part = input.len() / 2;
        while part > 0 && runs > 0 {
            let mut at = 0;
            while at < input.len() && runs > 0 {
                let shorter = [&input[..at], &input[input.len().min(at + part)..]].concat();
                self.findings.begin(&shorter)?;
                runs -= 1;
                match trial::run(self.target, &shorter) {
                    Err(same) if same.kind() == fault.kind() => input = shorter,
                    _ => at += part,
                }
            }
            part /= 2;
        }
        Ok(input)
    }
}

impl fmt::Display for Hunt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { runs, taken, caught, elapsed, slowest, most_bytes } = &self.tally;
        let seconds = elapsed.as_secs_f64();
        write!(f, "{}: {runs} runs in {seconds:.0} s ({:.0}/s), ", self.name, *runs as f64 / seconds)?;
        write!(f, "{taken} taken, slowest {} ms, most {} KiB, ", slowest.as_millis(), most_bytes >> 10)?;
        if Coverage::is_counted() {
            write!(f, "{} edges by {} inputs, ", self.coverage.edges, self.taken.len() + self.refused.len())?;
        }
        let found: usize = self.faults.values().sum();
        write!(f, "{} findings ({found} times)", self.faults.len())?;
        caught.iter().try_for_each(|(place, times)| {
            // Crates from elsewhere are known by name; where they lie does not matter.
            let place = place.rsplit_once("/src/index").map_or(&**place, |(_, place)| place);
            write!(f, "\n  caught by the reader {times} times: a panic at {place}")
        })
    }
}
