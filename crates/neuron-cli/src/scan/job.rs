use neuron_data::Batch;
use neuron_topk::TopK;
use serde_json::Value;

/// What a scan computes, and the lists that it fills.
pub(crate) trait Job {
    /// Absorbs a batch of crops.
    fn absorb(&mut self, batch: &Batch) -> anyhow::Result<()>;

    /// The lists so far, in an order of the job's own.
    fn lists(&self) -> Vec<&TopK>;

    /// What a checkpoint must hold beside the lists.
    fn rest(&self) -> Value {
        Value::Null
    }

    /// Takes up what a checkpoint held.
    fn restore(&mut self, lists: Vec<TopK>, rest: Value) -> anyhow::Result<()>;

    /// Images that went through the network (a window is an image) since the command started.
    fn forwards(&self) -> u64;
}
