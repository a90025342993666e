/* Block motion: quarter-pel interpolation, overlapped block motion compensation (OBMC), and the refinement
of vectors by what OBMC makes of them. The weights of a window add up to 4096 over the nine windows above a pixel.

Predictions are exact on every machine: floats hold integers below 2^24 (filter taps are 64ths, both directions are
multiplied out, then rounded once, halves to even). Only the search, which the sender alone runs, rounds differences to
1/64 px. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#ifdef __AVX2__
#include <immintrin.h>
#endif

#define API __attribute__((visibility("default")))

enum { SIDE = 16, WINDOW = 48, JUDGED = 32, BESIDE = 8 };

static inline int64_t clamped(int64_t x, int64_t low, int64_t high) { return x < low ? low : x > high ? high : x; }

typedef float v8 __attribute__((vector_size(32), aligned(4)));
typedef int32_t i8v __attribute__((vector_size(32), aligned(4)));
typedef uint8_t b8 __attribute__((vector_size(8), aligned(1)));
typedef int16_t s8 __attribute__((vector_size(16), aligned(2)));

static inline v8 load(const float *p) { return *(const v8 *)p; }
static inline void store(float *p, v8 x) { *(v8 *)p = x; }
static inline v8 all(float x) { return (v8){x, x, x, x, x, x, x, x}; }
#ifdef __AVX2__
static inline v8 pixels8(const uint8_t *p) {
    return (v8)_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p)));
}
#else
static inline v8 pixels8(const uint8_t *p) { return __builtin_convertvector(__builtin_convertvector(*(const b8 *)p, i8v), v8); }
#endif

/* Eight sums in 4096ths to the nearest pixel values, halves to even, 0..255. */
static inline void put_rounded(v8 x, uint8_t *to) {
    x *= all(1 / 4096.0f);
#ifdef __AVX2__
    __m256i whole = _mm256_cvtps_epi32((__m256)x);
    __m128i half = _mm_packs_epi32(_mm256_castsi256_si128(whole), _mm256_extracti128_si256(whole, 1));
    _mm_storel_epi64((__m128i *)to, _mm_packus_epi16(half, half));
#else
    i8v whole = __builtin_convertvector((x + all(12582912.0f)) - all(12582912.0f), i8v);
    for (int k = 0; k < 8; k++) to[k] = (uint8_t)(whole[k] < 0 ? 0 : whole[k] > 255 ? 255 : whole[k]);
#endif
}

/* ---- sub-pel planes ---------------------------------------------------------------------------------------------------- */

static inline void filter_row(const uint8_t *x, const float taps[8], int64_t count, float *out) {
    for (int64_t k = 0; k < count; k += 8) {
#ifdef __AVX2__
        __m128i sum = _mm_setzero_si128();
        for (int n = 0; n < 8; n++)
            sum = _mm_add_epi16(sum, _mm_mullo_epi16(_mm_set1_epi16((int16_t)taps[n]),
                                                     _mm_cvtepu8_epi16(_mm_loadl_epi64((const __m128i *)(x + k + n)))));
        store(out + k, (v8)_mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(sum)));
#else
        v8 sum = all(0);
        for (int n = 0; n < 8; n++) sum += all(taps[n]) * pixels8(x + k + n);
        store(out + k, sum);
#endif
    }
}

static inline v8 filter_column(const float *x, int64_t stride, const float taps[8]) {
    v8 sum = all(taps[0]) * load(x);
    for (int n = 1; n < 8; n++) sum += all(taps[n]) * load(x + n * stride);
    return sum;
}

#define STRIP 32 /* rows filtered at a time: their horizontal sums stay in the second-level cache */

