//! Which pictures a folder has, by any of three layouts.

use std::path::{Component, Path, PathBuf};

use serde_json::Value;

use super::DatasetError;

/// The most pictures of a folder.
const MAX_PICTURES: usize = 10_000;
/// The largest list of captions in bytes.
const MAX_METADATA_BYTES: u64 = 64 << 20;
/// The most often that a picture counts.
const MAX_REPEATS: usize = 1_000;
/// What captions are called in lists; the last is what `chapan world` writes.
const CAPTION_KEYS: [&str; 4] = ["text", "prompt", "caption", "full_caption"];
const ENDINGS: [&str; 4] = ["png", "jpg", "jpeg", "webp"];

/// How a folder is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Pictures with text files.
    Plain,
    /// Folders with a number of repeats in their names.
    Kohya,
    /// A list of file names and texts.
    Diffusers,
}

/// A picture and what the folder says about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The file.
    pub path: PathBuf,
    /// The caption that stands in a list or a folder's name; a `.txt` beside the picture is read later, and wins.
    pub listed_caption: Option<String>,
    /// How often it counts.
    pub repeats: usize,
}

/// The pictures of a folder, in order of their names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// How it was laid out.
    pub layout: Layout,
    /// Its pictures.
    pub entries: Vec<Entry>,
}

/// Lists a folder. Files that are no pictures by their names are passed over.
///
/// # Errors
/// When the folder cannot be read, has too many pictures, or its list of captions makes no sense.
pub fn list(folder: &Path) -> Result<Listing, DatasetError> {
    let (mut pictures, mut folders) = (Vec::new(), Vec::new());
    for path in children(folder)? {
        if path.is_dir() {
            folders.push(path);
        } else if is_picture(&path) {
            pictures.push(path);
        }
    }
    for (name, is_csv) in [("metadata.jsonl", false), ("metadata.csv", true)] {
        let path = folder.join(name);
        if path.is_file() {
            let entries = listed(folder, &path, is_csv)?;
            return limited(folder, Listing { layout: Layout::Diffusers, entries });
        }
    }
    let mut entries = Vec::new();
    let counted: Vec<(PathBuf, usize, String)> =
        folders.into_iter().filter_map(|path| repeats_and_words(&path).map(|(n, w)| (path, n, w))).collect();
    if counted.is_empty() {
        let plain = |path| Entry { path, listed_caption: None, repeats: 1 };
        entries.extend(pictures.into_iter().map(plain));
        return limited(folder, Listing { layout: Layout::Plain, entries });
    }
    for (path, repeats, words) in counted {
        let caption = (!words.is_empty()).then_some(words);
        let inside = children(&path)?.into_iter().filter(|path| is_picture(path));
        entries.extend(inside.map(|path| Entry { path, listed_caption: caption.clone(), repeats }));
    }
    limited(folder, Listing { layout: Layout::Kohya, entries })
}

fn limited(folder: &Path, listing: Listing) -> Result<Listing, DatasetError> {
    if listing.entries.len() > MAX_PICTURES {
        return Err(DatasetError::TooMany { path: folder.to_owned(), limit: MAX_PICTURES });
    }
    Ok(listing)
}

/// What a folder holds, in order of names.
fn children(folder: &Path) -> Result<Vec<PathBuf>, DatasetError> {
    let unreadable = |source| DatasetError::Unreadable { path: folder.to_owned(), source };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        paths.push(entry.map_err(unreadable)?.path());
        if paths.len() > 4 * MAX_PICTURES {
            return Err(DatasetError::TooMany { path: folder.to_owned(), limit: MAX_PICTURES });
        }
    }
    paths.sort();
    Ok(paths)
}

fn is_picture(path: &Path) -> bool {
    let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
    !hidden && ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str()))
}

/// `10_words of a caption` as 10 and the words.
fn repeats_and_words(path: &Path) -> Option<(usize, String)> {
    let name = path.file_name()?.to_str()?;
    let (repeats, words) = name.split_once('_').unwrap_or((name, ""));
    let repeats = repeats.parse::<usize>().ok().filter(|repeats| (1..=MAX_REPEATS).contains(repeats))?;
    Some((repeats, words.replace('_', " ").trim().to_owned()))
}

