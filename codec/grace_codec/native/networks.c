/* The layers of grace-lite's two networks for CPUs, in 32-bit floats with a fixed order of operations.

Maps are (rows, columns, channels), channels last. Weights of a 1x1 convolution are packed in panels of 16 outputs:
[outputs / 16][inputs][16]. Every sum runs over the inputs in order, so a result depends neither on how rows are shared
among threads nor on how many are computed together. Layers have no bias where they carry the residual: zero stays zero,
and whole tiles of zeros are skipped. */

#include <math.h>
#include <stdint.h>
#include <string.h>

#define API __attribute__((visibility("default")))
#define PANEL 16

typedef float v8 __attribute__((vector_size(32), aligned(4)));
typedef int32_t i8v __attribute__((vector_size(32), aligned(4)));

static inline v8 load(const float *p) { return *(const v8 *)p; }
static inline void store(float *p, v8 x) { *(v8 *)p = x; }
static inline v8 all(float x) { return (v8){x, x, x, x, x, x, x, x}; }
static inline v8 largest(v8 a, v8 b) {
    i8v first = a > b;
    return (v8)(((i8v)a & first) | ((i8v)b & ~first));
}
static inline v8 smallest(v8 a, v8 b) {
    i8v first = a < b;
    return (v8)(((i8v)a & first) | ((i8v)b & ~first));
}

/* ---- matrix product ---------------------------------------------------------------------------------------------- */

/* R rows of a times one panel: out[r][0..15] = sum over k of a[r][k] * panel[k][0..15]. */
#define PRODUCT(R)                                                                                                     \
    static inline void product_##R(const float *a, int64_t stride, const float *panel, int64_t depth, float *out,      \
                                   int64_t out_stride) {                                                               \
        v8 sum[R][2];                                                                                                  \
        for (int r = 0; r < R; r++) sum[r][0] = sum[r][1] = all(0);                                                    \
        for (int64_t k = 0; k < depth; k++) {                                                                          \
            v8 left = load(panel + PANEL * k), right = load(panel + PANEL * k + 8);                                    \
            _Pragma("GCC unroll 6") for (int r = 0; r < R; r++) {                                                      \
                v8 x = all(a[r * stride + k]);                                                                         \
                sum[r][0] += x * left;                                                                                 \
                sum[r][1] += x * right;                                                                                \
            }                                                                                                          \
        }                                                                                                              \
        for (int r = 0; r < R; r++) {                                                                                  \
            store(out + r * out_stride, sum[r][0]);                                                                    \
            store(out + r * out_stride + 8, sum[r][1]);                                                                \
        }                                                                                                              \
    }
PRODUCT(6)
PRODUCT(4)
PRODUCT(2)
PRODUCT(1)

/* out (rows, outputs) = a (rows, depth) times packed weights; outputs is a multiple of 16. */
static void product(const float *a, int64_t stride, int64_t rows, const float *weights, int64_t depth, int64_t outputs,
                    float *out, int64_t out_stride) {
    for (int64_t n = 0; n < outputs; n += PANEL) {
        const float *panel = weights + n * depth;
        int64_t r = 0;
        for (; r + 6 <= rows; r += 6) product_6(a + r * stride, stride, panel, depth, out + r * out_stride + n, out_stride);
        if (r + 4 <= rows) {
            product_4(a + r * stride, stride, panel, depth, out + r * out_stride + n, out_stride);
            r += 4;
        }
        if (r + 2 <= rows) {
            product_2(a + r * stride, stride, panel, depth, out + r * out_stride + n, out_stride);
            r += 2;
        }
        if (r < rows) product_1(a + r * stride, stride, panel, depth, out + r * out_stride + n, out_stride);
    }
}

static int is_zero(const float *x, int64_t count) {
    v8 any = all(0);
    for (int64_t k = 0; k < count; k += 8) any = largest(any, largest(load(x + k), -load(x + k)));
    float most = 0;
    for (int k = 0; k < 8; k++) most = any[k] > most ? any[k] : most;
    return most == 0;
}

/* ---- planes of bytes to maps and back ------------------------------------------------------------------------------ */

