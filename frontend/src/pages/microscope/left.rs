//! What a picture was made of that the microscope does not draw: it begins from noise, and draws once.

use chapan_api::generation::CreateGeneration;

use crate::i18n::{Language, t_string};

/// Something that is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// The picture that was begun from.
    Picture,
    /// The mask over it.
    Mask,
    /// The second pass at a larger size.
    Hires,
    /// The LoRAs.
    Loras,
    /// The turn towards another noise.
    Variation,
    /// The weights of words.
    Weighting,
}

impl Left {
    /// Its name on the page.
    pub fn says(self, i18n: Language) -> &'static str {
        match self {
            Self::Picture => t_string!(i18n, studio.image),
            Self::Mask => t_string!(i18n, studio.kind_mask),
            Self::Hires => t_string!(i18n, studio.hires),
            Self::Loras => "LoRA",
            Self::Variation => t_string!(i18n, studio.variation),
            Self::Weighting => t_string!(i18n, studio.weighting),
        }
    }
}

/// The request without what the microscope never draws, and what that was.
pub fn from_words_alone(request: CreateGeneration) -> (CreateGeneration, Vec<Left>) {
    let left = [
        (Left::Picture, request.image.is_some()),
        (Left::Mask, request.mask_image.is_some() || request.mask_blur.is_some()),
        (Left::Hires, request.hires.is_some()),
    ];
    let request = CreateGeneration {
        image: None,
        strength: None,
        mask_image: None,
        mask_blur: None,
        padding_mask_crop: None,
        masked_content: None,
        hires: None,
        num_images_per_prompt: 1,
        ..request
    };
    (request, left.into_iter().filter_map(|(what, is_left)| is_left.then_some(what)).collect())
}

/// What the browser by itself leaves out besides.
pub fn only_on_server(request: &CreateGeneration) -> Vec<Left> {
    let left = [
        (Left::Loras, !request.loras.is_empty()),
        (Left::Variation, request.variation_strength.is_some()),
        (Left::Weighting, request.prompt_weighting),
    ];
    left.into_iter().filter_map(|(what, is_left)| is_left.then_some(what)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::components::record::tests::full;

    #[test]
    fn what_is_left_is_a_request_that_the_server_takes() {
        let before = full().request();
        let (request, left) = from_words_alone(before.clone());
        assert_eq!(CreateGeneration { keep_steps: true, ..request.clone() }.validate(), Ok(()));
        assert_eq!(left, [Left::Picture, Left::Mask, Left::Hires]);
        assert_eq!(only_on_server(&request), [Left::Loras, Left::Variation, Left::Weighting]);
        assert_eq!((request.seed, &request.loras), (before.seed, &before.loras));
    }

    #[test]
    fn a_picture_from_words_loses_nothing() {
        let plain = CreateGeneration { prompt: "a hat".to_owned(), ..CreateGeneration::default() };
        assert_eq!(from_words_alone(plain.clone()), (plain.clone(), Vec::new()));
        assert_eq!(only_on_server(&plain), []);
    }
}
