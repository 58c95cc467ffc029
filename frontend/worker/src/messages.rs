//! What page and worker say to each other. A message is a list: first one of these types as JSON, then the buffers that it
//! speaks of, which change hands instead of being copied.

use serde::{Deserialize, Serialize};

/// A task with the number under which its answers come back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Counted by the page.
    pub id: u32,
    /// What to do.
    pub task: Task,
}

/// What the worker can do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Task {
    /// Measure how alike two pictures are. Buffers: two PNG files.
    Compare {
        /// Colours of the difference map from none to greatest, red, green and blue each.
        palette: Vec<[u8; 3]>,
    },
    /// Read a prompt as the text encoders will.
    CheckPrompt {
        /// The model that will read it; its tokenizers count.
        model: String,
        /// The prompt.
        prompt: String,
        /// Whether weights are read in it: then it has as many chunks as it needs.
        weighting: bool,
        /// What it should say, for example by a lesson's wish.
        wanted: Vec<Feature>,
    },
    /// Fetch a small model and make it ready to draw.
    Prepare {
        /// Its id.
        model: String,
    },
    /// Draw a picture and tell every step.
    Draw(Box<Drawing>),
    /// Decode the latents of one step. Buffers: 32-bit floats.
    Decode {
        /// Width of the picture in pixels.
        width: u32,
        /// Height of the picture in pixels.
        height: u32,
    },
}

/// A picture to draw.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Drawing {
    /// The model's id.
    pub model: String,
    /// What to draw.
    pub prompt: String,
    /// What to keep out.
    pub negative_prompt: Option<String>,
    /// The seed.
    pub seed: u64,
    /// Denoising steps.
    pub num_inference_steps: u32,
    /// Guidance scale.
    pub guidance_scale: f64,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// The sampling algorithm; absent means the model's own.
    pub scheduler: Option<String>,
}

/// One attribute of the drawing world.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Feature {
    /// The group, such as `clothing`.
    pub group: String,
    /// The value, such as `orange chapan`.
    pub value: String,
}

/// An answer with the number of its task; `None` when it belongs to none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// The task.
    pub id: Option<u32>,
    /// The answer.
    pub answer: Answer,
}

/// What the worker answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Answer {
    /// The worker has started and takes tasks.
    Ready,
    /// Two pictures were compared. Buffers: the difference map, RGBA.
    Compared(Comparison),
    /// A prompt was read.
    Checked(Box<PromptReport>),
    /// More of a model has come.
    Fetching {
        /// Bytes that are here.
        done: u64,
        /// Bytes in all.
        total: u64,
    },
    /// A model is ready.
    Prepared(ModelFacts),
    /// The prompts are encoded.
    Encoded {
        /// Time since the task began.
        at_ms: f64,
    },
    /// A step is done. Buffers: a small picture of the latents, one of the clean latents that were expected, all channels
    /// side by side (RGBA each), and the expected clean latents themselves (32-bit floats).
    Stepped(StepReport),
    /// The latents are final.
    Decoding {
        /// Time since the task began.
        at_ms: f64,
    },
    /// The picture is there. Buffers: RGBA.
    Drawn {
        /// Time since the task began.
        at_ms: f64,
    },
    /// Latents were decoded. Buffers: RGBA.
    Decoded,
    /// The task cannot be done.
    Refused(Refusal),
    /// The worker has ended; nothing more comes from it.
    Crashed {
        /// For the console.
        message: String,
    },
}

impl Answer {
    /// Whether nothing more comes for the task.
    pub fn is_last(&self) -> bool {
        !matches!(
            self,
            Self::Ready
                | Self::Fetching { .. }
                | Self::Encoded { .. }
                | Self::Stepped(_)
                | Self::Decoding { .. }
        )
    }
}

/// How alike two pictures are.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Width of both.
    pub width: usize,
    /// Height of both.
    pub height: usize,
    /// Pixels that are not the same.
    pub differing: usize,
    /// Structural similarity as scikit-image computes it by default: 7x7 windows, all pixels equal.
    pub ssim: f64,
    /// Structural similarity with the Gaussian window of Wang et al. (2004); absent below 11 pixels.
    pub ssim_gaussian: Option<f64>,
    /// Peak signal-to-noise ratio in decibels; absent (infinite) for identical pictures.
    pub psnr: Option<f64>,
    /// Hellinger distance of the two colour histograms, 0 to 1, wherever the colours are.
    pub histogram: f64,
    /// Time that all the measuring took.
    pub took_ms: f64,
    /// Time of `ssim` alone.
    pub ssim_ms: f64,
    /// Time of `ssim_gaussian` alone.
    pub gaussian_ms: f64,
}

