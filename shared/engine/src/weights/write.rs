//! Writing safetensors, to memory: the caller decides where the bytes go.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use candle_core::{DType, Tensor};
use half::{bf16, f16};

use super::element::Element;
use super::error::{Fault, Result, WeightsError};

/// The bytes of a safetensors file with these tensors and this free-form metadata.
///
/// The same tensors always give the same bytes: larger elements first, then by name, as the reference implementation
/// orders them; metadata in order of its keys. Float tensors keep their element type.
pub fn write_safetensors(
    tensors: impl IntoIterator<Item = (String, Tensor)>,
    metadata: &BTreeMap<String, String>,
) -> Result<Vec<u8>> {
    let mut written = Vec::new();
    for (name, tensor) in tensors {
        let fail =
            |source| WeightsError::new("written tensors", Fault::Tensor { name: name.clone(), source });
        let (element, bytes) = little_endian_bytes(&tensor).map_err(fail)?;
        written.push((name, element, tensor.dims().to_vec(), bytes));
    }
    written.sort_by(|a, b| b.1.size_bytes().cmp(&a.1.size_bytes()).then_with(|| a.0.cmp(&b.0)));

    let mut header = String::from("{");
    if !metadata.is_empty() {
        // A map of strings always becomes JSON.
        let text = serde_json::to_string(metadata).unwrap_or_else(|_| "{}".into());
        let _ = write!(header, "\"__metadata__\":{text},");
    }
    let mut start = 0;
    for (name, element, shape, bytes) in &written {
        let end = start + bytes.len();
        let name = serde_json::Value::from(name.as_str());
        let dtype = element.name();
        let _ = write!(
            header,
            "{name}:{{\"dtype\":\"{dtype}\",\"shape\":{shape:?},\"data_offsets\":[{start},{end}]}},"
        );
        start = end;
    }
    if header.ends_with(',') {
        header.pop();
    }
    header.push('}');
    // The data starts at a multiple of 8, so that readers may map it.
    header.extend(std::iter::repeat_n(' ', header.len().next_multiple_of(8) - header.len()));

    let mut file = Vec::with_capacity(8 + header.len() + start);
    file.extend((header.len() as u64).to_le_bytes());
    file.extend(header.as_bytes());
    for (_, _, _, bytes) in written {
        file.extend(bytes);
    }
    Ok(file)
}

fn little_endian_bytes(tensor: &Tensor) -> candle_core::Result<(Element, Vec<u8>)> {
    let flat = tensor.flatten_all()?;
    Ok(match tensor.dtype() {
        DType::F16 => (Element::F16, bytemuck::cast_slice(&flat.to_vec1::<f16>()?).to_vec()),
        DType::BF16 => (Element::BF16, bytemuck::cast_slice(&flat.to_vec1::<bf16>()?).to_vec()),
        DType::F64 => (Element::F64, bytemuck::cast_slice(&flat.to_vec1::<f64>()?).to_vec()),
        DType::U8 => (Element::U8, flat.to_vec1::<u8>()?),
        DType::U32 => (Element::U32, bytemuck::cast_slice(&flat.to_vec1::<u32>()?).to_vec()),
        DType::I64 => (Element::I64, bytemuck::cast_slice(&flat.to_vec1::<i64>()?).to_vec()),
        _ => (Element::F32, bytemuck::cast_slice(&flat.to_dtype(DType::F32)?.to_vec1::<f32>()?).to_vec()),
    })
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;
    use crate::weights::{InMemory, Weights};

    #[test]
    fn what_is_written_reads_back_to_the_bit_here_and_in_the_reference_reader() {
        let values =
            Tensor::from_vec(vec![1.5f32, -2.25, 3.0e-8, 4.0, 0.1, -0.0], (2, 3), &Device::Cpu).unwrap();
        let small = values.to_dtype(DType::BF16).unwrap();
        let metadata: BTreeMap<_, _> =
            [("z".into(), "1".into()), ("a \"quoted\"".into(), "\n".into())].into();
        let tensors = [("b.small".to_owned(), small.clone()), ("a.wide".to_owned(), values.clone())];
        let bytes = write_safetensors(tensors, &metadata).unwrap();

        let reference = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        assert_eq!(reference.tensor("a.wide").unwrap().shape(), [2, 3]);

        let source = InMemory::new("test", bytes).unwrap();
        assert_eq!(source.header().metadata(), &metadata);
        let weights = Weights::new(source, DType::F32, &Device::Cpu);
        let bits = |t: &Tensor| -> Vec<u32> {
            t.to_dtype(DType::F32)
                .unwrap()
                .flatten_all()
                .unwrap()
                .to_vec1::<f32>()
                .unwrap()
                .iter()
                .map(|v| v.to_bits())
                .collect()
        };
        assert_eq!(bits(&weights.root().pp("a").get(&[2, 3], "wide").unwrap()), bits(&values));
        assert_eq!(bits(&weights.root().pp("b").get(&[2, 3], "small").unwrap()), bits(&small));
        weights.finish().unwrap();
    }

    #[test]
    fn nothing_is_a_file_too() {
        let bytes = write_safetensors([], &BTreeMap::new()).unwrap();
        assert!(safetensors::SafeTensors::deserialize(&bytes).unwrap().is_empty());
    }
}
