//! The kernels of each instruction set, and which of them this machine has.
use super::activation::{Activate, Activation, Lines, PassBack, activate_vectors, pass_back_vectors};
use super::attention::{self, Flip, Slopes, Softmax, Units};
use super::depthwise::{Copy, CopyStrip, Strip, StripKernel, copy_strip, strip};
use super::elementwise::{self, Rows};
use super::epilogue::{Beside, apply_to_vectors};
use super::lanes::{Lanes, Portable};
use super::minimal::{F2, F4};
use super::normalise::{self, Norm};
use super::pool::{self, Pixels, Pooling, pool, pool_max, sum_pixels};
use super::tile::{Tile, TileKernel, tile};
use super::wide::{WideKernel, WideProduct, wide_product};
use super::winograd::{self, Inverse, Size, input_tile, output_tile};
use std::{fmt, sync::OnceLock};

/// The kernels for one instruction set.
pub(crate) struct Isa {
    pub(crate) name: &'static str,
    /// Values of a vector.
    pub(crate) lanes: usize,
    /// Columns of a packed panel.
    pub(crate) panel: usize,
    /// Kernels for 1, 2, ... rows.
    pub(super) tiles: &'static [TileKernel],
    /// The same for panels of half as many columns.
    pub(super) narrow_tiles: &'static [TileKernel],
    /// Kernels for 1, 2, ... positions of a depthwise convolution, on strips as wide as panels.
    strips: &'static [StripKernel],
    narrow_strips: &'static [StripKernel],
    /// For whole strips and for narrow ones.
    copy_strip: [CopyStrip; 2],
    /// See [`apply_to_vectors`].
    pub(super) epilogue: unsafe fn(&Beside),
    pub(super) activate: Activate,
    pub(super) pass_back: PassBack,
    /// Layer norms, forward and backward.
    pub(super) normalise: [normalise::Kernel; 2],
    pub(super) attention: attention::Kernels,
    pub(super) scale_shift: elementwise::ScaleShift,
    pub(super) add: elementwise::Add,
    pub(super) scale: elementwise::Scale,
    pub(super) pool: pool::Pool,
    pub(super) pool_max: pool::PoolMax,
    pub(super) sum_pixels: pool::SumPixels,
    /// Kernels for 1, 2, ... rows.
    pub(super) wide: &'static [WideKernel],
    winograd2: (winograd::Input, winograd::Output),
    winograd4: (winograd::Input, winograd::Output),
    /// Whether this machine can run them.
    detect: fn() -> bool,
}

impl Isa {
    /// Most rows of a tile.
    pub(crate) fn tile_rows(&self) -> usize {
        self.tiles.len()
    }

    /// Columns of the panel that holds the first of so many columns: the last one may be half as wide.
    pub(crate) fn panel_for(&self, columns: usize) -> usize {
        if columns > self.half_panel() { self.panel } else { self.half_panel() }
    }

    /// The kernels for strips of so many channels, a whole panel's or a narrow one's.
    pub(super) fn strips(&self, width: usize) -> (&'static [StripKernel], CopyStrip) {
        if width == self.panel {
            (self.strips, self.copy_strip[0])
        } else {
            (self.narrow_strips, self.copy_strip[1])
        }
    }

    /// Columns of a narrow panel.
    pub(crate) fn half_panel(&self) -> usize {
        self.panel / 2
    }

    /// Columns that so many are filled up to.
    pub(crate) fn padded(&self, columns: usize) -> usize {
        let rest = columns % self.panel;
        columns - rest + if rest > 0 { self.panel_for(rest) } else { 0 }
    }

    pub(super) fn winograd(&self, size: Size) -> (winograd::Input, winograd::Output) {
        match size {
            Size::F2 => self.winograd2,
            Size::F4 => self.winograd4,
        }
    }