impl Comparison {
    /// Pixels of one picture.
    pub fn pixels(&self) -> usize {
        self.width * self.height
    }

    /// Whether every pixel is the same.
    pub fn is_identical(&self) -> bool {
        self.differing == 0
    }
}

/// A part of a prompt: bytes `start..end` of its UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

/// What a prompt says and where it will be misread.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PromptReport {
    /// Whether the model's own tokenizers counted; else those of the small model stood in.
    pub exact: bool,
    /// Tokens for each text encoder, start and end included.
    pub tokens: Vec<usize>,
    /// Most tokens that an encoder reads.
    pub limit: usize,
    /// Whether all of it is read, in chunks, whatever the limit.
    pub all_read: bool,
    /// From here on nothing is read.
    pub cut: Option<usize>,
    /// Phrases with nothing in them: a comma too many.
    pub empty: Vec<Span>,
    /// Phrases that were said before.
    pub repeated: Vec<Span>,
    /// Negations, which CLIP does not understand.
    pub negations: Vec<Negation>,
    /// How much the prompt says of what is wanted, in its order; what nobody has words for is absent.
    pub wanted: Vec<Said>,
    /// Attributes that the prompt clearly says, strongest first.
    pub said: Vec<Said>,
    /// Time that the reading took.
    pub took_ms: f64,
}

/// A negation and what it denies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Negation {
    /// Where it stands, with what it denies.
    pub span: Span,
    /// What is denied: it belongs into the negative prompt. Empty when that cannot be told.
    pub denied: String,
}

/// How much a prompt says of an attribute.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Said {
    /// The attribute.
    pub feature: Feature,
    /// The phrase that the prompt was compared with.
    pub phrase: String,
    /// Cosine of the two texts, -1 to 1.
    pub similarity: f64,
    /// Probability among the values of its group, 0 to 1.
    pub share: f64,
}

/// What a model is made of.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ModelFacts {
    /// Widths of the text encoders' states.
    pub text_widths: Vec<usize>,
    /// Numbers in each of its parts: text encoders, UNet, autoencoder.
    pub parameters: [u64; 3],
    /// Time from the first byte to readiness.
    pub took_ms: f64,
}

/// One step of the loop.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepReport {
    /// Which, from 0.
    pub index: usize,
    /// How many there are.
    pub total: usize,
    /// The timestep that the network was told.
    pub timestep: f64,
    /// Noise for one unit of signal.
    pub sigma: f32,
    /// Size of what guidance added.
    pub guidance: Option<f32>,
    /// Width of the latents.
    pub width: usize,
    /// Height of the latents.
    pub height: usize,
    /// Width and height of the picture of all channels.
    pub channels_size: (usize, usize),
    /// Channels.
    pub channels: usize,
    /// Time since the task began.
    pub at_ms: f64,
}

/// Why a task cannot be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Which kind.
    pub reason: Reason,
    /// What happened, in English.
    pub message: String,
}

/// Kinds of refusals, which the page has words for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reason {
    /// The server is out of reach and the browser has not kept what is needed.
    Offline,
    /// The server has no such model, or it is too large for a browser.
    NoModel,
    /// A file is not one that can be read here.
    Unreadable,
    /// The pictures differ in size or are too small.
    NotComparable,
    /// The engine refuses.
    Engine,
}

/// Errors and texts alike, taken as they come out of `map_err`.
fn text_of<M: ToString>(message: M) -> String {
    let text = message.to_string();
    drop(message);
    text
}

impl Refusal {
    /// A refusal of a kind.
    pub fn new<M: ToString>(reason: Reason, message: M) -> Self {
        Self { reason, message: text_of(message) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_survive_the_way() {
        let request = Request {
            id: 7,
            task: Task::CheckPrompt {
                model: "chapan-mini".to_owned(),
                prompt: "күлкі, \u{1f600}".to_owned(),
                weighting: true,
                wanted: vec![Feature { group: "hair".to_owned(), value: "topknot".to_owned() }],
            },
        };
        let text = serde_json::to_string(&request).unwrap();
        assert_eq!(serde_json::from_str::<Request>(&text).unwrap(), request);
    }

    #[test]
    fn steps_are_followed_by_more_and_ends_are_not() {
        assert!(!Answer::Encoded { at_ms: 1.0 }.is_last());
        assert!(Answer::Decoded.is_last());
        assert!(Answer::Crashed { message: String::new() }.is_last());
    }
}
