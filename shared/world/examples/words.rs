//! Prints every group, its values and their words as JSON: `cargo run -p chapan-world --example words > words.json`.
//!
//! The pretraining scripts read it to write captions whose mentioned attributes they know exactly.

use std::error::Error;
use std::io::Write;

use chapan_world::groups;
use serde_json::{Map, Value, json};

fn main() -> Result<(), Box<dyn Error>> {
    let mut table = Map::new();
    for group in groups() {
        let values: Vec<Value> = group
            .values()
            .iter()
            .map(|words| {
                json!({
                    "value": words.value,
                    "clip": words.clip,
                    "with": words.with,
                    "adjectives": words.adjectives,
                    "tags": words.tags,
                })
            })
            .collect();
        table.insert(group.name().to_owned(), json!({ "of_rooms": group.is_of_rooms(), "values": values }));
    }
    let text = serde_json::to_string_pretty(&table)?;
    writeln!(std::io::stdout(), "{text}")?;
    Ok(())
}
