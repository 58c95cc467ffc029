//! One picture of many: a table of pictures with labels above the columns and before the rows, and tables below each
//! other. Letters are drawn with a font that has Latin, Cyrillic and Kazakh.

use ab_glyph::{Font, FontRef, Glyph, PxScale, ScaleFont, point};

/// Onest, regular, under the SIL Open Font License; see the folder's README.
const FONT: &[u8] = include_bytes!("../../fonts/onest.ttf");

/// Levels of paper and ink.
const PAPER: u8 = 255;
const INK: u8 = 24;
/// Most lines of one label.
const MOST_LINES: usize = 3;

/// A picture and its place.
#[derive(Clone, Debug)]
pub struct Cell {
    /// Place from left to right, from 0.
    pub column: usize,
    /// Place from top to bottom, from 0.
    pub row: usize,
    /// Which table, from 0.
    pub table: usize,
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// `width * height * 3` bytes.
    pub rgb: Vec<u8>,
}

/// A sheet to be drawn. Labels may be missing: then there is no room for them either.
#[derive(Clone, Debug, Default)]
pub struct Sheet {
    /// Above the columns.
    pub columns: Vec<String>,
    /// Before the rows.
    pub rows: Vec<String>,
    /// Above the tables.
    pub tables: Vec<String>,
    /// The pictures.
    pub cells: Vec<Cell>,
}

/// Sizes in pixels that follow from the pictures and the labels.
struct Plan {
    cell_width: usize,
    cell_height: usize,
    gap: usize,
    scale: f32,
    line: usize,
    left: usize,
    top: usize,
    title: usize,
    table_height: usize,
    width: usize,
    height: usize,
}

struct Canvas<'a> {
    width: usize,
    height: usize,
    rgb: Vec<u8>,
    font: &'a FontRef<'a>,
    scale: f32,
}

impl Sheet {
    /// Draws the sheet: width, height and RGB.
    ///
    /// # Panics
    /// Never: the font is a part of the program, and a test reads it.
    pub fn draw(&self) -> (u32, u32, Vec<u8>) {
        let font = FontRef::try_from_slice(FONT).expect("the font of the program can be read");
        let plan = self.plan(&font);
        let rgb = vec![PAPER; plan.width * plan.height * 3];
        let mut canvas =
            Canvas { width: plan.width, height: plan.height, rgb, font: &font, scale: plan.scale };
        for table in 0..self.count(|cell| cell.table) {
            let y = plan.gap + table * plan.table_height;
            if let Some(title) = self.tables.get(table) {
                canvas.label(title, plan.gap, y, plan.width - 2 * plan.gap, plan.line);
            }
            for (column, label) in self.columns.iter().enumerate() {
                let x = plan.left + column * (plan.cell_width + plan.gap);
                canvas.label(label, x, y + plan.title, plan.cell_width, plan.line);
            }
            for (row, label) in self.rows.iter().enumerate() {
                let y = y + plan.title + plan.top + row * (plan.cell_height + plan.gap);
                canvas.label(label, plan.gap, y, plan.left - 2 * plan.gap, plan.line);
            }
        }
        for cell in &self.cells {
            let x = plan.left + cell.column * (plan.cell_width + plan.gap);
            let y = plan.gap + cell.table * plan.table_height + plan.title + plan.top;
            canvas.paste(cell, x, y + cell.row * (plan.cell_height + plan.gap));
        }
        (plan.width as u32, plan.height as u32, canvas.rgb)
    }

    fn count(&self, place: impl Fn(&Cell) -> usize) -> usize {
        self.cells.iter().map(place).max().map_or(0, |last| last + 1)
    }

