//! The pictures that a request starts from: from the store's files to what the engine takes.

use chapan_api::error::ErrorCode;
use chapan_api::generation::{CreateGeneration, MaskedContent, limits};
use chapan_api::id::{ImageId, UserId};
use chapan_api::image::{ImageRecord, SourceRecord};
use chapan_engine::pipelines::{self, ImageToImage, Inpainting, Mask, Picture, Start};

use super::error::JobError;
use super::worker::Worker;
use crate::files::picture::{DecodedPicture, decode_picture};

/// The pictures of a request, decoded.
#[derive(Debug, Default)]
pub(super) struct Sources {
    image: Option<Source>,
    mask: Option<Source>,
}

/// A picture of the store, decoded.
#[derive(Debug)]
pub(super) struct Source {
    /// What records say of it.
    pub record: SourceRecord,
    /// Its pixels.
    pub picture: DecodedPicture,
    /// How it was drawn.
    pub made: Option<ImageRecord>,
}

impl Sources {
    /// Reads the pictures that a request names.
    pub async fn read(worker: &Worker, owner: &UserId, request: &CreateGeneration) -> Result<Self, JobError> {
        Ok(Self {
            image: read(worker, owner, request.image.as_ref()).await?,
            mask: read(worker, owner, request.mask_image.as_ref()).await?,
        })
    }

    /// The records of picture and mask.
    pub fn records(&self) -> (Option<SourceRecord>, Option<SourceRecord>) {
        let record = |source: &Option<Source>| source.as_ref().map(|source| source.record.clone());
        (record(&self.image), record(&self.mask))
    }

    /// What the first step starts from.
    pub fn start(&self, request: &CreateGeneration) -> Start {
        let strength = request.strength.unwrap_or(limits::DEFAULT_STRENGTH);
        match (&self.image, &self.mask) {
            (None, _) => Start::Noise,
            (Some(image), None) => Start::Picture(ImageToImage { image: image.rgb(), strength }),
            (Some(image), Some(mask)) => Start::Masked(Inpainting {
                image: image.rgb(),
                mask_image: mask.levels(),
                strength,
                mask_blur: request.mask_blur.unwrap_or(limits::DEFAULT_MASK_BLUR),
                padding_mask_crop: request.padding_mask_crop,
                masked_content: match request.masked_content.unwrap_or_default() {
                    MaskedContent::Original => pipelines::MaskedContent::Original,
                    MaskedContent::Noise => pipelines::MaskedContent::Noise,
                },
            }),
        }
    }
}

impl Source {
    /// Reads a picture of this owner.
    pub async fn read(worker: &Worker, owner: &UserId, id: &ImageId) -> Result<Self, JobError> {
        let gone = || {
            let hint = "choose another picture, or bring it in again";
            JobError::fail(ErrorCode::NotFound, "a picture that this one starts from is gone", hint)
        };
        let unreadable = |cause: &dyn std::fmt::Display| {
            JobError::internal("a picture that this one starts from cannot be read", cause)
        };
        let row = worker.queue.store.image(owner, id).await.map_err(|error| unreadable(&error))?;
        let row = row.ok_or_else(gone)?;
        let bytes = worker.blobs.get(&row.sha256).await.map_err(|error| unreadable(&error))?;
        let bytes = bytes.ok_or_else(gone)?;
        let picture = tokio::task::spawn_blocking(move || decode_picture(&bytes)).await;
        let picture = picture.map_err(|error| unreadable(&error))?.map_err(|error| unreadable(&error))?;
        let record = SourceRecord { id: Some(row.id), sha256: row.sha256 };
        Ok(Source { record, picture, made: row.record })
    }

    fn rgb(&self) -> Picture {
        let (width, height) = (self.picture.width as usize, self.picture.height as usize);
        // As it is seen: a network knows nothing of opacity.
        Picture { width, height, rgb: self.picture.rgb_on_white() }
    }

    fn levels(&self) -> Mask {
        let (width, height) = (self.picture.width as usize, self.picture.height as usize);
        Mask { width, height, levels: self.picture.luma() }
    }
}

async fn read(worker: &Worker, owner: &UserId, id: Option<&ImageId>) -> Result<Option<Source>, JobError> {
    match id {
        Some(id) => Source::read(worker, owner, id).await.map(Some),
        None => Ok(None),
    }
}
