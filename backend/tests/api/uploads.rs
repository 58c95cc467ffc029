//! `POST /api/images`: what is taken, what is refused, and at what cost.

use std::io::Write;
use std::path::Path;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use chapan_api::error::{ErrorBody, ErrorCode};
use chapan_api::id::ImageId;
use chapan_api::image::{ImageKind, ImageView};
use chapan_api::metadata::{LostReason, MetadataSource};
use chapan_api::page::Page;
use flate2::Compression;
use flate2::write::ZlibEncoder;

use crate::support::{Caller, Studio, bytes_of, json_of, peak_memory, record, refusal};

fn file(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/pictures").join(name))
        .unwrap()
}

async fn send(caller: &Caller, query: &str, bytes: Vec<u8>) -> axum::http::Response<Body> {
    let request = Request::post(format!("/api/images{query}"));
    let request = request.header(header::CONTENT_TYPE, "application/octet-stream");
    caller.send(request.body(Body::from(bytes)).unwrap()).await
}

async fn taken(caller: &Caller, bytes: Vec<u8>) -> ImageView {
    json_of(send(caller, "", bytes).await, StatusCode::CREATED).await
}

async fn refused(caller: &Caller, bytes: Vec<u8>, status: StatusCode) -> ErrorBody {
    refusal(send(caller, "", bytes).await, status).await
}

