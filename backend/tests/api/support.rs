//! A server without a worker, callers of it, and the little HTTP that the tests speak.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{Request, Response, StatusCode, header};
use chapan::api::{App, DECODED_AT_ONCE, router};
use chapan::auth;
use chapan::clock::{Clock, ManualClock};
use chapan::config::{ServerConfig, TRAINING_SLICE};
use chapan::events::Events;
use chapan::files::Blobs;
use chapan::hub::Catalog;
use chapan::hub::remote::{HubOptions, PUBLIC_HUB};
use chapan::jobs::{Downloads, Queue};
use chapan::store::{Claim, Claimed, NewImage, SessionStore, Store, UserRow};
use chapan_api::error::ErrorBody;
use chapan_api::id::{ImageId, ModelId, UserId};
use chapan_api::image::{ImageKind, ImageRecord, ImageView, Ingredients};
use chapan_api::job::JobView;
use chapan_api::user::Role;
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::{Semaphore, watch};
use tower::ServiceExt;
use tower_sessions::session::{Id, Record};
use tower_sessions::session_store::SessionStore as _;

pub const HOST: &str = "127.0.0.1:8080";
pub const MODEL: &str = "tiny-sdxl";

/// Folders of the repository with models for tests.
pub fn models_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/pipelines")
}

/// The models that ship with the studio, an upscaler among them.
pub fn shipped_models_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/models")
}

/// What ships with the studio.
pub fn assets_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets")
}

/// LoRAs for the tiny model.
pub fn loras_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/lora")
}

/// A file of safetensors with tensors of zeros in 32 bits.
pub fn safetensors(tensors: &[(&str, Vec<usize>)], metadata: &Value) -> Vec<u8> {
    let (mut header, mut end) = (serde_json::Map::new(), 0);
    header.insert("__metadata__".to_owned(), metadata.clone());
    for (name, shape) in tensors {
        let begin = end;
        end += shape.iter().product::<usize>() * 4;
        header.insert(
            (*name).to_owned(),
            json!({ "dtype": "F32", "shape": shape, "data_offsets": [begin, end] }),
        );
    }
    let mut header = Value::Object(header).to_string().into_bytes();
    header.resize(header.len().next_multiple_of(8), b' ');
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header);
    file.resize(file.len() + end, 0);
    file
}

pub fn config(data_dir: &Path) -> ServerConfig {
    ServerConfig {
        address: ([127, 0, 0, 1], 0).into(),
        data_dir: data_dir.to_owned(),
        static_dir: None,
        models_dirs: vec![models_dir()],
        features_dirs: vec![assets_dir().join("features")],
        references_dirs: vec![assets_dir().join("references")],
        training_slice: TRAINING_SLICE,
        device: "cpu".to_owned(),
        memory_limit_bytes: Some(1 << 40),
        hub_endpoint: None,
        hub_token: None,
    }
}

/// All of a server but its workers, so that jobs stay where a test puts them.
pub struct Studio {
    pub app: Arc<App>,
    pub clock: Arc<ManualClock>,
    pub router: Router,
    pub stop: watch::Sender<bool>,
    _folder: TempDir,
}

