//! The noun `grid`: one request drawn again and again with one, two or three parameters changed (an X/Y/Z plot).

mod axis;

use serde::{Deserialize, Serialize};

pub use axis::{AxisValue, GridAxis, GridParameter};

use crate::generation::CreateGeneration;
use crate::id::GridId;
use crate::image::ImageView;
use crate::job::JobView;
use crate::validation::{Checker, FieldError, Rule};

/// Ranges of the parameters.
pub mod limits {
    /// Most values of one axis.
    pub const VALUES: u64 = 32;
    /// Most pictures of a grid.
    pub const CELLS: u64 = 100;
    /// Most denoising steps of all pictures together.
    pub const STEPS: u64 = 5_000;
    /// Most pixels of the sheet.
    pub const SHEET_PIXELS: u64 = 64_000_000;
    /// Longest value.
    pub const VALUE_CHARS: u64 = 500;
}

/// A request for a grid: `POST /api/grids`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateGrid {
    /// What all pictures share; one picture each.
    pub base: CreateGeneration,
    /// What changes from left to right.
    pub x: GridAxis,
    /// What changes from top to bottom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub y: Option<GridAxis>,
    /// What changes from one table to the next below it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub z: Option<GridAxis>,
}

/// One picture of a grid: its place and its request.
#[derive(Clone, Debug, PartialEq)]
pub struct GridCell {
    /// Place on the x axis, from 0.
    pub x: usize,
    /// Place on the y axis, from 0.
    pub y: usize,
    /// Place on the z axis, from 0.
    pub z: usize,
    /// What to draw there.
    pub request: CreateGeneration,
}

impl CreateGrid {
    /// Checks every field and every picture, and reports all faults at once.
    pub fn validate(&self) -> Result<(), Vec<FieldError>> {
        let mut check = Checker::new();
        for (name, axis) in self.axes() {
            axis.check(name, &self.base, &mut check);
        }
        let cells: u64 = self.axes().map(|(_, axis)| axis.values.len() as u64).product();
        if cells > limits::CELLS {
            check.fault("x.values", Rule::TooMany { max: limits::CELLS, got: cells });
        }
        let base = f64::from(self.base.num_images_per_prompt);
        check.number("base.num_images_per_prompt", base, 1.0, 1.0);
        check.finish()?;
        let cells = self.cells()?;
        let mut check = Checker::new();
        let steps: u64 = cells.iter().map(|cell| u64::from(cell.request.planned_steps())).sum();
        check.number("base.num_inference_steps", steps as f64, 1.0, limits::STEPS as f64);
        let widest = cells.iter().map(|cell| u64::from(cell.request.result_size().0)).max().unwrap_or(0);
        let highest = cells.iter().map(|cell| u64::from(cell.request.result_size().1)).max().unwrap_or(0);
        let pixels = widest * highest * cells.len() as u64;
        check.number("base.width", pixels as f64, 1.0, limits::SHEET_PIXELS as f64);
        check.finish()
    }

    /// The pictures: x runs fastest, then y, then z.
    ///
    /// # Errors
    /// When a value does not fit its parameter, or a picture breaks a rule: the fault names the value.
    pub fn cells(&self) -> Result<Vec<GridCell>, Vec<FieldError>> {
        let (mut cells, mut faults) = (Vec::new(), Vec::new());
        let range = |axis: Option<&GridAxis>| 0..axis.map_or(1, |axis| axis.values.len());
        for z in range(self.z.as_ref()) {
            for y in range(self.y.as_ref()) {
                for x in range(Some(&self.x)) {
                    match self.request_at([x, y, z]) {
                        Ok(request) => cells.push(GridCell { x, y, z, request }),
                        Err(found) => faults.extend(found),
                    }
                }
            }
        }
        // Cells share values: each fault is told once.
        let mut seen: Vec<FieldError> = Vec::new();
        for fault in faults {
            if !seen.contains(&fault) {
                seen.push(fault);
            }
        }
        if seen.is_empty() { Ok(cells) } else { Err(seen) }
    }

    fn request_at(&self, place: [usize; 3]) -> Result<CreateGeneration, Vec<FieldError>> {
        let mut request = self.base.clone();
        for ((name, axis), index) in self.axes().zip(self.places(place)) {
            let field = format!("{name}.values[{index}]");
            axis.apply(index, &mut request).map_err(|rule| vec![FieldError::new(field, rule)])?;
        }
        request.validate().map_err(|faults| {
            let own = self.base.validate().err().unwrap_or_default();
            faults.into_iter().map(|fault| self.blame(fault, &own, place)).collect::<Vec<_>>()
        })?;
        Ok(request)
    }

    /// A fault of a picture, told as a fault of the value that brought it in, or of the base.
    fn blame(&self, fault: FieldError, base: &[FieldError], place: [usize; 3]) -> FieldError {
        let axis = self.axes().zip(self.places(place)).find(|((_, axis), _)| axis.sets(&fault.field));
        match axis {
            Some(((name, _), index)) if !base.contains(&fault) => {
                FieldError::new(format!("{name}.values[{index}]"), fault.rule)
            }
            _ => FieldError::new(format!("base.{}", fault.field), fault.rule),
        }
    }

    fn axes(&self) -> impl Iterator<Item = (&'static str, &GridAxis)> {
        let named = [("x", Some(&self.x)), ("y", self.y.as_ref()), ("z", self.z.as_ref())];
        named.into_iter().filter_map(|(name, axis)| axis.map(|axis| (name, axis)))
    }

