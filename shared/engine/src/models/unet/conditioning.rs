//! What a picture is conditioned on: the same in every step, so the work on it is done once.

use std::sync::OnceLock;

use candle_core::{DType, Tensor};

use crate::nn::is_recording;
use crate::{Error, Result};

/// Numbers the cross-attention layers of a network while it is built.
#[derive(Debug, Default)]
pub(super) struct CrossSlot(usize);

impl CrossSlot {
    pub fn next(&mut self) -> usize {
        self.0 += 1;
        self.0 - 1
    }

    pub fn count(&self) -> usize {
        self.0
    }
}

/// Text and size conditioning of a batch.
///
/// Made by [`super::UNet2DConditionModel::condition`] once for a picture and passed to every step: keys and values that
/// the cross-attention layers compute from the text are kept in it. It belongs to the network that made it. While gradients
/// are recorded it is made anew for every step.
#[derive(Debug)]
pub struct Conditioning {
    /// `(batch, tokens, width)`.
    context: Tensor,
    /// `(batch, size)`, added to the time embedding.
    added: Option<Tensor>,
    cache: Vec<OnceLock<(Tensor, Tensor)>>,
    /// The same for every item of the batch, for networks that run the items side by side.
    items: Vec<Conditioning>,
    /// Whether blocks are run again on the way back instead of being remembered.
    recomputes: bool,
}

impl Conditioning {
    pub(super) fn new(context: Tensor, added: Option<Tensor>, slots: usize) -> Result<Self> {
        let batch = context.dim(0)?;
        let single = |context: Tensor, added: Option<Tensor>| Self {
            context,
            added,
            cache: (0..slots).map(|_| OnceLock::new()).collect(),
            items: Vec::new(),
            recomputes: false,
        };
        let mut whole = single(context, added);
        if batch > 1 && !whole.tracks_gradients() {
            for item in 0..batch {
                let added = whole.added.as_ref().map(|added| added.narrow(0, item, 1)).transpose()?;
                whole.items.push(single(whole.context.narrow(0, item, 1)?, added));
            }
        }
        Ok(whole)
    }

    fn tracks_gradients(&self) -> bool {
        is_recording() || self.context.track_op() || self.added.as_ref().is_some_and(Tensor::track_op)
    }

    /// The same for networks that remember no more of a recorded pass than what goes into each block: less memory, and about
    /// a third more time. Gradients are the same.
    #[must_use]
    pub fn recomputing(mut self) -> Self {
        self.recomputes = true;
        self
    }

    pub(super) fn recomputes(&self) -> bool {
        self.recomputes
    }

    /// The text alone, for one block that is run again.
    pub(super) fn of_block(context: Tensor, slots: usize) -> Self {
        let cache = (0..slots).map(|_| OnceLock::new()).collect();
        Self { context, added: None, cache, items: Vec::new(), recomputes: false }
    }

    pub(super) fn context(&self) -> &Tensor {
        &self.context
    }

    pub(super) fn slots(&self) -> usize {
        self.cache.len()
    }

    /// Number of items in the batch.
    pub fn batch(&self) -> usize {
        self.context.dims()[0]
    }

    pub(super) fn added(&self) -> Option<&Tensor> {
        self.added.as_ref()
    }

    pub(super) fn items(&self) -> &[Self] {
        &self.items
    }

    pub(super) fn dtype(&self) -> DType {
        self.context.dtype()
    }

    /// Keys and values of cross-attention layer `slot`: computed the first time, kept for the next steps.
    pub(super) fn keys_and_values(
        &self,
        slot: usize,
        compute: impl FnOnce(&Tensor) -> Result<(Tensor, Tensor)>,
    ) -> Result<(Tensor, Tensor)> {
        let kept = self
            .cache
            .get(slot)
            .ok_or_else(|| Error::shape("unet", "conditioning made by this network", self.context.dims()))?;
        if let Some((k, v)) = kept.get() {
            return Ok((k.clone(), v.clone()));
        }
        let (k, v) = compute(&self.context)?;
        if !k.track_op() && !is_recording() {
            // A second thread may have been first: both computed the same.
            let _ = kept.set((k.clone(), v.clone()));
        }
        Ok((k, v))
    }
}
