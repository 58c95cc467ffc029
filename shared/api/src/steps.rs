//! The noun `steps`: what every step of a drawing looked like, for the microscope. `GET /api/jobs/{id}/steps`.
//!
//! Only for generations that asked for it ([`CreateGeneration::keep_steps`](crate::generation::CreateGeneration)), and only
//! for a while: the server keeps steps in memory, the newest before the older ones.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use crate::id::JobId;

/// Most pixels of a picture whose expectations are decoded at full size.
pub const MAX_EXPECTED_PIXELS: u64 = 256 * 256;

/// A drawing with all its steps. Times are milliseconds since its device began with the job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StepsView {
    /// The job.
    pub job: JobId,
    /// Width in pixels of what was drawn.
    pub width: u32,
    /// Height in pixels of what was drawn.
    pub height: u32,
    /// When the prompts were encoded and the loop began; the model was read before.
    pub encoded_ms: u64,
    /// When the loop had ended.
    pub looped_ms: u64,
    /// When the autoencoder had made the picture.
    pub decoded_ms: u64,
    /// What drew it.
    pub parts: PartsView,
    /// How many steps will still get their `expected` picture: ask again while it is not 0.
    pub pending: u32,
    /// The steps, in order.
    pub steps: Vec<StepView>,
}

/// What a model is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PartsView {
    /// Widths of the text encoders' states.
    pub text_widths: Vec<u32>,
    /// Numbers in the weights of all text encoders.
    pub text_encoder_parameters: u64,
    /// Numbers in the weights of the denoiser.
    pub unet_parameters: u64,
    /// Numbers in the weights of the autoencoder.
    pub vae_parameters: u64,
}

/// One step of the loop.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StepView {
    /// Which, from 0.
    pub index: u32,
    /// How many there are. Samplers that call the network twice a step (Heun) count each call.
    pub total: u32,
    /// The timestep that the network was told, from about 1000 (noise) down to 0.
    pub timestep: f64,
    /// Noise for one unit of signal at the start of the step; absent where there is no signal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sigma: Option<f32>,
    /// How far guidance moved the prediction: the root mean square of `scale * (positive - negative)`. Absent without
    /// guidance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guidance: Option<f32>,
    /// When it was done.
    pub at_ms: u64,
    /// How many channels the latents have.
    pub latent_channels: u32,
    /// The latents after the step, one pixel for each cell: their size is that of the latents.
    pub latents: StepPicture,
    /// The clean latents that the network expected at this step, one pixel for each cell.
    pub clean: StepPicture,
    /// All channels of the latents after the step as grey pictures in rows of `ceil(sqrt(latent_channels))`, one clear
    /// pixel between them; -3 and below is black, 3 and above is white.
    pub channels: StepPicture,
    /// The expected clean latents, decoded at full size. Absent for pictures of more than [`MAX_EXPECTED_PIXELS`], and
    /// while they are still to be made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<StepPicture>,
}

impl StepView {
    /// Bytes of all its pixels.
    pub fn size_bytes(&self) -> usize {
        let pictures = [Some(&self.latents), Some(&self.clean), Some(&self.channels), self.expected.as_ref()];
        pictures.into_iter().flatten().map(|picture| picture.pixels.len()).sum()
    }
}

/// How the bytes of a pixel are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum PixelFormat {
    /// Three bytes: red, green, blue.
    Rgb,
    /// Four bytes: red, green, blue, alpha (not premultiplied).
    Rgba,
}

impl PixelFormat {
    /// Bytes of a pixel.
    pub fn bytes(self) -> usize {
        match self {
            Self::Rgb => 3,
            Self::Rgba => 4,
        }
    }
}

/// Bare pixels in rows from the top.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StepPicture {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// What a pixel is.
    pub format: PixelFormat,
    /// `width * height` pixels; base64 (with padding) in JSON.
    #[serde(serialize_with = "to_base64", deserialize_with = "from_base64")]
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = Byte))]
    pub pixels: Vec<u8>,
}

impl StepPicture {
    /// The pixels with four bytes each, as a canvas takes them. `None` when there are not as many as the size says.
    pub fn rgba(&self) -> Option<Vec<u8>> {
        let pixels = (self.width as usize).checked_mul(self.height as usize)?;
        if pixels.checked_mul(self.format.bytes())? != self.pixels.len() {
            return None;
        }
        Some(match self.format {
            PixelFormat::Rgba => self.pixels.clone(),
            PixelFormat::Rgb => {
                let (pixels, _) = self.pixels.as_chunks::<3>();
                pixels.iter().flat_map(|[red, green, blue]| [*red, *green, *blue, 255]).collect()
            }
        })
    }
}

fn to_base64<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD.encode(bytes))
}

fn from_base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    STANDARD.decode(String::deserialize(deserializer)?).map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(format: PixelFormat, pixels: &[u8]) -> StepPicture {
        StepPicture { width: 2, height: 1, format, pixels: pixels.to_vec() }
    }

    #[test]
    fn steps_survive_json_and_pixels_are_base64() {
        let small = picture(PixelFormat::Rgb, &[0, 1, 2, 253, 254, 255]);
        let step = StepView {
            index: 0,
            total: 2,
            timestep: 999.0,
            sigma: Some(0.1),
            guidance: None,
            at_ms: 12,
            latent_channels: 4,
            latents: small.clone(),
            clean: small.clone(),
            channels: picture(PixelFormat::Rgba, &[7; 8]),
            expected: None,
        };
        let view = StepsView {
            job: JobId::new("j"),
            width: 16,
            height: 8,
            encoded_ms: 3,
            looped_ms: 20,
            decoded_ms: 22,
            parts: PartsView {
                text_widths: vec![64, 96],
                unet_parameters: u64::from(u32::MAX) + 7,
                ..PartsView::default()
            },
            pending: 1,
            steps: vec![step.clone(), StepView { expected: Some(small), ..step.clone() }],
        };
        let json = serde_json::to_string(&view).unwrap();
        assert_eq!(serde_json::from_str::<StepsView>(&json).unwrap(), view);
        assert!(json.contains(r#""format":"rgb","pixels":"AAEC/f7/""#), "{json}");
        assert_eq!((step.size_bytes(), view.steps[1].size_bytes()), (20, 26));
    }

    #[test]
    fn pixels_become_rgba_unless_some_are_missing() {
        let rgb = picture(PixelFormat::Rgb, &[1, 2, 3, 4, 5, 6]);
        assert_eq!(rgb.rgba(), Some(vec![1, 2, 3, 255, 4, 5, 6, 255]));
        let rgba = picture(PixelFormat::Rgba, &[1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(rgba.rgba(), Some(rgba.pixels.clone()));
        assert_eq!(picture(PixelFormat::Rgba, &[0; 6]).rgba(), None);
        let huge = StepPicture { width: u32::MAX, height: u32::MAX, ..rgb };
        assert_eq!(huge.rgba(), None);
        let broken = r#"{"width":1,"height":1,"format":"rgb","pixels":"A*=="}"#;
        assert!(serde_json::from_str::<StepPicture>(broken).is_err());
    }
}