    /// The places on those axes that there are, in the order of [`Self::axes`].
    fn places(&self, [x, y, z]: [usize; 3]) -> impl Iterator<Item = usize> {
        let there = [(true, x), (self.y.is_some(), y), (self.z.is_some(), z)];
        there.into_iter().filter_map(|(there, place)| there.then_some(place))
    }
}

/// A grid with its job and, when it succeeded, its pictures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GridView {
    /// The grid.
    pub id: GridId,
    /// What was asked, with the seed and model that were chosen.
    pub parameters: CreateGrid,
    /// Its job.
    pub job: JobView,
    /// The labelled sheet, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sheet: Option<ImageView>,
    /// The single pictures: x runs fastest, then y, then z.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<ImageView>,
    /// When it was asked for, in milliseconds since 1970 UTC.
    pub created_at_ms: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(json: &str) -> CreateGrid {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn cells_run_along_x_first() {
        let grid = grid(
            r#"{"base": {"prompt": "a red man, red room", "seed": 5},
                "x": {"parameter": "guidance_scale", "values": [3, 5.5]},
                "y": {"parameter": "prompt", "search": "red", "values": ["red", "blue"]},
                "z": {"parameter": "scheduler", "values": ["euler"]}}"#,
        );
        assert_eq!(grid.validate(), Ok(()));
        let cells = grid.cells().unwrap();
        let brief: Vec<_> = cells
            .iter()
            .map(|cell| (cell.x, cell.y, cell.request.guidance_scale, cell.request.prompt.as_str()))
            .collect();
        assert_eq!(
            brief,
            [
                (0, 0, 3.0, "a red man, red room"),
                (1, 0, 5.5, "a red man, red room"),
                (0, 1, 3.0, "a blue man, blue room"),
                (1, 1, 5.5, "a blue man, blue room"),
            ]
        );
        assert!(cells.iter().all(|cell| cell.request.scheduler.as_deref() == Some("euler")));
    }

    #[test]
    fn the_second_pass_is_an_axis() {
        let grid = grid(
            r#"{"base": {"prompt": "a red man", "hires": {}},
                "x": {"parameter": "hires_strength", "values": [0.2, 0.6]},
                "y": {"parameter": "hires_scale", "values": [1.5, 2]}}"#,
        );
        let passes: Vec<_> =
            grid.cells().unwrap().into_iter().filter_map(|cell| cell.request.hires).collect();
        let brief: Vec<_> = passes.iter().map(|hires| (hires.strength, hires.scale)).collect();
        assert_eq!(brief, [(0.2, 1.5), (0.6, 1.5), (0.2, 2.0), (0.6, 2.0)]);
    }

    #[test]
    fn a_fault_names_the_value_that_brought_it_in() {
        let base = r#""base": {"prompt": "a red man"}"#;
        for (axis, field) in [
            (r#"{"parameter": "num_inference_steps", "values": [4, 0]}"#, "x.values[1]"),
            (r#"{"parameter": "num_inference_steps", "values": [4, 2.5]}"#, "x.values[1]"),
            (r#"{"parameter": "guidance_scale", "values": ["many"]}"#, "x.values[0]"),
            (r#"{"parameter": "seed", "values": [-1]}"#, "x.values[0]"),
            (r#"{"parameter": "scheduler", "values": ["euler", "none"]}"#, "x.values[1]"),
            (r#"{"parameter": "strength", "values": [0.5]}"#, "x.values[0]"),
            (r#"{"parameter": "lora_weight", "values": [0.5]}"#, "x.values[0]"),
            (r#"{"parameter": "hires_strength", "values": [0.5]}"#, "x.values[0]"),
            (r#"{"parameter": "prompt", "search": "blue", "values": ["red"]}"#, "x.search"),
            (r#"{"parameter": "seed", "search": "blue", "values": [1]}"#, "x.search"),
            (r#"{"parameter": "seed", "values": []}"#, "x.values"),
        ] {
            let faults = grid(&format!("{{{base}, \"x\": {axis}}}")).validate().unwrap_err();
            assert_eq!(faults[0].field, field, "{axis}: {faults:?}");
        }
        let bad =
            grid(r#"{"base": {"prompt": "", "width": 7}, "x": {"parameter": "seed", "values": [1, 2]}}"#);
        let fields: Vec<_> = bad.validate().unwrap_err().into_iter().map(|fault| fault.field).collect();
        assert_eq!(fields, ["base.prompt", "base.width", "base.width"], "each fault once");
    }

    #[test]
    fn a_grid_has_limits() {
        let axis = |count: usize| {
            let values: Vec<String> = (0..count).map(|value| value.to_string()).collect();
            format!(r#"{{"parameter": "seed", "values": [{}]}}"#, values.join(","))
        };
        let of = |base: &str, x: usize, y: usize| {
            let y = axis(y)
                .replace("seed", "variation_strength")
                .replace("values\": [", "values\": [0.1,")
                .replace(",]", "]");
            grid(&format!(r#"{{"base": {base}, "x": {}, "y": {y}}}"#, axis(x)))
        };
        let field = |grid: CreateGrid| grid.validate().unwrap_err()[0].field.clone();
        assert_eq!(field(of(r#"{"prompt": "x"}"#, 33, 0)), "x.values");
        assert_eq!(field(of(r#"{"prompt": "x"}"#, 32, 10)), "x.values");
        assert_eq!(
            field(of(r#"{"prompt": "x", "num_inference_steps": 150}"#, 32, 1)),
            "base.num_inference_steps"
        );
        assert_eq!(field(of(r#"{"prompt": "x", "width": 2048, "height": 2048}"#, 16, 0)), "base.width");
        assert_eq!(
            field(of(r#"{"prompt": "x", "num_images_per_prompt": 2}"#, 2, 0)),
            "base.num_images_per_prompt"
        );
    }
}
