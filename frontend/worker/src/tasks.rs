//! Each task of the page, from its message to its last answer.

use std::cell::RefCell;
use std::rc::Rc;

use js_sys::{Array, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::DedicatedWorkerGlobalScope;

use chapan_worker::check::{Counter, Reader, check};
use chapan_worker::compare::measure;
use chapan_worker::draw::Easel;
use chapan_worker::messages::{Answer, Drawing, Feature, Reason, Refusal, Reply, Task};
use chapan_worker::{files, png};

/// The CLIP that ships.
const CLIP: &str = "chapan-mini-clip";

thread_local! {
    static EASEL: RefCell<Option<(String, Rc<Easel>)>> = const { RefCell::new(None) };
    static COUNTER: RefCell<Option<(String, Rc<Counter>)>> = const { RefCell::new(None) };
    static READER: RefCell<Option<Rc<Reader>>> = const { RefCell::new(None) };
}

fn scope() -> DedicatedWorkerGlobalScope {
    js_sys::global().unchecked_into()
}

/// Milliseconds of the worker's clock.
fn now() -> f64 {
    scope().performance().map_or(0.0, |clock| clock.now())
}

/// Sends a message with its buffers.
pub fn post(reply: &Reply, buffers: Vec<Vec<u8>>) {
    let Ok(text) = serde_json::to_string(reply) else { return };
    let (message, transfer) = (Array::of1(&JsValue::from_str(&text)), Array::new());
    for buffer in buffers {
        let buffer = Uint8Array::from(buffer.as_slice()).buffer();
        message.push(&buffer);
        transfer.push(&buffer);
    }
    // A page that is gone hears nothing, and the worker goes with it.
    drop(scope().post_message_with_transfer(&message, &transfer));
}

/// Does a task and answers it.
pub async fn run(id: u32, task: Task, buffers: Vec<JsValue>) {
    let buffers: Vec<Vec<u8>> = buffers.iter().map(|buffer| Uint8Array::new(buffer).to_vec()).collect();
    let tell = |answer: Answer, buffers: Vec<Vec<u8>>| post(&Reply { id: Some(id), answer }, buffers);
    let done = match task {
        Task::Compare { palette } => compare(&buffers, &palette).await,
        Task::CheckPrompt { model, prompt, weighting, wanted } => {
            check_prompt(&model, &prompt, weighting, &wanted).await
        }
        Task::Prepare { model } => {
            prepare(&model, &tell).await.map(|easel| (Answer::Prepared(easel.facts.clone()), Vec::new()))
        }
        Task::Draw(drawing) => draw(&drawing, &tell).await,
        Task::Decode { width, height } => decode(&buffers, width, height),
    };
    let (answer, buffers) = done.unwrap_or_else(|refusal| (Answer::Refused(refusal), Vec::new()));
    tell(answer, buffers);
}

type Done = Result<(Answer, Vec<Vec<u8>>), Refusal>;

fn engine(error: impl ToString) -> Refusal {
    Refusal::new(Reason::Engine, error)
}

async fn compare(files: &[Vec<u8>], palette: &[[u8; 3]]) -> Done {
    let unreadable = || Refusal::new(Reason::Unreadable, "not a picture of the studio");
    let [first, second] = files else { return Err(unreadable()) };
    let first = png::decode(first).await.ok_or_else(unreadable)?;
    let second = png::decode(second).await.ok_or_else(unreadable)?;
    let start = now();
    let (mut comparison, map) = measure(&first, &second, palette, &now)?;
    comparison.took_ms = now() - start;
    Ok((Answer::Compared(comparison), vec![map]))
}

async fn check_prompt(model: &str, prompt: &str, weighting: bool, wanted: &[Feature]) -> Done {
    let reader = READER.with_borrow(Clone::clone);
    let reader = if let Some(reader) = reader {
        reader
    } else {
        let files = files::fetch(&scope(), CLIP, |_| true, |_, _| {}).await?;
        let reader = Rc::new(Reader::new(files).map_err(engine)?);
        READER.set(Some(reader.clone()));
        reader
    };
    let (counter, exact) = counter(model).await?;
    let start = now();
    let mut report = check(&counter, &reader, prompt, weighting, wanted).map_err(engine)?;
    report.took_ms = now() - start;
    report.exact = exact;
    Ok((Answer::Checked(Box::new(report)), Vec::new()))
}

/// The tokenizers of a model; of the small CLIP, and `false`, for a model that the browser cannot have.
async fn counter(model: &str) -> Result<(Rc<Counter>, bool), Refusal> {
    for (id, exact) in [(model, true), (CLIP, false)] {
        let known = COUNTER.with_borrow(|known| known.clone().filter(|(known, _)| known == id));
        if let Some((_, counter)) = known {
            return Ok((counter, exact));
        }
        let is_tokenizer = |path: &str| !path.ends_with(".safetensors");
        match files::fetch(&scope(), id, is_tokenizer, |_, _| {}).await {
            Ok(files) => {
                let counter = Rc::new(Counter::new(&files).map_err(engine)?);
                COUNTER.set(Some((id.to_owned(), counter.clone())));
                return Ok((counter, exact));
            }
            Err(Refusal { reason: Reason::NoModel, .. }) if exact => {}
            Err(refusal) => return Err(refusal),
        }
    }
    Err(Refusal::new(Reason::NoModel, "no tokenizer"))
}

/// The easel of a model, loaded if it is not there yet.
async fn prepare(model: &str, tell: &impl Fn(Answer, Vec<Vec<u8>>)) -> Result<Rc<Easel>, Refusal> {
    let held = EASEL.with_borrow(|held| held.clone().filter(|(id, _)| id == model));
    if let Some((_, easel)) = held {
        return Ok(easel);
    }
    let start = now();
    let progress = |done, total| tell(Answer::Fetching { done, total }, Vec::new());
    let files = files::fetch(&scope(), model, |_| true, progress).await?;
    // Of a model that is too large to draw with here only the tokenizers come.
    if !files.keys().any(|path| path.ends_with(".safetensors")) {
        return Err(Refusal::new(Reason::NoModel, format!("`{model}` is too large for a browser")));
    }
    // One model at a time: the old one goes before the new one comes.
    EASEL.set(None);
    let mut easel = Easel::new(files).map_err(engine)?;
    easel.facts.took_ms = now() - start;
    let easel = Rc::new(easel);
    EASEL.set(Some((model.to_owned(), easel.clone())));
    Ok(easel)
}

async fn draw(drawing: &Drawing, tell: &impl Fn(Answer, Vec<Vec<u8>>)) -> Done {
    let easel = prepare(&drawing.model, tell).await?;
    let start = now();
    let picture = easel.draw(drawing, || now() - start, tell).map_err(engine)?;
    Ok((Answer::Drawn { at_ms: now() - start }, vec![picture]))
}

fn decode(buffers: &[Vec<u8>], width: u32, height: u32) -> Done {
    let held = EASEL.with_borrow(Clone::clone);
    let (Some((_, easel)), [latents]) = (held, buffers) else {
        return Err(Refusal::new(Reason::NoModel, "no model is loaded"));
    };
    Ok((Answer::Decoded, vec![easel.decode(latents, width, height).map_err(engine)?]))
}
