//! Layers against plain loops in 64-bit floats, over shapes drawn at random: the fast way and the differentiable way.

use chapan_engine::nn::{
    Activation, Conv2d, Conv2dShape, Geglu, GroupNorm, LayerNorm, Linear, Masking, Plus, Rectifier,
    concat_channels, pixel_shuffle, pixel_unshuffle, repeat_pixels, scale_and_add,
    scaled_dot_product_attention,
};
use chapan_engine::noise::TorchRng;
use chapan_engine::weights::{InMemory, Weights};
use chapan_engine::{DType, Device, Tensor};
use chapan_tests::fixture::relative_l2;

/// A stream of small whole numbers and of tensors, all from one seed.
struct Draw(TorchRng);

impl Draw {
    fn tensor(&mut self, shape: &[usize]) -> Tensor {
        let count: usize = shape.iter().product();
        // At least sixteen at a time: fewer take another path of the generator.
        let values = self.0.randn(count.max(16))[..count].to_vec();
        Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
    }

    fn number(&mut self, low: usize, high: usize) -> usize {
        let bits = self.0.randn(16)[0].to_bits();
        low + (bits >> 3) as usize % (high - low + 1)
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.number(0, from.len() - 1)]
    }

    /// The same picture lying in memory in one of four ways.
    fn view(&mut self, x: &Tensor) -> Tensor {
        match self.number(0, 3) {
            0 => x.clone(),
            1 => x.permute((0, 2, 3, 1)).unwrap().contiguous().unwrap().permute((0, 3, 1, 2)).unwrap(),
            2 => x.transpose(2, 3).unwrap().contiguous().unwrap().transpose(2, 3).unwrap(),
            _ => {
                let wide = x.pad_with_zeros(0, 1, 2).unwrap().pad_with_zeros(2, 3, 1).unwrap();
                wide.narrow(0, 1, x.dims()[0]).unwrap().narrow(2, 3, x.dims()[2]).unwrap()
            }
        }
    }
}

