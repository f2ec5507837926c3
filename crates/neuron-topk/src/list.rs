use crate::entry::Ranked;

/// Entries in a block: 3 KiB, small against a full list and large against an allocation's overhead.
const BLOCK: usize = 256;

/// How much a list holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Entries that survive a pruning.
    pub(crate) keep: usize,
    /// Entries that trigger one.
    pub(crate) capacity: usize,
}

impl Bounds {
    /// A quarter more than is kept.
    ///
    /// A pruning costs one selection over `capacity` entries and makes room for `capacity - keep`: at a quarter,
    /// an accepted entry pays for at most five, while a full structure stays within 1.25 of its smallest size.
    pub(crate) fn new(keep: usize) -> Self {
        let capacity = keep.saturating_add(keep / 4).saturating_add(1);
        Self { keep, capacity: capacity.checked_next_multiple_of(BLOCK).unwrap_or(capacity) }
    }
}

/// The best entries of one channel so far, unordered, plus a few that a pruning has yet to drop.
///
/// Blocks are allocated when they are first written and never moved. A growing `Vec` would hold its old and its
/// new buffer while it grows, and since all channels of a scan fill in step, that would be twice the memory.
#[derive(Default)]
pub(crate) struct List {
    #[expect(clippy::vec_box, reason = "a block stays where it is when the vector grows")]
    blocks: Vec<Box<[Ranked; BLOCK]>>,
    len: usize,
}

/// Memory that prunings share.
#[derive(Default)]
pub(crate) struct Scratch {
    demerits: Vec<u32>,
    ties: Vec<Ranked>,
}

impl List {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(crate) fn push(&mut self, entry: Ranked) {
        let (block, slot) = (self.len / BLOCK, self.len % BLOCK);
        if block == self.blocks.len() {
            self.blocks.push(Box::new([Ranked::ZERO; BLOCK]));
        }
        self.blocks[block][slot] = entry;
        self.len += 1;
    }

    /// Drops all but the best `keep` entries, of which there are at least so many, and returns the worst of those.
    ///
    /// The selection runs on the scores alone: a third of the entries' bytes, and about half the time.
    #[inline(never)] // Keeps the path of the many that are only pushed short.
    pub(crate) fn prune(&mut self, keep: usize, scratch: &mut Scratch) -> Ranked {
        let Scratch { demerits, ties } = scratch;
        demerits.clear();
        demerits.reserve_exact(self.len);
        self.slices().for_each(|entries| demerits.extend(entries.iter().map(|entry| entry.demerit())));
        let (_, &mut worst, _) = demerits.select_nth_unstable(keep - 1);

        ties.clear();
        self.retain_better(worst, ties);
        let missing = keep - self.len;
        let (_, &mut worst, _) = ties.select_nth_unstable_by_key(missing - 1, |entry| entry.key());
        ties[..missing].iter().for_each(|&entry| self.push(entry));
        worst
    }

    /// Keeps the entries with less than that demerit, and moves those that have just that to `ties`.
    fn retain_better(&mut self, demerit: u32, ties: &mut Vec<Ranked>) {
        let mut kept = 0;
        for position in 0..self.len {
            let entry = self.blocks[position / BLOCK][position % BLOCK];
            if entry.demerit() == demerit {
                ties.push(entry);
            }
            // Written first and counted after: whether an entry stays is a coin toss that no branch predicts.
            self.blocks[kept / BLOCK][kept % BLOCK] = entry;
            kept += usize::from(entry.demerit() < demerit);
        }
        self.len = kept;
    }

    /// Fills `sorted` with the best `keep` entries, or with all where there are fewer, best first.
    pub(crate) fn sorted_to(&self, keep: usize, sorted: &mut Vec<Ranked>) {
        sorted.clear();
        sorted.reserve_exact(self.len);
        self.slices().for_each(|entries| sorted.extend_from_slice(entries));
        if self.len > keep {
            sorted.select_nth_unstable_by_key(keep, |entry| entry.key());
            sorted.truncate(keep);
        }
        sorted.sort_unstable_by_key(|entry| entry.key());
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Ranked> + '_ {
        self.slices().flatten().copied()
    }

    fn slices(&self) -> impl Iterator<Item = &[Ranked]> {
        let starts = (0..self.len).step_by(BLOCK);
        starts.zip(&self.blocks).map(|(start, block)| &block[..BLOCK.min(self.len - start)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::Entry;

    fn ranked(index: u32) -> Ranked {
        // A permutation of 0..997 as scores.
        Entry { score: (index * 31 % 997) as f32, index, payload: 0 }.into()
    }

    #[test]
    fn a_capacity_is_whole_blocks_and_leaves_slack() {
        for keep in [1, 2, 255, 256, 257, 1024, 10_000] {
            let Bounds { capacity, .. } = Bounds::new(keep);
            assert!(capacity > keep && capacity % BLOCK == 0, "{keep}");
        }
        assert_eq!(Bounds::new(10_000).capacity, 12_544);
        assert!(Bounds::new(usize::MAX).capacity >= usize::MAX - BLOCK);
    }

    #[test]
    fn pruning_keeps_the_best_and_names_the_worst() {
        for keep in [1, 255, 256, 600, 997] {
            let mut list = List::default();
            (0..997).for_each(|index| list.push(ranked(index)));
            let worst = list.prune(keep, &mut Scratch::default());
            assert_eq!(worst.score(), (997 - keep) as f32);
            assert_eq!(list.len(), keep);
            let mut scores: Vec<_> = list.iter().map(Ranked::score).collect();
            scores.sort_by(f32::total_cmp);
            assert_eq!(scores, (997 - keep..997).map(|score| score as f32).collect::<Vec<_>>());
        }
    }

    #[test]
    fn sorting_leaves_the_list_alone() {
        let mut list = List::default();
        (0..997).for_each(|index| list.push(ranked(index)));
        let mut sorted = Vec::new();
        list.sorted_to(2, &mut sorted);
        assert_eq!(sorted.iter().map(|entry| entry.score()).collect::<Vec<_>>(), [996.0, 995.0]);
        assert_eq!(list.len(), 997);
    }
}
