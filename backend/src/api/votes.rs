//! The blind vote on a competition's pictures: two of one prompt and seed, drawn by chance, and no word of who drew them, in
//! their addresses, their headers or their files.

use std::path::Path as FilePath;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use chapan_api::comparison::ComparisonReport;
use chapan_api::competition::{Ballot, CreateVote, TrainingHistory, VoteTally};
use chapan_api::error::{ErrorBody, ErrorCode};
use chapan_api::id::{BallotId, CompetitionId};
use chapan_metrics::vote_lower_bound;

use super::competitions::{json, own_competition};
use super::extract::JsonBody;
use super::{ApiError, ApiResult, App, AppState};
use crate::auth::CurrentUser;
use crate::files::picture::decode_picture;
use crate::files::png::encode_bare_png;
use crate::ids;
use crate::jobs::competition::{folder_of, report_of};
use crate::store::{BallotRow, Voted};

/// Two pictures of the newest finished round to choose from: the one that was not voted on yet, else another pair by chance.
#[utoipa::path(
    get, path = "/api/competitions/{id}/ballot", tag = "competition", params(("id" = String, Path)),
    responses(
        (status = OK, body = Ballot),
        (status = NOT_FOUND, description = "There is no such competition, or (`no_ballot`) no pair that was not voted on", body = ErrorBody)
    )
)]
pub(super) async fn show_ballot(
    State(app): State<AppState>,
    user: CurrentUser,
    Path(id): Path<CompetitionId>,
) -> ApiResult<Json<Ballot>> {
    own_competition(&app, &user, &id).await?;
    if let Some(open) = app.store.open_ballot(&id, &user.id).await? {
        return Ok(Json(view(&id, open)));
    }
    let folder = folder_of(&app.config.data_dir, &id);
    let pairs = tokio::task::spawn_blocking(move || pairs(&folder)).await;
    let mut pairs = pairs.map_err(ApiError::internal)?.map_err(ApiError::internal)?;
    let asked = app.store.asked_pairs(&id, &user.id).await?;
    pairs.retain(|pair| !asked.contains(&pair.pair));
    if pairs.is_empty() {
        let (fact, hint) = ("there is no pair that you have not voted on", "wait for another round");
        return Err(ApiError::new(ErrorCode::NoBallot, fact, hint));
    }
    let chance = ids::random_u64();
    let mut pair = pairs.swap_remove((chance >> 1) as usize % pairs.len());
    // Which side is which is up to chance as well.
    if chance & 1 == 1 {
        std::mem::swap(&mut pair.left, &mut pair.right);
    }
    let ballot = BallotRow { id: BallotId::new(ids::new_id(&*app.clock)), ..pair };
    app.store.add_ballot(&id, &user.id, &ballot).await?;
    // The same person may have asked twice at once: both are given the same one.
    let open = app.store.open_ballot(&id, &user.id).await?.unwrap_or(ballot);
    Ok(Json(view(&id, open)))
}

/// A picture of a ballot, without a word of who drew it.
#[utoipa::path(
    get, path = "/api/competitions/{id}/ballots/{ballot}/{side}", tag = "competition",
    params(("id" = String, Path), ("ballot" = String, Path), ("side" = String, Path, description = "`left` or `right`")),
    responses((status = OK, description = "The PNG", content_type = "image/png"), (status = NOT_FOUND, body = ErrorBody))
)]
pub(super) async fn show_ballot_picture(
    State(app): State<AppState>,
    user: CurrentUser,
    Path((id, ballot, side)): Path<(CompetitionId, BallotId, String)>,
) -> ApiResult<Response> {
    own_competition(&app, &user, &id).await?;
    let found = app.store.ballot(&id, &user.id, &ballot).await?;
    let row = found.ok_or_else(|| ApiError::not_found("ballot", &ballot))?;
    let file = match side.as_str() {
        "left" => row.left.1,
        "right" => row.right.1,
        other => return Err(ApiError::not_found("side", other)),
    };
    let path = folder_of(&app.config.data_dir, &id).join(file);
    let bytes = tokio::fs::read(&path).await.map_err(ApiError::internal)?;
    let _turn = app.decoders.acquire().await.map_err(ApiError::internal)?;
    // Decoded and written anew: no text of the file, and not its very bytes, which stand elsewhere under a name.
    let plain = tokio::task::spawn_blocking(move || {
        let picture = decode_picture(&bytes).map_err(ApiError::internal)?;
        let (width, height) = (picture.width, picture.height);
        encode_bare_png(width, height, &picture.into_rgb()).map_err(ApiError::internal)
    });
    let plain = plain.await.map_err(ApiError::internal)??;
    let headers = [(header::CONTENT_TYPE, "image/png"), (header::CACHE_CONTROL, "private, no-store")];
    Ok((headers, plain).into_response())
}

