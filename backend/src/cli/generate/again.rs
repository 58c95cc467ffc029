//! `--again`: a picture is made again from its own record, and the two are compared.

use std::path::{Path, PathBuf};

use chapan_api::image::ImageRecord;
use chapan_api::reproduction::{Circumstance, circumstances};
use serde::Serialize;

use crate::cli::source::{decode, read_file};
use crate::cli::{Failure, output};
use crate::files::Difference;
use crate::files::picture::{DecodedPicture, decode_picture};
use crate::files::upload::own_records;

/// A picture that is to be made again.
#[derive(Debug)]
pub struct Original {
    path: PathBuf,
    picture: DecodedPicture,
    /// How it was made.
    pub record: ImageRecord,
}

/// How the second picture compares.
#[derive(Debug, Serialize)]
pub struct Comparison {
    /// Whether every pixel is the same.
    identical: bool,
    /// Share of pixels that differ.
    changed_pixels: f64,
    /// Greatest difference of a value.
    max_difference: u8,
    /// What was not the same when it was made again.
    circumstances: Vec<Circumstance>,
}

impl Original {
    /// Reads a PNG with its record.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let bytes = read_file(path)?;
        let picture = decode(path, &bytes)?;
        let (record, enlargement) = own_records(&bytes);
        let what = path.display();
        if enlargement.is_some() {
            let fact = format!("`{what}` is a larger copy: it was enlarged after it was drawn");
            return Err(Failure::new(fact, "enlarge the original again with `chapan upscale`"));
        }
        let record = record.ok_or_else(|| {
            let fact = format!("`{what}` does not say how it was made");
            Failure::new(fact, "choose a PNG of `chapan generate` or of the studio, as it was downloaded")
        })?;
        Ok(Self { path: path.to_owned(), picture, record })
    }

    /// Compares it with the PNG that was made of its record.
    pub fn compare(&self, png: &[u8], record: &ImageRecord) -> Result<Comparison, Failure> {
        let again = decode_picture(png).map_err(|error| Failure::from_text(&error.to_string()))?;
        let found = Difference::of(&self.picture, &again);
        Ok(Comparison {
            identical: found.is_none(),
            changed_pixels: found.changed_pixels,
            max_difference: found.max_difference,
            circumstances: circumstances(&self.record, record),
        })
    }

    /// Tells how they compare.
    pub fn say(&self, comparison: &Comparison) -> Result<(), Failure> {
        let path = self.path.display();
        if comparison.identical {
            return output::say(&format!("the same picture as {path}, to the pixel"));
        }
        let share = comparison.changed_pixels * 100.0;
        let most = comparison.max_difference;
        output::say(&format!(
            "not the same as {path}: {share:.1} % of pixels differ, by at most {most} of 255"
        ))?;
        for Circumstance { what, then, now } in &comparison.circumstances {
            let said = |text: &Option<String>| text.clone().unwrap_or_else(|| "not recorded".to_owned());
            let what = serde_json::to_value(what).unwrap_or_default();
            let what = what.as_str().unwrap_or_default().replace('_', " ");
            output::say(&format!("  {what}: {} then, {} now", said(then), said(now)))?;
        }
        Ok(())
    }
}
