//! The pictures of a training: looked at once to say what they are like, and once more to be encoded.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use chapan_api::training::{Finding, FindingCode, Severity};
use chapan_engine::pipelines::{Picture, StableDiffusionXl};
use chapan_engine::training::{Example, Role};
use sha2::{Digest, Sha256};

use super::TrainingError;
use crate::datasets::{
    Bucket, Buckets, CaptionTemplate, DatasetError, Entry, Fitted, Measured, caption_beside, fit, list,
    measure, read,
};

/// References below which a LoRA learns little.
const FEW: usize = 3;
/// References above which more bring little.
const MANY: usize = 60;
/// The share of a picture that must be left after it is cut to its size.
const LEAST_KEPT: f64 = 0.8;

/// Where pictures come from and how they are read.
#[derive(Clone, Debug)]
pub struct Sources {
    /// The folder of references.
    pub references: PathBuf,
    /// A folder of class pictures, for prior preservation.
    pub class: Option<PathBuf>,
    /// A folder of pictures to measure with.
    pub held_out: Option<PathBuf>,
    /// How captions are put together.
    pub captions: CaptionTemplate,
    /// The caption of class pictures that have none.
    pub class_prompt: Option<String>,
    /// The sizes that are trained.
    pub buckets: Buckets,
    /// Whether files that cannot be used are passed over instead of refused.
    pub skip_unusable: bool,
}

/// One picture that will be used.
#[derive(Clone, Debug)]
struct Chosen {
    role: Role,
    path: PathBuf,
    caption: String,
    repeats: usize,
    digest: [u8; 32],
}

/// What was found.
#[derive(Clone, Debug)]
pub struct PictureSet {
    chosen: Vec<Chosen>,
    /// What is worth telling.
    pub findings: Vec<Finding>,
    /// How many references each size has.
    pub sizes: BTreeMap<Bucket, u64>,
    most_pixels: usize,
}

/// A picture of which only its row is known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known<'a> {
    pub role: Role,
    /// What people call it.
    pub name: &'a Path,
    /// Width and height in pixels.
    pub size: (u32, u32),
    /// What is said about it.
    pub caption: Option<&'a str>,
    /// SHA-256 of its file, hexadecimal.
    pub sha256: &'a str,
}

impl PictureSet {
    fn empty() -> Self {
        Self { chosen: Vec::new(), findings: Vec::new(), sizes: BTreeMap::new(), most_pixels: 0 }
    }

    /// What would be found in pictures of which only their rows are known.
    pub(super) fn known(
        pictures: &[Known<'_>],
        captions: &CaptionTemplate,
        class_prompt: Option<&str>,
        buckets: &Buckets,
    ) -> Self {
        let mut set = Self::empty();
        let mut seen: Vec<(Role, BTreeMap<[u8; 32], PathBuf>)> =
            [Role::Reference, Role::Class, Role::HeldOut].map(|role| (role, BTreeMap::new())).into();
        for picture in pictures {
            let Some((_, seen)) = seen.iter_mut().find(|(role, _)| *role == picture.role) else { continue };
            let caption = caption_for(picture.role, captions, class_prompt, picture.caption);
            let measured = measure(picture.size, buckets);
            let found =
                Found { measured, digest: Sha256::digest(picture.sha256).into(), turned: false, repeats: 1 };
            set.choose(picture.role, picture.name, caption, &found, false, seen);
        }
        set.count_references(Path::new(""));
        set.findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        set
    }

    /// Different pictures of this role.
    pub fn count(&self, role: Role) -> usize {
        self.chosen.iter().filter(|chosen| chosen.role == role).count()
    }

    /// The captions of the references, in order.
    pub fn captions(&self) -> impl Iterator<Item = &str> {
        let references = self.chosen.iter().filter(|chosen| chosen.role == Role::Reference);
        references.map(|chosen| chosen.caption.as_str())
    }

    /// Every picture that will be used, with its caption.
    pub fn described(&self) -> impl Iterator<Item = (&Path, &str)> {
        self.chosen.iter().map(|chosen| (chosen.path.as_path(), chosen.caption.as_str()))
    }

    /// The largest number of pixels of a picture.
    pub fn most_pixels(&self) -> usize {
        self.most_pixels
    }

    /// SHA-256 over everything that is trained on, hexadecimal: pictures, captions, roles, repeats, in order.
    pub fn digest(&self) -> String {
        let mut hasher = Sha256::new();
        for chosen in &self.chosen {
            hasher.update(chosen.digest);
            hasher.update([chosen.role as u8]);
            hasher.update((chosen.repeats as u64).to_le_bytes());
            hasher.update((chosen.caption.len() as u64).to_le_bytes());
            hasher.update(chosen.caption.as_bytes());
        }
        hasher.finalize().iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
    }
}

/// Looks at every file. What is wrong with one file becomes a finding; only folders that cannot be read are errors.
///
/// # Errors
/// When a folder cannot be listed.
pub fn read_pictures(sources: &Sources) -> Result<PictureSet, TrainingError> {
    let mut set = PictureSet::empty();
    let folders = [
        (Role::Reference, Some(&sources.references)),
        (Role::Class, sources.class.as_ref()),
        (Role::HeldOut, sources.held_out.as_ref()),
    ];
    for (role, folder) in folders {
        let Some(folder) = folder else { continue };
        let mut seen: BTreeMap<[u8; 32], PathBuf> = BTreeMap::new();
        for entry in list(folder)?.entries {
            set.look_at(sources, role, &entry, &mut seen);
        }
    }
    set.count_references(&sources.references);
    set.findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    Ok(set)
}

impl PictureSet {
    fn tell(&mut self, severity: Severity, code: FindingCode, file: Option<&Path>, message: String) {
        let file = file.map(|file| file.display().to_string());
        self.findings.push(Finding { severity, code, file, message });
    }

