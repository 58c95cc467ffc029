//! From values to places: an axis whose ends and ticks are round numbers.

/// An axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Scale {
    /// The value at its beginning.
    pub min: f64,
    /// The value at its end.
    pub max: f64,
    /// Values that are written beside it, rising.
    pub ticks: Vec<f64>,
    /// From one tick to the next.
    step: f64,
}

impl Scale {
    /// The axis that holds all finite values, with about `about` steps between round ends.
    pub fn covering(values: impl IntoIterator<Item = f64>, about: usize) -> Self {
        let (mut least, mut greatest) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.into_iter().filter(|value| value.is_finite()) {
            least = least.min(value);
            greatest = greatest.max(value);
        }
        if least > greatest {
            (least, greatest) = (0.0, 1.0);
        }
        if greatest - least <= greatest.abs().max(least.abs()) * 1e-9 {
            // One value alone stands in the middle.
            let room = if least == 0.0 { 1.0 } else { least.abs() * 0.5 };
            (least, greatest) = (least - room, greatest + room);
        }
        let step = round_step((greatest - least) / about.max(1) as f64);
        let first = (least / step + 1e-9).floor();
        let last = (greatest / step - 1e-9).ceil();
        let ticks: Vec<f64> = (0..=(last - first) as usize).map(|n| (first + n as f64) * step).collect();
        Self { min: first * step, max: last * step, ticks, step }
    }

    /// The axis from 0 to a whole number, with ticks at whole numbers; its end is that number itself.
    pub fn counting(max: f64, about: usize) -> Self {
        let max = max.max(1.0);
        let step = round_step(max / about.max(1) as f64).max(1.0);
        let ticks = (0..=(max / step) as usize).map(|n| n as f64 * step).collect();
        Self { min: 0.0, max, ticks, step }
    }

    /// The axis of things that are numbered from 1, with room at both ends.
    pub fn numbering(count: usize) -> Self {
        let count = count.max(1);
        let ticks = (1..=count).map(|n| n as f64).collect();
        Self { min: 0.5, max: count as f64 + 0.5, ticks, step: 1.0 }
    }

    /// Where a value stands, 0 at the beginning and 1 at the end.
    pub fn place(&self, value: f64) -> f64 {
        ((value - self.min) / (self.max - self.min)).clamp(0.0, 1.0)
    }

    /// A tick in words, with as many digits as tell it from its neighbours.
    pub fn label(&self, tick: f64) -> String {
        let tick = if tick.abs() < self.step * 1e-6 { 0.0 } else { tick };
        if self.min.abs().max(self.max.abs()) < 1e-2 {
            let text = format!("{tick:.1e}");
            return if tick == 0.0 { "0".to_owned() } else { text.replace(".0e", "e") };
        }
        let digits = (-(self.step * 1.000_001).log10().floor()).max(0.0) as usize;
        format!("{tick:.digits$}")
    }
}

/// The least of 1, 2 and 5 times a power of ten that is not below.
fn round_step(least: f64) -> f64 {
    let power = 10f64.powf(least.log10().floor());
    let times = [1.0, 2.0, 5.0, 10.0].into_iter().find(|times| times * power >= least * (1.0 - 1e-9));
    times.unwrap_or(10.0) * power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_and_ticks_are_round() {
        let scale = Scale::covering([0.0312, 0.187, f64::NAN], 4);
        assert_eq!((scale.min, scale.max), (0.0, 0.2));
        let labels: Vec<String> = scale.ticks.iter().map(|tick| scale.label(*tick)).collect();
        assert_eq!(labels, ["0.00", "0.05", "0.10", "0.15", "0.20"]);
        assert!((scale.place(0.1) - 0.5).abs() < 1e-12);
        assert_eq!((scale.place(-1.0), scale.place(9.0)), (0.0, 1.0));
    }

    #[test]
    fn one_value_and_none_are_no_fault() {
        let one = Scale::covering([0.4, 0.4], 4);
        assert!(one.min < 0.4 && one.max > 0.4);
        assert!((one.place(0.4) - 0.5).abs() < 0.2);
        let none = Scale::covering([], 4);
        assert_eq!((none.min, none.max), (0.0, 1.0));
        assert!(Scale::covering([0.0], 4).place(0.0) > 0.0);
    }

    #[test]
    fn small_numbers_are_short() {
        let scale = Scale::covering([0.0, 1e-3], 2);
        assert_eq!(scale.label(5e-4), "5e-4");
        assert_eq!(scale.label(0.0), "0");
    }

    #[test]
    fn what_is_numbered_stands_in_the_middle_of_its_place() {
        let scale = Scale::numbering(2);
        assert_eq!(
            (scale.ticks.as_slice(), scale.place(1.0), scale.place(2.0)),
            (&[1.0, 2.0][..], 0.25, 0.75)
        );
        assert_eq!((scale.label(2.0), Scale::numbering(0).ticks), ("2".to_owned(), vec![1.0]));
    }

    #[test]
    fn counting_ends_where_it_is_told() {
        let scale = Scale::counting(350.0, 4);
        assert_eq!(scale.ticks, [0.0, 100.0, 200.0, 300.0]);
        assert_eq!(scale.place(350.0), 1.0);
        assert_eq!(Scale::counting(3.0, 5).ticks, [0.0, 1.0, 2.0, 3.0]);
        assert_eq!(scale.label(200.0), "200");
    }
}
