//! Whole networks, residual ones to layer4, against what people would use instead, alternating with it in the same minutes: f32 against
//! ONNX Runtime, bf16 against OpenVINO, and bf16x3, which nobody else has, against our own f32.
//!
//! ```text
//! cargo bench -p neuron-model --bench forward                    # every case, some minutes
//! cargo bench -p neuron-model --bench forward -- resnet50 b=8    # the cases whose line has all of these words
//! ```
//!
//! The peers are scripts in `peers/`, run by `python3` (or `$PYTHON`) with the packages onnx, onnxruntime and openvino.
//! Where they cannot be run the table says so and shows our own times alone. Only ratios mean something: on shared
//! machines absolute times drift by a factor of three.

mod graph;

use std::collections::BTreeMap;
use std::fmt;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use neuron_model::weights::WeightTensor;
use neuron_model::{
    Architecture, ChannelsLast, DeviceEvent, DeviceRequest, Keep, Network, Observer, Precision, Session,
    Weights,
};
use tempfile::NamedTempFile;

/// How often the sides take turns, and how often each runs in its turn.
const TURNS: usize = 3;
const RUNS: usize = 5;
/// How long nothing runs before a run that follows a pause, as in interactive work.
const PAUSE: Duration = Duration::from_millis(150);
/// `$NEURON_PEERS`, else where this was built.
const PEERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peers");

/// How runs follow one another.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rhythm {
    Continuous,
    AfterPause,
}

#[derive(Clone, Copy)]
struct Case {
    /// A network of torchvision's, or `resnet50-v1`: the original one, with the strides in its 1x1 convolutions.
    network: &'static str,
    batch: usize,
    size_px: usize,
    threads: usize,
    precision: Precision,
}

/// The 169 windows are those of one 224 px image, half a window apart.
const CASES: [Case; 33] = [
    case("resnet50-v1", 1, 224, 2),
    case("resnet50-v1", 8, 224, 2),
    case("resnet50-v1", 32, 224, 2),
    case("resnet50-v1", 169, 32, 2),
    case("resnet50-v1", 1, 224, 1),
    case("resnet50-v1", 8, 224, 1),
    case("resnet50-v1", 169, 32, 1),
    case("resnet50", 1, 224, 2),
    case("resnet50", 8, 224, 2),
    case("resnet18", 1, 224, 2),
    case("resnet18", 8, 224, 2),
    case("resnext50_32x4d", 1, 224, 2),
    case("resnext50_32x4d", 8, 224, 2),
    case("mobilenet_v2", 8, 224, 2),
    case("mobilenet_v3_large", 8, 224, 2),
    case("efficientnet_b0", 8, 224, 2),
    case("regnet_y_8gf", 8, 224, 2),
    case("shufflenet_v2_x1_0", 8, 224, 2),
    case("densenet121", 8, 224, 2),
    case("vgg16", 8, 224, 2),
    case("googlenet", 8, 224, 2),
    case("inception_v3", 8, 299, 2),
    case("convnext_tiny", 8, 224, 2),
    case("vit_b_16", 8, 224, 2),
    case("swin_t", 8, 224, 2),
    case("clip_vit_b_32", 8, 224, 2),
    bf16("resnet50-v1", 1, 224, 2),
    bf16("resnet50-v1", 8, 224, 2),
    bf16("resnet50-v1", 32, 224, 2),
    bf16("resnet50-v1", 169, 32, 2),
    bf16x3("resnet50-v1", 1, 224, 2),
    bf16x3("resnet50-v1", 8, 224, 2),
    bf16x3("resnet50-v1", 169, 32, 2),
];

const fn case(network: &'static str, batch: usize, size_px: usize, threads: usize) -> Case {
    Case { network, batch, size_px, threads, precision: Precision::F32 }
}

const fn bf16(network: &'static str, batch: usize, size_px: usize, threads: usize) -> Case {
    Case { network, batch, size_px, threads, precision: Precision::Bf16 }
}

const fn bf16x3(network: &'static str, batch: usize, size_px: usize, threads: usize) -> Case {
    Case { network, batch, size_px, threads, precision: Precision::Bf16x3 }
}

