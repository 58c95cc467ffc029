//! One set of names for the files of three generations: ESRGAN's first (`model.1.sub.0.RDB1.conv1.0`), its second
//! (`RRDB_trunk.0.RDB1.conv1`), and Real-ESRGAN's (`body.0.rdb1.conv1`), which is the one that layers ask for.

use std::collections::{BTreeMap, BTreeSet};

use crate::weights::{Result, TensorInfo, TensorSource};

/// Dictionaries that training wraps around the tensors, the one to prefer first: averaged weights before the last ones.
const WRAPPERS: [&str; 2] = ["params_ema.", "params."];

/// A source seen under the names of Real-ESRGAN. A name that is not understood stays as it is, so that loading refuses it.
pub(super) struct Canonical {
    source: Box<dyn TensorSource>,
    /// From the name that layers ask for to the source's own.
    names: BTreeMap<String, String>,
}

impl Canonical {
    pub fn new(source: Box<dyn TensorSource>) -> Self {
        let own = source.names();
        let wrapper = WRAPPERS.iter().find(|wrapper| own.iter().any(|name| name.starts_with(**wrapper)));
        let wrapper = wrapper.copied().unwrap_or_default();
        let inner: Vec<&str> = own.iter().filter_map(|name| name.strip_prefix(wrapper)).collect();
        // In the first generation layers are numbered through; the last two are the end, those before them enlarge.
        let numbered: BTreeSet<usize> =
            inner.iter().filter_map(|name| first_generation_layer(name)).collect();
        let numbered: Vec<usize> = numbered.into_iter().collect();
        let names = inner.iter().map(|name| (rename(name, &numbered), format!("{wrapper}{name}"))).collect();
        Self { source, names }
    }

    fn own<'a>(&'a self, name: &'a str) -> &'a str {
        self.names.get(name).map_or(name, String::as_str)
    }
}

/// The number of a plain layer `model.N.weight`.
fn first_generation_layer(name: &str) -> Option<usize> {
    name.strip_prefix("model.")?.strip_suffix(".weight")?.parse().ok()
}

fn rename(name: &str, numbered: &[usize]) -> String {
    let old = name.strip_prefix("model.").and_then(|rest| first_generation(rest, numbered));
    old.or_else(|| second_generation(name)).unwrap_or_else(|| name.to_owned())
}

/// `rest` follows `model.`.
fn first_generation(rest: &str, numbered: &[usize]) -> Option<String> {
    if let Some(trunk) = rest.strip_prefix("1.sub.") {
        let parts: Vec<&str> = trunk.split('.').collect();
        return match *parts.as_slice() {
            [block, dense, conv, "0", kind] => {
                Some(format!("body.{block}.{}.{conv}.{kind}", dense.to_lowercase()))
            }
            [_, kind] => Some(format!("conv_body.{kind}")),
            _ => None,
        };
    }
    let (number, kind) = rest.split_once('.')?;
    let place = numbered.iter().position(|layer| Some(*layer) == number.parse().ok())?;
    Some(match numbered.len() - 1 - place {
        0 => format!("conv_last.{kind}"),
        1 => format!("conv_hr.{kind}"),
        _ if place == 0 => format!("conv_first.{kind}"),
        _ => format!("conv_up{place}.{kind}"),
    })
}

fn second_generation(name: &str) -> Option<String> {
    if let Some(trunk) = name.strip_prefix("RRDB_trunk.") {
        return Some(format!("body.{}", trunk.replace(".RDB", ".rdb")));
    }
    let (head, kind) = name.rsplit_once('.')?;
    let head = match head {
        "trunk_conv" => "conv_body".to_owned(),
        "HRconv" => "conv_hr".to_owned(),
        _ => format!("conv_up{}", head.strip_prefix("upconv")?),
    };
    Some(format!("{head}.{kind}"))
}

impl TensorSource for Canonical {
    fn origin(&self) -> String {
        self.source.origin()
    }

    fn names(&self) -> Vec<&str> {
        self.names.keys().map(String::as_str).collect()
    }

    fn info(&self, name: &str) -> Option<&TensorInfo> {
        self.source.info(self.names.get(name)?)
    }

    fn read_into(&self, name: &str, offset: usize, out: &mut [u8]) -> Result<()> {
        self.source.read_into(self.own(name), offset, out)
    }

    fn verify_unchanged(&self) -> Result<()> {
        self.source.verify_unchanged()
    }

    fn is_shapes_only(&self) -> bool {
        self.source.is_shapes_only()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_generations_become_one() {
        let numbered = [0, 3, 6, 8, 10];
        for (old, new) in [
            ("model.0.weight", "conv_first.weight"),
            ("model.1.sub.22.RDB3.conv5.0.bias", "body.22.rdb3.conv5.bias"),
            ("model.1.sub.23.weight", "conv_body.weight"),
            ("model.3.bias", "conv_up1.bias"),
            ("model.6.weight", "conv_up2.weight"),
            ("model.8.weight", "conv_hr.weight"),
            ("model.10.weight", "conv_last.weight"),
            ("RRDB_trunk.4.RDB2.conv3.weight", "body.4.rdb2.conv3.weight"),
            ("trunk_conv.bias", "conv_body.bias"),
            ("upconv2.weight", "conv_up2.weight"),
            ("HRconv.weight", "conv_hr.weight"),
            ("body.0.rdb1.conv1.weight", "body.0.rdb1.conv1.weight"),
            ("body.3.weight", "body.3.weight"),
            // Of other networks: left as they are, so that they are refused.
            ("model.1.sub.0.RDB1.conv1x1.weight", "model.1.sub.0.RDB1.conv1x1.weight"),
            ("layers.0.residual_group.norm.weight", "layers.0.residual_group.norm.weight"),
        ] {
            assert_eq!(rename(old, &numbered), new);
        }
    }

    #[test]
    fn fewer_enlargements_are_fewer_layers() {
        assert_eq!(rename("model.3.weight", &[0, 3, 5, 7]), "conv_up1.weight");
        assert_eq!(rename("model.5.weight", &[0, 3, 5, 7]), "conv_hr.weight");
        assert_eq!(rename("model.2.weight", &[0, 2, 4]), "conv_hr.weight");
    }
}