fn values(x: &Tensor) -> Vec<f64> {
    x.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

fn tensor(values: &[f64], shape: &[usize]) -> Tensor {
    Tensor::from_slice(values, shape, &Device::Cpu).unwrap().to_dtype(DType::F32).unwrap()
}

fn assert_close(what: &str, got: &Tensor, expected: &Tensor) {
    let distance = relative_l2(got, expected);
    assert!(distance <= 1e-6, "{what} is {distance:.2e} away");
}

/// The same values with gradients recorded: forces the differentiable way.
fn tracked(x: &Tensor) -> Tensor {
    chapan_engine::Var::from_tensor(x).unwrap().as_tensor().clone()
}

/// Convolution by its definition.
fn naive_conv2d(x: &Tensor, w: &Tensor, b: &Tensor, shape: Conv2dShape) -> Tensor {
    let ((n, ci, h, wd), (co, _, k, _)) = (x.dims4().unwrap(), w.dims4().unwrap());
    let (ho, wo) = (shape.output(h).unwrap(), shape.output(wd).unwrap());
    let (x, w, b) = (values(x), values(w), values(b));
    let mut out = Vec::with_capacity(n * co * ho * wo);
    for item in 0..n {
        for o in 0..co {
            for (y, x0) in (0..ho).flat_map(|y| (0..wo).map(move |x| (y, x))) {
                let mut sum = b[o];
                for (ky, kx) in (0..k).flat_map(|ky| (0..k).map(move |kx| (ky, kx))) {
                    let (iy, ix) = (y * shape.stride + ky, x0 * shape.stride + kx);
                    let (Some(iy), Some(ix)) =
                        (iy.checked_sub(shape.pad_before), ix.checked_sub(shape.pad_before))
                    else {
                        continue;
                    };
                    if iy < h && ix < wd {
                        for c in 0..ci {
                            sum +=
                                x[((item * ci + c) * h + iy) * wd + ix] * w[((o * ci + c) * k + ky) * k + kx];
                        }
                    }
                }
                out.push(sum);
            }
        }
    }
    tensor(&out, &[n, co, ho, wo])
}

/// Negative numbers times the slope of their channel.
fn naive_rectifier(x: &Tensor, slopes: &Tensor) -> Tensor {
    let (_, channels, height, width) = x.dims4().unwrap();
    let slopes = values(slopes);
    let slope = |i: usize| slopes[i / (height * width) % channels];
    let out: Vec<f64> =
        values(x).iter().enumerate().map(|(i, x)| if *x < 0.0 { x * slope(i) } else { *x }).collect();
    tensor(&out, x.dims())
}

#[test]
fn rectifiers_and_shuffles_are_their_definitions_for_any_view() {
    let mut draw = Draw(TorchRng::new(7));
    for _ in 0..20 {
        let (n, c, h, w) = (draw.number(1, 2), draw.number(1, 20), draw.number(1, 9), draw.number(1, 9));
        let (x, slopes) = (draw.tensor(&[n, c, h, w]), draw.tensor(&[c]));
        let expected = naive_rectifier(&x, &slopes);
        let rectifier = Rectifier::new(slopes).unwrap();
        assert_close("rectified", &rectifier.forward(&draw.view(&x)).unwrap(), &expected);
        assert_close("rectified, tracked", &rectifier.forward(&tracked(&x)).unwrap(), &expected);

        let y = draw.tensor(&[n, c, h, w]);
        let sum = ((&x * 0.2).unwrap() + &y).unwrap();
        assert_close("scaled", &scale_and_add(&draw.view(&x), 0.2, &draw.view(&y)).unwrap(), &sum);
        assert_close("scaled, tracked", &scale_and_add(&tracked(&x), 0.2, &y).unwrap(), &sum);

        let (r, given) = (draw.number(1, 4), values(&x));
        let repeated = repeat_pixels(&draw.view(&x), r).unwrap();
        assert_eq!(repeated.dims(), [n, c, h * r, w * r]);
        for (i, value) in values(&repeated).into_iter().enumerate() {
            let (plane, y, x) = (i / (h * w * r * r), i / (w * r) % (h * r), i % (w * r));
            assert_eq!(value, given[(plane * h + y / r) * w + x / r]);
        }

        let x = draw.tensor(&[n, c * r * r, h, w]);
        let shuffled = pixel_shuffle(&draw.view(&x), r).unwrap();
        assert_eq!(shuffled.dims(), [n, c, h * r, w * r]);
        let given = values(&x);
        for (i, value) in values(&shuffled).into_iter().enumerate() {
            let (plane, y, x) = (i / (h * w * r * r), i / (w * r) % (h * r), i % (w * r));
            let from = (plane * r + y % r) * r + x % r;
            assert_eq!(value, given[(from * h + y / r) * w + x / r]);
        }
        assert_eq!(values(&pixel_unshuffle(&draw.view(&shuffled), r).unwrap()), given);
    }
    let x = draw.tensor(&[1, 5, 3, 3]);
    assert!(pixel_shuffle(&x, 2).is_err() && pixel_unshuffle(&x, 2).is_err());
}

#[test]
fn convolution_is_its_definition_for_any_shape_stride_padding_and_view() {
    let mut draw = Draw(TorchRng::new(1));
    for case in 0..60 {
        let kernel = draw.pick(&[1, 3, 3, 3, 5]);
        let shape = match draw.number(0, 3) {
            0 => Conv2dShape { kernel, stride: 2, pad_before: 0, pad_after: 1 },
            1 => Conv2dShape { kernel, stride: draw.number(1, 3), pad_before: 1, pad_after: 1 },
            _ => Conv2dShape::same(kernel),
        };
        let (mut ci, mut h, mut w) =
            (draw.pick(&[1, 3, 4, 8, 16, 19, 32, 48, 80]), draw.number(kernel, 21), draw.number(kernel, 21));
        if case % 10 == 0 {
            // The case that candle got silently wrong for a year.
            (h, w) = (ci.max(kernel), ci.max(kernel));
            ci = h;
            if ci > 20 {
                (ci, h, w) = (16, 16, 16);
            }
        }
        let (n, co) = (draw.number(1, 3), draw.pick(&[1, 3, 8, 16, 17, 32, 64, 96]));
        let (x, weight, bias) =
            (draw.tensor(&[n, ci, h, w]), draw.tensor(&[co, ci, kernel, kernel]), draw.tensor(&[co]));
        let expected = naive_conv2d(&x, &weight, &bias, shape);
        let (per_channel, residual) = (draw.tensor(&[n, co]), draw.tensor(expected.dims()));
        let slopes = draw.tensor(&[co]);
        let rectifier = Rectifier::new(slopes.clone()).unwrap();
        let conv = Conv2d::new(weight, Some(bias), shape).unwrap();
        let what = format!("{n}x{ci}x{h}x{w} to {co}, {shape:?}");
        let view = draw.view(&x);
        assert_close(&what, &conv.forward(&view).unwrap(), &expected);
        assert_close(&format!("{what}, tracked"), &conv.forward(&tracked(&x)).unwrap(), &expected);
        let residual_view = draw.view(&residual);
        let plus = Plus {
            per_channel: Some(&per_channel),
            residual: Some(&residual_view),
            rectifier: Some(&rectifier),
        };
        let wide = per_channel.unsqueeze(2).unwrap().unsqueeze(3).unwrap();
        let expected =
            naive_rectifier(&(expected.broadcast_add(&wide).unwrap() + &residual).unwrap(), &slopes);
        assert_close(&format!("{what}, plus"), &conv.forward_plus(&view, plus).unwrap(), &expected);
        assert_close(
            &format!("{what}, plus, tracked"),
            &conv.forward_plus(&tracked(&x), plus).unwrap(),
            &expected,
        );
    }
}

#[test]
fn upsampling_repeats_every_pixel_and_cuts_to_the_size() {
    let mut draw = Draw(TorchRng::new(2));
    for _ in 0..20 {
        let (n, ci, co) = (draw.number(1, 2), draw.pick(&[3, 16, 32]), draw.pick(&[5, 32]));
        let (h, w) = (draw.number(2, 9), draw.number(2, 9));
        let (height, width) = (2 * h - draw.number(0, 1), 2 * w - draw.number(0, 1));
        let (x, weight, bias) =
            (draw.tensor(&[n, ci, h, w]), draw.tensor(&[co, ci, 3, 3]), draw.tensor(&[co]));
        let rows: Vec<u32> = (0..height as u32).map(|y| y / 2).collect();
        let columns: Vec<u32> = (0..width as u32).map(|x| x / 2).collect();
        let large = x.index_select(&Tensor::new(rows, &Device::Cpu).unwrap(), 2).unwrap();
        let large = large.index_select(&Tensor::new(columns, &Device::Cpu).unwrap(), 3).unwrap();
        let expected = naive_conv2d(&large, &weight, &bias, Conv2dShape::same(3));
        let conv = Conv2d::new(weight, Some(bias), Conv2dShape::same(3)).unwrap();
        let size = Some((height, width));
        assert_close("upsampled", &conv.forward_upsampled(&draw.view(&x), size).unwrap(), &expected);
        assert_close("tracked", &conv.forward_upsampled(&tracked(&x), size).unwrap(), &expected);
    }
    let conv = Conv2d::new(draw.tensor(&[1, 1, 3, 3]), None, Conv2dShape::same(3)).unwrap();
    let error = conv.forward_upsampled(&draw.tensor(&[1, 1, 4, 4]), Some((9, 8))).unwrap_err();
    assert!(error.to_string().contains("half of 9x8"), "{error}");
}

#[test]
fn linear_is_its_definition() {
    let mut draw = Draw(TorchRng::new(3));
    for _ in 0..60 {
        let (rows, inputs, outputs) = (draw.number(1, 90), draw.number(1, 130), draw.number(1, 200));
        let (x, w, b) =
            (draw.tensor(&[1, rows, inputs]), draw.tensor(&[outputs, inputs]), draw.tensor(&[outputs]));
        let (xs, ws, bs) = (values(&x), values(&w), values(&b));
        let plain: Vec<f64> = (0..rows * outputs)
            .map(|i| {
                let (m, n) = (i / outputs, i % outputs);
                bs[n] + (0..inputs).map(|k| xs[m * inputs + k] * ws[n * inputs + k]).sum::<f64>()
            })
            .collect();
        let residual = draw.tensor(&[1, rows, outputs]);
        let layer = Linear::new(w, Some(b)).unwrap();
        for x in [x.clone(), tracked(&x)] {
            assert_close("linear", &layer.forward(&x).unwrap(), &tensor(&plain, &[1, rows, outputs]));
            let added: Vec<f64> = plain.iter().zip(values(&residual)).map(|(a, b)| a + b).collect();
            let got = layer.forward_plus(&x, &residual).unwrap();
            assert_close("linear plus", &got, &tensor(&added, &[1, rows, outputs]));
            let silu: Vec<f64> = plain.iter().map(|x| x / (1.0 + (-x).exp())).collect();
            let got = layer.forward_activated(&x, Activation::Silu).unwrap();
            assert_close("linear silu", &got, &tensor(&silu, &[1, rows, outputs]));
        }
    }
}

#[test]
fn attention_is_its_definition() {
    let mut draw = Draw(TorchRng::new(4));
    for case in 0..30 {
        let (heads, size) = (draw.number(1, 5), draw.pick(&[4, 8, 20, 32, 64]));
        let (n, queries, width) = (draw.number(1, 2), draw.number(1, 130), heads * size);
        let masking = if case % 3 == 0 { Masking::Causal } else { Masking::None };
        let keys = if masking == Masking::Causal { queries } else { draw.number(1, 130) };
        let q = (draw.tensor(&[n, queries, width]) * 2.0).unwrap();
        let (k, v) = (draw.tensor(&[n, keys, width]), draw.tensor(&[n, keys, width]));
        let (qs, ks, vs) = (values(&q), values(&k), values(&v));
        let mut expected = vec![0.0; n * queries * width];
        for (item, head, i) in
            (0..n).flat_map(|n| (0..heads).flat_map(move |h| (0..queries).map(move |i| (n, h, i))))
        {
            let at = |length: usize, row: usize, c: usize| (item * length + row) * width + head * size + c;
            let seen = if masking == Masking::Causal { i + 1 } else { keys };
            let scores: Vec<f64> = (0..seen)
                .map(|j| (0..size).map(|c| qs[at(queries, i, c)] * ks[at(keys, j, c)]).sum::<f64>())
                .map(|s| s / (size as f64).sqrt())
                .collect();
            let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let weights: Vec<f64> = scores.iter().map(|s| (s - most).exp()).collect();
            let total: f64 = weights.iter().sum();
            for c in 0..size {
                let sum: f64 = weights.iter().enumerate().map(|(j, w)| w * vs[at(keys, j, c)]).sum();
                expected[at(queries, i, c)] = sum / total;
            }
        }
        let expected = tensor(&expected, &[n, queries, width]);
        let what = format!("{heads} heads of {size}, {queries} queries, {keys} keys");
        let got = scaled_dot_product_attention(&q, &k, &v, heads, masking).unwrap();
        assert_close(&what, &got, &expected);
        let got = scaled_dot_product_attention(&tracked(&q), &k, &v, heads, masking).unwrap();
        assert_close(&format!("{what}, tracked"), &got, &expected);
    }
}

/// A scope with these tensors.
fn scope(tensors: &[(&str, &Tensor)]) -> chapan_engine::weights::Scope {
    let bytes: Vec<Vec<u8>> = (tensors.iter())
        .map(|(_, t)| {
            t.flatten_all()
                .unwrap()
                .to_vec1::<f32>()
                .unwrap()
                .into_iter()
                .flat_map(f32::to_le_bytes)
                .collect()
        })
        .collect();
    let views = tensors.iter().zip(&bytes).map(|((name, t), bytes)| {
        let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, t.dims().to_vec(), bytes);
        (*name, view.unwrap())
    });
    let file = safetensors::serialize(views, None).unwrap();
    Weights::new(InMemory::new("test", file).unwrap(), DType::F32, &Device::Cpu).root()
}