impl fmt::Display for Rhythm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Continuous => "continuous",
            Self::AfterPause => "after a pause",
        })
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { network, batch, size_px, threads, precision } = self;
        write!(f, "{network} {precision} b={batch} {size_px}px t={threads}")
    }
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let runs = TURNS * RUNS;
    println!("images/s, medians of {runs}; ratios of the medians and of the fastest runs");
    println!("{:46} {:>12} {:>12} {:>7} {:>7}", "", "neuron", "peer", "median", "fastest");
    let asked = |case: &&Case| {
        let line = case.to_string();
        words.iter().all(|word| line.split(' ').any(|part| part == word))
    };
    for case in CASES.iter().filter(asked) {
        let mut ours = Ours::new(case);
        let peer: Result<Box<dyn Peer>, String> = match case.precision {
            Precision::Bf16x3 => Ok(Box::new(Ours::new(&Case { precision: Precision::F32, ..*case }))),
            _ => Process::start(case, &ours.described()).map(|process| Box::new(process) as Box<dyn Peer>),
        };
        match peer {
            Ok(mut peer) => {
                compare(case, Rhythm::Continuous, &mut ours, &mut *peer);
                compare(case, Rhythm::AfterPause, &mut ours, &mut *peer);
            }
            Err(missing) => alone(case, &mut ours, &missing),
        }
    }
}

fn compare(case: &Case, rhythm: Rhythm, ours: &mut Ours, peer: &mut dyn Peer) {
    let (mut our_secs, mut peer_secs) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        // Its threads spin for a while after a run, and would take our cores.
        peer.stop();
        our_secs.extend(turn(rhythm, || ours.run()));
        peer.go_on();
        peer_secs.extend(turn(rhythm, || peer.run()));
    }
    let rate = |secs: f64| case.batch as f64 / secs;
    println!(
        "{:46} {:>10.2}/s {:>10.2}/s {:>6.2}x {:>6.2}x   {}",
        format!("{case} {rhythm}"),
        rate(median(&our_secs)),
        rate(median(&peer_secs)),
        median(&peer_secs) / median(&our_secs),
        fastest(&peer_secs) / fastest(&our_secs),
        peer.name()
    );
}

fn alone(case: &Case, ours: &mut Ours, missing: &str) {
    for rhythm in [Rhythm::Continuous, Rhythm::AfterPause] {
        let secs: Vec<f64> = (0..TURNS).flat_map(|_| turn(rhythm, || ours.run())).collect();
        let line = format!("{case} {rhythm}");
        println!("{line:46} {:>10.2}/s   no peer: {missing}", case.batch as f64 / median(&secs));
    }
}

