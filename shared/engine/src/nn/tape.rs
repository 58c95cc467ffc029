//! What training remembers of a forward pass, and the way back through it.
//!
//! Candle can differentiate, but it computes gradients of frozen weights too, keeps every one of them until it is done, and
//! convolves backwards in plain loops. Training a low-rank adapter needs none of that: gradients of its factors, and of what
//! lies between them and the loss; and training whole networks on the CPU needs convolutions that go back as fast as they go forth. So a layer that is called while a [`Tape`] runs, and whose input or weights depend on
//! something watched, leaves a note of how to come back; [`Tape::backward`] reads the notes from the end. Nothing is noted
//! for the rest, a note is dropped once it is read, and a gradient once it is used.
//!
//! A tape belongs to the thread that records: the items of a batch are recorded side by side, each on a tape of its own. An
//! item that is taken up by a thread that waits inside another item is begun and ended within that wait, so putting back the
//! tape that was there before is enough.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use candle_core::{DType, Tensor, TensorId, Var};

use super::cpu;
use crate::{Error, Result};

/// How to come from the gradient of a result to those of its inputs.
type Backward = Box<dyn FnOnce(&Tensor, &mut Gradients) -> Result<()>>;

struct Note {
    output: TensorId,
    backward: Backward,
}

/// What a forward pass left behind.
#[derive(Default)]
pub struct Tape {
    /// Tensors that depend on something watched, and the watched ones themselves.
    followed: HashSet<TensorId>,
    /// Leaves, whose gradients are the result.
    watched: Rc<HashSet<TensorId>>,
    notes: Vec<Note>,
}

thread_local!(static RUNNING: RefCell<Option<Tape>> = const { RefCell::new(None) });

/// Puts back the tape that ran before, also when something panics.
struct Before(Option<Tape>);

impl Drop for Before {
    fn drop(&mut self) {
        RUNNING.set(self.0.take());
    }
}

/// Runs `forward` and notes everything in it that depends on the tensors `watched`.
///
/// # Errors
/// Those of `forward`.
pub fn record<T>(watched: &[&Tensor], forward: impl FnOnce() -> Result<T>) -> Result<(T, Tape)> {
    let ids: HashSet<TensorId> = watched.iter().map(|tensor| tensor.id()).collect();
    record_ids(Rc::new(ids), forward)
}

fn record_ids<T>(watched: Rc<HashSet<TensorId>>, forward: impl FnOnce() -> Result<T>) -> Result<(T, Tape)> {
    let tape = Tape { followed: watched.iter().copied().collect(), watched, notes: Vec::new() };
    let before = Before(RUNNING.replace(Some(tape)));
    let result = forward();
    let tape = RUNNING.take().unwrap_or_default();
    drop(before);
    Ok((result?, tape))
}

/// Runs `work` without noting anything.
pub(super) fn paused<T>(work: impl FnOnce() -> T) -> T {
    let _before = Before(RUNNING.take());
    work()
}

/// Whether a tape runs on this thread.
pub fn is_recording() -> bool {
    RUNNING.with_borrow(Option::is_some)
}

/// Whether a tape runs and one of `tensors` depends on something watched.
pub(super) fn follows(tensors: &[&Tensor]) -> bool {
    RUNNING.with_borrow(|tape| {
        tape.as_ref().is_some_and(|tape| tensors.iter().any(|tensor| tape.followed.contains(&tensor.id())))
    })
}

/// Notes how to come back from `output`.
pub(super) fn note(output: &Tensor, backward: impl FnOnce(&Tensor, &mut Gradients) -> Result<()> + 'static) {
    RUNNING.with_borrow_mut(|tape| {
        if let Some(tape) = tape {
            tape.followed.insert(output.id());
            tape.notes.push(Note { output: output.id(), backward: Box::new(backward) });
        }
    });
}

