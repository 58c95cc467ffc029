//! The noun `upscale`: a larger copy of a picture.

use serde::{Deserialize, Serialize};

use crate::id::{ImageId, ModelId, UpscaleId};
use crate::image::ImageView;
use crate::job::JobView;
use crate::validation::{Checker, FieldError, Rule};

/// Ranges of the parameters.
pub mod limits {
    /// Least enlargement.
    pub const MIN_SCALE: u32 = 2;
    /// Greatest enlargement.
    pub const MAX_SCALE: u32 = 4;
    /// Longest side of the larger copy in pixels.
    pub const MAX_SIDE: u32 = 4_096;
}

/// A request for a larger copy: `POST /api/upscales`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateUpscale {
    /// The picture, one of one's own.
    pub image: ImageId,
    /// How often as wide and as high.
    #[serde(default = "default_scale")]
    pub scale: u32,
    /// The upscaler; absent means the server's first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelId>,
}

fn default_scale() -> u32 {
    4
}

impl CreateUpscale {
    /// Checks every field and reports all faults at once.
    pub fn validate(&self) -> Result<(), Vec<FieldError>> {
        let mut check = Checker::new();
        if self.image.as_str().is_empty() {
            check.fault("image", Rule::Required);
        }
        check.text("image", self.image.as_str(), crate::generation::limits::ID_CHARS);
        check.number(
            "scale",
            f64::from(self.scale),
            f64::from(limits::MIN_SCALE),
            f64::from(limits::MAX_SCALE),
        );
        check.finish()
    }

    /// Checks the size of the larger copy of a picture of `width` and `height`.
    pub fn validate_size(&self, width: u32, height: u32) -> Result<(), Vec<FieldError>> {
        let mut check = Checker::new();
        let longest = u64::from(width.max(height)).max(1);
        if longest * u64::from(self.scale) > u64::from(limits::MAX_SIDE) {
            let max = f64::from(limits::MAX_SIDE / longest as u32);
            check.fault("scale", Rule::OutOfRange { min: 1.0, max, got: self.scale.to_string() });
        }
        check.finish()
    }
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
        assert_eq!((request.validate(), request.scale), (Ok(()), 4));
        assert_eq!(request.validate_size(1024, 1000), Ok(()));
        let faults = request.validate_size(1025, 3).unwrap_err();
        assert_eq!(faults[0].message(), "`scale` is `4`, outside 1 to 3");
        for scale in [0, 1, 5, u32::MAX] {
            let bad = CreateUpscale { scale, ..request.clone() };
            assert_eq!(bad.validate().unwrap_err()[0].field, "scale");
            assert!(bad.validate_size(u32::MAX, 1).is_err() || scale == 0);
        }
    }
}
