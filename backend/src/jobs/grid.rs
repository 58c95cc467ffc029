//! The job `grid`: one request drawn for every place of a grid, and a labelled sheet of all.

use std::collections::BTreeMap;

use chapan_api::generation::CreateGeneration;
use chapan_api::grid::{AxisValue, CreateGrid, GridAxis, GridCell};
use chapan_api::id::ModelId;
use chapan_api::image::ImageKind;
use chapan_api::job::{JobPhase, JobProgress};
use chapan_engine::pipelines::Flow;

use super::device::Bench;
use super::error::JobError;
use super::generation::{Materials, draw, passes};
use super::meter::Meter;
use super::task::Made;
use crate::files::png::encode_bare_png;
use crate::files::sheet::{Cell, Sheet};
use crate::hub::Checkpoint;

/// All that a grid needs, at hand.
#[derive(Debug)]
pub(super) struct GridDrawing {
    pub parameters: CreateGrid,
    pub cells: Vec<GridCell>,
    pub materials: Materials,
    pub checkpoints: BTreeMap<ModelId, Checkpoint>,
}

impl GridDrawing {
    /// Makes the sheet and all pictures; the sheet comes first.
    pub fn run(
        &self,
        bench: &mut Bench,
        report: &dyn Fn(JobProgress) -> Flow,
    ) -> Result<Vec<Made>, JobError> {
        let steps = self.cells.iter().flat_map(|cell| passes(&cell.request));
        let meter = Meter::new(report, steps);
        let mut pictures = Vec::with_capacity(self.cells.len());
        let mut made = Vec::with_capacity(self.cells.len() + 1);
        for cell in &self.cells {
            let drawn = draw(bench, self.checkpoint(&cell.request)?, &cell.request, &self.materials, &meter)?;
            pictures.push(Cell {
                column: cell.x,
                row: cell.y,
                table: cell.z,
                width: drawn.picture.width,
                height: drawn.picture.height,
                rgb: drawn.picture.rgb.clone(),
            });
            made.push(drawn.write(ImageKind::Made)?);
            meter.next();
        }
        meter.go_on(JobPhase::Saving)?;
        made.insert(0, self.sheet(pictures)?);
        Ok(made)
    }

    fn checkpoint(&self, request: &CreateGeneration) -> Result<&Checkpoint, JobError> {
        let named = request.model.as_ref().or(self.parameters.base.model.as_ref());
        named
            .and_then(|id| self.checkpoints.get(id))
            .ok_or_else(|| JobError::internal("a model of the grid is missing", &format!("{named:?}")))
    }

    fn sheet(&self, pictures: Vec<Cell>) -> Result<Made, JobError> {
        let labels = |axis: Option<&GridAxis>| axis.map(labels).unwrap_or_default();
        let sheet = Sheet {
            columns: labels(Some(&self.parameters.x)),
            rows: labels(self.parameters.y.as_ref()),
            tables: labels(self.parameters.z.as_ref()),
            cells: pictures,
        };
        let (width, height, rgb) = sheet.draw();
        let png = encode_bare_png(width, height, &rgb)
            .map_err(|error| JobError::internal("the sheet could not be written", &error))?;
        // How each was made stands in the single pictures.
        let caption = Some(self.parameters.base.prompt.clone());
        Ok(Made {
            kind: ImageKind::Grid,
            png,
            width,
            height,
            record: None,
            enlargement: None,
            caption,
            steps: None,
        })
    }
}

/// What stands at the places of an axis: `seed: 7`, or for replaced words the word.
fn labels(axis: &GridAxis) -> Vec<String> {
    let label = |value: &AxisValue| match &axis.search {
        Some(_) => value.to_string(),
        None => format!("{}: {value}", axis.name()),
    };
    axis.values.iter().map(label).collect()
}
