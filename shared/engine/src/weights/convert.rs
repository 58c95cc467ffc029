//! From bytes in a file to a tensor of the wanted element type, refusing NaN, infinities and overflow on the way.

use candle_core::{DType, Device, Tensor};
use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};

use super::element::Element;
use super::error::{Fault, Result, WeightsError};
use super::source::{TensorSource, find};

/// Reads tensor `name` from `source` as `wanted` on `device`.
pub(crate) fn read_tensor(
    source: &dyn TensorSource,
    name: &str,
    wanted: DType,
    device: &Device,
) -> Result<Tensor> {
    let info = find(source, name)?;
    let fail = |fault| WeightsError::new(source.origin(), fault);
    let candle = |error| fail(Fault::Tensor { name: name.to_owned(), source: error });
    let shape = info.shape.as_slice();
    if source.is_shapes_only() {
        return Tensor::zeros((), wanted, device).and_then(|zero| zero.broadcast_as(shape)).map_err(candle);
    }
    let count = info.elements();
    let tensor = match info.element {
        Element::F16 => {
            let mut values = vec![f16::ZERO; count];
            source.read_into(name, 0, bytemuck::cast_slice_mut(&mut values))?;
            check_finite(name, values.iter().map(|v| class16(v.to_bits(), 0x7c00, 0x03ff))).map_err(fail)?;
            match wanted {
                DType::F16 => Tensor::from_vec(values, shape, device),
                DType::F32 => {
                    let mut wide = vec![0f32; count];
                    values.convert_to_f32_slice(&mut wide);
                    Tensor::from_vec(wide, shape, device)
                }
                _ => from_f64(
                    name,
                    &values.iter().map(|v| v.to_f64()).collect::<Vec<_>>(),
                    shape,
                    wanted,
                    device,
                )
                .map_err(fail)?,
            }
        }
        Element::BF16 => {
            let mut values = vec![bf16::ZERO; count];
            source.read_into(name, 0, bytemuck::cast_slice_mut(&mut values))?;
            check_finite(name, values.iter().map(|v| class16(v.to_bits(), 0x7f80, 0x007f))).map_err(fail)?;
            match wanted {
                DType::BF16 => Tensor::from_vec(values, shape, device),
                DType::F32 => {
                    let mut wide = vec![0f32; count];
                    values.convert_to_f32_slice(&mut wide);
                    Tensor::from_vec(wide, shape, device)
                }
                _ => from_f64(
                    name,
                    &values.iter().map(|v| v.to_f64()).collect::<Vec<_>>(),
                    shape,
                    wanted,
                    device,
                )
                .map_err(fail)?,
            }
        }
        Element::F32 => {
            let mut values = vec![0f32; count];
            source.read_into(name, 0, bytemuck::cast_slice_mut(&mut values))?;
            check_finite(name, values.iter().map(|v| class(v.is_finite(), v.is_nan()))).map_err(fail)?;
            match wanted {
                DType::F32 => Tensor::from_vec(values, shape, device),
                _ => from_f64(
                    name,
                    &values.iter().map(|v| f64::from(*v)).collect::<Vec<_>>(),
                    shape,
                    wanted,
                    device,
                )
                .map_err(fail)?,
            }
        }
        Element::F64 => {
            let mut values = vec![0f64; count];
            source.read_into(name, 0, bytemuck::cast_slice_mut(&mut values))?;
            check_finite(name, values.iter().map(|v| class(v.is_finite(), v.is_nan()))).map_err(fail)?;
            from_f64(name, &values, shape, wanted, device).map_err(fail)?
        }
        other => return Err(fail(Fault::WrongElement { name: name.to_owned(), element: other.name() })),
    };
    tensor.map_err(candle)
}

/// Rounds finite values to `wanted`, refusing those that would become infinite.
fn from_f64(
    name: &str,
    values: &[f64],
    shape: &[usize],
    wanted: DType,
    device: &Device,
) -> std::result::Result<candle_core::Result<Tensor>, Fault> {
    let check = |largest: f64| match values.iter().position(|v| v.abs() > largest) {
        None => Ok(()),
        Some(index) => {
            let (name, wanted) = (name.to_owned(), wanted.as_str());
            Err(Fault::TooLargeFor { name, value: values[index], index, wanted })
        }
    };
    Ok(match wanted {
        DType::F16 => {
            check(f16::MAX.to_f64())?;
            Tensor::from_vec(values.iter().map(|v| f16::from_f64(*v)).collect::<Vec<_>>(), shape, device)
        }
        DType::BF16 => {
            check(bf16::MAX.to_f64())?;
            Tensor::from_vec(values.iter().map(|v| bf16::from_f64(*v)).collect::<Vec<_>>(), shape, device)
        }
        DType::F32 => {
            check(f64::from(f32::MAX))?;
            Tensor::from_vec(values.iter().map(|v| *v as f32).collect::<Vec<_>>(), shape, device)
        }
        DType::F64 => Tensor::from_vec(values.to_vec(), shape, device),
        other => return Err(Fault::WrongElement { name: name.to_owned(), element: other.as_str() }),
    })
}

/// `None` for a finite number, else what it is.
fn class(is_finite: bool, is_nan: bool) -> Option<&'static str> {
    if is_finite { None } else { Some(if is_nan { "NaN" } else { "infinity" }) }
}

/// The same for a 16-bit float, told by its exponent and mantissa bits.
fn class16(bits: u16, exponent: u16, mantissa: u16) -> Option<&'static str> {
    class(bits & exponent != exponent, bits & mantissa != 0)
}

fn check_finite(
    name: &str,
    classes: impl Iterator<Item = Option<&'static str>>,
) -> std::result::Result<(), Fault> {
    for (index, class) in classes.enumerate() {
        if let Some(value) = class {
            return Err(Fault::NotFinite { name: name.to_owned(), value, index });
        }
    }
    Ok(())
}
