//! A hub to test against: speaks the protocol of the real one on two ports, the hub's and its store's, and misbehaves on
//! request.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path as UrlPath, Query, State};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;

/// The commit that every revision of the test's repositories means.
pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
/// The token that the hub accepts.
pub const TOKEN: &str = "hf_test_reader";
/// Entries of a page of a listing.
const PAGE: usize = 5;

/// Headers of an answer.
pub type Headers = Vec<(&'static str, &'static str)>;

/// What the store does to the next request for a file.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Sends so many bytes and drops the connection.
    Cut(usize),
    /// Answers with a status and headers instead of the file.
    Status(u16, Headers),
    /// Sends the whole file, whatever part was asked for.
    Whole,
    /// Changes a byte on the way.
    Tampered,
    /// Sends more than the listing says.
    TooLong,
    /// Sends nothing for a long time.
    Silence,
}

/// A request that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// `hub` or `store`.
    pub at: &'static str,
    pub path: String,
    pub token: Option<String>,
    pub range: Option<String>,
}

/// A file of the repository.
#[derive(Clone)]
struct Stored {
    bytes: Bytes,
    large: bool,
    /// The size that the listing claims.
    claimed: u64,
}

pub struct PlayedHub {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    files: Mutex<BTreeMap<String, Stored>>,
    /// Paths that the listing has in addition.
    listed: Mutex<Vec<Value>>,
    /// For everything but the store: status, headers.
    refusal: Mutex<Option<(u16, Headers)>>,
    gated: Mutex<bool>,
    faults: Mutex<VecDeque<(String, Fault)>>,
    seen: Mutex<Vec<Seen>>,
    store: Mutex<String>,
}

impl PlayedHub {
    /// A hub without files.
    pub async fn start() -> Self {
        let shared = Arc::new(Shared::default());
        let store = Router::new().route("/{*path}", get(serve_file)).with_state(shared.clone());
        let store = serve(store).await;
        *shared.store.lock().unwrap() = format!("http://{store}");
        let hub = Router::new()
            .route("/api/models/{owner}/{name}/revision/{revision}", get(about))
            .route("/api/models/{owner}/{name}/tree/{revision}", get(tree))
            .route("/{owner}/{name}/resolve/{revision}/{*path}", get(resolve))
            .with_state(shared.clone());
        Self { address: serve(hub).await, shared }
    }

    /// All files of a folder: weights in large file storage, the others in git.
    pub fn add_folder(&self, folder: &Path) {
        let mut folders = vec![folder.to_owned()];
        while let Some(next) = folders.pop() {
            for entry in std::fs::read_dir(next).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                    self.add(&name, std::fs::read(&path).unwrap());
                }
            }
        }
    }

    pub fn add(&self, path: &str, bytes: Vec<u8>) {
        let claimed = bytes.len() as u64;
        self.add_claiming(path, bytes, claimed);
    }

    /// A file whose size in the listing is another.
    pub fn add_claiming(&self, path: &str, bytes: Vec<u8>, claimed: u64) {
        let large = path.ends_with(".safetensors");
        let stored = Stored { bytes: bytes.into(), large, claimed };
        self.shared.files.lock().unwrap().insert(path.to_owned(), stored);
    }

    /// An entry that only the listing has.
    pub fn list(&self, entry: Value) {
        self.shared.listed.lock().unwrap().push(entry);
    }

    pub fn gate(&self) {
        *self.shared.gated.lock().unwrap() = true;
    }

    /// Every request to the hub itself gets this answer.
    pub fn refuse(&self, status: u16, headers: Headers) {
        *self.shared.refusal.lock().unwrap() = Some((status, headers));
    }

    /// The next request for `path` goes wrong; several for one path happen in order.
    pub fn fault(&self, path: &str, fault: Fault) {
        self.shared.faults.lock().unwrap().push_back((path.to_owned(), fault));
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }
}

async fn serve(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    address
}

impl Shared {
    fn note(&self, at: &'static str, path: &str, headers: &HeaderMap) {
        let text = |name| headers.get(name).map(|value: &HeaderValue| value.to_str().unwrap().to_owned());
        let seen = Seen {
            at,
            path: path.to_owned(),
            token: text(header::AUTHORIZATION),
            range: text(header::RANGE),
        };
        self.seen.lock().unwrap().push(seen);
    }

    /// What stands between the caller and the repository, if anything does.
    fn obstacle(&self, headers: &HeaderMap) -> Option<Response<Body>> {
        if let Some((status, headers)) = &*self.refusal.lock().unwrap() {
            return Some(refused(*status, headers));
        }
        let token = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        match token {
            Some(token) if token != format!("Bearer {TOKEN}") => Some(refused(401, &[])),
            None if *self.gated.lock().unwrap() => Some(refused(401, &[("x-error-code", "GatedRepo")])),
            _ => None,
        }
    }
}