/// A function of tensors in candle's own operations, noted if need be. The way back runs it again under candle's
/// differentiation: for what is small, or for devices that have no kernels of ours.
pub fn traced(
    inputs: &[&Tensor],
    function: impl Fn(&[&Tensor]) -> Result<Tensor> + 'static,
) -> Result<Tensor> {
    let y = function(inputs)?;
    if !follows(inputs) {
        return Ok(y);
    }
    // A function may give back its input: the note needs a name of its own.
    let y = if inputs.iter().any(|x| x.id() == y.id()) { (&y * 1.0)? } else { y };
    let inputs: Vec<Tensor> = inputs.iter().map(|x| (*x).clone()).collect();
    note(&y, move |gradient, gradients| by_candle(&inputs, gradient, gradients, function));
    Ok(y)
}

/// A number that is known together with its gradient with respect to `x`, such as a loss written out by hand.
pub fn valued(x: &Tensor, value: f64, gradient: Tensor) -> Result<Tensor> {
    let y = Tensor::new(value as f32, x.device())?;
    if follows(&[x]) {
        let x = x.clone();
        note(&y, move |upstream, gradients| {
            let factor = f64::from(upstream.to_dtype(DType::F32)?.to_scalar::<f32>()?);
            gradients.add(&x, &if factor == 1.0 { gradient } else { (gradient * factor)? })
        });
    }
    Ok(y)
}

/// The way back by candle: `function` is run again on variables.
pub(super) fn by_candle(
    inputs: &[Tensor],
    gradient: &Tensor,
    gradients: &mut Gradients,
    function: impl Fn(&[&Tensor]) -> Result<Tensor>,
) -> Result<()> {
    let variables = inputs.iter().map(|x| Ok(Var::from_tensor(&x.detach())?)).collect::<Result<Vec<_>>>()?;
    let tensors: Vec<&Tensor> = variables.iter().map(Var::as_tensor).collect();
    let found = (function(&tensors)? * gradient.contiguous()?)?.sum_all()?.backward()?;
    for (x, variable) in inputs.iter().zip(&variables) {
        if let Some(gradient) = found.get(variable) {
            gradients.add(x, &gradient.detach())?;
        }
    }
    Ok(())
}

/// Runs `block` on `inputs` without remembering anything inside it: it is run again on the way back. The same result and the
/// same gradients for less memory and more time. Without a tape it is only run.
pub fn recomputed(
    inputs: Vec<Tensor>,
    block: impl Fn(&[Tensor]) -> Result<Tensor> + 'static,
) -> Result<Tensor> {
    if !is_recording() {
        return block(&inputs);
    }
    let y = paused(|| block(&inputs))?;
    note(&y, move |gradient, gradients| {
        let mut watched: HashSet<TensorId> = gradients.watched.iter().copied().collect();
        watched.extend(inputs.iter().filter(|x| gradients.wants(x)).map(Tensor::id));
        let (y, tape) = record_ids(Rc::new(watched), || block(&inputs))?;
        for (id, gradient) in tape.backward(&y, gradient)?.by_id {
            gradients.add_id(id, &gradient)?;
        }
        Ok(())
    });
    Ok(y)
}

impl Tape {
    /// Gradients of the watched tensors, from `gradient`, that of the loss with respect to `output`.
    ///
    /// # Errors
    /// When a tensor computation fails.
    pub fn backward(self, output: &Tensor, gradient: &Tensor) -> Result<Gradients> {
        let mut gradients =
            Gradients { by_id: HashMap::new(), followed: self.followed, watched: self.watched };
        gradients.add(output, gradient)?;
        paused(|| {
            for Note { output, backward } in self.notes.into_iter().rev() {
                // What does not lead to the output has no gradient.
                if let Some(gradient) = gradients.by_id.remove(&output) {
                    backward(&gradient, &mut gradients)?;
                }
            }
            Ok::<(), Error>(())
        })?;
        let watched = gradients.watched.clone();
        gradients.by_id.retain(|id, _| watched.contains(id));
        Ok(gradients)
    }

    /// How many results are remembered.
    pub fn len(&self) -> usize {
        self.notes.len()
    }

    /// Whether nothing is.
    pub fn is_empty(&self) -> bool {
        self.notes.is_empty()
    }
}

impl std::fmt::Debug for Tape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tape({} notes)", self.notes.len())
    }
}