/* A picture at 1/8 of its size: 64 channels of luma, 16 of U, 16 of V, for rows first..last - 1 of the map.
y (8 rows, 8 columns), u and v (4 rows, 4 columns) px. */
API void grace_pack(const uint8_t *y, const uint8_t *u, const uint8_t *v, int64_t columns, int64_t first, int64_t last,
                    float *out) {
    for (int64_t r = first; r < last; r++)
        for (int64_t c = 0; c < columns; c++) {
            float *to = out + (r * columns + c) * 96;
            for (int i = 0; i < 8; i++)
                for (int j = 0; j < 8; j++) to[8 * i + j] = y[(8 * r + i) * 8 * columns + 8 * c + j];
            for (int i = 0; i < 4; i++)
                for (int j = 0; j < 4; j++) {
                    to[64 + 4 * i + j] = u[(4 * r + i) * 4 * columns + 4 * c + j];
                    to[80 + 4 * i + j] = v[(4 * r + i) * 4 * columns + 4 * c + j];
                }
        }
}

/* map = frame - prediction, of `count` values from `start` on; may be the same array as frame. */
API void grace_subtract(const float *frame, const float *prediction, int64_t start, int64_t count, float *map) {
    for (int64_t k = start; k < start + count; k += 8) store(map + k, load(frame + k) - load(prediction + k));
}

/* Sums and sums of squares of the 8x8 px blocks of a plane (8 rows, 8 columns), block rows first..last - 1. */
API void grace_block_sums(const uint8_t *plane, int64_t columns, int64_t first, int64_t last, float *sums,
                          float *squares) {
    for (int64_t r = first; r < last; r++)
        for (int64_t c = 0; c < columns; c++) {
            int32_t sum = 0, square = 0;
            for (int i = 0; i < 8; i++)
                for (int j = 0; j < 8; j++) {
                    int32_t x = plane[(8 * r + i) * 8 * columns + 8 * c + j];
                    sum += x;
                    square += x * x;
                }
            sums[r * columns + c] = (float)sum;
            squares[r * columns + c] = (float)square;
        }
}

/* Nearest whole number, halves to even, 0..255: adding and taking away 1.5 * 2^23 rounds as the processor does. */
static inline uint8_t to_pixel(float x) {
    x = x < 0 ? 0 : x > 255 ? 255 : x;
    return (uint8_t)(int32_t)((x + 12582912.0f) - 12582912.0f);
}

/* The inverse of grace_pack for a + b + c, rounded. */
API void grace_unpack(const float *a, const float *b, const float *plus, int64_t columns, int64_t first, int64_t last,
                      uint8_t *y, uint8_t *u, uint8_t *v) {
    for (int64_t r = first; r < last; r++)
        for (int64_t c = 0; c < columns; c++) {
            float from[96];
            int64_t at = (r * columns + c) * 96;
            for (int k = 0; k < 96; k += 8) store(from + k, load(a + at + k) + load(b + at + k) + (plus ? load(plus + at + k) : all(0)));
            for (int i = 0; i < 8; i++)
                for (int j = 0; j < 8; j++) y[(8 * r + i) * 8 * columns + 8 * c + j] = to_pixel(from[8 * i + j]);
            for (int i = 0; i < 4; i++)
                for (int j = 0; j < 4; j++) {
                    u[(4 * r + i) * 4 * columns + 4 * c + j] = to_pixel(from[64 + 4 * i + j]);
                    v[(4 * r + i) * 4 * columns + 4 * c + j] = to_pixel(from[80 + 4 * i + j]);
                }
        }
}

/* ---- pointwise layers ---------------------------------------------------------------------------------------------- */

/* 1x1 convolution of rows first..last - 1: out = in * weights. */
API void grace_pointwise(const float *in, int64_t in_stride, int64_t depth, const float *weights, int64_t outputs,
                         int64_t columns, int64_t first, int64_t last, float *out) {
    for (int64_t r = first; r < last; r++)
        product(in + r * columns * in_stride, in_stride, columns, weights, depth, outputs, out + r * columns * outputs,
                outputs);
}

