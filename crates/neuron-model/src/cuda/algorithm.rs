//! Which of cuDNN's algorithms computes a convolution.

use std::mem::MaybeUninit;

use cudarc::cudnn::result::{self, CudnnError};
use cudarc::cudnn::sys::{
    self, cudnnConvolutionBwdDataAlgo_t as Backward, cudnnConvolutionFwdAlgo_t as Forward,
};

use super::cudnn::{Described, Handle};

/// The largest scratch memory that an algorithm may take.
const MOST_WORKSPACE_BYTES: usize = 1 << 30;

/// Which way signals pass a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Direction {
    Forward,
    Backward,
}

/// One of cuDNN's algorithms.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Algorithm {
    Forward(Forward),
    Backward(Backward),
}

/// cuDNN's first choice among the algorithms that give the same bits every time, and the scratch memory that it takes,
/// in bytes. `exact`: none that transforms its input.
pub(crate) fn find_algorithm(
    direction: Direction,
    described: &Described,
    handle: &Handle,
    exact: bool,
) -> Result<Option<(Algorithm, usize)>, CudnnError> {
    Ok(match direction {
        Direction::Forward => forward_algorithm(described, handle, exact)?
            .map(|(algorithm, bytes)| (Algorithm::Forward(algorithm), bytes)),
        Direction::Backward => backward_algorithm(described, handle, exact)?
            .map(|(algorithm, bytes)| (Algorithm::Backward(algorithm), bytes)),
    })
}

fn forward_algorithm(
    described: &Described,
    handle: &Handle,
    exact: bool,
) -> Result<Option<(Forward, usize)>, CudnnError> {
    let mut found = [const { MaybeUninit::<sys::cudnnConvolutionFwdAlgoPerf_t>::uninit() }; 8];
    let mut count = 0;
    // SAFETY: the descriptors live, and at most as many entries are written as there is room for.
    let found = unsafe {
        result::get_convolution_forward_algorithm(
            handle.raw(),
            described.input.raw(),
            described.filter.raw(),
            described.sliding.raw(),
            described.output.raw(),
            found.len() as i32,
            &raw mut count,
            found.as_mut_ptr().cast(),
        )?;
        // The first `count` are written.
        std::slice::from_raw_parts(
            found.as_ptr().cast::<sys::cudnnConvolutionFwdAlgoPerf_t>(),
            usize::try_from(count).unwrap_or(0),
        )
    };
    let is_transform = |algorithm: Forward| {
        use Forward as A;
        matches!(
            algorithm,
            A::CUDNN_CONVOLUTION_FWD_ALGO_FFT
                | A::CUDNN_CONVOLUTION_FWD_ALGO_FFT_TILING
                | A::CUDNN_CONVOLUTION_FWD_ALGO_WINOGRAD
                | A::CUDNN_CONVOLUTION_FWD_ALGO_WINOGRAD_NONFUSED
        )
    };
    let usable = found.iter().find(|candidate| {
        is_usable(candidate.status, candidate.determinism, candidate.memory)
            && !(exact && is_transform(candidate.algo))
    });
    Ok(usable.map(|candidate| (candidate.algo, candidate.memory)))
}

/// As [`forward_algorithm`], for the gradient with respect to the input.
fn backward_algorithm(
    described: &Described,
    handle: &Handle,
    exact: bool,
) -> Result<Option<(Backward, usize)>, CudnnError> {
    let mut found = [const { MaybeUninit::<sys::cudnnConvolutionBwdDataAlgoPerf_t>::uninit() }; 6];
    let mut count = 0;
    // SAFETY: the descriptors live, and at most as many entries are written as there is room for.
    let found = unsafe {
        result::get_convolution_backward_data_algorithm(
            handle.raw(),
            described.filter.raw(),
            described.output.raw(),
            described.sliding.raw(),
            described.input.raw(),
            found.len() as i32,
            &raw mut count,
            found.as_mut_ptr().cast(),
        )?;
        // The first `count` are written.
        std::slice::from_raw_parts(
            found.as_ptr().cast::<sys::cudnnConvolutionBwdDataAlgoPerf_t>(),
            usize::try_from(count).unwrap_or(0),
        )
    };
    let is_transform = |algorithm: Backward| {
        use Backward as A;
        matches!(
            algorithm,
            A::CUDNN_CONVOLUTION_BWD_DATA_ALGO_FFT
                | A::CUDNN_CONVOLUTION_BWD_DATA_ALGO_FFT_TILING
                | A::CUDNN_CONVOLUTION_BWD_DATA_ALGO_WINOGRAD
                | A::CUDNN_CONVOLUTION_BWD_DATA_ALGO_WINOGRAD_NONFUSED
        )
    };
    let usable = found.iter().find(|candidate| {
        is_usable(candidate.status, candidate.determinism, candidate.memory)
            && !(exact && is_transform(candidate.algo))
    });
    Ok(usable.map(|candidate| (candidate.algo, candidate.memory)))
}

fn is_usable(status: sys::cudnnStatus_t, determinism: sys::cudnnDeterminism_t, memory: usize) -> bool {
    status == sys::cudnnStatus_t::CUDNN_STATUS_SUCCESS
        && determinism == sys::cudnnDeterminism_t::CUDNN_DETERMINISTIC
        && memory <= MOST_WORKSPACE_BYTES
}