/// A chunk of a PNG.
fn chunk(name: &[u8], data: &[u8]) -> Vec<u8> {
    let mut chunk = (data.len() as u32).to_be_bytes().to_vec();
    chunk.extend(name);
    chunk.extend(data);
    let sum = crc32fast::hash(&chunk[4..]);
    chunk.extend(sum.to_be_bytes());
    chunk
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A grey PNG of this size with more chunks before its pixels, and pixels only if they are few.
fn png(width: u32, height: u32, more: &[Vec<u8>]) -> Vec<u8> {
    let mut header = [width.to_be_bytes(), height.to_be_bytes()].concat();
    header.extend([8, 0, 0, 0, 0]);
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    file.extend(chunk(b"IHDR", &header));
    for chunk in more {
        file.extend(chunk);
    }
    let rows = (width as usize + 1) * height as usize;
    file.extend(chunk(b"IDAT", &packed(&vec![0; rows.min(100_000)])));
    file.extend(chunk(b"IEND", &[]));
    file
}

fn text(keyword: &str, text: &str) -> Vec<u8> {
    chunk(b"iTXt", &[keyword.as_bytes(), b"\0\0\0\0\0", text.as_bytes()].concat())
}
#[tokio::test]
async fn every_kind_that_is_read_becomes_a_png_of_ours() {
    let studio = Studio::new().await;
    let caller = studio.local();
    for name in ["rgb.png", "palette_clear.png", "grey_alpha.png", "progressive.jpg", "lossless_alpha.webp"] {
        let view = taken(&caller, file(name)).await;
        assert_eq!(
            (view.kind, view.generation.is_none(), view.record.is_none()),
            (ImageKind::Upload, true, true)
        );
        let response = caller.get(&view.url).await;
        assert_eq!(response.headers()[header::CONTENT_TYPE], "image/png");
        let bytes = bytes_of(response).await;
        let reader = png::Decoder::new(std::io::Cursor::new(bytes.to_vec())).read_info().unwrap();
        let info = reader.info();
        assert_eq!((info.width, info.height), (view.width, view.height), "{name}");
        let through = name.contains("alpha") || name.contains("clear");
        let colours = if through { png::ColorType::Rgba } else { png::ColorType::Rgb };
        assert_eq!((info.color_type, info.bit_depth), (colours, png::BitDepth::Eight), "{name}");
        assert!(info.exif_metadata.is_none() && info.icc_profile.is_none() && info.utf8_text.is_empty());
    }
    let page: Page<ImageView> = json_of(caller.get("/api/images").await, StatusCode::OK).await;
    assert_eq!(page.items.len(), 5);
}

#[tokio::test]
async fn a_turned_picture_stands_upright_and_says_nothing_of_its_camera() {
    let studio = Studio::new().await;
    let caller = studio.local();
    let (upright, turned) =
        (taken(&caller, file("turn_1.jpg")).await, taken(&caller, file("turn_6.jpg")).await);
    assert_eq!((turned.width, turned.height), (upright.height, upright.width));
    let bytes = bytes_of(caller.get(&turned.url).await).await;
    for word in [b"Exif".as_slice(), b"GPS", b"eXIf"] {
        assert!(!bytes.windows(word.len()).any(|part| part == word));
    }
}

#[tokio::test]
async fn a_mask_is_kept_apart_and_pictures_belong_to_their_owner() {
    let studio = Studio::new().await;
    let (ana, ben) = (studio.someone("ana").await, studio.someone("ben").await);
    let mask: ImageView =
        json_of(send(&ana, "?mask=true", file("grey.png")).await, StatusCode::CREATED).await;
    assert_eq!(mask.kind, ImageKind::Mask);
    let listed = async |caller: &Caller, query: &str| -> Vec<ImageId> {
        let page: Page<ImageView> =
            json_of(caller.get(&format!("/api/images{query}")).await, StatusCode::OK).await;
        page.items.into_iter().map(|image| image.id).collect()
    };
    assert!(listed(&ana, "").await.is_empty());
    assert_eq!(listed(&ana, "?kind=mask").await, std::slice::from_ref(&mask.id));
    assert!(listed(&ben, "?kind=mask").await.is_empty());
    refusal(ben.get(&mask.url).await, StatusCode::NOT_FOUND).await;
    refusal(send(&ana, "?sort=x", file("grey.png")).await, StatusCode::BAD_REQUEST).await;
}

#[tokio::test]
async fn other_kinds_are_refused_by_name_with_a_way_out() {
    let studio = Studio::new().await;
    let caller = studio.local();
    let heic = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic".to_vec();
    let hint = refused(&caller, heic, StatusCode::UNSUPPORTED_MEDIA_TYPE).await;
    assert!(hint.message.contains("HEIC"), "{hint:?}");
    for bytes in [
        b"GIF89a\x01\0\x01\0".to_vec(),
        b"II*\0\x08\0\0\0".to_vec(),
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>".to_vec(),
        b"<html><script>alert(1)</script>".to_vec(),
        b"PK\x03\x04".to_vec(),
        b"\x80\x04\x95pickle".to_vec(),
        vec![0; 64],
    ] {
        let body = refused(&caller, bytes, StatusCode::UNSUPPORTED_MEDIA_TYPE).await;
        assert_eq!(body.code, ErrorCode::UnsupportedContentType);
    }
    refused(&caller, Vec::new(), StatusCode::UNPROCESSABLE_ENTITY).await;
}

#[tokio::test]
async fn what_would_lose_something_is_refused() {
    let studio = Studio::new().await;
    let caller = studio.local();
    for (name, word) in [
        ("rgb16.png", "16 bits"),
        ("grey16.png", "16 bits"),
        ("rgba16.png", "16 bits"),
        ("cmyk.jpg", "CMYK"),
        ("moving.png", "animated"),
        ("moving.webp", "animated"),
    ] {
        let body = refused(&caller, file(name), StatusCode::UNPROCESSABLE_ENTITY).await;
        assert_eq!(body.code, ErrorCode::UnreadableImage);
        assert!(body.message.contains(word), "{name}: {}", body.message);
    }
}

#[tokio::test]
async fn a_file_that_ends_anywhere_early_is_refused() {
    let studio = Studio::new().await;
    let caller = studio.local();
    for name in ["rgb.png", "grey.jpg", "progressive.jpg", "lossy.webp", "lossless.webp", "turned.webp"] {
        let whole = file(name);
        for end in 1..whole.len() {
            let response = send(&caller, "", whole[..end].to_vec()).await;
            assert!(response.status().is_client_error(), "{name} cut at {end}: {}", response.status());
        }
    }
    let page: Page<ImageView> = json_of(caller.get("/api/images").await, StatusCode::OK).await;
    assert!(page.items.is_empty(), "nothing was kept");
}

#[tokio::test]
async fn bombs_are_refused_before_they_grow() {
    let studio = Studio::new().await;
    let caller = studio.local();
    // The first request makes the database's own buffers.
    taken(&caller, file("rgb.png")).await;
    let before = peak_memory();
    let bomb = packed(&vec![0; 64 << 20]);
    let packed_text = |name: &[u8; 4], head: &[u8]| chunk(name, &[head, &bomb].concat());
    let flood = vec![text("a", "b"); 200_000].concat();
    for (what, bytes, status) in [
        (
            "50,000 x 50,000",
            png(50_000, 50_000, &[chunk(b"tEXt", &vec![b'a'; 100_000])]),
            StatusCode::PAYLOAD_TOO_LARGE,
        ),
        ("2^31 wide", png(1 << 31, 1, &[]), StatusCode::PAYLOAD_TOO_LARGE),
        ("2^31 - 1 wide", png((1 << 31) - 1, 1, &[]), StatusCode::PAYLOAD_TOO_LARGE),
        ("no pixels", png(0, 0, &[]), StatusCode::UNPROCESSABLE_ENTITY),
        ("zTXt", png(8, 8, &[packed_text(b"zTXt", b"parameters\0\0")]), StatusCode::UNPROCESSABLE_ENTITY),
        ("iTXt", png(8, 8, &[packed_text(b"iTXt", b"prompt\0\x01\0\0\0")]), StatusCode::UNPROCESSABLE_ENTITY),
        ("iCCP", png(8, 8, &[packed_text(b"iCCP", b"profile\0\0")]), StatusCode::UNPROCESSABLE_ENTITY),
        ("chunks", png(8, 8, &[flood]), StatusCode::UNPROCESSABLE_ENTITY),
        ("long file", vec![0xff; (32 << 20) + 1], StatusCode::PAYLOAD_TOO_LARGE),
    ] {
        let body = refused(&caller, bytes, status).await;
        assert!(!body.message.is_empty(), "{what}");
    }
    let grown = peak_memory().saturating_sub(before);
    assert!(grown < 256 << 20, "grew by {} MB", grown >> 20);
}

#[tokio::test]
async fn a_picture_of_another_program_says_what_can_be_taken_over() {
    let studio = Studio::new().await;
    let caller = studio.local();
    let words = "a red fox\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 12, Size: 512x512, Clip skip: 2";
    let view = taken(&caller, png(8, 8, &[text("parameters", words)])).await;
    let imported = view.imported.unwrap();
    assert_eq!((imported.source, imported.parameters.seed), (MetadataSource::A1111, Some(12)));
    assert!(
        imported.lost.iter().any(|lost| lost.what == "Clip skip" && lost.why == LostReason::NotSupported)
    );
    let page: Page<ImageView> = json_of(caller.get("/api/images?search=FOX").await, StatusCode::OK).await;
    assert_eq!(page.items[0].id, view.id, "it is found by its words");
    let latin = chunk(b"tEXt", b"parameters\0caf\xe9\nSteps: 20, Sampler: Euler, Seed: 1, Size: 64x64");
    assert_eq!(taken(&caller, png(8, 8, &[latin])).await.prompt(), "café");
}

#[tokio::test]
async fn a_picture_of_ours_comes_back_with_its_record() {
    let studio = Studio::new().await;
    let caller = studio.local();
    let own = chapan::files::png::encode_png(8, 8, &[7; 8 * 8 * 3], &record()).unwrap();
    let view = taken(&caller, own).await;
    assert_eq!(view.record, Some(record()));
    assert_eq!(view.imported.map(|imported| imported.source), Some(MetadataSource::Chapan));
}

#[tokio::test]
async fn a_request_starts_from_pictures_of_ones_own_and_of_one_size() {
    let studio = Studio::new().await;
    let (ana, ben) = (studio.someone("ana").await, studio.someone("ben").await);
    let image = taken(&ana, png(64, 64, &[])).await.id;
    let other = taken(&ana, png(64, 72, &[])).await.id;
    let ask = async |caller: &Caller, more: serde_json::Value| {
        let mut body = crate::support::small();
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        caller.post("/api/generations", &body).await
    };
    let with = |json: &str| serde_json::from_str::<serde_json::Value>(json).unwrap();
    let named = with(&format!(r#"{{"image": "{image}"}}"#));
    assert_eq!(ask(&ana, named.clone()).await.status(), StatusCode::ACCEPTED);
    let refused = refusal(ask(&ben, named).await, StatusCode::UNPROCESSABLE_ENTITY).await;
    assert_eq!(refused.field.as_deref(), Some("image"), "somebody else's picture is none");
    let masked = with(&format!(r#"{{"image": "{image}", "mask_image": "{other}"}}"#));
    let refused = refusal(ask(&ana, masked).await, StatusCode::UNPROCESSABLE_ENTITY).await;
    assert_eq!((refused.field.as_deref(), refused.message.contains("64x72")), (Some("mask_image"), true));
    for (more, field) in [
        (r#"{"strength": 0.5}"#, "strength"),
        (r#"{"mask_blur": 1e308}"#, "mask_blur"),
        (r#"{"loras": [{"model": "nothing", "weight": 1}]}"#, "loras[0].model"),
        (r#"{"loras": [{"model": "nothing", "weight": 1e9}]}"#, "loras[0].weight"),
    ] {
        let refused = refusal(ask(&ana, with(more)).await, StatusCode::UNPROCESSABLE_ENTITY).await;
        assert_eq!(refused.field.as_deref(), Some(field), "{more}");
    }
}