/* The entry of a branch: out = (residual * enter) * gate(prediction) * gain, where
gate = clamp(relu(prediction * gate_a + bias_a) * gate_b + bias_b, 0, 2). Positions whose residual is zero are zero and
cost nothing. residual, prediction: (rows, columns, 96); gain may be null; width: features, a multiple of 16, <= 128. */
API void grace_enter(const float *residual, const float *prediction, const float *enter, const float *gate_a,
                     const float *bias_a, const float *gate_b, const float *bias_b, const float *gain, int64_t width,
                     int64_t columns, int64_t first, int64_t last, float *out) {
    float hidden[6 * 128], gate[6 * 128], mine[6 * 96], theirs[6 * 96];
    for (int64_t r = first; r < last; r++) {
        int64_t at[6], count = 0;
        for (int64_t c = 0; c <= columns; c++) {
            int64_t p = r * columns + c;
            if (c < columns) {
                if (is_zero(residual + p * 96, 96)) {
                    memset(out + p * width, 0, width * sizeof(float));
                } else {
                    memcpy(mine + count * 96, residual + p * 96, 96 * sizeof(float));
                    memcpy(theirs + count * 96, prediction + p * 96, 96 * sizeof(float));
                    at[count++] = p;
                }
            }
            if (count < 6 && c < columns) continue;
            if (!count) continue;
            product(theirs, 96, count, gate_a, 96, width, hidden, width);
            for (int64_t k = 0; k < count; k++)
                for (int64_t n = 0; n < width; n += 8)
                    store(hidden + k * width + n, largest(load(hidden + k * width + n) + load(bias_a + n), all(0)));
            product(hidden, width, count, gate_b, width, width, gate, width);
            product(mine, 96, count, enter, 96, width, hidden, width);
            for (int64_t k = 0; k < count; k++)
                for (int64_t n = 0; n < width; n += 8) {
                    v8 g = smallest(largest(load(gate + k * width + n) + load(bias_b + n), all(0)), all(2));
                    v8 x = load(hidden + k * width + n) * g;
                    if (gain) x *= load(gain + n);
                    store(out + at[k] * width + n, x);
                }
            count = 0;
        }
    }
}

/* ---- 3x3 convolutions ------------------------------------------------------------------------------------------------ */

/* Winograd's F(4x4, 3x3) (Lavin and Gray, 2016): 36 products for 16 outputs in place of 144. */
static inline void input_transform(const v8 d[6], v8 out[6]) {
    v8 four = all(4), five = all(5), two = all(2);
    out[0] = four * d[0] - five * d[2] + d[4];
    out[1] = d[4] + d[3] - four * (d[2] + d[1]);
    out[2] = d[4] - d[3] - four * (d[2] - d[1]);
    out[3] = d[4] - d[2] + two * (d[3] - d[1]);
    out[4] = d[4] - d[2] - two * (d[3] - d[1]);
    out[5] = four * d[1] - five * d[3] + d[5];
}

static inline void output_transform(const v8 m[6], v8 out[4]) {
    v8 a = m[1] + m[2], b = m[1] - m[2], c = m[3] + m[4], d = m[3] - m[4];
    out[0] = m[0] + a + c;
    out[1] = b + all(2) * d;
    out[2] = a + all(4) * c;
    out[3] = b + all(8) * d + m[5];
}

#define TILES 24 /* tiles multiplied together; their transforms stay in the second-level cache */

/* Stride 1, tile rows first..last - 1 (four map rows each). in: (rows, columns, inputs); weights: 36 packed matrices
(see `grace_winograd_weights`). out: (rows, columns, outputs), = add + act(conv) where add is not null, or
act(conv); with `factor`, multiplied by it (outputs per position) at last. scratch: 36 * TILES * (inputs + outputs). */
API void grace_conv3(const float *in, int64_t inputs, const float *weights, int64_t outputs, int64_t rows,
                     int64_t columns, int64_t first, int64_t last, int64_t relu, const float *add, const float *factor,
                     float *out, float *scratch) {
    float *spectra = scratch, *products = scratch + 36 * TILES * inputs;
    int64_t across = (columns + 3) / 4;
    for (int64_t start = first * across; start < last * across;) {
        int64_t tiles[TILES], count = 0;
        for (; start < last * across && count < TILES; start++) {
            int64_t top = 4 * (start / across) - 1, left = 4 * (start % across) - 1, zero = 1;
            int64_t top_in = top < 0 ? 0 : top, bottom_in = top + 6 > rows ? rows : top + 6;
            int64_t left_in = left < 0 ? 0 : left, right_in = left + 6 > columns ? columns : left + 6;
            for (int64_t i = top_in; zero && i < bottom_in; i++)
                zero = is_zero(in + (i * columns + left_in) * inputs, (right_in - left_in) * inputs);
            if (zero) { /* nothing comes of it but what is added */
                for (int64_t i = top + 1; i < top + 5 && i < rows; i++)
                    for (int64_t j = left + 1; j < left + 5 && j < columns; j++) {
                        float *to = out + (i * columns + j) * outputs;
                        const float *plus = add ? add + (i * columns + j) * outputs : 0;
                        for (int64_t n = 0; n < outputs; n += 8) {
                            v8 x = plus ? load(plus + n) : all(0);
                            if (factor) x *= load(factor + (i * columns + j) * outputs + n);
                            store(to + n, x);
                        }
                    }
                continue;
            }
            for (int64_t k = 0; k < inputs; k += 8) {
                v8 half[6][6];
                for (int64_t j = 0; j < 6; j++) {
                    v8 line[6], done[6];
                    for (int64_t i = 0; i < 6; i++) {
                        int64_t y = top + i, x = left + j;
                        line[i] = y >= 0 && y < rows && x >= 0 && x < columns ? load(in + (y * columns + x) * inputs + k)
                                                                             : all(0);
                    }
                    input_transform(line, done);
                    for (int64_t i = 0; i < 6; i++) half[i][j] = done[i];
                }
                for (int64_t i = 0; i < 6; i++) {
                    v8 done[6];
                    input_transform(half[i], done);
                    for (int64_t j = 0; j < 6; j++)
                        store(spectra + ((6 * i + j) * TILES + count) * inputs + k, done[j]);
                }
            }
            tiles[count++] = start;
        }
        for (int64_t f = 0; f < 36; f++)
            product(spectra + f * TILES * inputs, inputs, count, weights + f * inputs * outputs, inputs, outputs,
                    products + f * TILES * outputs, outputs);
        for (int64_t t = 0; t < count; t++) {
            int64_t top = 4 * (tiles[t] / across), left = 4 * (tiles[t] % across);
            for (int64_t n = 0; n < outputs; n += 8) {
                v8 half[4][6];
                for (int64_t j = 0; j < 6; j++) {
                    v8 line[6], done[4];
                    for (int64_t i = 0; i < 6; i++) line[i] = load(products + ((6 * i + j) * TILES + t) * outputs + n);
                    output_transform(line, done);
                    for (int64_t i = 0; i < 4; i++) half[i][j] = done[i];
                }
                for (int64_t i = 0; i < 4 && top + i < rows; i++) {
                    v8 done[4];
                    output_transform(half[i], done);
                    for (int64_t j = 0; j < 4 && left + j < columns; j++) {
                        int64_t at = ((top + i) * columns + left + j) * outputs + n;
                        v8 x = relu ? largest(done[j], all(0)) : done[j];
                        if (add) x += load(add + at);
                        if (factor) x *= load(factor + at);
                        store(out + at, x);
                    }
                }
            }
        }
    }
}