    fn refuse(&mut self, sources: &Sources, code: FindingCode, path: &Path, error: &DatasetError) {
        let severity = if sources.skip_unusable { Severity::Warning } else { Severity::Error };
        self.tell(severity, code, Some(path), error.to_string().replace("\nhint: ", "; "));
    }

    fn look_at(
        &mut self,
        sources: &Sources,
        role: Role,
        entry: &Entry,
        seen: &mut BTreeMap<[u8; 32], PathBuf>,
    ) {
        let path = &entry.path;
        let (fitted, turned) = match read_and_fit(path, &sources.buckets) {
            Ok(read) => read,
            Err(error) => return self.refuse(sources, FindingCode::Unreadable, path, &error),
        };
        let beside = match caption_beside(path) {
            Ok(beside) => beside,
            Err(error) => return self.refuse(sources, FindingCode::BadCaption, path, &error),
        };
        let written = beside.or_else(|| entry.listed_caption.clone());
        let caption =
            caption_for(role, &sources.captions, sources.class_prompt.as_deref(), written.as_deref());
        let found =
            Found { measured: fitted.measured, digest: fitted.digest, turned, repeats: entry.repeats };
        self.choose(role, path, caption, &found, sources.skip_unusable, seen);
    }

    /// Takes a picture, unless it has no caption or shows what another shows.
    fn choose(
        &mut self,
        role: Role,
        path: &Path,
        caption: Option<String>,
        found: &Found,
        skip_unusable: bool,
        seen: &mut BTreeMap<[u8; 32], PathBuf>,
    ) {
        let Some(caption) = caption else {
            let severity = if skip_unusable { Severity::Warning } else { Severity::Error };
            let message =
                "it has no caption; write one into a .txt beside it, or give a trigger word".to_owned();
            return self.tell(severity, FindingCode::NoCaption, Some(path), message);
        };
        if let Some(first) = seen.get(&found.digest) {
            let message = format!("it shows the same as `{}` and is left out", first.display());
            return self.tell(Severity::Warning, FindingCode::Duplicate, Some(path), message);
        }
        seen.insert(found.digest, path.to_owned());
        self.describe(path, found);
        if role == Role::Reference {
            *self.sizes.entry(found.measured.bucket).or_insert(0) += 1;
        }
        let Bucket { width, height } = found.measured.bucket;
        self.most_pixels = self.most_pixels.max(width * height);
        self.chosen.push(Chosen {
            role,
            path: path.to_owned(),
            caption,
            repeats: found.repeats,
            digest: found.digest,
        });
    }