/* The frame (height, width) moved by each of 16 quarter-pel fractions, plane 4 * x + y of out
(16, plane_rows, stride), rows first..last - 1 of the height + 2 BESIDE that lie at most BESIDE px beyond an edge, and as
wide; width is a multiple of 8. taps: (4, 8) in 64ths. scratch: (STRIP + 8) * (width + 2 BESIDE) floats. */
API void grace_subpel_planes(const uint8_t *source, int64_t height, int64_t width, const float *taps, int64_t margin,
                             int64_t plane_rows, int64_t stride, int64_t first, int64_t last, uint8_t *out, float *scratch) {
    int64_t wide = width + 2 * BESIDE;
    uint8_t *line = (uint8_t *)(scratch + (STRIP + 7) * wide);
    for (int64_t begin = first; begin < last; begin += STRIP) {
        int64_t end = begin + STRIP < last ? begin + STRIP : last;
        for (int64_t fx = 0; fx < 4; fx++) {
            for (int64_t i = 0; i < end - begin + 7; i++) {
                const uint8_t *row = source + clamped(begin + i - 3 - BESIDE, 0, height - 1) * width;
                memset(line, row[0], BESIDE + 3);
                memcpy(line + BESIDE + 3, row, width);
                memset(line + BESIDE + 3 + width, row[width - 1], BESIDE + 5);
                filter_row(line, taps + 8 * fx, wide, scratch + i * wide);
            }
            for (int64_t i = 0; i < end - begin; i++)
                for (int64_t fy = 0; fy < 4; fy++) {
                    uint8_t *to = out + ((4 * fx + fy) * plane_rows + margin - BESIDE + begin + i) * stride + margin - BESIDE;
                    for (int64_t k = 0; k < wide; k += 8) {
                        const float *x = scratch + i * wide + k;
                        put_rounded(fy ? filter_column(x, wide, taps + 8 * fy) : all(64) * load(x + 3 * wide), to + k);
                    }
                }
        }
    }
}

/* ---- overlapped compensation --------------------------------------------------------------------------------------------- */

typedef struct {
    const uint8_t *pixels;
    int64_t height, width;
} Plane;

/* The square of `side` px at (y, x) moved by (vx, vy) quarter pels, edges repeated, as floats; SIDE to a row. */
static void predict(Plane source, int64_t y, int64_t x, int64_t vx, int64_t vy, int64_t side, const float *taps, float *out) {
    int64_t fx = vx & 3, fy = vy & 3, top = y + (vy >> 2) - 3, left = x + (vx >> 2) - 3;
    uint8_t patch[(SIDE + 8) * (SIDE + 8)], square[SIDE * SIDE];
    const uint8_t *from = patch;
    int64_t stride = side + 8, rows = side + 7;
    if (top >= 0 && left >= 0 && top + rows <= source.height && left + rows + 1 <= source.width) {
        from = source.pixels + top * source.width + left;
        stride = source.width;
    } else {
        for (int64_t i = 0; i < rows; i++) {
            const uint8_t *row = source.pixels + clamped(top + i, 0, source.height - 1) * source.width;
            for (int64_t j = 0; j < rows + 1; j++) patch[i * stride + j] = row[clamped(left + j, 0, source.width - 1)];
        }
    }
    if (!fx && !fy) {
        for (int64_t i = 0; i < side; i++)
            for (int64_t j = 0; j < side; j += 8) store(out + i * SIDE + j, pixels8(from + (i + 3) * stride + 3 + j));
        return;
    }
    float across[(SIDE + 7) * SIDE];
    int64_t begin = fy ? 0 : 3, end = fy ? rows : side + 3;
    for (int64_t i = begin; i < end; i++) filter_row(from + i * stride, taps + 8 * fx, side, across + i * SIDE);
    for (int64_t i = 0; i < side; i++)
        for (int64_t j = 0; j < side; j += 8) {
            const float *a = across + i * SIDE + j;
            put_rounded(fy ? filter_column(a, SIDE, taps + 8 * fy) : all(64) * load(a + 3 * SIDE), square + j);
            store(out + i * SIDE + j, pixels8(square + j));
        }
}

