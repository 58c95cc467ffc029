//! Requests to the hub: who gets the token, which redirects are followed, what the answers mean.

use std::time::Duration;

use reqwest::header::{ACCEPT_ENCODING, AUTHORIZATION, HeaderMap, LINK, LOCATION, RANGE, RETRY_AFTER};
use reqwest::{Response, Url};
use serde::de::DeserializeOwned;

use super::error::HubError;
use super::listing::{About, Entry, RemoteFile, hexadecimal, next_page};
use super::repository::{RepoId, Revision, encode};
use crate::config::Secret;

/// The hub that everybody means.
pub const PUBLIC_HUB: &str = "https://huggingface.co";

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest silence between two parts of an answer.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
const MOST_REDIRECTS: usize = 5;
const MOST_PAGES: usize = 40;
const MOST_FILES: usize = 20_000;
/// Largest answer that is not a file.
const MOST_JSON_BYTES: usize = 8 << 20;
/// Longest wait that a hub may ask for before it counts as a refusal.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(20);

/// Where the hub is and who asks.
#[derive(Clone, Debug)]
pub struct HubOptions {
    /// Its address; [`PUBLIC_HUB`] unless a mirror is meant.
    pub endpoint: String,
    /// The reader's token.
    pub token: Option<Secret>,
}

impl Default for HubOptions {
    fn default() -> Self {
        Self { endpoint: PUBLIC_HUB.to_owned(), token: None }
    }
}

/// A connection to a hub.
#[derive(Clone, Debug)]
pub struct Hub {
    http: reqwest::Client,
    endpoint: Url,
    token: Option<Secret>,
}

/// A repository at one commit.
#[derive(Debug)]
pub(super) struct Repository {
    pub repo: RepoId,
    pub commit: Revision,
    pub files: Vec<RemoteFile>,
}

/// What a response's status and headers say when it is not a success.
enum Refusal {
    Repository,
    Revision,
    File,
    Gated,
    Disabled,
    Token,
    Wait(Option<Duration>),
    Other(u16),
}

