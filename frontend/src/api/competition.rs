//! Routes of the nouns `competition` and `vote`.

use chapan_api::{
    competition::{
        Ballot, CompetitionEvent, CompetitionView, CreateCompetition, CreateVote, TakeLora, VoteTally,
    },
    id::CompetitionId,
    job::JobView,
    model::LoraView,
    page::Page,
};

use super::{Failure, client, stream::Stream};

/// The user's competitions, newest first.
pub async fn list() -> Result<Page<CompetitionView>, Failure> {
    client::get("/api/competitions").await
}

/// One competition with all its reports.
pub async fn get(id: &CompetitionId) -> Result<CompetitionView, Failure> {
    client::get(&format!("/api/competitions/{id}")).await
}

/// Asks for a competition; the answer is its job.
pub async fn create(request: &CreateCompetition) -> Result<JobView, Failure> {
    client::post("/api/competitions", request).await
}

/// Removes one that has ended.
pub async fn delete(id: &CompetitionId) -> Result<(), Failure> {
    client::act("DELETE", &format!("/api/competitions/{id}")).await
}

/// Puts the LoRA of a round among the LoRAs of the studio.
pub async fn take_lora(id: &CompetitionId, round: u32, name: &str) -> Result<LoraView, Failure> {
    let request = TakeLora { name: name.to_owned() };
    client::post(&format!("/api/competitions/{id}/rounds/{round}/lora"), &request).await
}

/// Where a file of the competition lies.
pub fn file(id: &CompetitionId, path: &str) -> String {
    format!("/api/competitions/{id}/files/{path}")
}

/// Where everything comes as one file.
pub fn archive(id: &CompetitionId) -> String {
    format!("/api/competitions/{id}/archive")
}

/// The next pair to judge.
pub async fn ballot(id: &CompetitionId) -> Result<Ballot, Failure> {
    client::get(&format!("/api/competitions/{id}/ballot")).await
}

/// Judges a pair.
pub async fn vote(id: &CompetitionId, vote: &CreateVote) -> Result<Vec<VoteTally>, Failure> {
    client::post(&format!("/api/competitions/{id}/votes"), vote).await
}

/// Names under which the server may send an event; the payload says by itself what it is.
const NAMES: [&str; 8] =
    ["message", "stage", "training", "picture", "scored", "round_finished", "finished", "end"];

/// Follows a competition from its first event; `tell` gets nothing when no more will come.
pub fn follow(
    id: &CompetitionId,
    tell: impl Fn(Option<CompetitionEvent>) + Clone + 'static,
) -> Option<Stream> {
    Stream::open(&format!("/api/competitions/{id}/events"), &NAMES, move |text| match text {
        Some(text) => {
            if let Ok(event) = serde_json::from_str(&text) {
                tell(Some(event));
            }
        }
        None => tell(None),
    })
}