    fn plan(&self, font: &FontRef<'_>) -> Plan {
        let cell_width = self.cells.iter().map(|cell| cell.width).max().unwrap_or(1);
        let cell_height = self.cells.iter().map(|cell| cell.height).max().unwrap_or(1);
        let gap = (cell_width / 32).max(4);
        let scale = (cell_width as f32 / 10.0).clamp(12.0, 36.0);
        let line = (scale * 1.25).ceil() as usize;
        let widest = self.rows.iter().map(|label| text_width(font, scale, label)).fold(0.0, f32::max);
        let left =
            if self.rows.is_empty() { gap } else { (widest.ceil() as usize).min(cell_width) + 2 * gap };
        let lines = |labels: &[String], room: usize| {
            labels.iter().map(|label| wrapped(font, scale, label, room).len()).max().unwrap_or(0)
        };
        let columns = self.count(|cell| cell.column);
        let width = left + columns * (cell_width + gap);
        let above = |lines: usize| if lines == 0 { 0 } else { lines * line + gap };
        let title = above(lines(&self.tables, width - 2 * gap));
        let top = above(lines(&self.columns, cell_width));
        let table_height = title + top + self.count(|cell| cell.row) * (cell_height + gap);
        let height = gap + self.count(|cell| cell.table) * table_height;
        Plan { cell_width, cell_height, gap, scale, line, left, top, title, table_height, width, height }
    }
}

/// The width of a text in pixels.
fn text_width(font: &FontRef<'_>, scale: f32, text: &str) -> f32 {
    let scaled = font.as_scaled(PxScale::from(scale));
    let mut last = None;
    text.chars().fold(0.0, |width, letter| {
        let id = scaled.glyph_id(letter);
        let kern = last.replace(id).map_or(0.0, |last| scaled.kern(last, id));
        width + kern + scaled.h_advance(id)
    })
}

/// A text in lines that fit, between words where it can be; what is left over ends in an ellipsis.
fn wrapped(font: &FontRef<'_>, scale: f32, text: &str, room: usize) -> Vec<String> {
    let fits = |text: &str| text_width(font, scale, text) <= room as f32;
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let mut lines: Vec<String> = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let mut end = 0;
        let mut at_word = 0;
        for (at, letter) in rest.char_indices() {
            if !fits(&rest[..at + letter.len_utf8()]) && at > 0 {
                break;
            }
            end = at + letter.len_utf8();
            if letter == ' ' {
                at_word = end;
            }
        }
        if end < rest.len() && at_word > 0 {
            end = at_word;
        }
        if lines.len() + 1 == MOST_LINES && end < rest.len() {
            let mut line = rest[..end].trim_end().to_owned();
            while !line.is_empty() && !fits(&format!("{line}…")) {
                line.pop();
            }
            lines.push(format!("{line}…"));
            return lines;
        }
        lines.push(rest[..end].trim_end().to_owned());
        rest = rest[end..].trim_start();
    }
    lines
}

