//! Receptive fields against the pixels that a position's gradient reaches.

use neuron_model::ops::{Convolution, Filling, Pad};
use neuron_model::{ConvGeometry, GraphBuilder, NodeId, OpKind, Window};

use super::cases::cases;
use super::subject::{Case, Subject};

/// The first and last row and column that a position's value depends on, all channels together.
fn touched(subject: &Subject, [_, width, channels]: [usize; 3], start: &[f32]) -> Option<[[i64; 2]; 2]> {
    let signal = subject.gradient(start);
    let places = signal
        .chunks_exact(channels)
        .enumerate()
        .filter(|(_, pixel)| pixel.iter().any(|value| *value != 0.0));
    let places: Vec<[i64; 2]> = places.map(|(at, _)| [(at / width) as i64, (at % width) as i64]).collect();
    let span = |axis: usize| {
        let along = || places.iter().map(|place| place[axis]);
        Some([along().min()?, along().max()?])
    };
    Some([span(0)?, span(1)?])
}

/// Calls `see` with the pixels of every position's field that the image has, and those that its value depends on.
fn compare(case: &Case, mut see: impl FnMut([usize; 2], [[i64; 2]; 2], [[i64; 2]; 2])) {
    let mut subject = Subject::new(case, 1);
    let len = subject.run(&case.pixels(1)).len();
    let tap = subject.output.clone();
    let Some(field) = subject.network.graph().receptive_field(tap.node) else { return };
    let [height, width, _] = case.image;
    let shape = subject.network.graph().shape(&tap, (height, width)).unwrap();
    for (y, x) in (0..shape.height).flat_map(|y| (0..shape.width).map(move |x| (y, x))) {
        let first = (shape.extra + y * shape.width + x) * shape.channels;
        let mut start = vec![0.0; len];
        (0..shape.channels).for_each(|channel| start[first + channel] = 1.0 + 0.37 * channel as f32);
        let Some(touched) = touched(&subject, case.image, &start) else { continue };
        let pixels = field.pixels_of(y, x);
        let clipped =
            |start: i64, len: usize, size: usize| [start.max(0), (start + len as i64).min(size as i64) - 1];
        let seen = [clipped(pixels.y, pixels.height, height), clipped(pixels.x, pixels.width, width)];
        see([y, x], seen, touched);
    }
}

#[test]
fn nothing_outside_of_a_receptive_field_counts() {
    for case in cases() {
        // The means of a group are factors of whole channels, which fields leave out; what a mirror or an edge alone shows
        // lies beside the place that it stands for.
        let copies = matches!(case.operation.kind(), OpKind::Pad) && case.name != "pad";
        if copies || case.operation.kind() == OpKind::GroupNorm {
            continue;
        }
        compare(&case, |place, seen, touched| {
            let inside =
                (0..2).all(|axis| seen[axis][0] <= touched[axis][0] && touched[axis][1] <= seen[axis][1]);
            assert!(inside, "{} at {place:?}: {touched:?} outside of {seen:?}", case.name);
        });
    }
}

/// A padded map below a convolution: the operation under test is the convolution.
fn padded(
    before: [usize; 2],
    after: [usize; 2],
    filling: Filling,
) -> impl Fn(&mut GraphBuilder, NodeId) -> NodeId {
    move |graph, image| graph.push("padded", Pad { before, after, filling }, &[image])
}

fn convolution(kernel: usize, stride: usize) -> Convolution {
    let window = Window::square(kernel, stride, 0);
    Convolution { geometry: ConvGeometry { in_channels: 3, out_channels: 2, groups: 1, window }, bias: false }
}

/// With different numbers of rows on all four sides, below strides.
#[test]
fn a_field_behind_a_pad_is_what_a_position_depends_on() {
    let uneven = |graph: &mut GraphBuilder, image: NodeId| {
        let strided = graph.push("strided", convolution(3, 2), &[image]);
        let widened =
            graph.push("widened", Convolution { geometry: back_to_three(), bias: false }, &[strided]);
        vec![padded([2, 0], [1, 3], Filling::Value(0.0))(graph, widened)]
    };
    let case = Case::new("convolution", [17, 15, 3], convolution(3, 2)).with(uneven);
    let mut count = 0;
    compare(&case, |place, seen, touched| {
        assert_eq!(touched, seen, "{place:?}");
        count += 1;
    });
    // 8 + 3 rows and 7 + 3 columns by 3 with stride 2; the first row and the last column see little but what was added.
    assert!(count > 12, "{count} positions");
}

fn back_to_three() -> ConvGeometry {
    ConvGeometry { in_channels: 2, out_channels: 3, groups: 1, window: Window::square(1, 1, 0) }
}

/// Windows as wide as what was added see no pixel in a mirror or at an edge that they would not see anyway.
#[test]
fn a_mirror_below_a_window_of_its_width_shows_nothing_else() {
    let mirror =
        |graph: &mut GraphBuilder, image: NodeId| vec![padded([2, 2], [2, 2], Filling::Mirror)(graph, image)];
    let edge =
        |graph: &mut GraphBuilder, image: NodeId| vec![padded([2, 2], [2, 2], Filling::Edge)(graph, image)];
    for inputs in [mirror as fn(&mut GraphBuilder, NodeId) -> Vec<NodeId>, edge] {
        let case = Case::new("convolution", [9, 8, 3], convolution(5, 1)).with(inputs);
        let mut count = 0;
        compare(&case, |place, seen, touched| {
            assert_eq!(touched, seen, "{place:?}");
            count += 1;
        });
        assert_eq!(count, 72);
    }
}

/// What sees everything, or what its neighbour sees, has no field.
#[test]
fn some_operations_have_no_field() {
    for case in cases() {
        let subject = Subject::new(&case, 1);
        let has_field = subject.network.graph().receptive_field(subject.output.node).is_some();
        let of_kind = !matches!(
            case.operation.kind(),
            OpKind::GlobalMaxPool
                | OpKind::GlobalSum
                | OpKind::DepthToSpace
                | OpKind::Enlarge
                | OpKind::Exchange
                | OpKind::Scatter
                | OpKind::Attention
                | OpKind::CrossAttention
                | OpKind::MatrixProduct
                | OpKind::Rearrangement
        );
        let of_inputs = !["spread a position", "spread a number"].contains(&case.name);
        assert_eq!(has_field, of_kind && of_inputs, "{}", case.name);
    }
}
