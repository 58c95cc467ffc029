//! `events.jsonl`: what a competition told, a line for each event. A line that a kill tore is cut off when the log is opened
//! again, so that every line is whole and its number never changes.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

use chapan_api::competition::CompetitionEvent;

use super::{CompetitionError, CompetitionFolder};

/// The file's name.
pub(super) const LOG: &str = "events.jsonl";

/// An open log.
#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
    file: File,
    /// The part of a round that began last.
    stage: Option<CompetitionEvent>,
}

impl Log {
    /// Opens the log of a folder and cuts a torn line off.
    pub fn open(folder: &CompetitionFolder) -> Result<Self, CompetitionError> {
        let path = folder.path(LOG);
        let opened = || {
            let mut file = File::options().create(true).truncate(false).read(true).write(true).open(&path)?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
            file.set_len(whole as u64)?;
            file.seek(SeekFrom::End(0))?;
            let lines = bytes[..whole].split(|byte| *byte == b'\n').rev();
            let events = lines.filter_map(|line| serde_json::from_slice::<CompetitionEvent>(line).ok());
            let stage = events.into_iter().find(|event| matches!(event, CompetitionEvent::Stage { .. }));
            Ok((file, stage))
        };
        let failed =
            |error: std::io::Error| CompetitionError::File { path: path.clone(), fault: error.to_string() };
        let (file, stage) = opened().map_err(failed)?;
        Ok(Self { path, file, stage })
    }

    /// Whether a part of a round begins now, or is gone on with.
    pub fn begins(&self, stage: &CompetitionEvent) -> bool {
        self.stage.as_ref() != Some(stage)
    }

    /// Writes a line. It is not synchronised: what a power cut takes is told again.
    pub fn add(&mut self, event: &CompetitionEvent) -> Result<(), CompetitionError> {
        let failed = |fault: String| CompetitionError::File { path: self.path.clone(), fault };
        let mut line = serde_json::to_vec(event).map_err(|error| failed(error.to_string()))?;
        line.push(b'\n');
        if matches!(event, CompetitionEvent::Stage { .. }) {
            self.stage = Some(event.clone());
        }
        self.file.write_all(&line).map_err(|error| failed(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use chapan_api::competition::CompetitionStage;

    use super::*;

    #[test]
    fn a_torn_line_goes_and_whole_ones_stay() {
        let root = tempfile::tempdir().unwrap();
        let folder = CompetitionFolder::open(root.path()).unwrap();
        let event = CompetitionEvent::RoundFinished { round: 1 };
        Log::open(&folder).unwrap().add(&event).unwrap();
        let whole = std::fs::read(folder.path(LOG)).unwrap();
        std::fs::write(folder.path(LOG), [whole.as_slice(), b"{\"kind\":\"rou"].concat()).unwrap();
        Log::open(&folder).unwrap().add(&event).unwrap();
        assert_eq!(std::fs::read(folder.path(LOG)).unwrap(), [whole.as_slice(), &whole].concat());
    }

    #[test]
    fn a_part_that_is_gone_on_with_does_not_begin_again() {
        let root = tempfile::tempdir().unwrap();
        let folder = CompetitionFolder::open(root.path()).unwrap();
        let stage = |stage: CompetitionStage| CompetitionEvent::Stage { round: 2, stage };
        let mut log = Log::open(&folder).unwrap();
        log.add(&stage(CompetitionStage::Draw)).unwrap();
        log.add(&CompetitionEvent::RoundFinished { round: 1 }).unwrap();
        let log = Log::open(&folder).unwrap();
        assert!(!log.begins(&stage(CompetitionStage::Draw)) && log.begins(&stage(CompetitionStage::Score)));
    }
}