/// The pictures of a list of captions.
fn listed(folder: &Path, path: &Path, is_csv: bool) -> Result<Vec<Entry>, DatasetError> {
    let unreadable = |source| DatasetError::Unreadable { path: path.to_owned(), source };
    let bad = |line: usize, fault: String| DatasetError::BadMetadata { path: path.to_owned(), line, fault };
    if std::fs::metadata(path).map_err(unreadable)?.len() > MAX_METADATA_BYTES {
        return Err(bad(1, "the file is far too long".to_owned()));
    }
    let bytes = std::fs::read(path).map_err(unreadable)?;
    let text = String::from_utf8(bytes).map_err(|_| bad(1, "the file is not UTF-8".to_owned()))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let rows = if is_csv { csv_rows(text) } else { json_rows(text) };
    let mut entries = Vec::new();
    for (line, row) in rows {
        let (name, caption) = row.map_err(|fault| bad(line, fault))?;
        let inside = Path::new(&name);
        let stays = inside.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        if !stays || name.is_empty() {
            return Err(bad(line, format!("`{name}` is no file of the folder")));
        }
        let path = folder.join(inside);
        if !path.is_file() {
            return Err(bad(line, format!("there is no `{name}`")));
        }
        entries.push(Entry { path, listed_caption: caption, repeats: 1 });
    }
    Ok(entries)
}

type Row = Result<(String, Option<String>), String>;

fn json_rows(text: &str) -> Vec<(usize, Row)> {
    let row = |line: &str| -> Row {
        let value: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
        let word = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        let name = word("file_name").ok_or("`file_name` is missing")?;
        Ok((name, CAPTION_KEYS.iter().find_map(|key| word(key))))
    };
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines.map(|(index, line)| (index + 1, row(line))).collect()
}

fn csv_rows(text: &str) -> Vec<(usize, Row)> {
    let mut records = csv_records(text).into_iter();
    let Some((line, header)) = records.next() else { return Vec::new() };
    let find = |names: &[&str]| header.iter().position(|name| names.contains(&name.trim()));
    let (Some(name), text) = (find(&["file_name"]), find(&CAPTION_KEYS)) else {
        return vec![(line, Err("the header has no `file_name`".to_owned()))];
    };
    records
        .map(|(line, fields)| {
            let field = |index: usize| fields.get(index).cloned();
            let row = field(name).ok_or_else(|| "`file_name` is missing".to_owned());
            (line, row.map(|name| (name, text.and_then(field))))
        })
        .collect()
}

/// Records with the lines that they begin on; quoted fields may hold commas, line breaks and doubled quotes (RFC 4180).
fn csv_records(text: &str) -> Vec<(usize, Vec<String>)> {
    let (mut records, mut fields, mut field) = (Vec::new(), Vec::new(), String::new());
    let (mut line, mut begins, mut quoted) = (1, 1, false);
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                field.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(std::mem::take(&mut field)),
            '\n' | '\r' if !quoted => {
                if c == '\r' && characters.peek() == Some(&'\n') {
                    continue;
                }
                fields.push(std::mem::take(&mut field));
                records.push((begins, std::mem::take(&mut fields)));
                line += 1;
                begins = line;
            }
            c => {
                line += usize::from(c == '\n');
                field.push(c);
            }
        }
    }
    fields.push(field);
    records.push((begins, fields));
    records.retain(|(_, fields)| fields.iter().any(|field| !field.trim().is_empty()));
    records
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_quotes_and_line_breaks_of_a_table_are_read() {
        let text = "file_name,text\r\na.png,\"red, \"\"big\"\"\nhat\"\r\nb.png,plain\n\n";
        let rows = csv_rows(text);
        assert_eq!(rows[0], (2, Ok(("a.png".to_owned(), Some("red, \"big\"\nhat".to_owned())))));
        assert_eq!(rows[1], (4, Ok(("b.png".to_owned(), Some("plain".to_owned())))));
        assert_eq!(rows.len(), 2);
        assert!(csv_rows("name,text\na,b").remove(0).1.is_err());
    }

    #[test]
    fn folders_with_numbers_repeat_their_pictures() {
        let of = |name: &str| repeats_and_words(Path::new(name));
        assert_eq!(of("x/10_aldar_kose man"), Some((10, "aldar kose man".to_owned())));
        assert_eq!(of("3"), Some((3, String::new())));
        assert_eq!((of("0_zero"), of("training"), of("99999_x")), (None, None, None));
    }

    #[test]
    fn lists_name_files_of_their_folder_only() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("a.png", "");
        write("note.md", "");
        assert_eq!(list(folder.path()).unwrap().entries.len(), 1);
        write("metadata.jsonl", "{\"file_name\": \"a.png\", \"text\": \"a hat\"}\n");
        let listing = list(folder.path()).unwrap();
        assert_eq!(
            (listing.layout, listing.entries[0].listed_caption.as_deref()),
            (Layout::Diffusers, Some("a hat"))
        );
        for bad in [
            "{\"file_name\": \"../a.png\"}",
            "{\"file_name\": \"/etc/hosts\"}",
            "{\"file_name\": \"b.png\"}",
            "[]",
            "x",
        ] {
            write("metadata.jsonl", bad);
            assert!(matches!(list(folder.path()), Err(DatasetError::BadMetadata { line: 1, .. })), "{bad}");
        }
    }
}
