//! Memory of a GPU: owned, and as calls borrow it.

use std::fmt;
use std::marker::PhantomData;

use cudarc::driver::sys::CUdeviceptr;
use cudarc::driver::{CudaSlice, DevicePtr, DeviceRepr, ValidAsZeroBits};

/// What values in memory are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    F32,
    F64,
    Bf16,
    U8,
    U32,
    U64,
    I64,
}

/// A type whose values kernels read and write.
pub trait Scalar: sealed::Stored {}

mod sealed {
    use super::{DeviceRepr, Kind, ValidAsZeroBits};

    pub trait Stored: DeviceRepr + ValidAsZeroBits + Clone {
        const KIND: Kind;
    }
}

macro_rules! scalars {
    ($($scalar:ty => $kind:ident),*) => {
        $(
            impl Scalar for $scalar {}
            impl sealed::Stored for $scalar {
                const KIND: Kind = Kind::$kind;
            }
        )*
    };
}

scalars!(f32 => F32, f64 => F64, u8 => U8, u32 => U32, u64 => U64, i64 => I64);

/// Values in the memory of one GPU. Freed memory is free for the next who asks at once, as all work is in one order.
pub struct DeviceMemory<T>(pub(crate) CudaSlice<T>);

impl<T: Scalar> DeviceMemory<T> {
    /// Number of values.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All of the values.
    pub fn view(&self) -> DeviceView<'_> {
        self.view_as(T::KIND, self.len())
    }

    /// The first `len` values of some kind that the memory holds.
    ///
    /// # Panics
    /// If it is shorter.
    pub(crate) fn view_as(&self, kind: Kind, len: usize) -> DeviceView<'_> {
        let bytes = self.0.num_bytes();
        assert!(len * kind.bytes() <= bytes, "{len} values of {kind:?} in {bytes} bytes");
        let (address, _) = self.0.device_ptr(self.0.stream());
        DeviceView { gpu: Some(self.0.ordinal()), address, len, kind, memory: PhantomData }
    }
}

impl<T> fmt::Debug for DeviceMemory<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceMemory").field("len", &self.0.len()).finish_non_exhaustive()
    }
}

/// Values in the memory of one GPU, borrowed until the call that gets them is on the GPU's stream.
///
/// All that reads, writes and frees memory of a GPU is ordered by that stream, so that the memory may be freed as soon as
/// the call has returned.
#[derive(Clone, Copy, Debug)]
pub struct DeviceView<'m> {
    /// `None`: of the host.
    gpu: Option<usize>,
    address: CUdeviceptr,
    len: usize,
    kind: Kind,
    memory: PhantomData<&'m ()>,
}

impl<'m> DeviceView<'m> {
    /// Memory of the host, for kernels that run there.
    #[cfg(test)]
    pub(crate) fn on_host<T>(values: &'m [T], kind: Kind) -> Self {
        let (address, len) = (values.as_ptr() as CUdeviceptr, values.len());
        Self { gpu: None, address, len, kind, memory: PhantomData }
    }

    /// As [`DeviceView::on_host`], for kernels that write there.
    #[cfg(test)]
    pub(crate) fn on_host_mut<T>(values: &'m mut [T], kind: Kind) -> Self {
        let (address, len) = (values.as_mut_ptr() as CUdeviceptr, values.len());
        Self { gpu: None, address, len, kind, memory: PhantomData }
    }

    /// `len` of the values from `start` on.
    ///
    /// # Panics
    /// If there are not so many.
    pub fn part(self, start: usize, len: usize) -> Self {
        assert!(start <= self.len && len <= self.len - start, "{start} and {len} more of {self:?}");
        Self { address: self.address + (start * self.kind.bytes()) as CUdeviceptr, len, ..self }
    }

    /// The number of the GPU that it is memory of.
    pub(crate) fn gpu(self) -> Option<usize> {
        self.gpu
    }

    /// Number of values.
    pub fn len(self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.len == 0
    }

    pub(crate) fn kind(self) -> Kind {
        self.kind
    }

    pub(crate) fn address(self) -> CUdeviceptr {
        self.address
    }
}

impl Kind {
    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::U8 => 1,
            Self::Bf16 => 2,
            Self::F32 | Self::U32 => 4,
            Self::F64 | Self::U64 | Self::I64 => 8,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_begins_behind_the_values_before_it() {
        let values = [0u64; 5];
        let whole = DeviceView::on_host(&values, Kind::U64);
        let part = whole.part(2, 3);
        assert_eq!((part.address() - whole.address(), part.len()), (16, 3));
    }

    #[test]
    #[should_panic(expected = "2 and 4 more")]
    fn no_part_is_longer_than_the_whole() {
        DeviceView::on_host(&[0f32; 5], Kind::F32).part(2, 4);
    }
}