impl Canvas<'_> {
    fn label(&mut self, text: &str, x: usize, y: usize, room: usize, line: usize) {
        for (index, words) in wrapped(self.font, self.scale, text, room).iter().enumerate() {
            self.write(words, x as f32, (y + index * line) as f32);
        }
    }

    fn write(&mut self, text: &str, x: f32, y: f32) {
        let scaled = self.font.as_scaled(PxScale::from(self.scale));
        let baseline = y + scaled.ascent();
        let mut at = x;
        let mut last = None;
        for letter in text.chars() {
            let id = scaled.glyph_id(letter);
            at += last.replace(id).map_or(0.0, |last| scaled.kern(last, id));
            let glyph: Glyph = id.with_scale_and_position(PxScale::from(self.scale), point(at, baseline));
            at += scaled.h_advance(id);
            let Some(outline) = self.font.outline_glyph(glyph) else { continue };
            let bounds = outline.px_bounds();
            outline.draw(|dx, dy, coverage| {
                self.ink(bounds.min.x as i64 + i64::from(dx), bounds.min.y as i64 + i64::from(dy), coverage);
            });
        }
    }

    fn ink(&mut self, x: i64, y: i64, coverage: f32) {
        let inside = (0..self.width as i64).contains(&x) && (0..self.height as i64).contains(&y);
        if !inside {
            return;
        }
        let at = (y as usize * self.width + x as usize) * 3;
        for level in &mut self.rgb[at..at + 3] {
            let paper = f32::from(*level);
            *level = (paper + (f32::from(INK) - paper) * coverage.clamp(0.0, 1.0)).round() as u8;
        }
    }

    fn paste(&mut self, cell: &Cell, x: usize, y: usize) {
        for row in 0..cell.height {
            let from = row * cell.width * 3;
            let to = ((y + row) * self.width + x) * 3;
            self.rgb[to..to + cell.width * 3].copy_from_slice(&cell.rgb[from..from + cell.width * 3]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(column: usize, row: usize, table: usize, level: u8) -> Cell {
        Cell { column, row, table, width: 64, height: 48, rgb: vec![level; 64 * 48 * 3] }
    }

    fn labels(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn the_font_has_every_letter_of_three_languages() {
        let font = FontRef::try_from_slice(FONT).unwrap();
        let letters = "abcxyzABCXYZ 0123456789.,:;-+*/()[]{}<>|\"'`~!?@#$%^&=_…«»—№\
            абвгдеёжзийклмнопрстуфхцчшщъыьэюяАБВГДЕЁЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯәғқңөұүһіӘҒҚҢӨҰҮҺІ";
        let missing: String = letters.chars().filter(|&letter| font.glyph_id(letter).0 == 0).collect();
        assert_eq!(missing, "");
    }

    #[test]
    fn pictures_stand_in_their_places_and_labels_beside_them() {
        let sheet = Sheet {
            columns: labels(&["seed: 1", "seed: 2"]),
            rows: labels(&["қызыл", "көк"]),
            tables: labels(&["euler"]),
            cells: vec![cell(0, 0, 0, 10), cell(1, 0, 0, 20), cell(0, 1, 0, 30), cell(1, 1, 0, 40)],
        };
        let (width, height, rgb) = sheet.draw();
        assert_eq!(rgb.len(), width as usize * height as usize * 3);
        let level = |x: u32, y: u32| rgb[(y * width + x) as usize * 3];
        // From the corner at the right and bottom: a gap of 4, then the last picture, a gap, the one before.
        assert_eq!([level(width - 5, height - 5), level(width - 4, height - 5)], [40, PAPER]);
        assert_eq!(level(width - 5 - 68, height - 5), 30);
        assert_eq!(level(width - 5, height - 5 - 52), 20);
        assert_eq!(level(width - 5 - 68, height - 5 - 52), 10);
        let dark = |xs: std::ops::Range<u32>, ys: std::ops::Range<u32>| {
            xs.flat_map(|x| ys.clone().map(move |y| (x, y))).filter(|&(x, y)| level(x, y) < 128).count()
        };
        let (left, top) = (width - 2 * 68, height - 2 * 52);
        assert!(dark(left..width, 0..top) > 50, "columns and table have their names");
        assert!(dark(0..left, top..height) > 50, "rows have theirs");
        assert_eq!(dark(width - 4..width, 0..height), 0, "nothing is written over the edge");
    }

    #[test]
    fn long_labels_are_cut_and_missing_ones_take_no_room() {
        let bare = Sheet { cells: vec![cell(0, 0, 0, 0)], ..Sheet::default() };
        let (width, height, _) = bare.draw();
        assert_eq!((width, height), (64 + 8, 48 + 8));
        let font = FontRef::try_from_slice(FONT).unwrap();
        let lines = wrapped(&font, 12.0, &"word ".repeat(100), 64);
        assert_eq!(lines.len(), MOST_LINES);
        assert!(lines[2].ends_with('…') && lines.iter().all(|line| text_width(&font, 12.0, line) <= 64.0));
        let cut = wrapped(&font, 12.0, &"x".repeat(20), 64);
        assert!(cut.len() > 1 && cut.concat() == "x".repeat(20), "a long word is cut where it must be");
        assert!(cut.iter().all(|line| text_width(&font, 12.0, line) <= 64.0));
        assert!(wrapped(&font, 12.0, " \n ", 64).is_empty());
        assert!(!wrapped(&font, 12.0, "a", 0).is_empty(), "it ends in any room");
    }
}
