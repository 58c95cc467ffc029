//! Looking at activations inside a network.

use candle_core::Tensor;

/// A function that is shown activations by name.
type See<'a> = dyn FnMut(&str, &Tensor) + Send + 'a;

/// Is shown selected activations by the name of the module that made them. Costs nothing when empty.
#[derive(Default)]
pub struct Tap<'a> {
    see: Option<&'a mut See<'a>>,
}

impl<'a> Tap<'a> {
    /// A tap that looks at nothing.
    pub fn none() -> Self {
        Self::default()
    }

    /// A tap that shows every tapped activation to `see`.
    pub fn new(see: &'a mut (dyn FnMut(&str, &Tensor) + Send + 'a)) -> Self {
        Self { see: Some(see) }
    }

    /// True if nothing looks.
    pub fn is_none(&self) -> bool {
        self.see.is_none()
    }

    /// Shows `tensor` as the output of module `name`.
    pub fn show(&mut self, name: &str, tensor: &Tensor) {
        if let Some(see) = &mut self.see {
            see(name, tensor);
        }
    }
}

impl std::fmt::Debug for Tap<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tap({})", if self.is_none() { "none" } else { "seeing" })
    }
}