/* 36 matrices G g G^T, each packed in panels. kernel: (outputs, inputs, 3, 3). */
API void grace_winograd_weights(const float *kernel, int64_t inputs, int64_t outputs, float *out) {
    static const double g[6][3] = {{0.25, 0, 0},
                                   {-1. / 6, -1. / 6, -1. / 6},
                                   {-1. / 6, 1. / 6, -1. / 6},
                                   {1. / 24, 1. / 12, 1. / 6},
                                   {1. / 24, -1. / 12, 1. / 6},
                                   {0, 0, 1}};
    for (int64_t n = 0; n < outputs; n++)
        for (int64_t k = 0; k < inputs; k++) {
            const float *x = kernel + (n * inputs + k) * 9;
            for (int i = 0; i < 6; i++)
                for (int j = 0; j < 6; j++) {
                    double sum = 0;
                    for (int p = 0; p < 3; p++)
                        for (int q = 0; q < 3; q++) sum += g[i][p] * (double)x[3 * p + q] * g[j][q];
                    out[(6 * i + j) * inputs * outputs + (n / PANEL) * inputs * PANEL + k * PANEL + n % PANEL] = (float)sum;
                }
        }
}

/* 3x3 with stride 2, rows first..last - 1 of the output. in: (rows, columns, inputs), rows and columns even; weights:
packed with depth 9 * inputs, (row, column, input). line: scratch of 9 * inputs * (columns / 2). */
API void grace_conv3_down(const float *in, int64_t inputs, const float *weights, int64_t outputs, int64_t rows,
                          int64_t columns, int64_t first, int64_t last, float *out, float *line) {
    int64_t wide = columns / 2, depth = 9 * inputs;
    for (int64_t r = first; r < last; r++) {
        for (int64_t c = 0; c < wide; c++)
            for (int64_t i = 0; i < 3; i++)
                for (int64_t j = 0; j < 3; j++) {
                    int64_t y = 2 * r - 1 + i, x = 2 * c - 1 + j;
                    float *to = line + c * depth + (3 * i + j) * inputs;
                    if (y < 0 || y >= rows || x < 0 || x >= columns) memset(to, 0, inputs * sizeof(float));
                    else memcpy(to, in + (y * columns + x) * inputs, inputs * sizeof(float));
                }
        product(line, depth, wide, weights, depth, outputs, out + r * wide * outputs, outputs);
    }
}

/* ---- the block transform ---------------------------------------------------------------------------------------------- */