/// Vote. A ballot counts once.
#[utoipa::path(
    post, path = "/api/competitions/{id}/votes", tag = "competition", params(("id" = String, Path)), request_body = CreateVote,
    responses(
        (status = ACCEPTED, description = "What everybody chose so far", body = Vec<VoteTally>),
        (status = NOT_FOUND, body = ErrorBody), (status = CONFLICT, description = "It was voted on before", body = ErrorBody)
    )
)]
pub(super) async fn create_vote(
    State(app): State<AppState>,
    user: CurrentUser,
    Path(id): Path<CompetitionId>,
    JsonBody(vote): JsonBody<CreateVote>,
) -> ApiResult<(StatusCode, Json<Vec<VoteTally>>)> {
    vote.validate().map_err(ApiError::invalid)?;
    own_competition(&app, &user, &id).await?;
    match app.store.vote(&id, &user.id, &vote.ballot, vote.choice).await? {
        Voted::Done => Ok((StatusCode::ACCEPTED, Json(tallies(&app, &id).await?))),
        Voted::Unknown => Err(ApiError::not_found("ballot", &vote.ballot)),
        Voted::Before => {
            let hint = "ask for the next ballot";
            Err(ApiError::new(ErrorCode::Conflict, "you have voted on this ballot", hint))
        }
    }
}

/// What everybody chose, the most liked first: by what their votes prove, then by how many they are.
pub(super) async fn tallies(app: &App, id: &CompetitionId) -> ApiResult<Vec<VoteTally>> {
    let votes = app.store.votes(id).await?;
    let mut tallies: Vec<VoteTally> = votes
        .into_iter()
        .map(|(contestant, votes)| VoteTally {
            contestant,
            wins: votes.wins,
            losses: votes.losses,
            ties: votes.ties,
            lower_bound: vote_lower_bound(votes.wins, votes.losses, votes.ties),
        })
        .collect();
    tallies.sort_by(|a, b| b.lower_bound.total_cmp(&a.lower_bound).then(b.wins.cmp(&a.wins)));
    Ok(tallies)
}

fn view(competition: &CompetitionId, row: BallotRow) -> Ballot {
    let side = |side: &str| format!("/api/competitions/{competition}/ballots/{}/{side}", row.id);
    Ballot { left: side("left"), right: side("right"), prompt: row.prompt, id: row.id }
}

/// Every two contestants' pictures of every prompt and seed of the newest finished round. Pictures from elsewhere have no seed:
/// the n-th of them stands beside the n-th of the others.
fn pairs(folder: &FilePath) -> std::io::Result<Vec<BallotRow>> {
    let history: Option<TrainingHistory> = json(&folder.join("training_history.json"))?;
    let Some((history, round)) = history.and_then(|history| {
        let round = history.rounds.last()?.round;
        Some((history, round))
    }) else {
        return Ok(Vec::new());
    };
    let Some(report) = json::<ComparisonReport>(&folder.join(report_of(round)))? else {
        return Ok(Vec::new());
    };
    let seeds = history.seeds.len().max(1);
    let mut pairs = Vec::new();
    for (index, one) in report.contestants.iter().enumerate() {
        for other in &report.contestants[index + 1..] {
            for (place, (left, right)) in one.pictures.iter().zip(&other.pictures).enumerate() {
                let Some(prompt) = history.prompts.get(place / seeds) else { break };
                let side = |name: &str, file: &str| (name.to_owned(), format!("comparisons/{name}_{file}"));
                pairs.push(BallotRow {
                    id: BallotId::new(String::new()),
                    pair: format!("{}|{}|{place}", one.name, other.name),
                    prompt: prompt.clone(),
                    left: side(&one.name, &left.file),
                    right: side(&other.name, &right.file),
                    choice: None,
                });
            }
        }
    }
    Ok(pairs)
}
