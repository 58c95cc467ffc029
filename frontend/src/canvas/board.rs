//! A mask with its history: changes are made between `begin` and `finish`, and can be given up in between.

use super::{Brush, Dab, Mask, Point, Rect, history::History, lasso};

/// The mask under the hand.
pub struct Board {
    mask: Mask,
    history: History,
    /// All levels as they were when the change began.
    before: Option<Vec<u8>>,
}

impl Board {
    /// A board with a mask and nothing to take back.
    pub fn new(mask: Mask) -> Self {
        Self { mask, history: History::default(), before: None }
    }

    /// The mask.
    pub fn mask(&self) -> &Mask {
        &self.mask
    }

    /// Whether there is something to take back, and something to make again.
    pub fn ways(&self) -> (bool, bool) {
        self.history.ways()
    }

    /// Begins a change, such as a stroke.
    pub fn begin(&mut self) {
        self.before = Some(self.mask.levels().to_vec());
    }

    /// Paints a piece of a stroke.
    pub fn paint(&mut self, brush: Brush, from: Dab, to: Dab) -> Option<Rect> {
        brush.draw(&mut self.mask, from, to)
    }

    /// Ends the change; from now on it can be taken back as one. Says whether anything changed.
    pub fn finish(&mut self) -> bool {
        let Some(before) = self.before.take() else { return false };
        let Some(rect) = self.mask.difference(&before) else { return false };
        let width = self.mask.width();
        let lines = before.chunks_exact(width).skip(rect.top).take(rect.height());
        let before: Vec<u8> = lines.flat_map(|line| &line[rect.left..rect.right]).copied().collect();
        self.history.record(rect, &before);
        true
    }

    /// Gives the change up, as if it had not begun.
    pub fn abandon(&mut self) -> Option<Rect> {
        let before = self.before.take()?;
        self.mask.replace(&before)
    }

    /// Fills what a line encloses, or takes it away.
    pub fn lasso(&mut self, line: &[Point], erases: bool) -> Option<Rect> {
        self.change(|mask| lasso::fill(mask, line, erases))
    }

    /// Gives every pixel one level.
    pub fn fill(&mut self, level: u8) -> Option<Rect> {
        self.change(|mask| Some(mask.fill(level)))
    }

    /// Swaps what is kept and what is painted anew.
    pub fn invert(&mut self) -> Option<Rect> {
        self.change(|mask| Some(mask.invert()))
    }

    /// Takes a whole mask over.
    pub fn load(&mut self, levels: &[u8]) -> Option<Rect> {
        self.change(|mask| mask.replace(levels))
    }

    /// Takes the last change back.
    pub fn undo(&mut self) -> Option<Rect> {
        self.abandon().or_else(|| self.history.undo(&mut self.mask))
    }

    /// Makes the change again that was taken back last.
    pub fn redo(&mut self) -> Option<Rect> {
        self.history.redo(&mut self.mask)
    }

    fn change(&mut self, act: impl FnOnce(&mut Mask) -> Option<Rect>) -> Option<Rect> {
        self.finish();
        self.begin();
        let rect = act(&mut self.mask);
        self.finish();
        rect
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BRUSH: Brush = Brush { softness: 0.3, erases: false };

    fn stroke(board: &mut Board, y: f64) {
        board.begin();
        for x in [2.0, 9.0, 20.0] {
            board.paint(BRUSH, Dab { x, y, radius: 3.0 }, Dab { x: x + 5.0, y, radius: 3.0 });
        }
    }

    #[test]
    fn a_stroke_is_one_step() {
        let mut board = Board::new(Mask::new(32, 32));
        stroke(&mut board, 8.0);
        assert!(board.finish());
        let first = board.mask().clone();
        stroke(&mut board, 20.0);
        assert!(board.finish());
        board.undo();
        assert_eq!(board.mask(), &first);
        board.undo();
        assert!(board.mask().is_blank());
        assert_eq!(board.ways(), (false, true));
        board.redo();
        assert_eq!(board.mask(), &first);
    }

    #[test]
    fn a_stroke_that_was_given_up_leaves_no_trace() {
        let mut board = Board::new(Mask::new(32, 32));
        stroke(&mut board, 8.0);
        board.finish();
        let first = board.mask().clone();
        stroke(&mut board, 20.0);
        assert!(board.abandon().is_some());
        assert_eq!(board.mask(), &first);
        board.undo();
        assert!(board.mask().is_blank());
    }

    #[test]
    fn what_changes_nothing_is_no_step() {
        let mut board = Board::new(Mask::new(8, 8));
        board.fill(0);
        board.begin();
        assert!(!board.finish());
        assert!(!board.finish());
        assert_eq!(board.ways(), (false, false));
        assert_eq!(board.undo(), None);
    }

    #[test]
    fn undo_in_the_middle_of_a_stroke_takes_the_stroke() {
        let mut board = Board::new(Mask::new(32, 32));
        board.fill(255);
        board.begin();
        let eraser = Brush { erases: true, ..BRUSH };
        board.paint(eraser, Dab { x: 9.0, y: 9.0, radius: 4.0 }, Dab { x: 9.0, y: 9.0, radius: 4.0 });
        board.undo();
        assert!(board.mask().levels().iter().all(|level| *level == 255));
        board.undo();
        assert!(board.mask().is_blank());
    }

    #[test]
    fn every_change_is_taken_back_in_turn() {
        let mut board = Board::new(Mask::new(16, 16));
        let mut seen = vec![board.mask().clone()];
        let line = [Point { x: 1.0, y: 1.0 }, Point { x: 14.0, y: 3.0 }, Point { x: 5.0, y: 15.0 }];
        board.lasso(&line, false);
        seen.push(board.mask().clone());
        board.invert();
        seen.push(board.mask().clone());
        board.load(&[77; 256]);
        seen.push(board.mask().clone());
        board.lasso(&line, true);
        for wanted in seen.iter().rev() {
            assert!(board.undo().is_some());
            assert_eq!(board.mask(), wanted);
        }
    }
}
