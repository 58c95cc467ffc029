//! Who stands where: pictures of the same prompt and seed under each other, the best contestant first.

use chapan_api::comparison::{ComparisonReport, PictureScore};

/// One row: a contestant with its pictures, one for each column.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The contestant.
    pub contestant: String,
    /// Its rank; equals share one.
    pub rank: u32,
    /// Its pictures in the order of the columns; nothing where it has none.
    pub pictures: Vec<Option<PictureScore>>,
}

/// The contestants by rank, with the pictures of one prompt. Pictures are called `<prompt>_<seed>.png`, prompts count from 1;
/// pictures that are called otherwise were brought from elsewhere and stand in their own order.
pub fn rows(report: &ComparisonReport, prompt: usize, seeds: &[u64]) -> Vec<Row> {
    let mut rows: Vec<Row> = report
        .ranking
        .iter()
        .filter_map(|place| {
            let contestant = report.contestants.iter().find(|one| one.name == place.contestant)?;
            let named = |file: &str| contestant.pictures.iter().find(|picture| picture.file == file).cloned();
            let mut pictures: Vec<Option<PictureScore>> =
                seeds.iter().map(|seed| named(&format!("{}_{seed}.png", prompt + 1))).collect();
            if pictures.iter().all(Option::is_none) {
                let few = contestant.pictures.iter().take(seeds.len().max(1));
                pictures = few.cloned().map(Some).collect();
            }
            Some(Row { contestant: contestant.name.clone(), rank: place.rank, pictures })
        })
        .collect();
    rows.sort_by_key(|row| row.rank);
    rows
}

/// The round whose LoRA a contestant is.
pub fn round_of(contestant: &str) -> Option<u32> {
    contestant.strip_prefix("round-")?.parse().ok()
}

/// Where the picture of a contestant lies in the competition's folder.
pub fn picture_path(contestant: &str, file: &str) -> String {
    format!("comparisons/{contestant}_{file}")
}

/// The ends of a whisker, within the scale from 0 to 1.
pub fn whisker(value: f64, error: Option<f64>) -> (f64, f64) {
    let error = error.filter(|error| error.is_finite()).unwrap_or(0.0);
    ((value - error).clamp(0.0, 1.0), (value + error).clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> ComparisonReport {
        let picture = |file: &str| {
            serde_json::json!({"file": file, "clip_similarity": 0.5, "feature_matching": 0.5, "ssim": 0.5, "quality": 0.5,
                "features": []})
        };
        let contestant = |name: &str, files: &[&str]| {
            serde_json::json!({"name": name, "clip_similarity_avg": 0.5, "feature_matching_score": 0.5, "ssim_avg": 0.5,
                "quality_score": 0.5, "standard_errors": {"clip_similarity_avg": null, "feature_matching_score": null,
                "ssim_avg": null, "quality_score": null}, "bands": {"clip_similarity": "weak", "feature_matching": "weak",
                "ssim": "good"}, "features": [], "pictures": files.iter().map(|file| picture(file)).collect::<Vec<_>>()})
        };
        let place = |rank: u32, name: &str| serde_json::json!({"rank": rank, "contestant": name, "quality_score": 0.5, "standard_error": null, "tied_with": []});
        serde_json::from_value(serde_json::json!({"version": "score_v1", "model": "m", "features": "f",
            "weights": {"clip_similarity": 0.4, "feature_matching": 0.4, "ssim": 0.2},
            "references": {"holdout": "given", "training": [], "held_out": []}, "key_features": [], "evidence": [],
            "contestants": [contestant("base", &["1_7.png", "1_8.png", "2_7.png"]), contestant("own", &["a.png", "b.png", "c.png"]),
                contestant("round-1", &["1_8.png", "1_7.png"])],
            "ranking": [place(2, "base"), place(1, "round-1"), place(2, "own")], "paired": false}))
        .unwrap()
    }

    #[test]
    fn pictures_of_one_seed_stand_under_each_other() {
        let rows = rows(&report(), 0, &[7, 8]);
        let names: Vec<(u32, &str)> = rows.iter().map(|row| (row.rank, row.contestant.as_str())).collect();
        assert_eq!(names, [(1, "round-1"), (2, "base"), (2, "own")]);
        let files = |row: usize| -> Vec<String> {
            rows[row]
                .pictures
                .iter()
                .map(|picture| picture.as_ref().map_or("-".into(), |one| one.file.clone()))
                .collect()
        };
        assert_eq!(files(0), ["1_7.png", "1_8.png"]);
        assert_eq!(files(1), ["1_7.png", "1_8.png"]);
        assert_eq!(files(2), ["a.png", "b.png"]);
    }

    #[test]
    fn a_missing_picture_leaves_its_place_free() {
        let rows = rows(&report(), 1, &[7, 8]);
        let base = rows.iter().find(|row| row.contestant == "base").unwrap();
        assert!(base.pictures[0].is_some() && base.pictures[1].is_none());
    }

    #[test]
    fn names_and_places() {
        assert_eq!((round_of("round-12"), round_of("base"), round_of("round-x")), (Some(12), None, None));
        assert_eq!(picture_path("base", "1_7.png"), "comparisons/base_1_7.png");
    }

    #[test]
    fn whiskers_stay_on_the_scale() {
        assert_eq!(whisker(0.98, Some(0.05)), (0.98 - 0.05, 1.0));
        assert_eq!(whisker(0.4, None), (0.4, 0.4));
        assert_eq!(whisker(0.4, Some(f64::NAN)), (0.4, 0.4));
    }
}