    fn describe(&mut self, path: &Path, found: &Found) {
        let Measured { original: (width, height), bucket, kept, enlarged, .. } = found.measured;
        let Bucket { width: to_width, height: to_height } = bucket;
        if found.turned {
            let message = "it was turned upright, as its camera noted".to_owned();
            self.tell(Severity::Note, FindingCode::Turned, Some(path), message);
        }
        if enlarged {
            let message = format!(
                "it is {width}x{height} and is made larger for {to_width}x{to_height}: what is learnt of it is blurred"
            );
            self.tell(Severity::Warning, FindingCode::Small, Some(path), message);
        }
        if kept < LEAST_KEPT {
            let percent = ((1.0 - kept) * 100.0).round();
            let message =
                format!("{percent} % of its {width}x{height} are cut off; cut it yourself to choose what");
            self.tell(Severity::Warning, FindingCode::Cut, Some(path), message);
        }
    }

    fn count_references(&mut self, folder: &Path) {
        let count = self.count(Role::Reference);
        let repeated = self.findings.iter().any(|finding| finding.code == FindingCode::Duplicate);
        match count {
            0 => {
                let message =
                    "there is no picture to learn from; put PNG, JPEG or WebP files into the folder"
                        .to_owned();
                self.tell(Severity::Error, FindingCode::NoReferences, Some(folder), message);
            }
            1 if repeated => {
                let message =
                    "all pictures are the same: it will be drawn again and again; add different ones"
                        .to_owned();
                self.tell(Severity::Warning, FindingCode::FewReferences, Some(folder), message);
            }
            _ if count < FEW => {
                let message = format!(
                    "{count} of them is little: poses and backgrounds will be learnt with the character; five to twenty are usual"
                );
                self.tell(Severity::Warning, FindingCode::FewReferences, Some(folder), message);
            }
            _ if count > MANY => {
                let message = format!(
                    "{count} are many: a round through all takes long, and twenty good ones usually do as well"
                );
                self.tell(Severity::Note, FindingCode::ManyReferences, Some(folder), message);
            }
            _ => {}
        }
    }
}

/// What is known of a picture that may be used.
struct Found {
    measured: Measured,
    digest: [u8; 32],
    turned: bool,
    repeats: usize,
}

/// The caption that is trained with, if there is anything to say.
fn caption_for(
    role: Role,
    captions: &CaptionTemplate,
    class_prompt: Option<&str>,
    written: Option<&str>,
) -> Option<String> {
    match role {
        Role::Class => written.or(class_prompt).map(str::to_owned),
        Role::Reference | Role::HeldOut => captions.apply(written),
    }
}

fn read_and_fit(path: &Path, buckets: &Buckets) -> Result<(Fitted, bool), DatasetError> {
    let picture = read(path)?;
    let turned = picture.facts.turned;
    Ok((fit(path, picture, buckets)?, turned))
}

/// Encodes every picture, one at a time: what is kept of each is a few thousand numbers. `tell` hears how many are done, and
/// says whether to go on.
///
/// # Errors
/// When a file has changed since it was looked at, or cannot be encoded.
pub fn encode(
    pipeline: &StableDiffusionXl,
    set: &PictureSet,
    buckets: &Buckets,
    mut tell: impl FnMut(usize, usize) -> bool,
) -> Result<Vec<Example>, TrainingError> {
    let mut examples = Vec::with_capacity(set.chosen.len());
    for (index, chosen) in set.chosen.iter().enumerate() {
        let (fitted, _) = read_and_fit(&chosen.path, buckets)?;
        let Measured { bucket: Bucket { width, height }, original: first, crop: cut, enlarged, .. } =
            fitted.measured;
        let posterior = pipeline.encode_picture(&Picture { width, height, rgb: fitted.rgb })?;
        let target = (height as f64, width as f64);
        // Smaller originals are said to be so, that drawings are not blurred as they are.
        let original = if enlarged { (f64::from(first.1), f64::from(first.0)) } else { target };
        let crop = (cut.0 as f64, cut.1 as f64);
        let time_ids = [original.0, original.1, crop.0, crop.1, target.0, target.1];
        let example = Example { role: chosen.role, caption: chosen.caption.clone(), posterior, time_ids };
        examples.extend(std::iter::repeat_n(example, chosen.repeats));
        if !tell(index + 1, set.chosen.len()) {
            return Err(chapan_engine::Error::Cancelled.into());
        }
    }
    Ok(examples)
}