/// Seconds of each run of a turn.
fn turn(rhythm: Rhythm, mut run: impl FnMut() -> f64) -> Vec<f64> {
    run();
    let run = |_| {
        if rhythm == Rhythm::AfterPause {
            sleep(PAUSE);
        }
        run()
    };
    (0..RUNS).map(run).collect()
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

fn fastest(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}

/// What we are compared with.
trait Peer {
    /// Seconds of one run.
    fn run(&mut self) -> f64;

    fn name(&self) -> String;

    /// From here on it takes no time of ours.
    fn stop(&self) {}

    fn go_on(&self) {}
}

impl Peer for Ours {
    fn run(&mut self) -> f64 {
        Self::run(self)
    }

    fn name(&self) -> String {
        self.session.network().device().arithmetic().to_string()
    }
}

/// Our side of a case.
struct Ours {
    session: Session,
    pixels: Vec<f32>,
    size_px: usize,
}

impl Ours {
    fn new(case: &Case) -> Self {
        let (architecture, original) = match case.network.strip_suffix("-v1") {
            Some(architecture) => (architecture, true),
            None => (case.network, false),
        };
        let metadata = BTreeMap::from([("stride_in_1x1".to_owned(), original.to_string())]);
        let weights = random_weights(architecture).with_metadata(metadata);
        let silent: Observer = Arc::new(|_: &DeviceEvent| {});
        let device = DeviceRequest::Cpu.open(case.precision, &silent).expect("the CPU computes in it");
        let network = Network::on(device, architecture, weights, case.threads).expect("random weights fit");
        let last = || network.graph().taps().max_by_key(|tap| tap.node).expect("a network has modules");
        let tap = network.tap("layer4").unwrap_or_else(|_| last());
        let pixels = noise(case.batch * case.size_px * case.size_px * 3, 7);
        Self { session: network.session(&[tap], Keep::Taps).unwrap(), pixels, size_px: case.size_px }
    }

    /// What it runs, for the peer.
    fn described(&self) -> String {
        let last = self.session.taps()[0].node;
        graph::described(self.session.network().graph(), last, self.size_px)
    }

    /// Seconds of one run.
    fn run(&mut self) -> f64 {
        let images = ChannelsLast::new(&self.pixels, self.size_px, self.size_px);
        let start = Instant::now();
        let mut seen = 0.0;
        self.session
            .run(&images, &mut |tapped| seen += tapped.map.data[0])
            .expect("the images are large enough");
        let secs = start.elapsed().as_secs_f64();
        assert!(seen.is_finite());
        secs
    }
}

/// Weights that keep activations in range; their values change no time.
fn random_weights(architecture: &str) -> Weights {
    let graph = Architecture::from_name(architecture).expect("a known network").graph(&Weights::default());
    let tensors = graph.expected_tensors().into_iter().enumerate().map(|(index, (name, shape))| {
        let len: usize = shape.iter().product();
        let values = if shape.len() > 1 {
            let scale = (6.0 / (len / shape[0]) as f32).sqrt();
            noise(len, index as u64).into_iter().map(|value| value * scale).collect()
        } else if name.ends_with("running_mean") || name.ends_with("bias") {
            vec![0.0; len]
        } else {
            vec![1.0; len]
        };
        (name, WeightTensor::new(shape, values))
    });
    Weights::from_tensors(tensors, BTreeMap::new())
}

/// Values in (-1, 1).
fn noise(len: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..len).map(|_| next()).collect()
}

/// A peer's process.
struct Process {
    process: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    name: String,
    /// The network that it runs.
    _graph: NamedTempFile,
}

impl Process {
    fn start(case: &Case, described: &str) -> Result<Self, String> {
        let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
        let peers = std::env::var("NEURON_PEERS").unwrap_or_else(|_| PEERS.to_owned());
        let (script, packages) = match case.precision {
            Precision::F32 => ("onnx_runtime.py", "numpy, onnx and onnxruntime"),
            _ => ("openvino_bf16.py", "numpy, onnx and openvino"),
        };
        let numbers = [case.batch, case.size_px, case.threads].map(|number| number.to_string());
        let mut graph = NamedTempFile::new().map_err(|error| error.to_string())?;
        graph.write_all(described.as_bytes()).map_err(|error| error.to_string())?;
        let mut command = Command::new(&python);
        command.arg(format!("{peers}/{script}")).arg(graph.path()).args(numbers);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().map_err(|error| format!("{python}: {error}"))?;
        let input = process.stdin.take();
        let output = BufReader::new(process.stdout.take().expect("the output is piped"));
        let mut peer = Self { process, input, output, name: String::new(), _graph: graph };
        let first = peer.line();
        let name = first.strip_prefix("ready ").ok_or_else(|| format!("{python} needs {packages}"))?;
        peer.name = name.to_owned();
        Ok(peer)
    }

    fn signal(&self, signal: &str) {
        let kill = Command::new("kill").args([signal, &self.process.id().to_string()]).status();
        assert!(kill.is_ok_and(|status| status.success()), "the peer could not be sent {signal}");
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("the peer answers in text");
        line.trim().to_owned()
    }
}

impl Peer for Process {
    fn run(&mut self) -> f64 {
        writeln!(self.input.as_mut().expect("open until it is dropped")).expect("the peer listens");
        self.line().parse().expect("the peer answers with seconds")
    }

    fn name(&self) -> String {
        self.name.clone()
    }

    fn stop(&self) {
        self.signal("-STOP");
    }

    fn go_on(&self) {
        self.signal("-CONT");
    }
}

impl Drop for Process {
    /// The end of its input ends the peer.
    fn drop(&mut self) {
        drop(self.input.take());
        // An error leaves nothing to do: the process is gone already.
        let _ = self.process.wait();
    }
}