/* Overlapped compensation of a plane into block rows first..last - 1 of out (rows of blocks, columns of blocks). field:
(rows + 2, columns + 2, 2) quarter pels (x, y), edges repeated once around; side: 16 or 8 px; taps: (4, 8) in 64ths;
window: (3 side, 3 side) in 4096ths. Where several of the nine vectors around a block agree they are predicted once. */
API void grace_overlap(const uint8_t *source, int64_t height, int64_t width, const int16_t *field, int64_t columns,
                       int64_t side, const float *taps, const float *window, int64_t first, int64_t last, uint8_t *out) {
    Plane plane = {source, height, width};
    float square[SIDE * SIDE], total[SIDE * SIDE], share[SIDE * SIDE], shares[9][SIDE * SIDE];
    int64_t wide = columns * side, used = side * SIDE;
    for (int k = 0; k < 9; k++) /* of a block's pixels, what the vector k of the nine around it weighs */
        for (int64_t i = 0; i < side; i++)
            for (int64_t j = 0; j < SIDE; j++)
                shares[k][i * SIDE + j] = j < side ? window[((2 - k / 3) * side + i) * 3 * side + (2 - k % 3) * side + j] : 0;
    for (int64_t r = first; r < last; r++)
        for (int64_t c = 0; c < columns; c++) {
            uint8_t *to = out + r * side * wide + c * side;
            int32_t vectors[9];
            for (int q = 0; q < 9; q++)
                memcpy(&vectors[q], field + ((r + q / 3) * (columns + 2) + c + q % 3) * 2, sizeof(int32_t));
            int done = 0;
            for (int64_t k = 0; k < used; k += 8) store(total + k, all(0));
            for (int q = 0; q < 9; q++) {
                if (done >> q & 1) continue;
                int same = 0;
                for (int k = q; k < 9; k++)
                    if (vectors[k] == vectors[q]) same |= 1 << k;
                done |= same;
                const int16_t *v = field + ((r + q / 3) * (columns + 2) + c + q % 3) * 2;
                predict(plane, r * side, c * side, v[0], v[1], side, taps, square);
                const float *mine = shares[q];
                if (same == 511) {
                    for (int64_t k = 0; k < used; k += 8) store(share + k, all(4096));
                    mine = share;
                } else if (same & (same - 1)) {
                    memcpy(share, shares[q], used * sizeof(float));
                    for (int k = q + 1; k < 9; k++)
                        if (same >> k & 1)
                            for (int64_t n = 0; n < used; n += 8) store(share + n, load(share + n) + load(shares[k] + n));
                    mine = share;
                }
                for (int64_t k = 0; k < used; k += 8) store(total + k, load(total + k) + load(mine + k) * load(square + k));
            }
            for (int64_t i = 0; i < side; i++)
                for (int64_t j = 0; j < side; j += 8) put_rounded(load(total + i * SIDE + j), to + i * wide + j);
        }
}

/* ---- search ---------------------------------------------------------------------------------------------------------------- */

/* What a search works on: the frame (height, width), the sub-pel planes of its reference, and the OBMC prediction of the
vectors so far, not rounded, in 4096ths. */
typedef struct {
    const uint8_t *current;
    int64_t height, width;
    const uint8_t *planes;
    int64_t plane_rows, stride, margin;
    const float *window; /* (48, 48), 4096ths */
    float *total;
} Search;

static const uint8_t *moved(const Search *s, int64_t y, int64_t x, int64_t vx, int64_t vy) {
    const uint8_t *plane = s->planes + (4 * (vx & 3) + (vy & 3)) * s->plane_rows * s->stride;
    return plane + (s->margin + y + (vy >> 2)) * s->stride + s->margin + x + (vx >> 2);
}

