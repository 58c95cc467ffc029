//! A plain client of the HTTP interface that keeps its session cookie.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use ureq::Agent;

/// One person's connection to a server.
#[derive(Clone)]
pub struct Client {
    agent: Agent,
    address: String,
    cookie: Arc<Mutex<String>>,
}

/// What came back.
pub struct Answer {
    /// The status line's number.
    pub status: u16,
    /// The body as JSON; `Null` when it is something else.
    pub body: Value,
}

impl Client {
    /// A person without a session.
    pub fn new(address: &str) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_mins(1)))
            .proxy(None)
            .build();
        Self { agent: Agent::new_with_config(config), address: address.to_owned(), cookie: Arc::default() }
    }

    /// The same person, after the server has come up at another address.
    #[must_use]
    pub fn moved_to(&self, address: &str) -> Self {
        Self { cookie: Arc::clone(&self.cookie), ..Self::new(address) }
    }

    /// `GET`, with a JSON answer.
    pub fn get(&self, path: &str) -> Result<Answer, ureq::Error> {
        let request = self.agent.get(format!("{}{path}", self.address)).header("cookie", self.cookie());
        self.answer(request.call()?)
    }

    /// `POST`, with a JSON body and answer.
    pub fn post(&self, path: &str, body: &Value) -> Result<Answer, ureq::Error> {
        let request = self.agent.post(format!("{}{path}", self.address)).header("cookie", self.cookie());
        self.answer(request.send_json(body)?)
    }

    /// `POST` of a file as it is, with a JSON answer.
    pub fn upload(&self, path: &str, file: &[u8]) -> Result<Answer, ureq::Error> {
        let request = self.agent.post(format!("{}{path}", self.address)).header("cookie", self.cookie());
        self.answer(request.header("content-type", "image/png").send(file)?)
    }

    /// The bytes of a file.
    pub fn file(&self, path: &str) -> Result<Vec<u8>, ureq::Error> {
        let request = self.agent.get(format!("{}{path}", self.address)).header("cookie", self.cookie());
        request.call()?.body_mut().read_to_vec()
    }

    fn cookie(&self) -> String {
        self.cookie.lock().map(|cookie| cookie.clone()).unwrap_or_default()
    }

    fn answer(&self, mut response: ureq::http::Response<ureq::Body>) -> Result<Answer, ureq::Error> {
        let set = response.headers().get("set-cookie").and_then(|value| value.to_str().ok());
        if let (Some(set), Ok(mut cookie)) = (set, self.cookie.lock()) {
            set.split(';').next().unwrap_or_default().clone_into(&mut cookie);
        }
        let status = response.status().as_u16();
        let text = response.body_mut().read_to_string()?;
        Ok(Answer { status, body: serde_json::from_str(&text).unwrap_or_default() })
    }
}