    /// Those that this machine has, the fastest first.
    pub(crate) fn available() -> impl Iterator<Item = &'static Isa> {
        ALL.iter().copied().filter(|isa| (isa.detect)())
    }

    /// The fastest that this machine has, unless [`wanted`] is another.
    ///
    /// # Panics
    /// As [`wanted`].
    pub(crate) fn detected() -> &'static Isa {
        static DETECTED: OnceLock<&'static Isa> = OnceLock::new();
        DETECTED.get_or_init(|| {
            wanted(Self::available(), |isa| isa.name, vectors_of).unwrap_or_else(|error| panic!("{error}"))
        })
    }
}

/// The instruction set whose f32 kernels go with an engine for bf16 numbers: the one that it needs as well.
fn vectors_of(engine: &str) -> &str {
    match engine {
        "amx" | "avx512bf16" => "avx512",
        name => name.strip_suffix("-pairs").unwrap_or(name),
    }
}

/// The first of what this machine has, or the one that the environment variable `NEURON_ISA` names, read as `meant` says.
///
/// # Errors
/// If the machine lacks what the variable asks for: running something else would defeat its purpose.
pub(crate) fn wanted<T>(
    available: impl Iterator<Item = T>,
    name: impl Fn(&T) -> &str,
    meant: fn(&str) -> &str,
) -> Result<T, UnknownIsa> {
    let wanted = std::env::var("NEURON_ISA").ok().filter(|wanted| !wanted.is_empty());
    let mut others = Vec::new();
    for one in available {
        if wanted.as_ref().is_none_or(|wanted| meant(wanted) == name(&one)) {
            return Ok(one);
        }
        others.push(name(&one).to_owned());
    }
    Err(UnknownIsa { wanted: wanted.unwrap_or_default(), others })
}

/// The environment variable `NEURON_ISA` names instructions that this machine lacks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("NEURON_ISA={wanted}: this machine has {}; name one of these, or none", others.join(", "))]
pub struct UnknownIsa {
    wanted: String,
    others: Vec<String>,
}