/* Add (sign 1) or take away (-1) what a vector puts under the window at (top, left), of rows first..last - 1 only. */
static void put(const Search *s, int64_t top, int64_t left, int64_t vx, int64_t vy, float sign, int64_t first,
                int64_t last) {
    int64_t begin = left < 0 ? -left : 0, end = s->width - left < WINDOW ? s->width - left : WINDOW;
    int64_t y = top < first ? first : top, bottom = top + WINDOW < last ? top + WINDOW : last;
    const uint8_t *source = moved(s, y, left + begin, vx, vy);
    for (; y < bottom; y++, source += s->stride) {
        const float *weight = s->window + (y - top) * WINDOW + begin;
        float *into = s->total + y * s->width + left + begin;
        for (int64_t j = 0; j < end - begin; j += 8) /* ends of windows inside the frame are multiples of 8 */
            store(into + j, load(into + j) + all(sign) * load(weight + j) * pixels8(source + j));
    }
}

/* The prediction into block rows first..last - 1 of total. field: (rows + 2, columns + 2, 2). */
API void grace_obmc_total(const uint8_t *planes, int64_t plane_rows, int64_t stride, int64_t margin, const float *window,
                          const int16_t *field, int64_t columns, int64_t height, int64_t width, int64_t first, int64_t last,
                          float *total) {
    Search s = {0, height, width, planes, plane_rows, stride, margin, window, total};
    memset(total + first * SIDE * width, 0, (last - first) * SIDE * width * sizeof(float));
    for (int64_t r = first; r < last + 2; r++)
        for (int64_t c = 0; c < columns + 2; c++) {
            const int16_t *v = field + (r * (columns + 2) + c) * 2;
            put(&s, (r - 2) * SIDE, (c - 2) * SIDE, v[0], v[1], 1, first * SIDE, last * SIDE);
        }
}

/* What the middle of a window lacks without its own vector, in 64ths of a pixel, and its weights, in 32768ths; both 0
outside the frame. */
static void open_window(const Search *s, int64_t y, int64_t x, int64_t vx, int64_t vy, int16_t *wanted, uint16_t *weights) {
    int64_t top = y < 0 ? -y : 0, bottom = s->height - y < JUDGED ? s->height - y : JUDGED;
    int64_t left = x < 0 ? -x : 0, right = s->width - x < JUDGED ? s->width - x : JUDGED;
    if (bottom - top < JUDGED || right - left < JUDGED) {
        memset(wanted, 0, JUDGED * JUDGED * sizeof *wanted);
        memset(weights, 0, JUDGED * JUDGED * sizeof *weights);
    }
    for (int64_t i = top; i < bottom; i++) {
        const uint8_t *pixels = s->current + (y + i) * s->width + x, *source = moved(s, y + i, x, vx, vy);
        const float *others = s->total + (y + i) * s->width + x;
        const float *weight = s->window + (WINDOW - JUDGED) / 2 * (WINDOW + 1) + i * WINDOW;
        for (int64_t j = left; j < right; j += 8) { /* both ends are multiples of 8 */
            v8 lack = all(4096) * pixels8(pixels + j) - load(others + j) + load(weight + j) * pixels8(source + j);
            *(s8 *)(wanted + i * JUDGED + j) = __builtin_convertvector(__builtin_convertvector(lack * all(1 / 64.0f), i8v), s8);
            *(s8 *)(weights + i * JUDGED + j) = __builtin_convertvector(__builtin_convertvector(load(weight + j) * all(8), i8v), s8);
        }
    }
}

