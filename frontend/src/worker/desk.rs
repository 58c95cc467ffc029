//! One worker and the tasks that wait for it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use chapan_worker::messages::{Answer, Refusal, Reply, Request, Task};
use js_sys::{Array, ArrayBuffer, Promise, Uint8Array};
use leptos::task::spawn_local;
use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use wasm_bindgen_futures::JsFuture;
use web_sys::{MessageEvent, Worker};

use super::program::{self, Program};
use crate::api::Failure;

/// Why a task came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The worker died; the next task starts another.
    Crashed,
    /// Somebody stopped it.
    Stopped,
    /// The worker refused the task.
    Refused(Refusal),
}

/// An answer and its buffers.
pub struct Given {
    /// The answer.
    pub answer: Answer,
    buffers: Vec<ArrayBuffer>,
}

impl Given {
    /// The bytes of a buffer; none where there is no such buffer.
    pub fn bytes(&self, index: usize) -> Vec<u8> {
        self.buffers.get(index).map(|buffer| Uint8Array::new(buffer).to_vec()).unwrap_or_default()
    }
}

type Listener = Rc<dyn Fn(Result<Given, Failure>)>;

/// A worker that is started when the first task comes.
#[derive(Clone)]
pub struct Desk(Rc<RefCell<State>>);

#[derive(Default)]
struct State {
    running: Running,
    waiting: BTreeMap<u32, Listener>,
    /// Tasks that came before the worker was ready.
    unsent: Vec<(Array, Array)>,
    count: u32,
    /// Grows with every worker, so that nothing of an old one is taken for the new one's.
    generation: u32,
}

#[derive(Default)]
enum Running {
    #[default]
    No,
    Starting(Option<Process>),
    Yes(Process),
}

/// A started worker; ends when dropped.
struct Process {
    worker: Worker,
    _on_message: Closure<dyn Fn(MessageEvent)>,
    _on_error: Closure<dyn Fn()>,
}

impl Drop for Process {
    fn drop(&mut self) {
        self.worker.set_onmessage(None);
        self.worker.set_onerror(None);
        self.worker.terminate();
    }
}

impl Desk {
    /// A desk without a worker yet.
    pub fn new() -> Self {
        Self(Rc::default())
    }

    /// Gives a task to the worker. `tell` hears every answer; after the last one or a failure it hears no more.
    pub fn ask(&self, task: Task, buffers: &[ArrayBuffer], tell: impl Fn(Result<Given, Failure>) + 'static) {
        let start = {
            let mut state = self.0.borrow_mut();
            state.count += 1;
            let id = state.count;
            let Ok(text) = serde_json::to_string(&Request { id, task }) else { return };
            let (message, transfer) = (Array::of1(&JsValue::from_str(&text)), Array::new());
            for buffer in buffers {
                message.push(buffer);
                transfer.push(buffer);
            }
            state.waiting.insert(id, Rc::new(tell));
            if let Running::Yes(process) = &state.running {
                drop(process.worker.post_message_with_transfer(&message, &transfer));
            } else {
                state.unsent.push((message, transfer));
            }
            matches!(state.running, Running::No)
        };
        if start {
            self.start();
        }
    }

    /// Gives a task to the worker and waits for the last answer.
    pub async fn answer(&self, task: Task, buffers: &[ArrayBuffer]) -> Result<Given, Failure> {
        let slot = Rc::new(RefCell::new(None));
        let promise = Promise::new(&mut |resolve, _| {
            let slot = slot.clone();
            self.ask(task.clone(), buffers, move |told| {
                if told.as_ref().map_or(true, |given| given.answer.is_last()) {
                    slot.replace(Some(told));
                    drop(resolve.call0(&JsValue::NULL));
                }
            });
        });
        drop(JsFuture::from(promise).await);
        slot.take().unwrap_or(Err(Failure::Worker(Fault::Stopped)))
    }

    /// Ends the worker at once, whatever it does. The next task starts another.
    pub fn stop(&self) {
        self.end(&Failure::Worker(Fault::Stopped));
    }

    fn start(&self) {
        let generation = {
            let mut state = self.0.borrow_mut();
            state.running = Running::Starting(None);
            state.generation
        };
        let desk = self.clone();
        spawn_local(async move {
            let loaded = program::load().await;
            if desk.0.borrow().generation != generation {
                return;
            }
            let started = loaded.and_then(|program| desk.spawn(&program));
            match started {
                Ok(process) => desk.0.borrow_mut().running = Running::Starting(Some(process)),
                Err(failure) => desk.end(&failure),
            }
        });
    }

    fn spawn(&self, Program { script, module }: &Program) -> Result<Process, Failure> {
        let crashed = |_| Failure::Worker(Fault::Crashed);
        let worker = Worker::new(script).map_err(crashed)?;
        let desk = self.clone();
        let on_message =
            Closure::<dyn Fn(MessageEvent)>::new(move |event: MessageEvent| desk.hear(&event.data()));
        let desk = self.clone();
        let on_error = Closure::<dyn Fn()>::new(move || desk.end(&Failure::Worker(Fault::Crashed)));
        worker.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        worker.set_onerror(Some(on_error.as_ref().unchecked_ref()));
        worker.post_message(module).map_err(crashed)?;
        Ok(Process { worker, _on_message: on_message, _on_error: on_error })
    }

    fn hear(&self, message: &JsValue) {
        let parts = Array::from(message);
        let text = parts.get(0).as_string().unwrap_or_default();
        let Ok(Reply { id, answer }) = serde_json::from_str(&text) else { return };
        match answer {
            Answer::Ready => self.ready(),
            Answer::Crashed { message } => {
                web_sys::console::warn_1(&JsValue::from_str(&message));
                // Not inside the listener of the worker that is ended.
                let desk = self.clone();
                spawn_local(async move { desk.end(&Failure::Worker(Fault::Crashed)) });
            }
            answer => {
                let Some(id) = id else { return };
                let last = answer.is_last();
                let listener = {
                    let mut state = self.0.borrow_mut();
                    if last { state.waiting.remove(&id) } else { state.waiting.get(&id).cloned() }
                };
                let told = match answer {
                    Answer::Refused(refusal) => Err(Failure::Worker(Fault::Refused(refusal))),
                    answer => {
                        let buffers = parts.iter().skip(1).filter_map(|part| part.dyn_into().ok()).collect();
                        Ok(Given { answer, buffers })
                    }
                };
                if let Some(listener) = listener {
                    listener(told);
                }
            }
        }
    }

    fn ready(&self) {
        let mut state = self.0.borrow_mut();
        if let Running::Starting(process) = &mut state.running
            && let Some(process) = process.take()
        {
            for (message, transfer) in state.unsent.drain(..) {
                drop(process.worker.post_message_with_transfer(&message, &transfer));
            }
            state.running = Running::Yes(process);
        }
    }

    fn end(&self, failure: &Failure) {
        let (ended, waiting) = {
            let mut state = self.0.borrow_mut();
            state.generation += 1;
            state.unsent.clear();
            (std::mem::take(&mut state.running), std::mem::take(&mut state.waiting))
        };
        drop(ended);
        for listener in waiting.into_values() {
            listener(Err(failure.clone()));
        }
    }
}
