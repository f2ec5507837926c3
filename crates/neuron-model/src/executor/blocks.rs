//! Items shared out to several places that compute, a block at a time.

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

/// A place that computes blocks, of which one may be under way while the next is made ready.
pub(crate) trait Pipeline: Send {
    /// What a block gives.
    type Output: Send;

    /// Starts a block behind those that were started before.
    fn start(&mut self, block: Block) -> Result<(), ModelError>;

    /// Waits for the first block that was started and not finished.
    fn finish(&mut self) -> Result<Self::Output, ModelError>;

    /// Waits for everything that was started, and forgets it.
    fn abandon(&mut self);
}

/// Runs all items: each lane, on a thread of its own, takes the next block of at most `room` items, and is given
/// another before it is waited for. Results are shown in the order of the items, whichever lane computed them.
///
/// If a lane's memory is full, `room` is halved, which `halved` is told, and the blocks of that round are done again.
///
/// # Errors
/// The first error of a block, in the order of the items; that memory is full once a block is one item.
pub(crate) fn in_blocks<L: Pipeline>(
    lanes: &mut [L],
    count: usize,
    room: &mut usize,
    halved: &mut dyn FnMut(usize, usize),
    visit: &mut dyn FnMut(Block, L::Output),
) -> Result<(), ModelError> {
    let done = in_rounds(lanes, count, room, halved, visit);
    if done.is_err() {
        lanes.iter_mut().for_each(Pipeline::abandon);
    }
    done
}

fn in_rounds<L: Pipeline>(
    lanes: &mut [L],
    count: usize,
    room: &mut usize,
    halved: &mut dyn FnMut(usize, usize),
    visit: &mut dyn FnMut(Block, L::Output),
) -> Result<(), ModelError> {
    let mut next = 0;
    let mut under_way: Vec<Block> = Vec::new();
    while next < count || !under_way.is_empty() {
        let blocks = blocks(next, count, *room, lanes.len());
        let outcomes = round(lanes, &blocks, under_way.len());
        let (started, finished): (Vec<_>, Vec<_>) = outcomes.into_iter().unzip();
        for (block, result) in std::mem::take(&mut under_way).into_iter().zip(finished.into_iter().flatten())
        {
            visit(block, result?);
        }
        let started: Vec<_> = started.into_iter().flatten().collect();
        let is_full =
            |started: &Result<(), ModelError>| started.as_ref().is_err_and(ModelError::is_out_of_memory);
        if *room > 1 && started.iter().any(is_full) {
            lanes.iter_mut().for_each(Pipeline::abandon);
            halved(*room, *room / 2);
            *room /= 2;
            continue;
        }
        started.into_iter().collect::<Result<(), _>>()?;
        next += blocks.iter().map(|block| block.items).sum::<usize>();
        under_way = blocks;
    }
    Ok(())
}

/// The next block of each lane.
fn blocks(next: usize, count: usize, room: usize, lanes: usize) -> Vec<Block> {
    let starts = (next..count).step_by(room.max(1)).take(lanes);
    starts.map(|first| Block { first, items: room.min(count - first), room }).collect()
}

/// Whether a lane's new block was started, if it got one, and what its last one gave, if it had one.
type Outcome<T> = (Option<Result<(), ModelError>>, Option<Result<T, ModelError>>);

/// Each of the first lanes starts its block, and each of the first `under_way` lanes finishes the one before.
fn round<L: Pipeline>(lanes: &mut [L], blocks: &[Block], under_way: usize) -> Vec<Outcome<L::Output>> {
    let turn = |(index, lane): (usize, &mut L)| {
        let started = blocks.get(index).map(|block| lane.start(*block));
        (started, (index < under_way).then(|| lane.finish()))
    };
    let busy = blocks.len().max(under_way);
    let turns = lanes[..busy].iter_mut().enumerate();
    if busy == 1 {
        return turns.map(turn).collect();
    }
    std::thread::scope(|scope| {
        let running: Vec<_> = turns.map(|lane| scope.spawn(move || turn(lane))).collect();
        let joined = running.into_iter().map(std::thread::ScopedJoinHandle::join);
        joined.map(|result| result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    })
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;
    use crate::error::DeviceError;

    /// A place that computes the squares of the items, with memory for some of them.
    #[derive(Default)]
    struct Fake {
        number: usize,
        memory: usize,
        blocks: Vec<Block>,
        under_way: VecDeque<Block>,
        most_under_way: usize,
    }

    impl Pipeline for Fake {
        type Output = Vec<usize>;

        fn start(&mut self, block: Block) -> Result<(), ModelError> {
            if block.room > self.memory {
                return Err(DeviceError::OutOfMemory { gpu: self.number }.into());
            }
            self.blocks.push(block);
            self.under_way.push_back(block);
            self.most_under_way = self.most_under_way.max(self.under_way.len());
            Ok(())
        }

        fn finish(&mut self) -> Result<Vec<usize>, ModelError> {
            let Block { first, items, .. } = self.under_way.pop_front().expect("a block was started");
            Ok((first..first + items).map(|item| item * item).collect())
        }

        fn abandon(&mut self) {
            self.under_way.clear();
        }
    }

    fn fakes(memory: &[usize]) -> Vec<Fake> {
        let fake = |(number, memory): (usize, &usize)| Fake { number, memory: *memory, ..Fake::default() };
        memory.iter().enumerate().map(fake).collect()
    }

    /// All results, the room at the end, and what was said about halving.
    fn run(
        lanes: &mut [Fake],
        count: usize,
        room: usize,
    ) -> Result<(Vec<usize>, usize, Vec<usize>), ModelError> {
        let (mut room, mut said, mut all) = (room, Vec::new(), Vec::new());
        let visit = &mut |block: Block, values: Vec<usize>| {
            assert_eq!((block.first, block.items), (all.len(), values.len()), "blocks come in order");
            all.extend(values);
        };
        let done = in_blocks(lanes, count, &mut room, &mut |from, _| said.push(from), visit);
        assert!(lanes.iter().all(|lane| lane.under_way.is_empty()), "nothing is left under way");
        done.map(|()| (all, room, said))
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
        // The next block is made ready while one is computed.
        assert!(lanes.iter().all(|lane| lane.most_under_way == 2));
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