/* Sum of |wanted - weight * pixel| in 64ths under a vector; anything of at least `most` as soon as that much is sure. */
static int32_t window_sad(const Search *s, int64_t y, int64_t x, int64_t vx, int64_t vy, const int16_t *wanted,
                          const uint16_t *weights, int32_t most) {
    static const int64_t parts[4] = {8, 16, 0, 24}; /* rows; the heavy ones first */
#ifdef __AVX2__
    __m256i sums = _mm256_setzero_si256();
#endif
    const uint8_t *corner = moved(s, y, x, vx, vy);
    int32_t total = 0;
    for (int part = 0; part < 4; part++) {
        for (int64_t i = parts[part]; i < parts[part] + 8; i++) {
            const uint8_t *source = corner + i * s->stride;
            const int16_t *want = wanted + i * JUDGED;
            const uint16_t *weight = weights + i * JUDGED;
#ifdef __AVX2__
            for (int j = 0; j < JUDGED; j += 16) {
                __m256i pixel = _mm256_slli_epi16(_mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(source + j))), 7);
                __m256i share = _mm256_mulhi_epu16(pixel, _mm256_loadu_si256((const __m256i *)(weight + j)));
                __m256i differs = _mm256_abs_epi16(_mm256_sub_epi16(_mm256_loadu_si256((const __m256i *)(want + j)), share));
                sums = _mm256_add_epi32(sums, _mm256_madd_epi16(differs, _mm256_set1_epi16(1)));
            }
#else
            for (int j = 0; j < JUDGED; j++) {
                int16_t share = (int16_t)((uint32_t)(source[j] << 7) * weight[j] >> 16);
                total += abs(want[j] - share);
            }
#endif
        }
#ifdef __AVX2__
        __m128i four = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
        four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4e));
        total = _mm_cvtsi128_si32(_mm_add_epi32(four, _mm_shuffle_epi32(four, 0xb1)));
#endif
        if (total >= most) break;
    }
    return total;
}

static inline int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

/* The second smallest of four. */
static inline int64_t median4(int64_t a, int64_t b, int64_t c, int64_t d) {
    return smaller(smaller(larger(a, b), larger(c, d)), larger(smaller(a, b), smaller(c, d)));
}

/* Better vectors for the active blocks of rows 3 r + start, r in first..last - 1; windows of two such rows do not touch,
so any part of them may be done at any time. prices: SAD in 64ths that a component costs which differs by d quarter pels
from its neighbours' median. Changed in place, with a ring of blocks around: field (.., 2), the vectors, and stale, which
blocks to look at (they or a neighbour changed); and total. */
API void grace_refine(const uint8_t *current, int64_t height, int64_t width, const uint8_t *planes, int64_t plane_rows,
                      int64_t stride, int64_t margin, const float *window, const int32_t *prices, const uint8_t *active,
                      int64_t rows, int64_t columns, int64_t limit, int64_t start, int64_t first, int64_t last,
                      uint8_t *stale, int16_t *field, float *total) {
    Search s = {current, height, width, planes, plane_rows, stride, margin, window, total};
    int16_t wanted[JUDGED * JUDGED];
    uint16_t weights[JUDGED * JUDGED];
    int64_t ring = columns + 2, end = smaller(3 * last + start, rows);
    for (int64_t r = 3 * first + start; r < end; r += 3)
        for (int64_t c = 0; c < columns; c++) {
            uint8_t *look = stale + (r + 1) * ring + c + 1;
            if (!active[r * columns + c] || !*look) continue;
            *look = 0;
            int64_t y = r * SIDE - SIDE / 2, x = c * SIDE - SIDE / 2;
            int16_t *mine = field + ((r + 1) * ring + c + 1) * 2;
            const int16_t *up = mine - 2 * ring, *down = mine + 2 * ring, *left = mine - 2, *right = mine + 2;
            int64_t bx = mine[0], by = mine[1];
            open_window(&s, y, x, bx, by, wanted, weights);
            int64_t ex = median4(up[0], down[0], left[0], right[0]), ey = median4(up[1], down[1], left[1], right[1]);
            int64_t tried[6][2] = {{ex, ey}, {up[0], up[1]}, {down[0], down[1]}, {left[0], left[1]}, {right[0], right[1]}, {0, 0}};
            int32_t best = window_sad(&s, y, x, bx, by, wanted, weights, INT32_MAX) + prices[llabs(bx - ex)] + prices[llabs(by - ey)];
            int64_t count = 6;
            for (int descent = 0; descent < 4; descent++) {
                int64_t sx = bx, sy = by;
                for (int64_t k = 0; k < count; k++) {
                    int64_t vx = tried[k][0], vy = tried[k][1], seen = vx == bx && vy == by;
                    for (int64_t before = 0; before < k && !seen; before++)
                        seen = tried[before][0] == vx && tried[before][1] == vy;
                    int32_t price = prices[llabs(vx - ex)] + prices[llabs(vy - ey)];
                    if (seen || price >= best) continue;
                    int32_t found = price + window_sad(&s, y, x, vx, vy, wanted, weights, best - price);
                    if (found < best) bx = vx, by = vy, best = found;
                }
                if (descent && sx == bx && sy == by) break;
                count = 4;
                for (int k = 0; k < 4; k++) tried[k][0] = bx, tried[k][1] = by;
                tried[0][0] = smaller(bx + 1, limit), tried[1][0] = larger(bx - 1, -limit);
                tried[2][1] = smaller(by + 1, limit), tried[3][1] = larger(by - 1, -limit);
            }
            if (bx == mine[0] && by == mine[1]) continue;
            put(&s, (r - 1) * SIDE, (c - 1) * SIDE, mine[0], mine[1], -1, 0, height);
            put(&s, (r - 1) * SIDE, (c - 1) * SIDE, bx, by, 1, 0, height);
            mine[0] = (int16_t)bx, mine[1] = (int16_t)by;
            for (int64_t i = r; i < r + 3; i++) memset(stale + i * ring + c, 1, 3);
        }
}

