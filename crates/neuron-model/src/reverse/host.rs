use std::sync::Arc;

use neuron_geometry::Window;

use super::rule::{ConvolutionSite, PoolSite, Rule, Scratch};
use super::walk::{Convolved, Passes};
use crate::error::ModelError;
use crate::graph::NodeId;
use crate::session::Session;
use neuron_kernels::{self as kernels, Buffer, View};

/// Memory for the signals of walks, used again by the next one.
#[derive(Default)]
pub(super) struct Spare {
    buffers: Vec<Buffer>,
    scratch: Scratch,
}

impl Spare {
    /// A buffer of `len` arbitrary values, the smallest of the spare ones that is large enough.
    pub(super) fn take(&mut self, len: usize) -> Buffer {
        let fits = self.buffers.iter().enumerate().filter(|(_, buffer)| buffer.capacity() >= len);
        let best = fits.min_by_key(|(_, buffer)| buffer.capacity()).map(|(index, _)| index);
        let mut buffer = best.map(|index| self.buffers.swap_remove(index)).unwrap_or_default();
        buffer.resize(len);
        buffer
    }

    pub(super) fn give(&mut self, buffer: Buffer) {
        self.buffers.push(buffer);
    }

    /// Takes back a signal, unless another place holds it still.
    fn release(&mut self, signal: Signal) {
        if let Some(buffer) = Arc::into_inner(signal) {
            self.give(buffer);
        }
    }
}

/// A signal in main memory. Several places may hold the same; one that changes it makes it its own before.
pub(super) type Signal = Arc<Buffer>;

/// Signals in main memory, passed on by any rule.
pub(super) struct OnHost<'a> {
    pub(super) session: &'a Session,
    pub(super) rule: &'a dyn Rule,
    pub(super) spare: &'a mut Spare,
}

impl OnHost<'_> {
    fn inputs(&self, id: NodeId) -> &[NodeId] {
        &self.session.network().graph().node(id).inputs
    }

    /// A node's signal with its shape.
    fn view<'s>(&self, id: NodeId, signal: &'s [f32]) -> View<'s> {
        let (height, width) = self.session.map_size(id);
        let channels = self.session.network().graph().channels(id);
        View::new(self.session.batch(), height, width, channels, signal)
    }

    /// The signal for one place to change.
    fn own<'s>(&mut self, signal: &'s mut Signal) -> &'s mut Buffer {
        if Arc::get_mut(signal).is_none() {
            let mut copy = self.spare.take(signal.len());
            kernels::copy(signal, &mut copy);
            *signal = Arc::new(copy);
        }
        Arc::get_mut(signal).expect("one holder")
    }

    /// A buffer for the signal at a node.
    fn take(&mut self, id: NodeId) -> Buffer {
        self.spare.take(self.session.map_len(id))
    }
}

impl Passes<Signal> for OnHost<'_> {
    fn copy(&mut self, signal: &Signal) -> Result<Signal, ModelError> {
        Ok(signal.clone())
    }

    fn add(&mut self, sum: &mut Signal, more: Signal) -> Result<(), ModelError> {
        kernels::update(self.own(sum), &more, |sum, more| sum + more);
        self.spare.release(more);
        Ok(())
    }

    fn discard(&mut self, signal: Signal) {
        self.spare.release(signal);
    }

    fn norm(&mut self, norm: NodeId, signal: &mut Signal) -> Result<(), ModelError> {
        let signal = self.own(signal);
        self.rule.norm(&self.session.network().kernels().norm(norm).scale, signal);
        Ok(())
    }

    fn relu(&mut self, relu: NodeId, signal: &mut Signal) -> Result<(), ModelError> {
        let signal = self.own(signal);
        self.rule.relu(self.session.kept_data(relu), signal);
        Ok(())
    }

    fn split(&mut self, addition: NodeId, signal: &mut Signal) -> Result<Signal, ModelError> {
        if !self.rule.splits() {
            return Ok(signal.clone());
        }
        let mut rest = self.spare.take(signal.len());
        let signal = self.own(signal);
        let (main, shortcut) = (self.inputs(addition)[0], self.inputs(addition)[1]);
        self.rule.split(self.session.kept(main), self.session.kept(shortcut), signal, &mut rest);
        Ok(Arc::new(rest))
    }

    fn convolution(
        &mut self,
        at: Convolved,
        signal: Signal,
        addend: Option<Signal>,
    ) -> Result<Signal, ModelError> {
        let mut output = self.take(at.input);
        let site = ConvolutionSite {
            network: self.session.network(),
            convolution: at.convolution,
            norm: at.norm,
            input: self.session.kept(at.input),
            input_size: self.session.map_size(at.input),
            relu: at.through_relu.then(|| self.session.kept_data(at.input)),
        };
        let at_output = self.view(at.convolution, &signal);
        let scratch = &mut self.spare.scratch;
        let added = addend.as_ref().map(|addend| &addend[..]);
        self.rule.convolution(&site, at_output, added, scratch, &mut output);
        self.spare.release(signal);
        addend.into_iter().for_each(|addend| self.spare.release(addend));
        Ok(Arc::new(output))
    }

    fn max_pool(&mut self, pool: NodeId, window: Window, signal: Signal) -> Result<Signal, ModelError> {
        let input = self.inputs(pool)[0];
        let mut output = self.take(input);
        let argmax = self.session.kept_argmax(pool);
        let site = PoolSite { window, input: self.session.kept(input), argmax };
        let (at_output, size) = (self.view(pool, &signal), self.session.map_size(input));
        self.rule.max_pool(&site, at_output, size, &mut self.spare.scratch, &mut output);
        self.spare.release(signal);
        Ok(Arc::new(output))
    }

    fn global_average_pool(&mut self, pool: NodeId, signal: Signal) -> Result<Signal, ModelError> {
        let input = self.inputs(pool)[0];
        let mut output = self.take(input);
        let at_output = self.view(pool, &signal);
        let scratch = &mut self.spare.scratch;
        self.rule.global_average_pool(self.session.kept(input), at_output, scratch, &mut output);
        self.spare.release(signal);
        Ok(Arc::new(output))
    }
}
