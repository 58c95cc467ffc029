//! A device and the one thread that uses it.
//!
//! The engine computes for seconds without a pause, so it never runs on a thread that answers requests. Work is a closure;
//! a panic in it is caught and told to whoever waits, and the thread goes on with the next.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};

use chapan_api::id::ModelId;
use chapan_engine::lora::Lora;
use chapan_engine::models::Upscaler;
use chapan_engine::pipelines::StableDiffusionXl;
use chapan_engine::{DType, Device};
use tokio::sync::oneshot;

use super::analysing::Looking;
use super::competition::Looks;
use super::training::KeptExamples;

/// A device that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// The name is not one of ours.
    #[error("`{0}` is not a device\nhint: use auto, cpu, cuda:0 or metal")]
    Unknown(String),
    /// The device is not there, or this program was built without it.
    #[error(
        "the device `{name}` cannot be used: {reason}\nhint: use `--device cpu`, or a build with this device"
    )]
    Missing {
        /// The device.
        name: String,
        /// What its driver said.
        reason: String,
    },
    /// The thread could not be started.
    #[error("the device's thread cannot be started: {0}\nhint: free some memory and try again")]
    Thread(#[from] std::io::Error),
}

/// Opens a device by name: its name in full, and the number format that models get there.
pub fn open_device(name: &str) -> Result<(String, Device, DType), DeviceError> {
    let (kind, index) = name.split_once(':').unwrap_or((name, "0"));
    let index = usize::from_str(index).map_err(|_| DeviceError::Unknown(name.to_owned()))?;
    // On an accelerator weights take 16 bits; bfloat16 keeps the range in which SDXL's decoder computes.
    match kind {
        "cpu" => Ok(("cpu".to_owned(), Device::Cpu, DType::F32)),
        "cuda" => Ok((
            format!("cuda:{index}"),
            Device::new_cuda(index).map_err(|e| missing(name, &e))?,
            DType::BF16,
        )),
        "metal" => {
            Ok(("metal".to_owned(), Device::new_metal(index).map_err(|e| missing(name, &e))?, DType::BF16))
        }
        "auto" => Ok(open_device("cuda:0")
            .or_else(|_| open_device("metal"))
            .unwrap_or_else(|_| ("cpu".to_owned(), Device::Cpu, DType::F32))),
        _ => Err(DeviceError::Unknown(name.to_owned())),
    }
}

fn missing(name: &str, reason: &dyn std::error::Error) -> DeviceError {
    DeviceError::Missing { name: name.to_owned(), reason: reason.to_string() }
}

/// What the thread works with: its device and the model that it holds.
#[derive(Debug)]
pub struct Bench {
    /// The device's name, as pictures record it.
    pub name: String,
    /// The device.
    pub device: Device,
    /// The number format of weights.
    pub dtype: DType,
    /// The model in memory. One: a second would have to share the memory that pictures need.
    pub loaded: Option<Loaded>,
    /// The upscaler in memory, with the SHA-256 of its weights; small beside a model.
    pub upscaler: Option<(String, Upscaler)>,
    /// The CLIP in memory; small beside a model.
    pub looking: Option<Looking>,
    /// Pictures of the last training that stopped, encoded.
    pub examples: Option<KeptExamples>,
    /// What was seen of the last competition that stopped.
    pub looks: Looks,
}

/// A model in memory.
#[derive(Debug)]
pub struct Loaded {
    /// Which.
    pub id: ModelId,
    /// SHA-256 of its weights when it was read; another value on disk means another model.
    pub sha256: String,
    /// The model.
    pub pipeline: StableDiffusionXl,
    /// LoRAs that were read for it, by the SHA-256 of their files.
    pub loras: BTreeMap<String, Arc<Lora>>,
}

/// The work panicked; the device goes on, without the model that it held.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the work panicked: {0}")]
pub struct Crash(pub String);

type Work = Box<dyn FnOnce(&mut Bench) + Send>;

/// The thread of one device. Ends when this handle is dropped and its work is done.
#[derive(Debug)]
pub struct DeviceThread {
    work: Sender<Work>,
}

impl DeviceThread {
    /// Starts the thread.
    pub fn start(name: String, device: Device, dtype: DType) -> Result<Self, DeviceError> {
        let (work, inbox) = channel::<Work>();
        std::thread::Builder::new().name(format!("engine {name}")).spawn(move || {
            let mut bench = Bench {
                name,
                device,
                dtype,
                loaded: None,
                upscaler: None,
                looking: None,
                examples: None,
                looks: Looks::default(),
            };
            for work in inbox {
                work(&mut bench);
            }
        })?;
        Ok(Self { work })
    }

    /// Has the thread do some work and gives its result, or the crash that ended it.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Bench) -> T + Send + 'static,
    ) -> Result<T, Crash> {
        let (reply, answer) = oneshot::channel();
        let guarded = move |bench: &mut Bench| {
            // The bench survives a panic: the parts that could be half-changed, the models, are dropped.
            let done = catch_unwind(AssertUnwindSafe(|| work(bench))).map_err(|panic| {
                bench.loaded = None;
                bench.upscaler = None;
                bench.looking = None;
                bench.examples = None;
                Crash(panic_text(&*panic))
            });
            // Nobody waits any more when the server stops; then the result is of no use.
            let _unwanted = reply.send(done);
        };
        let gone = || Crash("the device's thread has ended".to_owned());
        self.work.send(Box::new(guarded)).map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_ends_the_work_and_not_the_thread() {
        let (name, device, dtype) = open_device("cpu").unwrap();
        let thread = DeviceThread::start(name, device, dtype).unwrap();
        let crash = thread.run(|_| panic!("a step that went wrong")).await;
        assert_eq!(crash, Err::<(), _>(Crash("a step that went wrong".to_owned())));
        assert_eq!(thread.run(|bench| bench.name.clone()).await.unwrap(), "cpu");
    }

    #[test]
    fn names_of_devices_are_checked() {
        for name in ["gpu", "cuda:x", ""] {
            let error = open_device(name).unwrap_err().to_string();
            assert!(error.contains(&format!("`{name}`")) && error.contains("hint:"), "{error}");
        }
        assert!(open_device("auto").is_ok());
    }
}
