//! Every layer's way back against candle's differentiation of the plain way.

use std::sync::Arc;

use candle_core::{DType, Device, Tensor, Var};

use super::*;
use crate::Result;
use crate::weights::{InMemory, Weights, write_safetensors};

fn normal(seed: u64, shape: &[usize]) -> Tensor {
    let values = crate::noise::TorchRng::new(seed).randn(shape.iter().product());
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

/// A picture that lies as the kernels leave them.
fn picture(seed: u64, shape: &[usize]) -> Tensor {
    let lying = normal(seed, shape).permute((0, 2, 3, 1)).unwrap().contiguous().unwrap();
    lying.permute((0, 3, 1, 2)).unwrap()
}

fn relative(a: &Tensor, b: &Tensor) -> f64 {
    let norm = |t: &Tensor| {
        let t = t.to_dtype(DType::F64).unwrap();
        t.sqr().unwrap().sum_all().unwrap().to_scalar::<f64>().unwrap().sqrt()
    };
    norm(&(a - b).unwrap()) / norm(b).max(1e-30)
}

fn weights(listed: &[(&str, &[usize])]) -> Weights {
    let tensors = listed.iter().enumerate().map(|(seed, (name, shape))| {
        ((*name).to_owned(), ((normal(seed as u64 + 50, shape) * 0.4).unwrap() + 0.3).unwrap())
    });
    let bytes = write_safetensors(tensors, &std::collections::BTreeMap::new()).unwrap();
    Weights::new(InMemory::new("test", bytes).unwrap(), DType::F32, &Device::Cpu)
}

/// Gradients of `inputs` both ways; the plain way runs because its tensors are variables.
fn check(what: &str, inputs: &[Tensor], forward: impl Fn(&[&Tensor]) -> Result<Tensor>) {
    let all: Vec<&Tensor> = inputs.iter().collect();
    let (y, tape) = record(&all, || forward(&all)).unwrap();
    assert!(!tape.is_empty(), "{what}: nothing was noted");
    let seed = if y.rank() == 4 { picture(99, y.dims()) } else { normal(99, y.dims()) };
    let found = tape.backward(&y, &seed).unwrap();
    let variables: Vec<Var> =
        inputs.iter().map(|x| Var::from_tensor(&x.contiguous().unwrap()).unwrap()).collect();
    let tensors: Vec<&Tensor> = variables.iter().map(Var::as_tensor).collect();
    let plain = forward(&tensors).unwrap();
    assert!(relative(&y, &plain) < 1e-5, "{what}: the results differ by {:e}", relative(&y, &plain));
    let expected = (plain * seed.contiguous().unwrap()).unwrap().sum_all().unwrap().backward().unwrap();
    for (index, (input, variable)) in inputs.iter().zip(&variables).enumerate() {
        let got = found.get(input).unwrap_or_else(|| panic!("{what}: input {index} has no gradient"));
        let off = relative(got, expected.get(variable).unwrap());
        assert!(off < 2e-5, "{what}: the gradient of input {index} is off by {off:e}");
    }
    assert_eq!(found.len(), inputs.len(), "{what}: nothing but the inputs keeps a gradient");
}

#[test]
fn linear_layers() {
    let x = normal(1, &[2, 37, 20]);
    for (outputs, rank) in [(33, 4), (8, 16)] {
        let (w, b) = (normal(2, &[outputs, 20]), normal(3, &[outputs]));
        let layer = Linear::new(w, Some(b)).unwrap();
        let residual = normal(4, &[2, 37, outputs]);
        check("linear", &[x.clone(), residual], |t| layer.forward_plus(t[0], t[1]));
        check("activated", std::slice::from_ref(&x), |t| layer.forward_activated(t[0], Activation::Gelu));
        // The weights themselves, as in a branch.
        check("weights", &[x.clone(), normal(5, &[rank, 20])], |t| {
            Linear::new(t[1].clone(), None)?.forward(t[0])
        });
    }
}

#[test]
fn convolutions() {
    for (kernel, stride, upsample, channels, side) in [
        (3, 1, false, (16, 32), (12, 10)),
        (3, 1, false, (6, 10), (9, 7)),
        (3, 2, false, (16, 16), (12, 10)),
        (3, 2, false, (16, 16), (9, 7)),
        (3, 1, true, (16, 16), (6, 5)),
        (1, 1, false, (16, 24), (8, 8)),
    ] {
        let what = format!("conv2d {kernel} {stride} {upsample} {channels:?} {side:?}");
        let shape = Conv2dShape { stride, ..Conv2dShape::same(kernel) };
        let w = normal(6, &[channels.1, channels.0, kernel, kernel]);
        let layer = Conv2d::new(w, Some(normal(7, &[channels.1])), shape).unwrap();
        let x = picture(8, &[2, channels.0, side.0, side.1]);
        if upsample {
            check(&what, std::slice::from_ref(&x), |t| {
                layer.forward_upsampled(t[0], Some((side.0 * 2 - 1, side.1 * 2)))
            });
            continue;
        }
        let y = layer.forward(&x).unwrap();
        let (time, residual) = (normal(9, &[2, channels.1]), picture(10, y.dims()));
        check(&what, &[x.clone(), time, residual], |t| {
            layer.forward_plus(t[0], Plus { per_channel: Some(t[1]), residual: Some(t[2]), rectifier: None })
        });
        let trained = normal(11, &[4, channels.0, kernel, kernel]);
        check(&what, &[x, trained], |t| Conv2d::new(t[1].clone(), None, shape)?.forward(t[0]));
    }
}

#[test]
fn normalisations() {
    let held = weights(&[("weight", &[24]), ("bias", &[24])]);
    let group = GroupNorm::load(&held.root(), 4, 24, 1e-5).unwrap();
    let x = picture(12, &[2, 24, 11, 9]);
    check("group norm", std::slice::from_ref(&x), |t| group.forward(t[0]));
    check("group norm and silu", &[x], |t| group.forward_activated(t[0], Activation::Silu));
    let held = weights(&[("weight", &[24]), ("bias", &[24])]);
    let layer = LayerNorm::load(&held.root(), 24, 1e-5).unwrap();
    check("layer norm", &[normal(13, &[2, 40, 24])], |t| layer.forward(t[0]));
}

#[test]
fn attention_with_and_without_a_mask() {
    for (queries, keys, heads, masking) in
        [(300, 19, 2, Masking::None), (21, 21, 3, Masking::Causal), (16, 16, 1, Masking::None)]
    {
        let inputs = [normal(14, &[2, queries, 24]), normal(15, &[2, keys, 24]), normal(16, &[2, keys, 24])];
        check("attention", &inputs, |t| scaled_dot_product_attention(t[0], t[1], t[2], heads, masking));
    }
}

#[test]
fn elementwise_functions_and_views() {
    let x = normal(17, &[3, 7, 32]);
    for activation in [Activation::Silu, Activation::Gelu, Activation::QuickGelu] {
        check("activation", std::slice::from_ref(&x), |t| activation.forward(t[0]));
    }
    let held = weights(&[("proj.weight", &[40, 32]), ("proj.bias", &[40])]);
    let gate = Geglu::load(&held.root(), 32, 20).unwrap();
    check("geglu", std::slice::from_ref(&x), |t| gate.forward(t[0]));
    check("scale and add", &[x.clone(), normal(18, &[3, 7, 32])], |t| add(&scale(t[0], 0.3)?, t[1]));
    let (a, b) = (picture(19, &[2, 8, 5, 6]), picture(20, &[2, 24, 5, 6]));
    check("concat", &[a.clone(), b], |t| concat_channels(t[0], t[1]));
    check("tokens", &[a], |t| picture_from_tokens(&tokens_from_picture(t[0])?, 5, 6));
    check("twice used", &[x], |t| add(t[0], &add(t[0], &scale(t[0], 2.0)?)?));
}

#[test]
fn rows_are_brought_to_their_lengths() {
    let layer = Linear::new(normal(21, &[6, 5]), Some(normal(22, &[6]))).unwrap();
    let place =
        Adaptable::new(layer.weight().clone(), layer.bias().cloned(), None, layer.adapter_slot().clone());
    let inverse = normal(25, &[6]);
    let inputs = [normal(26, &[4, 5]), normal(23, &[2, 5]), normal(24, &[6, 2]), normal(27, &[6])];
    check("dora", &inputs, |t| {
        let branch = place.branch(t[1].clone(), None, t[2].clone())?;
        let lengths = RowLengths { magnitude: t[3].clone(), inverse: inverse.clone() };
        place.put(Some(Adapter::new().with_branch(Arc::new(branch), 0.5).with_row_lengths(lengths)));
        layer.forward(t[0])
    });
}

#[test]
fn what_is_frozen_gets_no_gradient_and_leaves_no_note() {
    let layer = Linear::new(normal(28, &[6, 6]), None).unwrap();
    let x = normal(29, &[4, 6]);
    let ((), tape) = record(&[&normal(30, &[1])], || {
        layer.forward(&layer.forward(&x)?)?;
        Ok(())
    })
    .unwrap();
    assert!(tape.is_empty());
    let (y, tape) = record(&[&x], || layer.forward(&layer.forward(&x)?)).unwrap();
    assert_eq!(tape.len(), 2);
    let gradients = tape.backward(&y, &y).unwrap();
    assert!(gradients.get(&x).is_some() && gradients.get(layer.weight()).is_none());
    assert_eq!(gradients.len(), 1);
}

#[test]
fn a_block_that_is_run_again_gives_the_same_gradients() {
    let (first, second) = (normal(31, &[9, 7]), normal(32, &[7, 9]));
    let x = normal(33, &[4, 7]);
    let block = move |x: &Tensor, first: &Tensor, second: &Tensor| -> Result<Tensor> {
        let inner = Linear::new(first.clone(), None)?.forward_activated(x, Activation::Silu)?;
        add(x, &Linear::new(second.clone(), None)?.forward(&inner)?)
    };
    let watched = [&first, &second];
    let run = |again: bool| {
        let (y, tape) = record(&watched, || {
            let mut x = x.clone();
            for _ in 0..3 {
                let (first, second) = (first.clone(), second.clone());
                x = if again {
                    recomputed(vec![x], move |t| block(&t[0], &first, &second))?
                } else {
                    block(&x, &first, &second)?
                };
            }
            Ok(x)
        })
        .unwrap();
        let notes = tape.len();
        (notes, tape.backward(&y, &y).unwrap())
    };
    let ((all, plain), (few, again)) = (run(false), run(true));
    assert!(few == 3 && all > few);
    for factor in watched {
        assert!(relative(again.get(factor).unwrap(), plain.get(factor).unwrap()) < 1e-6);
    }
}
