//! What holds of every network that was imported, whatever file it came from.

use std::collections::HashMap;
use std::path::Path;

use neuron_import::{Format, Imported};
use neuron_model::{ChannelsLast, Device, Graph, Keep, Network, NodeId, Shape, Tap};

use crate::scratch;

/// Values of the largest map of a network that is run.
const MOST_VALUES: usize = 1 << 14;
/// Rows and columns of the largest image.
const MOST_ROWS: usize = 64;

/// Opens a file of these bytes; the format that it was taken for.
///
/// # Panics
/// If a network that was imported has not the weights that it reads, cannot be run, or is another one after it was saved.
pub(crate) fn format(bytes: &[u8]) -> Option<Format> {
    let folder = scratch::folder("imported", |_| {});
    let path = folder.join("net");
    scratch::write(&path, bytes);
    let imported = open(&path)?;
    let format = imported.format;
    if format != Format::Neuron {
        let saved = folder.join("saved");
        imported.save(&saved).expect("what was imported can be saved");
        let again = neuron_import::open(&saved).expect("what was saved can be opened");
        let [before, after] = [&imported, &again].map(|of| of.graph.tap_infos(of.size[0], of.size[1]).ok());
        assert_eq!(before, after, "a saved network is another one");
    }
    run(imported);
    Some(format)
}

fn open(path: &Path) -> Option<Imported> {
    match neuron_import::open(path) {
        Err(error) => {
            assert!(!error.to_string().is_empty());
            None
        }
        Ok(imported) => Some(imported),
    }
}

/// Runs all of a network whose maps are small.
fn run(Imported { graph, weights, size: [height, width], format, .. }: Imported) {
    let network = match Network::from_graph(Device::default(), "imported", graph, weights, 1) {
        Ok(network) => network,
        // Whoever wrote the file left weights out.
        Err(_) if format == Format::Neuron => return,
        Err(error) => panic!("weights do not fit their own network: {error}"),
    };
    let shapes = shapes(network.graph(), [height, width]);
    if height.max(width) > MOST_ROWS || shapes.values().any(|shape| shape.len() > MOST_VALUES) {
        return;
    }
    let taps: Vec<Tap> = network.graph().taps().filter(|tap| shapes.contains_key(&tap.node)).collect();
    let image = vec![0.25; height * width * 3];
    let mut session = network.session(&taps, Keep::Taps).expect("its own taps");
    if let Err(error) = session.run(&ChannelsLast::new(&image, height, width), &mut |_| {}) {
        assert!(!error.to_string().is_empty());
    }
}

/// The shapes of all nodes that have one for images of a size.
fn shapes(graph: &Graph, [height, width]: [usize; 2]) -> HashMap<NodeId, Shape> {
    let mut shapes: HashMap<NodeId, Shape> = HashMap::new();
    for id in graph.ids() {
        let node = graph.node(id);
        let inputs: Option<Vec<Shape>> = node.inputs.iter().map(|input| shapes.get(input).copied()).collect();
        let shape = match inputs {
            Some(inputs) if inputs.is_empty() => Some(Shape::grid(3, height, width)),
            inputs => inputs.and_then(|inputs| node.operation.shape(&inputs).ok()),
        };
        shapes.extend(shape.map(|shape| (id, shape)));
    }
    shapes
}