/// `(x - mean) / sqrt(variance + eps)` of each run of `size` numbers.
fn standardised(x: &[f64], size: usize, eps: f64) -> Vec<f64> {
    x.chunks(size)
        .flat_map(|run| {
            let mean = run.iter().sum::<f64>() / size as f64;
            let variance = run.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / size as f64;
            run.iter().map(move |x| (x - mean) / (variance + eps).sqrt())
        })
        .collect()
}

#[test]
fn norms_are_their_definition_even_far_from_zero() {
    let mut draw = Draw(TorchRng::new(5));
    for _ in 0..30 {
        let (n, groups, per_group) = (draw.number(1, 3), draw.pick(&[1, 4, 8]), draw.number(1, 6));
        let (channels, h, w) = (groups * per_group, draw.number(2, 40), draw.number(2, 40));
        // A mean of many standard deviations: sums of squares alone would lose every digit.
        let shift = draw.pick(&[0.0, 1.0, 30.0]);
        let x = (draw.tensor(&[n, channels, h, w]) + shift).unwrap();
        let (weight, bias) = (draw.tensor(&[channels]), draw.tensor(&[channels]));
        let (ws, bs) = (values(&weight), values(&bias));
        let normal = standardised(&values(&x), per_group * h * w, 1e-5);
        let expected: Vec<f64> = (normal.iter().enumerate())
            .map(|(i, x)| x * ws[i / (h * w) % channels] + bs[i / (h * w) % channels])
            .map(|x| x / (1.0 + (-x).exp()))
            .collect();
        let expected = tensor(&expected, x.dims());
        let norm =
            GroupNorm::load(&scope(&[("weight", &weight), ("bias", &bias)]), groups, channels, 1e-5).unwrap();
        let tolerance = 1e-6 * (1.0 + shift);
        for x in [draw.view(&x), tracked(&x)] {
            let distance = relative_l2(&norm.forward_activated(&x, Activation::Silu).unwrap(), &expected);
            assert!(distance < tolerance, "group norm is {distance:.2e} away at mean {shift}");
        }
    }
    for size in [1, 5, 32, 100] {
        let (x, weight, bias) = (draw.tensor(&[2, 9, size]), draw.tensor(&[size]), draw.tensor(&[size]));
        let (ws, bs) = (values(&weight), values(&bias));
        let normal = standardised(&values(&x), size, 1e-5);
        let expected: Vec<f64> =
            normal.iter().enumerate().map(|(i, x)| x * ws[i % size] + bs[i % size]).collect();
        let norm = LayerNorm::load(&scope(&[("weight", &weight), ("bias", &bias)]), size, 1e-5).unwrap();
        for x in [x.clone(), tracked(&x)] {
            assert_close("layer norm", &norm.forward(&x).unwrap(), &tensor(&expected, x.dims()));
        }
    }
}

