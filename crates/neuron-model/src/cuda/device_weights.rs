use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::element::Element;
use super::gpu::{Bytes, Gpu};
use super::memory::DeviceView;
use crate::error::DeviceError;
use crate::graph::Graph;
use crate::prepared::{Choice, Part, PreparedWeights};
use crate::value::NodeId;
use neuron_kernels::ConvGeometry;

/// A form of an operation's weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum WeightForm {
    /// A convolution with the batch norm that follows folded into it.
    Folded { convolution: NodeId, norm: NodeId },
    /// A convolution or fully connected layer by itself, or by a part of its weights.
    Part(NodeId, Part),
    /// A batch norm: scale and shift.
    Norm(NodeId),
}

/// Weights of an operation on a GPU, in one form.
pub(crate) struct Values {
    /// Of a batch norm it is always f32.
    element: Element,
    weight: Bytes,
    bias: Bytes,
}

impl Values {
    /// `[out_channels, kernel, kernel, in_channels / groups]`; the scale of a batch norm.
    pub(crate) fn weight(&self) -> DeviceView<'_> {
        self.view(&self.weight)
    }

    /// The bias, zeros where there is none; the shift of a batch norm.
    pub(crate) fn bias(&self) -> DeviceView<'_> {
        self.view(&self.bias)
    }

    fn view<'m>(&self, memory: &'m Bytes) -> DeviceView<'m> {
        let kind = self.element.kind();
        memory.view_as(kind, memory.len() / kind.bytes())
    }
}

/// A network's weights on one GPU, each form made when it is first used.
pub(crate) struct DeviceWeights {
    gpu: Arc<Gpu>,
    forms: Mutex<HashMap<(WeightForm, Element), Arc<Values>>>,
}

impl DeviceWeights {
    pub(crate) fn new(gpu: Arc<Gpu>) -> Self {
        Self { gpu, forms: Mutex::default() }
    }

    pub(crate) fn gpu(&self) -> &Gpu {
        &self.gpu
    }

    pub(crate) fn gpu_handle(&self) -> Arc<Gpu> {
        self.gpu.clone()
    }

    pub(crate) fn get(
        &self,
        graph: &Graph,
        prepared: &PreparedWeights,
        form: WeightForm,
        element: Element,
    ) -> Result<Arc<Values>, DeviceError> {
        let element = if matches!(form, WeightForm::Norm(_)) { Element::F32 } else { element };
        let mut forms = self.forms.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(values) = forms.get(&(form, element)) {
            return Ok(values.clone());
        }
        let (weight, bias) = host_values(graph, prepared, form);
        let (weight, bias) = (element.stored(&weight), element.stored(&bias));
        let (weight, bias) = (self.gpu.upload(&weight)?, self.gpu.upload(&bias)?);
        // The copies read the host's memory until they are done.
        self.gpu.wait()?;
        let values = Arc::new(Values { element, weight, bias });
        forms.insert((form, element), values.clone());
        Ok(values)
    }
}

fn host_values(graph: &Graph, prepared: &PreparedWeights, form: WeightForm) -> (Vec<f32>, Vec<f32>) {
    let (node, choice) = match form {
        WeightForm::Norm(norm) => {
            let fold = graph.fold(norm).expect("the form is that of a batch norm");
            let affine = prepared.affine(fold.norm, fold.eps);
            return (affine.scale.clone(), affine.shift.clone());
        }
        WeightForm::Folded { convolution, norm } => {
            (convolution, Choice { fold: graph.fold(norm), ..Choice::part(Part::Raw) })
        }
        WeightForm::Part(node, part) => (node, Choice::part(part)),
    };
    let geometry = geometry(graph, node);
    let (weight, bias) = prepared.values(graph.owner(node), &choice);
    (channels_last(geometry, &weight), bias.unwrap_or_else(|| vec![0.0; geometry.out_channels]))
}

/// How the weights of a convolution or fully connected layer slide.
pub(crate) fn geometry(graph: &Graph, node: NodeId) -> ConvGeometry {
    graph.node(node).operation.op().sliding().expect("only products have weights that slide")
}

/// `[out, in, kernel, kernel]` to `[out, kernel, kernel, in]`.
pub(crate) fn channels_last(geometry: ConvGeometry, weight: &[f32]) -> Vec<f32> {
    let (channels, taps) = (geometry.in_channels / geometry.groups, geometry.window.places());
    let filters = weight.chunks_exact((channels * taps).max(1));
    let turned = |filter: &[f32]| -> Vec<f32> {
        (0..channels * taps).map(|at| filter[at % channels * taps + at / channels]).collect()
    };
    filters.flat_map(turned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use neuron_geometry::Window;

    #[test]
    fn filters_become_channels_last() {
        let geometry =
            ConvGeometry { in_channels: 6, out_channels: 4, groups: 2, window: Window::square(2, 1, 0) };
        let weight: Vec<f32> = (0..geometry.weight_len()).map(|at| at as f32).collect();
        let turned = channels_last(geometry, &weight);
        for (out, (tap, channel)) in
            (0..4).flat_map(|o| (0..4).flat_map(move |t| (0..3).map(move |c| (o, (t, c)))))
        {
            assert_eq!(turned[(out * 4 + tap) * 3 + channel], weight[(out * 3 + channel) * 4 + tap]);
        }
    }
}