impl fmt::Debug for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Compiles the generic kernels for one instruction set: `$lanes` in tiles of `$rows x ($vectors * LEN)` and, half as wide,
/// of `$narrow` rows; in f64, of `$wide` rows.
macro_rules! isa {
    ($module:ident, $name:literal, $lanes:ty, $vectors:literal, [$($rows:literal)*] [$($narrow:literal)*]
     [$($wide:literal)*], $detect:expr $(, #[$enable:meta])?) => {
        mod $module {
            use super::*;

            $(#[$enable])?
            unsafe fn kernel<const MR: usize>(t: &Tile) {
                // SAFETY: the instruction set is enabled here; the rest is passed on to the caller.
                unsafe { tile::<$lanes, MR, $vectors>(t) }
            }

            $(#[$enable])?
            unsafe fn narrow_kernel<const MR: usize>(t: &Tile) {
                // SAFETY: as for `kernel`.
                unsafe { tile::<$lanes, MR, { $vectors / 2 }>(t) }
            }

            $(#[$enable])?
            unsafe fn strip_of<const MR: usize>(s: &Strip) {
                // SAFETY: as for `kernel`.
                unsafe { strip::<$lanes, MR, $vectors>(s) }
            }

            $(#[$enable])?
            unsafe fn narrow_strip_of<const MR: usize>(s: &Strip) {
                // SAFETY: as for `kernel`.
                unsafe { strip::<$lanes, MR, { $vectors / 2 }>(s) }
            }

            $(#[$enable])?
            unsafe fn copy(copy: &Copy) {
                // SAFETY: as for `kernel`.
                unsafe { copy_strip::<$lanes, $vectors>(copy) }
            }

            $(#[$enable])?
            unsafe fn narrow_copy(copy: &Copy) {
                // SAFETY: as for `kernel`.
                unsafe { copy_strip::<$lanes, { $vectors / 2 }>(copy) }
            }

            $(#[$enable])?
            unsafe fn epilogue(beside: &Beside) {
                // SAFETY: as for `kernel`.
                unsafe { apply_to_vectors::<$lanes>(beside) }
            }

            $(#[$enable])?
            unsafe fn activate(activation: Activation, input: *const f32, output: *mut f32, lines: Lines) {
                // SAFETY: as for `kernel`.
                unsafe { activate_vectors::<$lanes>(activation, input, output, lines) }
            }

            $(#[$enable])?
            unsafe fn pass_back(
                activation: Activation,
                guided: bool,
                input: *const f32,
                signal: *mut f32,
                len: usize,
            ) {
                // SAFETY: as for `kernel`.
                unsafe { pass_back_vectors::<$lanes>(activation, guided, input, signal, len) }
            }

            $(#[$enable])?
            unsafe fn normalise_forward(norm: &Norm) {
                // SAFETY: as for `kernel`.
                unsafe { normalise::forward::<$lanes>(norm) }
            }

            $(#[$enable])?
            unsafe fn normalise_backward(norm: &Norm) {
                // SAFETY: as for `kernel`.
                unsafe { normalise::backward::<$lanes>(norm) }
            }

            $(#[$enable])?
            unsafe fn softmax(softmax: &Softmax) {
                // SAFETY: as for `kernel`.
                unsafe { attention::softmax::<$lanes>(softmax) }
            }

            $(#[$enable])?
            unsafe fn slopes(slopes: &Slopes) {
                // SAFETY: as for `kernel`.
                unsafe { attention::slopes::<$lanes>(slopes) }
            }

            $(#[$enable])?
            unsafe fn units(units: &Units) {
                // SAFETY: as for `kernel`.
                unsafe { attention::units::<$lanes>(units) }
            }

            $(#[$enable])?
            unsafe fn through_units(units: &Units) {
                // SAFETY: as for `kernel`.
                unsafe { attention::through_units::<$lanes>(units) }
            }

            $(#[$enable])?
            unsafe fn flip(flip: &Flip) {
                // SAFETY: as for `kernel`.
                unsafe { attention::flip(flip) }
            }

            $(#[$enable])?
            unsafe fn scale_shift(
                input: *const f32,
                affine: [*const f32; 2],
                last: Option<Activation>,
                output: *mut f32,
                rows: Rows,
            ) {
                // SAFETY: as for `kernel`.
                unsafe { elementwise::scale_shift::<$lanes>(input, affine, last, output, rows) }
            }

            $(#[$enable])?
            unsafe fn add(terms: [*const f32; 2], last: Option<Activation>, output: *mut f32, len: usize) {
                // SAFETY: as for `kernel`.
                unsafe { elementwise::add::<$lanes>(terms, last, output, len) }
            }

            $(#[$enable])?
            unsafe fn scale(input: *const f32, scale: *const f32, output: *mut f32, rows: Rows) {
                // SAFETY: as for `kernel`.
                unsafe { elementwise::scale::<$lanes>(input, scale, output, rows) }
            }

            $(#[$enable])?
            unsafe fn pool_places(
                pooling: Pooling,
                data: *const f32,
                places: &[usize],
                output: *mut f32,
                channels: usize,
            ) {
                // SAFETY: as for `kernel`.
                unsafe { pool::<$lanes>(pooling, data, places, output, channels) }
            }

            $(#[$enable])?
            unsafe fn pool_max_places(
                data: *const f32,
                places: &[(usize, u8)],
                output: *mut f32,
                which: *mut u8,
                channels: usize,
            ) {
                // SAFETY: as for `kernel`.
                unsafe { pool_max::<$lanes>(data, places, output, which, channels) }
            }

            $(#[$enable])?
            unsafe fn sums(pixels: &Pixels) {
                // SAFETY: as for `kernel`.
                unsafe { sum_pixels::<$lanes>(pixels) }
            }

            $(#[$enable])?
            unsafe fn wide<const ROWS: usize>(product: &WideProduct) {
                // SAFETY: as for `kernel`.
                unsafe { wide_product::<$lanes, ROWS>(product) }
            }

            $(#[$enable])?
            unsafe fn input2(pixels: &[*const f32; 36], channels: usize, slabs: *mut f32, pitch: usize) {
                // SAFETY: as for `kernel`.
                unsafe { input_tile::<$lanes, F2, 4, 2>(pixels, channels, slabs, pitch) }
            }

            $(#[$enable])?
            unsafe fn output2(t: &Inverse) {
                // SAFETY: as for `kernel`.
                unsafe { output_tile::<$lanes, F2, 4, 2>(t) }
            }

            $(#[$enable])?
            unsafe fn input4(pixels: &[*const f32; 36], channels: usize, slabs: *mut f32, pitch: usize) {
                // SAFETY: as for `kernel`.
                unsafe { input_tile::<$lanes, F4, 6, 4>(pixels, channels, slabs, pitch) }
            }

            $(#[$enable])?
            unsafe fn output4(t: &Inverse) {
                // SAFETY: as for `kernel`.
                unsafe { output_tile::<$lanes, F4, 6, 4>(t) }
            }

            pub(super) static ISA: Isa = Isa {
                name: $name,
                lanes: <$lanes>::LEN,
                panel: $vectors * <$lanes>::LEN,
                tiles: &[$(kernel::<$rows>),*],
                narrow_tiles: &[$(narrow_kernel::<$narrow>),*],
                strips: &[$(strip_of::<$rows>),*],
                narrow_strips: &[$(narrow_strip_of::<$narrow>),*],
                copy_strip: [copy, narrow_copy],
                epilogue,
                activate,
                pass_back,
                normalise: [normalise_forward, normalise_backward],
                attention: attention::Kernels { softmax, slopes, units, through_units, flip },
                scale_shift,
                add,
                scale,
                pool: pool_places,
                pool_max: pool_max_places,
                sum_pixels: sums,
                wide: &[$(wide::<$wide>),*],
                winograd2: (input2, output2),
                winograd4: (input4, output4),
                detect: $detect,
            };
        }
    };
}

// 28 of 32 registers for sums, 2 for the row of B. In f64, a row has four registers of sums.
#[cfg(target_arch = "x86_64")]
isa!(avx512, "avx512", std::arch::x86_64::__m512, 2, [1 2 3 4 5 6 7 8 9 10 11 12 13 14]
    [1 2 3 4 5 6 7 8 9 10 11 12 13 14] [1 2 3 4],
    || is_x86_feature_detected!("avx512f"), #[target_feature(enable = "avx512f")]);

// 12 of 16 registers for sums, 2 for the row of B.
#[cfg(target_arch = "x86_64")]
isa!(avx2, "avx2", std::arch::x86_64::__m256, 2, [1 2 3 4 5 6] [1 2 3 4 5 6 7 8 9 10 11 12] [1 2],
    || is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"), #[target_feature(enable = "avx2,fma")]);

// 24 of 32 registers for sums, 4 for the row of B.
#[cfg(target_arch = "aarch64")]
isa!(neon, "neon", std::arch::aarch64::float32x4_t, 4, [1 2 3 4 5 6] [1 2 3 4 5 6 7 8 9 10 11 12] [1 2 3 4],
    || std::arch::is_aarch64_feature_detected!("neon"), #[target_feature(enable = "neon")]);

isa!(portable, "portable", Portable, 2, [1 2 3 4] [1 2 3 4] [1 2], || true);

static ALL: &[&Isa] = &[
    #[cfg(target_arch = "x86_64")]
    &avx512::ISA,
    #[cfg(target_arch = "x86_64")]
    &avx2::ISA,
    #[cfg(target_arch = "aarch64")]
    &neon::ISA,
    &portable::ISA,
];
