//! Items shared out to several places that compute, a block at a time.

use crate::device::DeviceError;
use crate::error::ModelError;

/// Neighbouring items of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    /// Index of the first.
    pub(crate) first: usize,
    /// How many there are.
    pub(crate) items: usize,
    /// How many there would be in a full block: every block is computed as if it were full, so that an item's
    /// result does not depend on how many others came with it.
    pub(crate) room: usize,
}

/// Runs `work` on all items: each lane, on a thread of its own, takes the next block of at most `room` items.
/// Results are shown in the order of the items, whichever lane computed them.
///
/// If a lane's memory is full, `room` is halved, which `halved` is told, and the blocks of that round are done again.
///
/// # Errors
/// The first error of a block, in the order of the items; [`DeviceError::OutOfMemory`] once a block is one item.
pub(crate) fn in_blocks<L: Send, T: Send>(
    lanes: &mut [L],
    count: usize,
    room: &mut usize,
    work: &(dyn Fn(&mut L, Block) -> Result<T, ModelError> + Sync),
    halved: &mut dyn FnMut(usize, usize),
    visit: &mut dyn FnMut(Block, T),
) -> Result<(), ModelError> {
    let mut next = 0;
    while next < count {
        let blocks = blocks(next, count, *room, lanes.len());
        let results = round(lanes, &blocks, work);
        if *room > 1 && results.iter().any(is_out_of_memory) {
            halved(*room, *room / 2);
            *room /= 2;
            continue;
        }
        for (block, result) in blocks.iter().zip(results) {
            visit(*block, result?);
            next = block.first + block.items;
        }
    }
    Ok(())
}

/// The next block of each lane.
fn blocks(next: usize, count: usize, room: usize, lanes: usize) -> Vec<Block> {
    let starts = (next..count).step_by(room.max(1)).take(lanes);
    starts.map(|first| Block { first, items: room.min(count - first), room }).collect()
}

/// One block for each lane, in the order of the blocks.
fn round<L: Send, T: Send>(
    lanes: &mut [L],
    blocks: &[Block],
    work: &(dyn Fn(&mut L, Block) -> Result<T, ModelError> + Sync),
) -> Vec<Result<T, ModelError>> {
    if let ([lane], [block]) = (&mut *lanes, blocks) {
        return vec![work(lane, *block)];
    }
    std::thread::scope(|scope| {
        let pairs = lanes.iter_mut().zip(blocks);
        let running: Vec<_> = pairs.map(|(lane, block)| scope.spawn(move || work(lane, *block))).collect();
        let joined = running.into_iter().map(std::thread::ScopedJoinHandle::join);
        joined.map(|result| result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    })
}

fn is_out_of_memory<T>(result: &Result<T, ModelError>) -> bool {
    matches!(result, Err(ModelError::Device { source: DeviceError::OutOfMemory { .. } }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A place that computes the squares of the items, with memory for some of them.
    struct Fake {
        number: usize,
        memory: usize,
        blocks: Vec<Block>,
    }

    fn fakes(memory: &[usize]) -> Vec<Fake> {
        let fake = |(number, memory): (usize, &usize)| Fake { number, memory: *memory, blocks: Vec::new() };
        memory.iter().enumerate().map(fake).collect()
    }

    fn squares(lane: &mut Fake, block: Block) -> Result<Vec<usize>, ModelError> {
        if block.room > lane.memory {
            return Err(DeviceError::OutOfMemory { gpu: lane.number }.into());
        }
        lane.blocks.push(block);
        Ok((block.first..block.first + block.items).map(|item| item * item).collect())
    }

    /// All results, the room at the end, and what was said about halving.
    fn run(
        lanes: &mut [Fake],
        count: usize,
        room: usize,
    ) -> Result<(Vec<usize>, usize, Vec<usize>), ModelError> {
        let (mut room, mut said, mut all) = (room, Vec::new(), Vec::new());
        in_blocks(
            lanes,
            count,
            &mut room,
            &squares,
            &mut |from, _| said.push(from),
            &mut |block, values| {
                assert_eq!((block.first, block.items), (all.len(), values.len()), "blocks come in order");
                all.extend(values);
            },
        )?;
        Ok((all, room, said))
    }

    #[test]
    fn several_lanes_give_what_one_gives() {
        for (count, room) in [(0, 4), (1, 4), (4, 4), (5, 4), (17, 4), (23, 1)] {
            let expected: Vec<usize> = (0..count).map(|item| item * item).collect();
            for lanes in 1..4 {
                let mut lanes = fakes(&vec![usize::MAX; lanes]);
                assert_eq!(run(&mut lanes, count, room).unwrap(), (expected.clone(), room, Vec::new()));
                // The same blocks whatever the lanes: what one GPU computes, several compute to the same bits.
                let mut blocks: Vec<Block> = lanes.iter().flat_map(|lane| lane.blocks.clone()).collect();
                blocks.sort_by_key(|block| block.first);
                let mut one = fakes(&[usize::MAX]);
                run(&mut one, count, room).unwrap();
                assert_eq!(blocks, one[0].blocks);
            }
        }
    }

    #[test]
    fn lanes_share_the_work() {
        let mut lanes = fakes(&[usize::MAX; 2]);
        run(&mut lanes, 32, 4).unwrap();
        assert_eq!(lanes.iter().map(|lane| lane.blocks.len()).collect::<Vec<_>>(), [4, 4]);
    }

    #[test]
    fn full_memory_halves_the_blocks_and_nothing_is_lost_or_seen_twice() {
        for memory in [[3, 3], [3, 8], [8, 3]] {
            let (all, room, said) = run(&mut fakes(&memory), 21, 8).unwrap();
            assert_eq!(all, (0..21).map(|item| item * item).collect::<Vec<_>>());
            assert_eq!((room, said), (2, vec![8, 4]));
        }
    }

    #[test]
    fn memory_that_does_not_hold_one_item_is_an_error() {
        let error = run(&mut fakes(&[0]), 3, 4).unwrap_err();
        assert!(error.to_string().contains("GPU 0 is full"), "{error}");
    }
}
