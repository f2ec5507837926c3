use std::sync::Arc;

use bytes::BytesMut;

use crate::crop::CropDecoder;
use crate::dataset::Dataset;
use crate::error::{DataError, ImageError};
use crate::geometry::CropGeometry;
use crate::limits::Limits;
use crate::ordered::{Finished, Ordered, Shape, Stop, Work};
use crate::preprocessing::Preprocessing;

/// How a [`Loader`] works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoaderOptions {
    /// Images in a batch; the last one may have fewer. Default 32.
    pub batch_size: usize,
    /// Threads that decode; they sleep while the queue is full. Default: one for each core.
    pub threads: usize,
    /// Batches that are being filled or wait to be taken. Default 2.
    pub prefetch_batches: usize,
    /// What a single file may cost.
    pub limits: Limits,
}

impl Default for LoaderOptions {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self { batch_size: 32, threads, prefetch_batches: 2, limits: Limits::default() }
    }
}

/// Reads, decodes, resizes and crops images on its own threads and yields them in order, batch by batch.
///
/// # Memory
/// `prefetch_batches + 1` buffers of `batch_size * crop * crop * 3` bytes (the additional one is the batch in
/// the consumer's hands), and for each thread the file and the decoded picture at hand, bounded by
/// [`Limits`].
///
/// # Stopping early
/// Dropping the loader or [`Canceller::cancel`] stops the threads after the images at hand.
pub struct Loader {
    queue: Ordered<DecodeCrop>,
    dataset: Arc<Dataset>,
    crop_bytes: usize,
}

/// A batch of crops, in the order in which they were asked for.
#[derive(Debug)]
pub struct Batch {
    /// Index in the data set of each image that decoded, in order.
    pub items: Vec<usize>,
    /// Where each crop lies in its picture; one for each of `items`.
    pub geometry: Vec<CropGeometry>,
    /// The images that did not decode, in order.
    pub skipped: Vec<Skipped>,
    slots: BytesMut,
    pixel_bytes: usize,
}

impl Batch {
    /// The crops of `items`.
    ///
    /// # Shapes
    /// * returns: `[items.len(), crop, crop, 3]`, RGB
    pub fn pixels(&self) -> &[u8] {
        &self.slots[..self.pixel_bytes]
    }
}

/// An image that was left out.
#[derive(Debug)]
pub struct Skipped {
    /// Index in the data set.
    pub index: usize,
    /// What a list calls it, see [`Dataset::entry`].
    pub entry: String,
    /// Why.
    pub reason: ImageError,
}

/// Stops a [`Loader`] from another thread.
#[derive(Clone)]
pub struct Canceller(Arc<dyn Stop>);

impl Canceller {
    /// No more images are read; the loader yields the batches it has begun, and ends.
    pub fn cancel(&self) {
        self.0.stop();
    }
}

impl Loader {
    /// Starts to load `items`, indices of the data set in any order and number.
    ///
    /// # Errors
    /// [`DataError::Thread`] if the system gives no threads.
    ///
    /// # Panics
    /// If an option is 0. An index outside of the data set makes [`Loader::next`] panic when its turn comes.
    pub fn new<I>(
        dataset: Arc<Dataset>,
        items: I,
        preprocessing: &Preprocessing,
        options: &LoaderOptions,
    ) -> Result<Self, DataError>
    where
        I: IntoIterator<Item = usize>,
        I::IntoIter: Send + 'static,
    {
        let LoaderOptions { batch_size, threads, prefetch_batches, limits } = *options;
        assert!(batch_size > 0 && threads > 0 && prefetch_batches > 0, "the loader's options are at least 1");
        let crop_bytes = preprocessing.crop_bytes();
        let shape = Shape { threads, batch: batch_size, slot_bytes: crop_bytes, depth: prefetch_batches };
        let work = DecodeCrop { dataset: Arc::clone(&dataset), preprocessing: preprocessing.clone(), limits };
        let queue =
            Ordered::start(work, items.into_iter(), shape).map_err(|source| DataError::Thread { source })?;
        Ok(Self { queue, dataset, crop_bytes })
    }

    /// A handle to stop this loader from elsewhere, such as the handler of an interrupt.
    pub fn canceller(&self) -> Canceller {
        Canceller(self.queue.stopper())
    }

    /// Takes the memory of a batch that is no longer needed, to fill it again.
    pub fn recycle(&self, batch: Batch) {
        self.queue.recycle(batch.slots);
    }

    /// Moves the crops that are there to the front; where none is missing nothing moves.
    fn pack(&self, finished: Finished<Result<CropGeometry, ImageError>>) -> Batch {
        let Finished { items, slots } = finished;
        let mut batch =
            Batch { items: Vec::new(), geometry: Vec::new(), skipped: Vec::new(), slots, pixel_bytes: 0 };
        for (position, (index, outcome)) in items.into_iter().enumerate() {
            match outcome {
                Ok(geometry) => {
                    let start = position * self.crop_bytes;
                    if start != batch.pixel_bytes {
                        batch.slots.copy_within(start..start + self.crop_bytes, batch.pixel_bytes);
                    }
                    batch.pixel_bytes += self.crop_bytes;
                    batch.items.push(index);
                    batch.geometry.push(geometry);
                }
                Err(reason) => {
                    let entry = self.dataset.entry(index);
                    batch.skipped.push(Skipped { index, entry, reason });
                }
            }
        }
        batch
    }
}

impl Iterator for Loader {
    type Item = Batch;

    fn next(&mut self) -> Option<Batch> {
        self.queue.next().map(|finished| self.pack(finished))
    }
}

/// What a loader's threads do.
struct DecodeCrop {
    dataset: Arc<Dataset>,
    preprocessing: Preprocessing,
    limits: Limits,
}

impl Work for DecodeCrop {
    type Scratch = (Vec<u8>, CropDecoder);
    type Outcome = Result<CropGeometry, ImageError>;

    fn scratch(&self) -> Self::Scratch {
        (Vec::new(), CropDecoder::new(self.preprocessing.clone(), self.limits))
    }

    fn fill(&self, (buffer, decoder): &mut Self::Scratch, index: usize, slot: &mut [u8]) -> Self::Outcome {
        decoder.decode_crop(self.dataset.read(index, &self.limits, buffer)?, slot)
    }
}

#[cfg(test)]
mod tests;
