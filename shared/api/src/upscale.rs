//! The noun `upscale`: a larger copy of a picture.

use serde::{Deserialize, Serialize};

use crate::id::{ImageId, ModelId, UpscaleId};
use crate::image::{ImageView, SourceRecord};
use crate::job::JobView;
use crate::validation::{Checker, FieldError, Rule};

/// Ranges of the parameters.
pub mod limits {
    /// Least enlargement.
    pub const MIN_SCALE: f64 = 1.1;
    /// Greatest enlargement.
    pub const MAX_SCALE: f64 = 8.0;
    /// Longest side of the larger copy in pixels.
    pub const MAX_SIDE: u32 = 4_096;
}

/// A request for a larger copy: `POST /api/upscales`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateUpscale {
    /// The picture, one of one's own.
    pub image: ImageId,
    /// Side of the copy over side of the picture; it need not be whole.
    #[serde(default = "default_scale")]
    pub scale: f64,
    /// The upscaler, as `GET /api/upscalers` names it; absent means the server's first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelId>,
}

fn default_scale() -> f64 {
    4.0
}

impl CreateUpscale {
    /// Checks every field and reports all faults at once.
    pub fn validate(&self) -> Result<(), Vec<FieldError>> {
        let mut check = Checker::new();
        if self.image.as_str().is_empty() {
            check.fault("image", Rule::Required);
        }
        check.text("image", self.image.as_str(), crate::generation::limits::ID_CHARS);
        check.number("scale", self.scale, limits::MIN_SCALE, limits::MAX_SCALE);
        check.finish()
    }

    /// Checks the size of the larger copy of a picture of `width` and `height`.
    pub fn validate_size(&self, width: u32, height: u32) -> Result<(), Vec<FieldError>> {
        let mut check = Checker::new();
        let longest = f64::from(width.max(height).max(1));
        if (longest * self.scale).round() > f64::from(limits::MAX_SIDE) {
            let max = f64::from(limits::MAX_SIDE) / longest;
            let got = self.scale.to_string();
            check.fault("scale", Rule::OutOfRange { min: 1.0, max: (max * 100.0).floor() / 100.0, got });
        }
        check.finish()
    }

    /// Width and height of the larger copy of a picture of this size, in pixels.
    pub fn size(&self, width: u32, height: u32) -> (u32, u32) {
        let side = |side: u32| ((f64::from(side) * self.scale).round() as u32).max(1);
        (side(width), side(height))
    }
}

/// How a larger copy was made: everything that is needed to make it again. Travels in the PNG under `chapan.upscale`, beside
/// the record of the picture that was enlarged, if that has one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UpscaleRecord {
    /// The picture that was enlarged.
    pub image: SourceRecord,
    /// Side of the copy over side of the picture.
    pub scale: f64,
    /// The upscaler.
    pub model: ModelId,
    /// SHA-256 of the upscaler's weights, hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_hash: Option<String>,
    /// Where it ran: `cpu`, `cuda:0`, `metal`.
    pub device: String,
    /// Number format of the weights: `f32`, `f16`, `bf16`.
    pub dtype: String,
    /// Version of the studio.
    pub version: String,
    /// Version of the engine's numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<String>,
}

/// A request for a larger copy with its job and, when it succeeded, the copy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UpscaleView {
    /// The request.
    pub id: UpscaleId,
    /// What was asked, with the upscaler that was chosen.
    pub parameters: CreateUpscale,
    /// Its job.
    pub job: JobView,
    /// The larger copy, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageView>,
    /// When it was asked for, in milliseconds since 1970 UTC.
    pub created_at_ms: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_and_sizes_are_limited() {
        let request: CreateUpscale = serde_json::from_str(r#"{"image": "i"}"#).unwrap();
        assert_eq!((request.validate(), request.scale), (Ok(()), 4.0));
        assert_eq!(request.validate_size(1024, 1000), Ok(()));
        assert_eq!(request.size(1024, 1), (4096, 4));
        let faults = request.validate_size(1025, 3).unwrap_err();
        assert_eq!(faults[0].message(), "`scale` is `4`, outside 1 to 3.99");
        for scale in [0.0, 1.0, -4.0, 8.5, f64::NAN, f64::INFINITY] {
            let bad = CreateUpscale { scale, ..request.clone() };
            assert_eq!(bad.validate().unwrap_err()[0].field, "scale");
        }
        let half: CreateUpscale = serde_json::from_str(r#"{"image": "i", "scale": 1.5}"#).unwrap();
        assert_eq!((half.validate(), half.size(3, 101)), (Ok(()), (5, 152)));
    }
}
