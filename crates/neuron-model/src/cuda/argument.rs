use super::memory::{DeviceMemory, DeviceView, Scalar};

/// An argument of a kernel, behind the count.
#[derive(Clone, Copy, Debug)]
pub enum Argument<'m> {
    /// Values on the GPU.
    Memory(DeviceView<'m>),
    /// No values, where the kernel takes them or none.
    Nothing,
    /// A number of things.
    Whole(i64),
    /// A factor or a summand.
    Real(f32),
}

impl<'m> From<DeviceView<'m>> for Argument<'m> {
    fn from(view: DeviceView<'m>) -> Self {
        Self::Memory(view)
    }
}

impl<'m> From<Option<DeviceView<'m>>> for Argument<'m> {
    fn from(view: Option<DeviceView<'m>>) -> Self {
        view.map_or(Self::Nothing, Self::Memory)
    }
}

impl<'m, T: Scalar> From<&'m DeviceMemory<T>> for Argument<'m> {
    fn from(memory: &'m DeviceMemory<T>) -> Self {
        Self::Memory(memory.view())
    }
}

impl From<usize> for Argument<'_> {
    fn from(count: usize) -> Self {
        // Lengths of what is in memory fit.
        Self::Whole(count as i64)
    }
}

impl From<bool> for Argument<'_> {
    fn from(flag: bool) -> Self {
        Self::Whole(i64::from(flag))
    }
}

impl From<f32> for Argument<'_> {
    fn from(value: f32) -> Self {
        Self::Real(value)
    }
}