/// Gradients by tensor.
#[derive(Debug)]
pub struct Gradients {
    by_id: HashMap<TensorId, Tensor>,
    followed: HashSet<TensorId>,
    watched: Rc<HashSet<TensorId>>,
}

impl Gradients {
    /// The gradient of a watched tensor, if the output depends on it.
    pub fn get(&self, tensor: &Tensor) -> Option<&Tensor> {
        self.by_id.get(&tensor.id())
    }

    /// The same, taken out.
    pub fn take(&mut self, tensor: &Tensor) -> Option<Tensor> {
        self.by_id.remove(&tensor.id())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Whether `x` depends on something watched: the gradient of anything else is not asked for.
    pub(super) fn wants(&self, x: &Tensor) -> bool {
        self.followed.contains(&x.id())
    }

    /// Adds to the gradient of `x`, if it is wanted.
    pub(super) fn add(&mut self, x: &Tensor, gradient: &Tensor) -> Result<()> {
        if self.wants(x) { self.add_id(x.id(), gradient) } else { Ok(()) }
    }

    fn add_id(&mut self, id: TensorId, gradient: &Tensor) -> Result<()> {
        let sum = match self.by_id.remove(&id) {
            Some(before) => sum(&before, gradient)?,
            None => gradient.clone(),
        };
        self.by_id.insert(id, sum);
        Ok(())
    }

    /// What is known so far of the gradient of `x`.
    pub(super) fn so_far(&self, x: &Tensor) -> Option<Tensor> {
        self.by_id.get(&x.id()).cloned()
    }

    /// Replaces the gradient of `x`, if it is wanted, by what `compute` makes of the one so far: kernels add it on their way.
    pub(super) fn update(
        &mut self,
        x: &Tensor,
        compute: impl FnOnce(Option<&Tensor>) -> Result<Tensor>,
    ) -> Result<()> {
        if self.wants(x) {
            let before = self.by_id.remove(&x.id());
            self.by_id.insert(x.id(), compute(before.as_ref())?);
        }
        Ok(())
    }
}

/// `a + b`, in the layout of pictures where they are pictures.
fn sum(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    if a.rank() == 4 && cpu::is_fast(&[a, b]) { cpu::scale_and_add(a, 1.0, b) } else { Ok((a + b)?) }
}

/// `a + b` of the same shape, noted if need be.
pub fn add(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let y = sum(a, b)?;
    if follows(&[a, b]) {
        let (a, b) = (a.clone(), b.clone());
        note(&y, move |gradient, gradients| {
            gradients.add(&a, gradient)?;
            gradients.add(&b, gradient)
        });
    }
    Ok(y)
}

/// `x * factor`, noted if need be.
pub fn scale(x: &Tensor, factor: f64) -> Result<Tensor> {
    if factor == 1.0 {
        return Ok(x.clone());
    }
    let times = move |x: &Tensor| -> Result<Tensor> {
        // A picture's memory is walked as it lies.
        if x.rank() == 4 && cpu::is_fast(&[x]) {
            let lying = x.permute((0, 2, 3, 1))?.contiguous()?;
            return Ok((lying * factor)?.permute((0, 3, 1, 2))?);
        }
        Ok((x * factor)?)
    };
    let y = times(x)?;
    if follows(&[x]) {
        let x = x.clone();
        note(&y, move |gradient, gradients| gradients.add(&x, &times(gradient)?));
    }
    Ok(y)
}

/// A view of `x` and the way back from a gradient of it, noted if need be.
pub(super) fn viewed(
    x: &Tensor,
    view: impl FnOnce(&Tensor) -> Result<Tensor>,
    back: impl FnOnce(&Tensor) -> Result<Tensor> + 'static,
) -> Result<Tensor> {
    let y = view(x)?;
    if follows(&[x]) {
        let y = if y.id() == x.id() { (&y * 1.0)? } else { y };
        let x = x.clone();
        note(&y, move |gradient, gradients| gradients.add(&x, &back(gradient)?));
        return Ok(y);
    }
    Ok(y)
}
