/* Group normalisation with an optional SiLU on bfloat16 tensors in NHWC order, forward and backward.
 *
 * PyTorch's own kernel takes most of a training step for networks as narrow as the mini family; this one is
 * plain C that the compiler vectorises. Arithmetic is float32, only storage is bfloat16. */
#include <stdint.h>
#include <string.h>
#include <math.h>

typedef uint16_t bf16;

static inline float load(bf16 v) {
    union { uint32_t u; float f; } x;
    x.u = (uint32_t)v << 16;
    return x.f;
}

static inline bf16 store(float f) {
    union { uint32_t u; float f; } x;
    x.f = f;
    return (bf16)((x.u + 0x7fffu + ((x.u >> 16) & 1u)) >> 16);
}

/* exp by 2^n * polynomial, good to 2e-6 over the clamped range. */
static inline float fast_exp(float v) {
    v = v < -80.f ? -80.f : (v > 80.f ? 80.f : v);
    float t = v * 1.44269504f;
    float n = __builtin_rintf(t);
    float r = (t - n) * 0.69314718f;
    float p = 1.f + r * (1.f + r * (0.5f + r * (0.16666667f + r * (0.041666667f + r * 0.0083333333f))));
    union { int32_t i; float f; } s;
    s.i = ((int32_t)n + 127) << 23;
    return p * s.f;
}

static inline float sigmoid(float v) { return 1.f / (1.f + fast_exp(-v)); }

#define MAX_CHANNELS 1024

void forward(const bf16 *x, const float *gamma, const float *beta, bf16 *y, float *mean, float *rstd,
             int batch, int pixels, int channels, int groups, float eps, int silu) {
    float sum[MAX_CHANNELS], square[MAX_CHANNELS], a[MAX_CHANNELS], b[MAX_CHANNELS];
    int width = channels / groups;
    for (int n = 0; n < batch; n++) {
        const bf16 *xn = x + (size_t)n * pixels * channels;
        bf16 *yn = y + (size_t)n * pixels * channels;
        memset(sum, 0, sizeof(float) * channels);
        memset(square, 0, sizeof(float) * channels);
        for (int p = 0; p < pixels; p++) {
            const bf16 *row = xn + (size_t)p * channels;
            for (int c = 0; c < channels; c++) {
                float v = load(row[c]);
                sum[c] += v;
                square[c] += v * v;
            }
        }
        for (int g = 0; g < groups; g++) {
            double s = 0, q = 0, count = (double)width * pixels;
            for (int c = g * width; c < (g + 1) * width; c++) { s += sum[c]; q += square[c]; }
            double m = s / count, var = q / count - m * m;
            float r = (float)(1.0 / sqrt((var > 0 ? var : 0) + eps));
            mean[n * groups + g] = (float)m;
            rstd[n * groups + g] = r;
            for (int c = g * width; c < (g + 1) * width; c++) {
                a[c] = gamma[c] * r;
                b[c] = beta[c] - (float)m * a[c];
            }
        }
        for (int p = 0; p < pixels; p++) {
            const bf16 *row = xn + (size_t)p * channels;
            bf16 *out = yn + (size_t)p * channels;
            if (silu) {
                for (int c = 0; c < channels; c++) {
                    float z = load(row[c]) * a[c] + b[c];
                    out[c] = store(z * sigmoid(z));
                }
            } else {
                for (int c = 0; c < channels; c++) out[c] = store(load(row[c]) * a[c] + b[c]);
            }
        }
    }
}

void backward(const bf16 *dy, const bf16 *x, const float *gamma, const float *beta, const float *mean,
              const float *rstd, bf16 *dx, float *dgamma, float *dbeta,
              int batch, int pixels, int channels, int groups, int silu) {
    float sd[MAX_CHANNELS], sdx[MAX_CHANNELS], a[MAX_CHANNELS], b[MAX_CHANNELS], k1[MAX_CHANNELS], k2[MAX_CHANNELS];
    int width = channels / groups;
    for (int n = 0; n < batch; n++) {
        const bf16 *xn = x + (size_t)n * pixels * channels;
        const bf16 *dn = dy + (size_t)n * pixels * channels;
        bf16 *on = dx + (size_t)n * pixels * channels;
        for (int c = 0; c < channels; c++) {
            float r = rstd[n * groups + c / width], m = mean[n * groups + c / width];
            a[c] = gamma[c] * r;
            b[c] = beta[c] - m * a[c];
            sd[c] = 0;
            sdx[c] = 0;
        }
        /* First pass: gradient at the normalised value, kept in dx, and its sums. */
        for (int p = 0; p < pixels; p++) {
            const bf16 *row = xn + (size_t)p * channels, *grad = dn + (size_t)p * channels;
            bf16 *out = on + (size_t)p * channels;
            for (int c = 0; c < channels; c++) {
                float v = load(row[c]), d = load(grad[c]);
                if (silu) {
                    float z = v * a[c] + b[c], s = sigmoid(z);
                    d *= s * (1.f + z * (1.f - s));
                }
                sd[c] += d;
                sdx[c] += d * v;
                out[c] = store(d);
            }
        }
        for (int g = 0; g < groups; g++) {
            float m = mean[n * groups + g], r = rstd[n * groups + g];
            double s1 = 0, s2 = 0, count = (double)width * pixels;
            for (int c = g * width; c < (g + 1) * width; c++) {
                float xhat = (sdx[c] - m * sd[c]) * r;
                dgamma[c] += xhat;
                dbeta[c] += sd[c];
                s1 += (double)gamma[c] * sd[c];
                s2 += (double)gamma[c] * xhat;
            }
            /* dx = r * (gamma d - s1/count - xhat s2/count), xhat = (x - m) r */
            float c2 = (float)(-r * r * s2 / count), c1 = (float)(-r * s1 / count) - m * c2;
            for (int c = g * width; c < (g + 1) * width; c++) { k1[c] = c1; k2[c] = c2; }
        }
        for (int p = 0; p < pixels; p++) {
            const bf16 *row = xn + (size_t)p * channels;
            bf16 *out = on + (size_t)p * channels;
            for (int c = 0; c < channels; c++) out[c] = store(load(out[c]) * a[c] + load(row[c]) * k2[c] + k1[c]);
        }
    }
}