impl Studio {
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut ServerConfig)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config(folder.path());
        change(&mut config);
        let clock = Arc::new(ManualClock::new(1_700_000_000_000));
        let store = Store::open(&folder.path().join("chapan.db"), clock.clone()).await.unwrap();
        auth::add_local_user(&store).await.unwrap();
        let events = Arc::new(Events::default());
        let queue = Arc::new(Queue::recover(store.clone(), events.clone()).await.unwrap());
        let (stop, stopping) = watch::channel(false);
        let app = Arc::new(App {
            blobs: Blobs::in_folder(&folder.path().join("blobs")).unwrap(),
            catalog: Catalog::new(config.models_dirs.clone()).with_people(config.data_dir.join("loras")),
            downloads: Arc::new(Downloads::new(
                HubOptions {
                    endpoint: config.hub_endpoint.clone().unwrap_or_else(|| PUBLIC_HUB.to_owned()),
                    token: config.hub_token.clone(),
                },
                config.data_dir.join("models"),
            )),
            config,
            clock: clock.clone(),
            store,
            events,
            queue,
            decoders: Arc::new(Semaphore::new(DECODED_AT_ONCE)),
            stopping,
        });
        Self { router: router(app.clone()), app, clock, stop, _folder: folder }
    }

    /// Somebody without a session yet: the local user, once answered.
    pub fn local(&self) -> Caller {
        Caller::of(self.router.clone())
    }

    /// Somebody else, signed in.
    pub async fn someone(&self, name: &str) -> Caller {
        let id = UserId::new(name);
        let user = UserRow { id: id.clone(), name: name.to_owned(), roles: vec![Role::Student] };
        self.app.store.add_user(&user).await.unwrap();
        self.session_of(&id).await
    }

    /// A session for an identifier, whether or not there is such a person.
    pub async fn session_of(&self, id: &UserId) -> Caller {
        let seconds = self.clock.now_ms() / 1000 + 3600;
        let mut record = Record {
            id: Id::default(),
            data: [("user".to_owned(), json!(id))].into(),
            expiry_date: time::OffsetDateTime::from_unix_timestamp(seconds).unwrap(),
        };
        SessionStore::new(self.app.store.clone()).create(&mut record).await.unwrap();
        Caller { router: self.router.clone(), cookie: Some(format!("{}={}", auth::COOKIE, record.id)) }
    }

    /// Takes the next job, as a worker would.
    pub async fn claim(&self) -> Option<Claimed> {
        let claim = Claim { worker: "test", loaded: None, until_ms: self.clock.now_ms() + 60_000 };
        self.app.store.claim(&claim).await.unwrap()
    }

    /// Ends a claimed job with a picture of these bytes, as a worker would.
    pub async fn finish(&self, claimed: &Claimed, bytes: &'static [u8]) -> ImageId {
        self.finish_with(claimed, bytes, "a man").await
    }

    /// The same with a prompt of its own.
    pub async fn finish_with(&self, claimed: &Claimed, bytes: &'static [u8], prompt: &str) -> ImageId {
        let image = NewImage {
            record: Some(ImageRecord { prompt: prompt.to_owned(), ..record() }),
            ..self.new_image(claimed, 0, ImageKind::Made, bytes).await
        };
        self.end_with(claimed, &[image]).await.remove(0)
    }

    /// The same with several pictures.
    pub async fn finish_all(
        &self,
        claimed: &Claimed,
        pictures: &[(ImageKind, &'static [u8])],
    ) -> Vec<ImageId> {
        let mut images = Vec::new();
        for (place, (kind, bytes)) in pictures.iter().enumerate() {
            images.push(self.new_image(claimed, place, *kind, bytes).await);
        }
        self.end_with(claimed, &images).await
    }

    /// A picture of the local user that nothing is known about.
    pub async fn bare_image(&self, bytes: &'static [u8]) -> ImageId {
        self.local().ask().await;
        let claimed = self.claim().await.unwrap();
        let image = NewImage { record: None, ..self.new_image(&claimed, 0, ImageKind::Made, bytes).await };
        self.end_with(&claimed, &[image]).await.remove(0)
    }

    async fn new_image(
        &self,
        claimed: &Claimed,
        place: usize,
        kind: ImageKind,
        bytes: &'static [u8],
    ) -> NewImage {
        NewImage {
            id: ImageId::new(format!("image-{place}-of-{}", claimed.job.id)),
            owner: claimed.job.owner.clone(),
            kind,
            subject: Some(claimed.job.subject.clone()),
            sha256: self.app.blobs.put(Bytes::from_static(bytes)).await.unwrap(),
            size_bytes: bytes.len() as u64,
            width: 64,
            height: 64,
            record: Some(record()),
            enlargement: None,
            imported: None,
            caption: None,
            duration_ms: 5,
        }
    }

    async fn end_with(&self, claimed: &Claimed, images: &[NewImage]) -> Vec<ImageId> {
        self.app.store.succeed(&claimed.lease, images).await.unwrap();
        let ids: Vec<ImageId> = images.iter().map(|image| image.id.clone()).collect();
        let change = chapan_api::job::JobChange::Finished { images: ids.clone(), at_ms: 1 };
        self.app.events.publish(&claimed.job.id, change);
        ids
    }
}

pub fn record() -> ImageRecord {
    ImageRecord {
        prompt: "a man".to_owned(),
        negative_prompt: None,
        model: ModelId::new(MODEL),
        model_hash: None,
        seed: 7,
        num_inference_steps: 2,
        guidance_scale: 5.0,
        width: 64,
        height: 64,
        scheduler: "euler".to_owned(),
        device: "cpu".to_owned(),
        dtype: "f32".to_owned(),
        version: "0".to_owned(),
        ingredients: Ingredients::default(),
    }
}

/// A body that asks for a small picture.
pub fn small() -> Value {
    json!({ "prompt": "a man", "model": MODEL, "num_inference_steps": 2, "width": 64, "height": 64 })
}

/// One person's browser.
#[derive(Clone)]
pub struct Caller {
    router: Router,
    pub cookie: Option<String>,
}

impl Caller {
    /// Somebody without a session at this server.
    pub fn of(router: Router) -> Self {
        Self { router, cookie: None }
    }

    pub async fn send(&self, mut request: Request<Body>) -> Response<Body> {
        let headers = request.headers_mut();
        headers.entry(header::HOST).or_insert(HOST.parse().unwrap());
        if let Some(cookie) = &self.cookie {
            headers.insert(header::COOKIE, cookie.parse().unwrap());
        }
        self.router.clone().oneshot(request).await.unwrap()
    }

    pub async fn get(&self, path: &str) -> Response<Body> {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    pub async fn act(&self, method: &str, path: &str) -> Response<Body> {
        self.send(Request::builder().method(method).uri(path).body(Body::empty()).unwrap()).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Response<Body> {
        let request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
        self.send(request.body(Body::from(body.to_string())).unwrap()).await
    }

    pub async fn put(&self, path: &str, body: &Value) -> Response<Body> {
        let request = Request::put(path).header(header::CONTENT_TYPE, "application/json");
        self.send(request.body(Body::from(body.to_string())).unwrap()).await
    }

    /// Brings a picture in.
    pub async fn upload(&self, bytes: Vec<u8>) -> ImageView {
        let request = Request::post("/api/images").header(header::CONTENT_TYPE, "image/png");
        json_of(self.send(request.body(Body::from(bytes)).unwrap()).await, StatusCode::CREATED).await
    }

    /// Asks for a small picture and gives its job.
    pub async fn ask(&self) -> JobView {
        let response = self.post("/api/generations", &small()).await;
        json_of(response, StatusCode::ACCEPTED).await
    }
}

pub async fn bytes_of(response: Response<Body>) -> Bytes {
    response.into_body().collect().await.unwrap().to_bytes()
}

/// The body as JSON; the status must be the expected one.
pub async fn json_of<T: DeserializeOwned>(response: Response<Body>, expected: StatusCode) -> T {
    let status = response.status();
    let body = bytes_of(response).await;
    assert_eq!(status, expected, "{}", String::from_utf8_lossy(&body));
    serde_json::from_slice(&body)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&body)))
}

/// A refusal: always with a hint and a request id.
pub async fn refusal(response: Response<Body>, expected: StatusCode) -> ErrorBody {
    let body: ErrorBody = json_of(response, expected).await;
    assert!(body.hint.is_some() && body.request_id.is_some(), "{body:?}");
    body
}

/// Memory of this process that was never more, in bytes.
pub fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()).unwrap_or(0) * 1024
}
