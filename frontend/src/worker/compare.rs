//! Asks for the measures of two pictures of the studio.

use chapan_worker::messages::{Answer, Comparison, Task};
use leptos::prelude::{document, window};

use super::{Rgba, quick};
use crate::api::{self, Failure};

/// Names of the colours of the difference map, from none to greatest.
const HEAT: [&str; 5] = ["--heat-0", "--heat-1", "--heat-2", "--heat-3", "--heat-4"];

/// What a comparison found, and where the differences are.
#[derive(Clone, Debug, PartialEq)]
pub struct Compared {
    /// The measures.
    pub found: Comparison,
    /// The difference map, in the colours of the theme.
    pub map: Option<Rgba>,
}

/// Fetches two pictures and has them compared.
pub async fn compare(first: &str, second: &str) -> Result<Compared, Failure> {
    let file = |bytes: Vec<u8>| js_sys::Uint8Array::from(bytes.as_slice()).buffer();
    let files = [file(api::bytes(first).await?), file(api::bytes(second).await?)];
    let given = quick().answer(Task::Compare { palette: palette() }, &files).await?;
    match given.answer {
        Answer::Compared(found) => {
            let map = Rgba::new(found.width as u32, found.height as u32, given.bytes(0));
            Ok(Compared { found, map })
        }
        _ => Err(Failure::Unreadable("the worker's answer".to_owned())),
    }
}

/// The colours of the difference map as the theme has them now.
fn palette() -> Vec<[u8; 3]> {
    let style = document().document_element().and_then(|root| window().get_computed_style(&root).ok()?);
    let Some(style) = style else { return Vec::new() };
    HEAT.iter().filter_map(|name| hex(style.get_property_value(name).ok()?.trim())).collect()
}

/// The parts of a colour of six hexadecimal digits.
fn hex(text: &str) -> Option<[u8; 3]> {
    let digits = u32::from_str_radix(text.strip_prefix('#').filter(|digits| digits.len() == 6)?, 16).ok()?;
    let [_, red, green, blue] = digits.to_be_bytes();
    Some([red, green, blue])
}

#[cfg(test)]
mod tests {
    use super::hex;

    #[test]
    fn colours_of_the_style_are_read() {
        let colour = |digits: &str| hex(&format!("#{digits}"));
        assert_eq!(colour("f0a51e"), Some([0xf0, 0xa5, 0x1e]));
        assert_eq!(colour("fff"), None);
        assert_eq!(hex("saffron"), None);
    }
}
