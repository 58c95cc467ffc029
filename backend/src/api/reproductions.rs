//! `/api/images/{id}/reproduce`: can the same picture be made again?

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use chapan_api::error::{ErrorBody, ErrorCode};
use chapan_api::generation::CreateGeneration;
use chapan_api::id::{GenerationId, ImageId, UserId};
use chapan_api::image::{ImageRecord, SourceRecord};
use chapan_api::job::JobView;
use chapan_api::reproduction::{ReproductionView, Verdict, circumstances, upscale_circumstances};
use chapan_api::upscale::CreateUpscale;

use super::{ApiError, ApiResult, App, AppState, requests, upscales};
use crate::auth::CurrentUser;
use crate::files::Difference;
use crate::files::picture::decode_picture;
use crate::ids;
use crate::store::{ImageRow, NewRequest};

/// Make a picture again from its record. Answers at once with the job; how the two compare is told by
/// `/api/images/{id}/reproduction` when it has ended.
#[utoipa::path(
    post, path = "/api/images/{id}/reproduce", tag = "image", params(("id" = String, Path)),
    responses(
        (status = ACCEPTED, body = JobView),
        (status = NOT_FOUND, body = ErrorBody),
        (status = CONFLICT, description = "Nothing is known about its making, or a picture that it started from is gone", body = ErrorBody),
        (status = UNPROCESSABLE_ENTITY, description = "Its model is not installed", body = ErrorBody),
    )
)]
pub(super) async fn reproduce_image(
    State(app): State<AppState>,
    user: CurrentUser,
    Path(id): Path<ImageId>,
) -> ApiResult<(StatusCode, Json<JobView>)> {
    let row = app.store.image(&user.id, &id).await?.ok_or_else(|| ApiError::not_found("image", &id))?;
    if let Some(enlargement) = row.enlargement {
        let image = find_source(&app, &user.id, &enlargement.image).await?;
        let request = CreateUpscale { image, scale: enlargement.scale, model: Some(enlargement.model) };
        let job = upscales::accept(&app, user.id, request, Some(id)).await?;
        return Ok((StatusCode::ACCEPTED, Json(job)));
    }
    let record = row.record.ok_or_else(|| {
        ApiError::new(
            ErrorCode::SourceGone,
            "nothing is known about how this picture was made",
            "choose one that was made here; of a grid, one of its single pictures",
        )
    })?;
    let request = request_of(&app, &user.id, &record).await?;
    let (model, parameters) = requests::complete(&app, &user.id, request).await?;
    let steps = parameters.planned_steps();
    let again = GenerationId::new(ids::new_id(&*app.clock));
    let request =
        NewRequest::Generation { id: again, parameters: Box::new(parameters), reproduces: Some(id) };
    let job = requests::enqueue(&app, user.id, model.id, steps, request).await?;
    Ok((StatusCode::ACCEPTED, Json(job)))
}

/// How a picture compares with the last time that it was made again.
#[utoipa::path(
    get, path = "/api/images/{id}/reproduction", tag = "image", params(("id" = String, Path)),
    responses(
        (status = OK, body = ReproductionView),
        (status = NOT_FOUND, description = "No such picture, or it was never made again", body = ErrorBody)
    )
)]
pub(super) async fn show_reproduction(
    State(app): State<AppState>,
    user: CurrentUser,
    Path(id): Path<ImageId>,
) -> ApiResult<Json<ReproductionView>> {
    let row = app.store.image(&user.id, &id).await?.ok_or_else(|| ApiError::not_found("image", &id))?;
    let found = app.store.reproduction(&user.id, &id).await?;
    let found = found.ok_or_else(|| ApiError::not_found("reproduction of image", &id))?;
    let verdict = match found.again {
        Some(again) => Some(compare(&app, row, again).await?),
        None => None,
    };
    Ok(Json(ReproductionView { image: id, job: app.queue.newest(&found.job).await?, verdict }))
}

/// The request that makes the picture again, with the pictures that it started from where they are now.
async fn request_of(app: &App, owner: &UserId, record: &ImageRecord) -> ApiResult<CreateGeneration> {
    if record.ingredients.outpaint.is_some() {
        return Err(ApiError::new(
            ErrorCode::SourceGone,
            "this picture was grown beyond its frame on the command line",
            "make it again there: `chapan generate --again FILE.png --image ORIGINAL.png --output AGAIN.png`",
        ));
    }
    let mut record = record.clone();
    for source in [&mut record.ingredients.image, &mut record.ingredients.mask_image].into_iter().flatten() {
        source.id = Some(find_source(app, owner, source).await?);
    }
    Ok(record.request())
}

/// The picture with the file that the record names: the very one, or another with the same bytes.
async fn find_source(app: &App, owner: &UserId, source: &SourceRecord) -> ApiResult<ImageId> {
    if let Some(id) = &source.id
        && let Some(row) = app.store.image(owner, id).await?
        && row.sha256 == source.sha256
    {
        return Ok(row.id);
    }
    let same = app.store.image_with_file(owner, &source.sha256).await?;
    same.map(|row| row.id).ok_or_else(|| {
        ApiError::new(
            ErrorCode::SourceGone,
            "a picture that this one started from is gone",
            "bring it in again, if you still have the file that was downloaded here",
        )
    })
}

async fn compare(app: &App, then: ImageRow, now: ImageRow) -> ApiResult<Verdict> {
    let circumstances = match (&then.enlargement, &now.enlargement, &then.record, &now.record) {
        (Some(then), Some(now), ..) => upscale_circumstances(then, now),
        (_, _, Some(then), Some(now)) => circumstances(then, now),
        _ => Vec::new(),
    };
    let mut verdict = Verdict {
        again: now.id.clone(),
        identical: true,
        changed_pixels: 0.0,
        max_difference: 0,
        circumstances,
    };
    if then.sha256 == now.sha256 {
        return Ok(verdict);
    }
    let missing = || ApiError::internal("a picture's file is missing");
    let first = app.blobs.get(&then.sha256).await?.ok_or_else(missing)?;
    let second = app.blobs.get(&now.sha256).await?.ok_or_else(missing)?;
    let found = tokio::task::spawn_blocking(move || -> ApiResult<Difference> {
        let first = decode_picture(&first).map_err(ApiError::internal)?;
        let second = decode_picture(&second).map_err(ApiError::internal)?;
        Ok(Difference::of(&first, &second))
    });
    let found = found.await.map_err(ApiError::internal)??;
    (verdict.changed_pixels, verdict.max_difference) = (found.changed_pixels, found.max_difference);
    verdict.identical = found.is_none();
    Ok(verdict)
}