impl Hub {
    /// Prepares a connection; nothing is sent yet.
    pub fn new(options: &HubOptions) -> Result<Self, HubError> {
        let bad = || HubError::BadEndpoint(options.endpoint.clone());
        let endpoint = Url::parse(options.endpoint.trim_end_matches('/')).map_err(|_| bad())?;
        let local =
            endpoint.host_str().is_some_and(|host| matches!(host, "127.0.0.1" | "localhost" | "[::1]"));
        // A token over plain http could be read on the way.
        if !(endpoint.scheme() == "https" || endpoint.scheme() == "http" && local) {
            return Err(bad());
        }
        // The first call of the process installs the provider; later ones find it there.
        let _there = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("chapan/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT);
        if local {
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(|error| HubError::Protocol(error.to_string()))?;
        Ok(Self { http, endpoint, token: options.token.clone() })
    }

    /// The files of a repository at the commit that `revision` means now.
    pub(super) async fn repository(
        &self,
        repo: &RepoId,
        revision: &Revision,
    ) -> Result<Repository, HubError> {
        let at = format!("/api/models/{repo}/revision/{}", revision.encoded());
        let about: About = self.json(self.ask(repo, revision, &self.address(&at)?).await?).await?;
        let commit: Revision = hexadecimal(&about.sha, 40)?.parse()?;
        let at = format!("/api/models/{repo}/tree/{}?recursive=true&expand=false", commit.encoded());
        let mut page = Some(self.address(&at)?);
        let mut files = Vec::new();
        let mut pages = 0;
        while let Some(address) = page {
            let answer = self.ask(repo, revision, &address).await?;
            page = self.following(answer.headers(), &address)?;
            let entries: Vec<Entry> = self.json(answer).await?;
            for entry in entries {
                files.extend(entry.file()?);
            }
            pages += 1;
            if pages > MOST_PAGES || files.len() > MOST_FILES {
                return Err(HubError::Protocol(format!("more than {} files", files.len())));
            }
        }
        Ok(Repository { repo: repo.clone(), commit, files })
    }

    /// The content of a file from byte `from` on. The answer's status is 200, 206 or 416.
    pub(super) async fn open(
        &self,
        repository: &Repository,
        file: &RemoteFile,
        from: u64,
    ) -> Result<Response, HubError> {
        let path: Vec<String> = file.path.split('/').map(encode).collect();
        let at = format!("/{}/resolve/{}/{}", repository.repo, repository.commit.encoded(), path.join("/"));
        let answer = self.send(&self.address(&at)?, from).await?;
        if matches!(answer.status().as_u16(), 200 | 206 | 416) {
            return Ok(answer);
        }
        Err(self.refusal(&repository.repo, &repository.commit, Some(file), &answer))
    }

    fn address(&self, path: &str) -> Result<Url, HubError> {
        let base = self.endpoint.as_str().trim_end_matches('/');
        Url::parse(&format!("{base}{path}")).map_err(|error| HubError::Protocol(error.to_string()))
    }

    /// The next page of a list, which must be the same hub's.
    fn following(&self, headers: &HeaderMap, from: &Url) -> Result<Option<Url>, HubError> {
        let Some(link) = headers.get(LINK).and_then(|value| value.to_str().ok()).and_then(next_page) else {
            return Ok(None);
        };
        let next = from.join(link).map_err(|error| HubError::Protocol(error.to_string()))?;
        if next.origin() != self.endpoint.origin() {
            return Err(HubError::Protocol(format!("the list goes on at `{}`", host(&next))));
        }
        Ok(Some(next))
    }

    /// A request for JSON.
    async fn ask(&self, repo: &RepoId, revision: &Revision, address: &Url) -> Result<Response, HubError> {
        let answer = self.send(address, 0).await?;
        if answer.status().as_u16() == 200 {
            return Ok(answer);
        }
        Err(self.refusal(repo, revision, None, &answer))
    }

    /// Sends a request and follows redirects by hand: the token is for the hub's own address only.
    async fn send(&self, address: &Url, from: u64) -> Result<Response, HubError> {
        let mut address = address.clone();
        for _ in 0..=MOST_REDIRECTS {
            let mut request = self.http.get(address.clone()).header(ACCEPT_ENCODING, "identity");
            if from > 0 {
                // No `If-Range`: the address names a commit, so the content cannot change, and the hash is compared.
                request = request.header(RANGE, format!("bytes={from}-"));
            }
            if let Some(token) = self.token.as_ref().filter(|_| address.origin() == self.endpoint.origin()) {
                request = request.header(AUTHORIZATION, format!("Bearer {}", token.reveal()));
            }
            let answer = request.send().await.map_err(|error| unreachable(&address, &error))?;
            let status = answer.status().as_u16();
            if !matches!(status, 301 | 302 | 303 | 307 | 308) {
                return Ok(answer);
            }
            let to = answer.headers().get(LOCATION).and_then(|value| value.to_str().ok());
            let to = to.ok_or_else(|| HubError::Protocol(format!("status {status} without an address")))?;
            let next = address.join(to).map_err(|error| HubError::Protocol(error.to_string()))?;
            let fits = next.scheme() == "https" || next.scheme() == "http" && address.scheme() == "http";
            if !fits {
                return Err(HubError::Protocol(format!("a redirect from https to `{}:`", next.scheme())));
            }
            address = next;
        }
        Err(HubError::Protocol(format!("more than {MOST_REDIRECTS} redirects")))
    }

    /// The answer as JSON, if it is not too long for that.
    async fn json<T: DeserializeOwned>(&self, mut answer: Response) -> Result<T, HubError> {
        let address = answer.url().clone();
        let mut body = Vec::new();
        while let Some(part) = answer.chunk().await.map_err(|error| unreachable(&address, &error))? {
            if body.len() + part.len() > MOST_JSON_BYTES {
                return Err(HubError::Protocol(format!("an answer of more than {MOST_JSON_BYTES} bytes")));
            }
            body.extend_from_slice(&part);
        }
        serde_json::from_slice(&body).map_err(|error| HubError::Protocol(error.to_string()))
    }

    fn refusal(
        &self,
        repo: &RepoId,
        revision: &Revision,
        file: Option<&RemoteFile>,
        answer: &Response,
    ) -> HubError {
        let signed_in = self.token.is_some();
        let page = format!("{}/{repo}", self.endpoint.as_str().trim_end_matches('/'));
        match read_refusal(answer, signed_in) {
            Refusal::Repository if signed_in => HubError::NoRepository {
                repo: repo.clone(),
                caller: "the owner of this token",
                hint: "compare the name with the hub's page; a private repository needs a token that may read it",
            },
            Refusal::Repository => HubError::NoRepository {
                repo: repo.clone(),
                caller: "the public",
                hint: "compare the name with the hub's page; if it is private or gated, set HF_TOKEN",
            },
            Refusal::Revision => {
                HubError::NoRevision { repo: repo.clone(), revision: revision.as_str().to_owned() }
            }
            Refusal::File => HubError::NoFile {
                repo: repo.clone(),
                file: file.map_or_else(String::new, |file| file.path.clone()),
                hint: "it may have been removed a moment ago: start again".to_owned(),
            },
            Refusal::Gated if signed_in => HubError::Gated {
                repo: repo.clone(),
                fault: "its terms have not been accepted by the owner of this token",
                hint: format!("open {page}, accept the terms there, then try again"),
            },
            Refusal::Gated => HubError::Gated {
                repo: repo.clone(),
                fault: "it is given to people with an account only",
                hint: format!(
                    "accept the terms at {page}, make a token with read access, and set HF_TOKEN to it"
                ),
            },
            Refusal::Disabled => HubError::Disabled(repo.clone()),
            Refusal::Token => HubError::TokenRefused,
            Refusal::Wait(wait) => HubError::TooManyRequests(wait),
            Refusal::Other(status @ (408 | 500..=599)) => HubError::Unreachable {
                host: host(answer.url()),
                fault: format!("it answers with status {status}"),
            },
            Refusal::Other(status) => {
                HubError::Protocol(format!("status {status} from `{}`", host(answer.url())))
            }
        }
    }
}

fn read_refusal(answer: &Response, signed_in: bool) -> Refusal {
    let header =
        |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let status = answer.status().as_u16();
    if header("x-error-message") == "Access to this resource is disabled." {
        return Refusal::Disabled;
    }
    match (header("x-error-code"), status) {
        ("RepoNotFound", _) => Refusal::Repository,
        ("RevisionNotFound", _) => Refusal::Revision,
        ("EntryNotFound", _) => Refusal::File,
        ("GatedRepo", _) | (_, 403) => Refusal::Gated,
        (_, 429) => Refusal::Wait(header(RETRY_AFTER.as_str()).parse().ok().map(Duration::from_secs)),
        (_, 401) if signed_in => Refusal::Token,
        // To the public, a repository that is missing and one that is private look the same.
        (_, 401 | 404) => Refusal::Repository,
        (_, status) => Refusal::Other(status),
    }
}

/// A failed connection, in the words of its innermost cause. Addresses may carry signatures: only the host is named.
pub(super) fn unreachable(address: &Url, error: &reqwest::Error) -> HubError {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    let fault = if error.is_timeout() { "it does not answer in time".to_owned() } else { cause.to_string() };
    HubError::Unreachable { host: host(address), fault }
}

fn host(address: &Url) -> String {
    address.host_str().unwrap_or("the hub").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_never_shown() {
        let token = Secret::new("secret-of-mine").unwrap();
        let options = HubOptions { endpoint: "http://127.0.0.1:1".to_owned(), token: Some(token) };
        let hub = Hub::new(&options).unwrap();
        assert!(!format!("{options:?} {hub:?}").contains("secret"));
    }

    #[test]
    fn plain_http_is_for_this_machine_only() {
        for bad in ["http://huggingface.co", "ftp://x", "nonsense", ""] {
            let options = HubOptions { endpoint: bad.to_owned(), token: None };
            assert!(Hub::new(&options).is_err(), "{bad}");
        }
    }
}