#[test]
fn activations_gates_and_concatenation_agree_with_the_differentiable_way() {
    let mut draw = Draw(TorchRng::new(6));
    let x = (draw.tensor(&[3, 5, 70]) * 4.0).unwrap();
    for activation in [Activation::Silu, Activation::Gelu, Activation::QuickGelu] {
        let expected = activation.forward(&tracked(&x)).unwrap();
        assert_close("activation", &activation.forward(&x).unwrap(), &expected);
    }
    let (weight, bias) = (draw.tensor(&[48, 70]), draw.tensor(&[48]));
    let gate = Geglu::load(&scope(&[("proj.weight", &weight), ("proj.bias", &bias)]), 70, 24).unwrap();
    assert_close("geglu", &gate.forward(&x).unwrap(), &gate.forward(&tracked(&x)).unwrap());
    let (a, b) = (draw.tensor(&[2, 3, 4, 5]), draw.tensor(&[2, 6, 4, 5]));
    let expected = Tensor::cat(&[&a, &b], 1).unwrap();
    assert_eq!(values(&concat_channels(&a, &draw.view(&b)).unwrap()), values(&expected));
}

/// Everything that can be trained gets a gradient: no layer loses it silently.
#[test]
fn gradients_reach_the_input_of_every_layer() {
    let mut draw = Draw(TorchRng::new(7));
    let picture = chapan_engine::Var::from_tensor(&draw.tensor(&[1, 16, 8, 8])).unwrap();
    let x = picture.as_tensor();
    let (w, b) = (draw.tensor(&[16]), draw.tensor(&[16]));
    let norm = GroupNorm::load(&scope(&[("weight", &w), ("bias", &b)]), 4, 16, 1e-5).unwrap();
    let conv =
        Conv2d::new(draw.tensor(&[16, 16, 3, 3]), Some(draw.tensor(&[16])), Conv2dShape::same(3)).unwrap();
    let layer_norm = LayerNorm::load(&scope(&[("weight", &w), ("bias", &b)]), 16, 1e-5).unwrap();
    let linear = Linear::new(draw.tensor(&[16, 16]), None).unwrap();
    let mut y = norm.forward_activated(x, Activation::Silu).unwrap();
    y = conv.forward(&y).unwrap();
    y = conv.forward_upsampled(&y, None).unwrap();
    let tokens = chapan_engine::nn::tokens_from_picture(&y).unwrap();
    let normal = layer_norm.forward(&tokens).unwrap();
    let attended = scaled_dot_product_attention(&normal, &normal, &normal, 2, Masking::None).unwrap();
    let out = linear.forward_activated(&attended, Activation::Gelu).unwrap();
    let gradients = out.sqr().unwrap().sum_all().unwrap().backward().unwrap();
    let gradient = gradients.get(x).unwrap();
    assert!(values(gradient).iter().all(|g| g.is_finite() && *g != 0.0));
}
