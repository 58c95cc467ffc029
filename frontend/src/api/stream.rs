//! An open stream of server-sent events, as text.

use wasm_bindgen::{JsCast, closure::Closure};
use web_sys::{EventSource, MessageEvent};

/// An open stream; closes when dropped. The browser reconnects by itself, and says then what it had read last.
pub struct Stream {
    source: EventSource,
    _on_event: Closure<dyn Fn(MessageEvent)>,
    _on_error: Closure<dyn Fn()>,
}

impl Stream {
    /// Opens a stream. `tell` gets the text of each event, and nothing once the stream ended and will not come back by
    /// itself. Nothing comes back where the browser has no streams.
    pub fn open(path: &str, names: &[&str], tell: impl Fn(Option<String>) + Clone + 'static) -> Option<Self> {
        let source = EventSource::new(path).ok()?;
        let told = tell.clone();
        let on_event = Closure::<dyn Fn(MessageEvent)>::new(move |message: MessageEvent| {
            // The server's last word; without it the browser would ask again and again.
            if message.type_() == "end" {
                told(None);
            } else if let Some(text) = message.data().as_string() {
                told(Some(text));
            }
        });
        for name in names {
            let _ = source.add_event_listener_with_callback(name, on_event.as_ref().unchecked_ref());
        }
        let watched = source.clone();
        let on_error = Closure::<dyn Fn()>::new(move || {
            // While the browser reconnects by itself there is nothing to do.
            if watched.ready_state() == EventSource::CLOSED {
                tell(None);
            }
        });
        source.set_onerror(Some(on_error.as_ref().unchecked_ref()));
        Some(Self { source, _on_event: on_event, _on_error: on_error })
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.source.set_onerror(None);
        self.source.close();
    }
}