static float square_sad(const float *a, const float *b) {
    v8 sum = all(0);
    for (int64_t k = 0; k < SIDE * SIDE; k += 8) {
        v8 differs = load(a + k) - load(b + k);
        i8v negative = differs < 0;
        sum += (v8)(((i8v)differs & ~negative) | ((i8v)-differs & negative));
    }
    float total = 0;
    for (int k = 0; k < 8; k++) total += sum[k];
    return total;
}

/* Of no motion and of `offers` (count, rows, columns, 2), which vector predicts each active block best by itself; block
rows first..last - 1. current, reference: (height, width), whole blocks; still_bonus: SAD that no motion is forgiven.
vectors: (rows, columns, 2), zero before. */
API void grace_choose(const uint8_t *current, const uint8_t *reference, int64_t height, int64_t width, const float *taps,
                      const uint8_t *active, const int16_t *offers, int64_t count, int64_t still_bonus, int64_t first,
                      int64_t last, int16_t *vectors) {
    Plane source = {reference, height, width};
    int64_t rows = height / SIDE, columns = width / SIDE;
    float mine[SIDE * SIDE], square[SIDE * SIDE];
    for (int64_t r = first; r < last; r++)
        for (int64_t c = 0; c < columns; c++) {
            if (!active[r * columns + c]) continue;
            int16_t *chosen = vectors + (r * columns + c) * 2;
            for (int64_t i = 0; i < SIDE; i++)
                for (int64_t j = 0; j < SIDE; j += 8)
                    store(mine + i * SIDE + j, pixels8(current + (r * SIDE + i) * width + c * SIDE + j));
            predict(source, r * SIDE, c * SIDE, 0, 0, SIDE, taps, square);
            float best = square_sad(mine, square) - (float)still_bonus;
            for (int64_t k = 0; k < count; k++) {
                const int16_t *offer = offers + ((k * rows + r) * columns + c) * 2;
                if (offer[0] == chosen[0] && offer[1] == chosen[1]) continue;
                predict(source, r * SIDE, c * SIDE, offer[0], offer[1], SIDE, taps, square);
                float found = square_sad(mine, square);
                if (found < best) chosen[0] = offer[0], chosen[1] = offer[1], best = found;
            }
        }
}
