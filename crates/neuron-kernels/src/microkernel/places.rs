//! Tasks that write to scattered positions of one output.
use super::block::share;
use std::{marker::PhantomData, ops::Range};

/// A member that is no position of the map: padding around it.
pub(crate) const OUTSIDE: u32 = u32::MAX;

/// Groups of one length of the positions of a map, no position twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Places {
    positions: usize,
    len: usize,
    members: Vec<u32>,
}

impl Places {
    /// `members` are `[groups, len]`, each a position or [`OUTSIDE`].
    ///
    /// # Panics
    /// If a position is there twice, or is none, or the last group is not whole.
    pub(crate) fn new(positions: usize, len: usize, members: Vec<u32>) -> Self {
        assert_eq!(members.len() % len.max(1), 0, "members in groups of {len}");
        let mut taken = vec![false; positions];
        for member in members.iter().filter(|member| **member != OUTSIDE) {
            assert!(!std::mem::replace(&mut taken[*member as usize], true), "position {member} twice");
        }
        Self { positions, len, members }
    }

    /// Positions of the map.
    pub(crate) fn positions(&self) -> usize {
        self.positions
    }

    /// Members of a group.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Number of groups.
    pub(crate) fn groups(&self) -> usize {
        self.members.len() / self.len.max(1)
    }

    /// Whether some members are outside of the map.
    pub(crate) fn has_padding(&self) -> bool {
        self.members.contains(&OUTSIDE)
    }

    /// The members of a group.
    pub(crate) fn group(&self, index: usize) -> &[u32] {
        &self.members[index * self.len..][..self.len]
    }
}

/// How an output `[items, positions, thirds, heads, width]` is shared out: by items, groups, heads, and parts of a group.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shares<'a> {
    pub(crate) places: &'a Places,
    pub(crate) items: usize,
    /// Queries, keys and values, or one of them.
    pub(crate) thirds: usize,
    pub(crate) heads: usize,
    /// Of a head.
    pub(crate) width: usize,
    /// Nearly equal parts that a group's members are cut into.
    pub(crate) parts: usize,
}

impl Shares<'_> {
    /// Calls `body` with every share, one task each.
    ///
    /// # Panics
    /// If the output has another length.
    pub(crate) fn for_each(&self, output: &mut [f32], body: impl Fn(Members<'_>) + Sync) {
        let Self { places, items, thirds, heads, width, parts } = *self;
        let pitch = thirds * heads * width;
        assert_eq!(output.len(), items * places.positions * pitch, "an output for {items} items");
        let start = Start(output.as_mut_ptr());
        neuron_threads::run(items * places.groups() * heads * parts, |task| {
            let (part, task) = (task % parts, task / parts);
            let (head, task) = (task % heads, task / heads);
            let (group, item) = (task % places.groups(), task / places.groups());
            body(Members {
                start,
                item,
                group,
                head,
                range: share(places.len, part, parts),
                shares: self,
                _output: PhantomData,
            });
        });
    }
}

/// The start of an output that tasks share.
#[derive(Clone, Copy)]
struct Start(*mut f32);

// SAFETY: tasks reach memory through `Members` alone, which are disjoint.
unsafe impl Send for Start {}
// SAFETY: as for `Send`.
unsafe impl Sync for Start {}

/// What a task writes: rows of a head's channels at some members of a group, exclusively borrowed.
pub(crate) struct Members<'a> {
    start: Start,
    pub(crate) item: usize,
    pub(crate) group: usize,
    pub(crate) head: usize,
    /// Which members of the group.
    pub(crate) range: Range<usize>,
    shares: &'a Shares<'a>,
    _output: PhantomData<&'a mut [f32]>,
}

impl Members<'_> {
    /// A member's row in a third; none outside of the map.
    ///
    /// # Panics
    /// If the member is another task's.
    pub(crate) fn row(&mut self, member: usize, third: usize) -> Option<&mut [f32]> {
        let Shares { places, thirds, heads, width, .. } = *self.shares;
        assert!(self.range.contains(&member) && third < thirds, "member {member} of {:?}", self.range);
        let position = places.group(self.group)[member];
        if position == OUTSIDE {
            return None;
        }
        let at = ((self.item * places.positions + position as usize) * thirds + third) * heads + self.head;
        // SAFETY: item, position, third and head are some of the output's, whose length was checked. No other task has this
        // head of this item's group and member, and no other member is this position.
        Some(unsafe { std::slice::from_raw_parts_mut(self.start.0.add(at * width), width) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_cover_the_output_once() {
        let places = Places::new(5, 3, vec![4, OUTSIDE, 0, 2, 1, 3]);
        for parts in 1..4 {
            let shares = Shares { places: &places, items: 2, thirds: 3, heads: 2, width: 2, parts };
            let mut output = vec![0f32; 2 * 5 * 3 * 2 * 2];
            shares.for_each(&mut output, |mut members| {
                for (member, third) in
                    members.range.clone().flat_map(|member| (0..3).map(move |third| (member, third)))
                {
                    let row = members.row(member, third).into_iter().flatten();
                    row.for_each(|value| *value += 1.0);
                }
            });
            assert!(output.iter().all(|value| *value == 1.0));
        }
    }

    #[test]
    #[should_panic(expected = "position 1 twice")]
    fn a_position_in_two_groups_is_refused() {
        Places::new(3, 2, vec![0, 1, 1, 2]);
    }

    #[test]
    #[should_panic(expected = "an output for 1 items")]
    fn an_output_too_short_is_refused() {
        let places = Places::new(2, 2, vec![0, 1]);
        let shares = Shares { places: &places, items: 1, thirds: 1, heads: 2, width: 2, parts: 1 };
        shares.for_each(&mut [0.0; 7], |_| {});
    }
}