/* Of one row of 16x16 px positions: symbols (channels, height, width) to the residual map (2 height, 2 width, 96), rows
first..last - 1 of the symbols. A value is (z - clamp(z, -1, 1) * shrink) * step * scale. luma: (luma_count, 64)
patterns, u and v: (chroma_count, 64) patterns of 8x8 px; four sub-blocks share a luma frequency (channel 4 * frequency +
2 * row + column). Only what is not zero is added, in the order of channels. */
API void grace_inverse(const int16_t *symbols, const float *step, const float *shrink, const float *scale,
                       const float *luma, int64_t luma_count, const float *u, const float *v, int64_t chroma_count,
                       int64_t height, int64_t width, int64_t first, int64_t last, float *out) {
    int64_t area = height * width, wide = 2 * width;
    for (int64_t r = first; r < last; r++) {
        memset(out + 2 * r * wide * 96, 0, 2 * wide * 96 * sizeof(float));
        for (int64_t channel = 0; channel < 4 * luma_count + 2 * chroma_count; channel++) {
            const int16_t *line = symbols + channel * area + r * width;
            int64_t kind = channel < 4 * luma_count ? 0 : channel < 4 * luma_count + chroma_count ? 1 : 2;
            int64_t frequency = kind == 0 ? channel / 4 : (channel - 4 * luma_count) % chroma_count;
            const float *pattern = (kind == 0 ? luma : kind == 1 ? u : v) + 64 * frequency;
            for (int64_t c = 0; c < width; c++) {
                int32_t z = line[c];
                if (!z) continue;
                float value = ((float)z - (z > 0 ? shrink[channel] : -shrink[channel])) * step[channel] * scale[r * width + c];
                if (kind == 0) {
                    float *to = out + ((2 * r + (channel >> 1 & 1)) * wide + 2 * c + (channel & 1)) * 96;
                    for (int k = 0; k < 64; k += 8) store(to + k, load(to + k) + all(value) * load(pattern + k));
                    continue;
                }
                for (int i = 0; i < 8; i++)
                    for (int j = 0; j < 8; j++)
                        out[((2 * r + i / 4) * wide + 2 * c + j / 4) * 96 + 48 + 16 * kind + 4 * (i % 4) + j % 4] +=
                            value * pattern[8 * i + j];
            }
        }
    }
}

/* The 8x8 px chroma blocks of a residual map (2 height, 2 width, 96), rows first..last - 1: (height, width, 128), U and V. */
API void grace_chroma_blocks(const float *map, int64_t width, int64_t first, int64_t last, float *out) {
    int64_t wide = 2 * width;
    for (int64_t r = first; r < last; r++)
        for (int64_t c = 0; c < width; c++)
            for (int kind = 0; kind < 2; kind++)
                for (int i = 0; i < 8; i++)
                    for (int j = 0; j < 8; j++)
                        out[(r * width + c) * 128 + 64 * kind + 8 * i + j] =
                            map[((2 * r + i / 4) * wide + 2 * c + j / 4) * 96 + 64 + 16 * kind + 4 * (i % 4) + j % 4];
}

/* Latents (channels, height, width) = (linear transform + range * branch) / scale, rows first..last - 1.
luma: (2 height, 2 width, luma_stride); u, v: (height, width, chroma_stride); branch: (height, width, branch_stride). */
API void grace_latents(const float *luma, int64_t luma_count, int64_t luma_stride, const float *u, const float *v,
                       int64_t chroma_count, int64_t chroma_stride, const float *branch, int64_t branch_stride, float range,
                       const float *scale, int64_t height, int64_t width, int64_t first, int64_t last, float *out) {
    int64_t area = height * width;
    for (int64_t r = first; r < last; r++)
        for (int64_t c = 0; c < width; c++) {
            int64_t p = r * width + c;
            const float *learned = branch + p * branch_stride;
            float by = 1 / scale[p];
            for (int64_t s = 0; s < 4; s++) {
                const float *mine = luma + ((2 * r + s / 2) * 2 * width + 2 * c + s % 2) * luma_stride;
                for (int64_t k = 0; k < luma_count; k++)
                    out[(4 * k + s) * area + p] = (mine[k] + range * learned[4 * k + s]) * by;
            }
            for (int64_t k = 0; k < chroma_count; k++) {
                int64_t channel = 4 * luma_count + k;
                out[channel * area + p] = (u[p * chroma_stride + k] + range * learned[channel]) * by;
                channel += chroma_count;
                out[channel * area + p] = (v[p * chroma_stride + k] + range * learned[channel]) * by;
            }
        }
}
