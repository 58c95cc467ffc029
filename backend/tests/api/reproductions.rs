//! `/api/images/{id}/reproduce` and what comes of it.

use std::sync::Arc;

use axum::http::StatusCode;
use chapan::api::router;
use chapan::clock::SystemClock;
use chapan::server::Server;
use chapan_api::error::ErrorCode;
use chapan_api::image::{ImageKind, ImageView};
use chapan_api::job::JobView;
use chapan_api::page::Page;
use chapan_api::reproduction::{CircumstanceKind, ReproductionView};

use crate::support::{Caller, Studio, config, json_of, refusal, small};

#[tokio::test]
async fn only_what_has_a_record_of_ones_own_can_be_made_again() {
    let studio = Studio::new().await;
    let (ana, ben) = (studio.someone("ana").await, studio.someone("ben").await);
    ana.ask().await;
    let made = studio.finish(&studio.claim().await.unwrap(), b"png").await;
    let path = format!("/api/images/{made}");
    refusal(ben.act("POST", &format!("{path}/reproduce")).await, StatusCode::NOT_FOUND).await;
    refusal(ben.get(&format!("{path}/reproduction")).await, StatusCode::NOT_FOUND).await;
    refusal(ana.get(&format!("{path}/reproduction")).await, StatusCode::NOT_FOUND).await;

    let job: JobView =
        json_of(ana.act("POST", &format!("{path}/reproduce")).await, StatusCode::ACCEPTED).await;
    let view: ReproductionView =
        json_of(ana.get(&format!("{path}/reproduction")).await, StatusCode::OK).await;
    assert_eq!((view.job.id, view.verdict), (job.id, None));
    let page: Page<chapan_api::generation::GenerationView> =
        json_of(ana.get("/api/generations").await, StatusCode::OK).await;
    assert_eq!(page.items.len(), 1, "it is no generation of its own");

    // The sheet of a grid has no record.
    let again = studio.claim().await.unwrap();
    studio.finish_all(&again, &[(ImageKind::Again, b"other")]).await;
    let page: Page<ImageView> = json_of(ana.get("/api/images").await, StatusCode::OK).await;
    assert_eq!(page.items.len(), 1, "nor a picture of the gallery");
}

#[tokio::test]
async fn a_picture_without_a_record_says_so() {
    let studio = Studio::new().await;
    let caller = studio.local();
    let id = studio.bare_image(b"png").await;
    let refused =
        refusal(caller.act("POST", &format!("/api/images/{id}/reproduce")).await, StatusCode::CONFLICT).await;
    assert_eq!(refused.code, ErrorCode::SourceGone);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_machine_makes_the_same_picture_and_another_record_shows_what_differs() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(config(folder.path()), Arc::new(SystemClock)).await.unwrap();
    let caller = Caller::of(router(server.app().clone()));
    let job: JobView = json_of(caller.post("/api/generations", &small()).await, StatusCode::ACCEPTED).await;
    let made = crate::server::wait(&caller, &job).await.image.unwrap();
    let path = format!("/api/images/{made}");
    let job: JobView =
        json_of(caller.act("POST", &format!("{path}/reproduce")).await, StatusCode::ACCEPTED).await;
    crate::server::wait(&caller, &job).await;
    let view: ReproductionView =
        json_of(caller.get(&format!("{path}/reproduction")).await, StatusCode::OK).await;
    let verdict = view.verdict.unwrap();
    assert!(verdict.identical && verdict.circumstances.is_empty(), "{verdict:?}");
    assert_eq!((verdict.changed_pixels, verdict.max_difference), (0.0, 0));

    // The same picture as another machine might have made it: brought in with a record that names another device and
    // with one pixel changed.
    let original: ImageView = json_of(caller.get(&path).await, StatusCode::OK).await;
    let file = crate::support::bytes_of(caller.get(&original.url).await).await;
    let mut reader = png::Decoder::new(std::io::Cursor::new(file.to_vec())).read_info().unwrap();
    let mut rgb = vec![0; reader.output_buffer_size().unwrap()];
    reader.next_frame(&mut rgb).unwrap();
    rgb[0] ^= 4;
    let mut record = original.record.unwrap();
    record.device = "cuda:0".to_owned();
    let forged = chapan::files::png::encode_png(64, 64, &rgb, &record).unwrap();
    let brought = caller.upload(forged).await;
    let path = format!("/api/images/{}", brought.id);
    let job: JobView =
        json_of(caller.act("POST", &format!("{path}/reproduce")).await, StatusCode::ACCEPTED).await;
    crate::server::wait(&caller, &job).await;
    let view: ReproductionView =
        json_of(caller.get(&format!("{path}/reproduction")).await, StatusCode::OK).await;
    let verdict = view.verdict.unwrap();
    assert!(!verdict.identical);
    assert_eq!((verdict.changed_pixels, verdict.max_difference), (1.0 / 4096.0, 4));
    let kinds: Vec<_> = verdict.circumstances.iter().map(|found| found.what).collect();
    assert_eq!(kinds, [CircumstanceKind::Device]);
    server.stop().await;
}
