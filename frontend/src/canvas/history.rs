//! What can be taken back. A step holds only the part that changed, packed; stepping swaps it with what is there.

use super::{Mask, Rect};

/// Steps that can be taken back.
pub const STEPS: usize = 50;

/// One change: the part, and its levels on the other side of the change.
struct Step {
    rect: Rect,
    packed: Vec<u8>,
}

/// The changes before and after now.
#[derive(Default)]
pub struct History {
    past: Vec<Step>,
    future: Vec<Step>,
}

impl History {
    /// Notes that a part changed, and what it held before. What was taken back is given up.
    pub fn record(&mut self, rect: Rect, before: &[u8]) {
        self.future.clear();
        if self.past.len() == STEPS {
            self.past.remove(0);
        }
        self.past.push(Step { rect, packed: pack(before) });
    }

    /// Takes the last change back. Says which part changed.
    pub fn undo(&mut self, mask: &mut Mask) -> Option<Rect> {
        swap(&mut self.past, &mut self.future, mask)
    }

    /// Makes the change again that was taken back last.
    pub fn redo(&mut self, mask: &mut Mask) -> Option<Rect> {
        swap(&mut self.future, &mut self.past, mask)
    }

    /// Whether there is something to take back, and something to make again.
    pub fn ways(&self) -> (bool, bool) {
        (!self.past.is_empty(), !self.future.is_empty())
    }
}

fn swap(from: &mut Vec<Step>, to: &mut Vec<Step>, mask: &mut Mask) -> Option<Rect> {
    let Step { rect, packed } = from.pop()?;
    to.push(Step { rect, packed: pack(&mask.cut(rect)) });
    mask.paste(rect, &unpack(&packed));
    Some(rect)
}

/// Runs of equal levels as a count and the level; masks are mostly black and white.
fn pack(levels: &[u8]) -> Vec<u8> {
    let mut packed = Vec::new();
    for run in levels.chunk_by(|a, b| a == b) {
        for part in run.chunks(255) {
            packed.extend([part.len() as u8, part[0]]);
        }
    }
    packed
}

fn unpack(packed: &[u8]) -> Vec<u8> {
    packed.chunks_exact(2).flat_map(|run| std::iter::repeat_n(run[1], usize::from(run[0]))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packing_keeps_every_level() {
        let noise: Vec<u8> = (0..3000_u32).map(|i| (i * i % 251) as u8).collect();
        let flat = vec![7; 100_000];
        for levels in [&noise[..], &flat, &[], &[9]] {
            assert_eq!(unpack(&pack(levels)), levels);
        }
        assert!(pack(&flat).len() < 1000);
    }

    #[test]
    fn fifty_changes_are_taken_back_and_made_again() {
        let (mut mask, mut history) = (Mask::new(9, 9), History::default());
        let mut seen = vec![mask.clone()];
        for step in 0..60_u8 {
            let rect =
                Rect { left: usize::from(step % 9), top: 0, right: usize::from(step % 9) + 1, bottom: 9 };
            let before = mask.cut(rect);
            mask.paste(rect, &[step + 1; 9]);
            history.record(rect, &before);
            seen.push(mask.clone());
        }
        for step in (10..60).rev() {
            assert!(history.undo(&mut mask).is_some());
            assert_eq!(mask, seen[step]);
        }
        assert_eq!(history.undo(&mut mask), None, "the fifty-first is forgotten");
        assert_eq!(history.ways(), (false, true));
        for seen in &seen[11..] {
            assert!(history.redo(&mut mask).is_some());
            assert_eq!(&mask, seen);
        }
        assert_eq!(history.redo(&mut mask), None);
    }

    #[test]
    fn a_new_change_gives_up_what_was_taken_back() {
        let (mut mask, mut history) = (Mask::new(2, 2), History::default());
        let whole = mask.whole();
        history.record(whole, &mask.cut(whole));
        mask.fill(255);
        history.undo(&mut mask);
        history.record(whole, &mask.cut(whole));
        mask.fill(9);
        assert_eq!(history.redo(&mut mask), None);
        assert!(mask.levels().iter().all(|level| *level == 9));
    }
}
