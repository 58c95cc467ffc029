//! Files of long work: samples that are looked at, and LoRAs that are taken away.

use std::path::PathBuf;

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream::unfold;
use tokio::io::AsyncReadExt;

use super::{ApiError, ApiResult};

/// How much of a file is read at once.
const PIECE_BYTES: usize = 1 << 16;

/// What a file may load when it is shown by itself: nothing; and the same for a page with pictures and style inside it.
const NOTHING: &str = "sandbox; default-src 'none'; frame-ancestors 'none'";
const OWN_STYLE: &str =
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'";

/// How a file is sent.
pub(super) enum Shown {
    /// As a picture.
    Png,
    /// As a page without scripts that brings all it needs.
    Page,
    /// As text of this type.
    Text(&'static str),
    /// For keeping, under this name.
    Download(String),
}

/// Sends a file, piece by piece: a LoRA may have some hundred megabytes. `asked` is what the caller calls it.
pub(super) async fn send(path: PathBuf, asked: &str, shown: Shown) -> ApiResult<Response> {
    let file = match tokio::fs::File::open(&path).await {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(ApiError::not_found("file", super::requests::brief(asked)));
        }
        file => file.map_err(ApiError::internal)?,
    };
    let length = file.metadata().await.map_err(ApiError::internal)?.len();
    let pieces = unfold(file, |mut file| async move {
        let mut piece = vec![0; PIECE_BYTES];
        match file.read(&mut piece).await {
            Ok(0) => None,
            Ok(read) => {
                piece.truncate(read);
                Some((Ok(piece), file))
            }
            Err(error) => Some((Err(error), file)),
        }
    });
    let mut response = Body::from_stream(pieces).into_response();
    let headers = response.headers_mut();
    let (kind, caching, disposition, policy) = match shown {
        Shown::Png => ("image/png", "private, max-age=31536000, immutable", "inline".to_owned(), NOTHING),
        Shown::Page => ("text/html; charset=utf-8", "private, no-cache", "inline".to_owned(), OWN_STYLE),
        Shown::Text(kind) => (kind, "private, no-cache", "inline".to_owned(), NOTHING),
        Shown::Download(name) => {
            ("application/octet-stream", "private, no-cache", attachment(&name), NOTHING)
        }
    };
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    let disposition = HeaderValue::from_str(&disposition).map_err(ApiError::internal)?;
    headers.insert(header::CONTENT_DISPOSITION, disposition);
    Ok(response)
}

/// A name of any letters as RFC 6266 has it: plain letters for old readers, all of it for others.
fn attachment(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '_' };
    let simple: String = name.chars().map(plain).collect();
    let encoded: String = name
        .bytes()
        .map(|b| match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(b).to_string(),
            _ => format!("%{b:02X}"),
        })
        .collect();
    format!("attachment; filename=\"{simple}\"; filename*=UTF-8''{encoded}")
}

/// Removes the folder of long work whose row is gone.
pub(super) async fn remove(folder: PathBuf) -> ApiResult<()> {
    match tokio::fs::remove_dir_all(&folder).await {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(ApiError::internal(error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_any_letters_are_sent() {
        let sent = attachment("Алдар \"1\".safetensors");
        assert!(sent.starts_with("attachment; filename=\"_______1_.safetensors\"; filename*=UTF-8''%D0%90"));
        assert!(HeaderValue::from_str(&sent).is_ok());
    }
}
