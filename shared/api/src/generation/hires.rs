//! "Hires fix": the picture is drawn at the size that the model knows, enlarged, and drawn over at the larger size.

use serde::{Deserialize, Serialize};

use super::{CreateGeneration, limits};
use crate::id::ModelId;
use crate::validation::{Checker, FieldError, Rule};

/// The second pass of a request: an upscaler enlarges the picture, then image to image adds what a larger picture shows.
///
/// Pictures that are larger than the model's own size are drawn over in overlapping windows of that size; all that the first
/// picture shows is kept then, and only what is finer is drawn anew.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Hires {
    /// Side of the result over side of the first picture, above 1 to [`limits::MAX_HIRES_SCALE`].
    #[serde(default = "default_scale")]
    pub scale: f64,
    /// The upscaler, as `GET /api/upscalers` names it; absent means the server's first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upscaler: Option<ModelId>,
    /// How far to go from the enlarged picture, 0 to 1: 0.2 sharpens, 0.5 invents details.
    #[serde(default = "default_strength")]
    pub strength: f64,
    /// Denoising steps that are planned for the second pass, of which the last `strength` share is done; absent means
    /// as many as for the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<u32>,
}

fn default_scale() -> f64 {
    2.0
}

fn default_strength() -> f64 {
    0.4
}

impl Default for Hires {
    fn default() -> Self {
        Self { scale: default_scale(), upscaler: None, strength: default_strength(), steps: None }
    }
}

impl Hires {
    /// Width and height of the result in pixels for a first picture of this size: multiples of
    /// [`limits::SIDE_STEP`], the nearest to the scale.
    pub fn size(&self, width: u32, height: u32) -> (u32, u32) {
        let step = f64::from(limits::SIDE_STEP);
        let side = |side: u32| ((f64::from(side) * self.scale / step).round() * step) as u32;
        (side(width), side(height))
    }

    /// Steps of the second pass that are done, of a first pass of `first` steps: at least one where the rules hold.
    pub fn steps_done(&self, first: u32) -> u32 {
        (f64::from(self.steps.unwrap_or(first)) * self.strength) as u32
    }

    /// Checks every field beside the request that it belongs to, and reports all faults at once.
    pub fn validate(&self, request: &CreateGeneration) -> Result<(), Vec<FieldError>> {
        let mut check = Checker::new();
        self.check(request, &mut check);
        check.finish()
    }

    pub(super) fn check(&self, request: &CreateGeneration, check: &mut Checker) {
        let before = check.faults();
        check.number("hires.scale", self.scale, limits::MIN_HIRES_SCALE, limits::MAX_HIRES_SCALE);
        if let Some(id) = &self.upscaler {
            check.text("hires.upscaler", id.as_str(), limits::ID_CHARS);
        }
        check.number("hires.strength", self.strength, limits::MIN_STRENGTH, limits::MAX_STRENGTH);
        if let Some(steps) = self.steps {
            let (least, most) = (f64::from(limits::MIN_STEPS), f64::from(limits::MAX_STEPS));
            check.number("hires.steps", f64::from(steps), least, most);
        }
        if check.faults() > before {
            return;
        }
        let longest = f64::from(request.width.max(request.height).max(1));
        if longest * self.scale > f64::from(limits::MAX_HIRES_SIDE) {
            let max = f64::from(limits::MAX_HIRES_SIDE) / longest;
            let got = self.scale.to_string();
            check.fault("hires.scale", Rule::OutOfRange { min: limits::MIN_HIRES_SCALE, max, got });
        }
        // Of the planned steps only this share is done; none would leave the enlarged picture as it is.
        if self.steps_done(request.num_inference_steps) == 0 {
            let planned = self.steps.unwrap_or(request.num_inference_steps).max(1);
            let (min, got) = (1.0 / f64::from(planned), self.strength.to_string());
            check.fault("hires.strength", Rule::OutOfRange { min, max: limits::MAX_STRENGTH, got });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(hires: Hires) -> CreateGeneration {
        CreateGeneration { prompt: "x".to_owned(), hires: Some(hires), ..CreateGeneration::default() }
    }

    #[test]
    fn an_empty_wish_is_twice_the_size() {
        let hires: Hires = serde_json::from_str("{}").unwrap();
        assert_eq!(hires, Hires::default());
        assert_eq!(hires.size(128, 136), (256, 272));
        assert_eq!(Hires { scale: 1.3, ..Hires::default() }.size(128, 64), (168, 80));
        let request = with(hires);
        assert_eq!((request.validate(), request.result_size()), (Ok(()), (256, 256)));
        assert_eq!(request.planned_steps(), 20 + 8);
    }

    #[test]
    fn every_hostile_number_is_refused() {
        let ok = Hires::default();
        for (bad, field) in [
            (Hires { scale: 1.0, ..ok.clone() }, "hires.scale"),
            (Hires { scale: f64::NAN, ..ok.clone() }, "hires.scale"),
            (Hires { scale: f64::INFINITY, ..ok.clone() }, "hires.scale"),
            (Hires { scale: 1e9, ..ok.clone() }, "hires.scale"),
            (Hires { strength: -0.1, ..ok.clone() }, "hires.strength"),
            (Hires { strength: f64::NAN, ..ok.clone() }, "hires.strength"),
            (Hires { strength: 0.01, ..ok.clone() }, "hires.strength"),
            (Hires { steps: Some(0), ..ok.clone() }, "hires.steps"),
            (Hires { steps: Some(u32::MAX), ..ok.clone() }, "hires.steps"),
            (Hires { upscaler: Some(ModelId::new("a\0")), ..ok.clone() }, "hires.upscaler"),
        ] {
            let faults = with(bad.clone()).validate().unwrap_err();
            assert_eq!(faults[0].field, field, "{bad:?}");
        }
        let large = CreateGeneration { width: 2048, height: 64, ..with(Hires { scale: 2.5, ..ok }) };
        assert_eq!(large.validate().unwrap_err()[0].message(), "`hires.scale` is `2.5`, outside 1.1 to 2");
    }
}