fn refused(status: u16, headers: &[(&'static str, &'static str)]) -> Response<Body> {
    let mut response = (StatusCode::from_u16(status).unwrap(), r#"{"error":"no"}"#).into_response();
    for (name, value) in headers {
        response.headers_mut().insert(*name, HeaderValue::from_static(value));
    }
    response
}

fn digits(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

async fn about(
    State(hub): State<Arc<Shared>>,
    UrlPath((owner, name, revision)): UrlPath<(String, String, String)>,
    headers: HeaderMap,
) -> Response<Body> {
    hub.note("hub", &format!("about {owner}/{name}@{revision}"), &headers);
    if let Some(obstacle) = hub.obstacle(&headers) {
        return obstacle;
    }
    if name == "missing" {
        return refused(404, &[("x-error-code", "RepoNotFound")]);
    }
    if revision == "nowhere" {
        return refused(404, &[("x-error-code", "RevisionNotFound")]);
    }
    json!({ "id": format!("{owner}/{name}"), "sha": COMMIT }).to_string().into_response()
}

async fn tree(
    State(hub): State<Arc<Shared>>,
    UrlPath((owner, name, _)): UrlPath<(String, String, String)>,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
) -> Response<Body> {
    hub.note("hub", "tree", &headers);
    if let Some(obstacle) = hub.obstacle(&headers) {
        return obstacle;
    }
    let mut entries: Vec<Value> = hub.listed.lock().unwrap().clone();
    for (path, stored) in hub.files.lock().unwrap().iter() {
        use sha1::Digest as _;
        let mut blob = sha1::Sha1::new();
        blob.update(format!("blob {}\0", stored.bytes.len()));
        blob.update(&stored.bytes);
        let mut entry =
            json!({ "type": "file", "path": path, "size": stored.claimed, "oid": digits(blob.finalize()) });
        if stored.large {
            let oid = digits(Sha256::digest(&stored.bytes));
            entry["lfs"] = json!({ "oid": oid, "size": stored.claimed, "pointerSize": 134 });
            entry["size"] = json!(134);
        }
        entries.push(entry);
    }
    let from: usize = query.get("cursor").map_or(0, |cursor| cursor.parse().unwrap());
    let page: Vec<&Value> = entries.iter().skip(from).take(PAGE).collect();
    let mut response = serde_json::to_string(&page).unwrap().into_response();
    if from + PAGE < entries.len() {
        let next = format!(
            r#"</api/models/{owner}/{name}/tree/{COMMIT}?recursive=true&cursor={}>; rel="next""#,
            from + PAGE
        );
        response.headers_mut().insert(header::LINK, next.parse().unwrap());
    }
    response
}

/// Small files come from the hub itself, large ones by a redirect to the store.
async fn resolve(
    State(hub): State<Arc<Shared>>,
    UrlPath((_, _, revision, path)): UrlPath<(String, String, String, String)>,
    headers: HeaderMap,
) -> Response<Body> {
    hub.note("hub", &path, &headers);
    assert_eq!(revision, COMMIT, "files are asked for by commit");
    if let Some(obstacle) = hub.obstacle(&headers) {
        return obstacle;
    }
    let stored = hub.files.lock().unwrap().get(&path).cloned();
    match stored {
        None => refused(404, &[("x-error-code", "EntryNotFound")]),
        Some(stored) if stored.large => {
            let to = format!("{}/{path}?signature=abc", hub.store.lock().unwrap());
            let mut response = StatusCode::FOUND.into_response();
            response.headers_mut().insert(header::LOCATION, to.parse().unwrap());
            response
        }
        Some(_) => content(&hub, &path, &headers),
    }
}

async fn serve_file(
    State(hub): State<Arc<Shared>>,
    UrlPath(path): UrlPath<String>,
    headers: HeaderMap,
) -> Response<Body> {
    hub.note("store", &path, &headers);
    content(&hub, &path, &headers)
}

fn content(hub: &Shared, path: &str, headers: &HeaderMap) -> Response<Body> {
    let stored = hub.files.lock().unwrap()[path].clone();
    let fault = {
        let mut faults = hub.faults.lock().unwrap();
        let place = faults.iter().position(|(name, _)| name == path);
        place.and_then(|place| faults.remove(place)).map(|(_, fault)| fault)
    };
    let mut bytes = stored.bytes.to_vec();
    let range = headers.get(header::RANGE).map(|value| value.to_str().unwrap().to_owned());
    let from: usize = range
        .filter(|_| !matches!(fault, Some(Fault::Whole)))
        .map_or(0, |text| text.strip_prefix("bytes=").unwrap().trim_end_matches('-').parse().unwrap());
    match &fault {
        Some(Fault::Status(status, headers)) => return refused(*status, headers),
        Some(Fault::Tampered) => {
            if let Some(byte) = bytes.last_mut() {
                *byte ^= 1;
            }
        }
        Some(Fault::TooLong) => bytes.extend([0; 100]),
        Some(Fault::Silence) => {
            let body = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
            return Response::new(body);
        }
        _ => {}
    }
    if from > 0 && from >= bytes.len() {
        let mut response = StatusCode::RANGE_NOT_SATISFIABLE.into_response();
        let all = format!("bytes */{}", bytes.len());
        response.headers_mut().insert(header::CONTENT_RANGE, all.parse().unwrap());
        return response;
    }
    let total = bytes.len();
    let part = bytes.split_off(from);
    let body = if let Some(Fault::Cut(count)) = fault {
        let sent = Bytes::from(part[..count.min(part.len())].to_vec());
        // The part must be on its way before the connection is dropped.
        let cut = async {
            let mut network = tokio::time::interval(Duration::from_millis(150));
            network.tick().await;
            network.tick().await;
            Err(std::io::Error::other("cut"))
        };
        Body::from_stream(stream::iter([Ok(sent)]).chain(stream::once(cut)))
    } else {
        Body::from(part)
    };
    let mut response = Response::new(body);
    if from > 0 {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        let place = format!("bytes {from}-{}/{total}", total - 1);
        response.headers_mut().insert(header::CONTENT_RANGE, place.parse().unwrap());
    }
    response
}
