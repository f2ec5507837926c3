//! The same transform with eight columns, then eight rows, in one register.

use std::arch::x86_64::*;

use super::{BETWEEN_BITS, CONSTANT_BITS};

type Block = [__m256i; 8];

#[inline]
#[target_feature(enable = "avx2,bmi2")]
pub(super) fn block(block: &[i32; 64], out: &mut [u8], stride: usize) {
    let columns = transpose(transform::<{ CONSTANT_BITS - BETWEEN_BITS }>(load(block), 0));
    // The level that samples are centred on, 128, is added before the last bits are dropped.
    const SHIFT: u32 = CONSTANT_BITS + BETWEEN_BITS + 3;
    let samples = transpose(transform::<SHIFT>(columns, 128 << SHIFT));
    let top = pack([samples[0], samples[1], samples[2], samples[3]]);
    let bottom = pack([samples[4], samples[5], samples[6], samples[7]]);
    for (line, samples) in out.chunks_mut(stride).zip(top.into_iter().chain(bottom)) {
        line[..8].copy_from_slice(&samples.to_le_bytes());
    }
}

#[inline]
#[target_feature(enable = "avx2,bmi2")]
fn load(block: &[i32; 64]) -> Block {
    std::array::from_fn(|y| {
        let row: &[i32; 8] = block[y * 8..].first_chunk().expect("a block has eight rows");
        _mm256_setr_epi32(row[0], row[1], row[2], row[3], row[4], row[5], row[6], row[7])
    })
}

/// The one-dimensional transform of each lane, as in [`super::transform`].
#[inline]
#[target_feature(enable = "avx2,bmi2")]
fn transform<const SHIFT: u32>(x: Block, offset: i32) -> Block {
    let add = |a, b| _mm256_add_epi32(a, b);
    let sub = |a, b| _mm256_sub_epi32(a, b);
    let scale = |a, factor| _mm256_mullo_epi32(a, _mm256_set1_epi32(factor));

    let z1 = scale(add(x[2], x[6]), 4433);
    let tmp2 = add(z1, scale(x[6], -15137));
    let tmp3 = add(z1, scale(x[2], 6270));
    let tmp0 = _mm256_slli_epi32::<{ CONSTANT_BITS as i32 }>(add(x[0], x[4]));
    let tmp1 = _mm256_slli_epi32::<{ CONSTANT_BITS as i32 }>(sub(x[0], x[4]));
    let rounding = _mm256_set1_epi32(offset + (1 << (SHIFT - 1)));
    let (tmp0, tmp1) = (add(tmp0, rounding), add(tmp1, rounding));
    let even = [add(tmp0, tmp3), add(tmp1, tmp2), sub(tmp1, tmp2), sub(tmp0, tmp3)];

    let z5 = scale(add(add(x[7], x[3]), add(x[5], x[1])), 9633);
    let z1 = scale(add(x[7], x[1]), -7373);
    let z2 = scale(add(x[5], x[3]), -20995);
    let z3 = add(scale(add(x[7], x[3]), -16069), z5);
    let z4 = add(scale(add(x[5], x[1]), -3196), z5);
    let odd = [
        add(scale(x[1], 12299), add(z1, z4)),
        add(scale(x[3], 25172), add(z2, z3)),
        add(scale(x[5], 16819), add(z2, z4)),
        add(scale(x[7], 2446), add(z1, z3)),
    ];

    let drop = |a| _mm256_sra_epi32(a, _mm_cvtsi32_si128(SHIFT as i32));
    [
        drop(add(even[0], odd[0])),
        drop(add(even[1], odd[1])),
        drop(add(even[2], odd[2])),
        drop(add(even[3], odd[3])),
        drop(sub(even[3], odd[3])),
        drop(sub(even[2], odd[2])),
        drop(sub(even[1], odd[1])),
        drop(sub(even[0], odd[0])),
    ]
}

#[inline]
#[target_feature(enable = "avx2,bmi2")]
fn transpose(r: Block) -> Block {
    // Pairs, then fours, then eights.
    let pairs = |a, b| (_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
    let fours = |a, b| (_mm256_unpacklo_epi64(a, b), _mm256_unpackhi_epi64(a, b));
    let eights = |a, b| (_mm256_permute2x128_si256::<0x20>(a, b), _mm256_permute2x128_si256::<0x31>(a, b));
    let ((a0, a1), (b0, b1)) = (pairs(r[0], r[1]), pairs(r[2], r[3]));
    let ((c0, c1), (d0, d1)) = (pairs(r[4], r[5]), pairs(r[6], r[7]));
    let ((e0, e1), (e2, e3)) = (fours(a0, b0), fours(a1, b1));
    let ((f0, f1), (f2, f3)) = (fours(c0, d0), fours(c1, d1));
    let ((g0, g4), (g1, g5)) = (eights(e0, f0), eights(e1, f1));
    let ((g2, g6), (g3, g7)) = (eights(e2, f2), eights(e3, f3));
    [g0, g1, g2, g3, g4, g5, g6, g7]
}

/// Four rows of samples, clamped to a byte each.
#[inline]
#[target_feature(enable = "avx2,bmi2")]
fn pack(rows: [__m256i; 4]) -> [i64; 4] {
    let words = [_mm256_packs_epi32(rows[0], rows[1]), _mm256_packs_epi32(rows[2], rows[3])];
    let halves = _mm256_packus_epi16(words[0], words[1]);
    // Packing works within halves of a register: the left halves of the rows came first.
    let rows = _mm256_permutevar8x32_epi32(halves, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
    [
        _mm256_extract_epi64::<0>(rows),
        _mm256_extract_epi64::<1>(rows),
        _mm256_extract_epi64::<2>(rows),
        _mm256_extract_epi64::<3>(rows),
    ]
}
