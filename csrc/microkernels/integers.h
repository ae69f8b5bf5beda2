/* integers.h: convolution of small integers, filters in the vector lanes, and what lies around it.
 *
 * A pair of channels is one lane of 32 bits: one multiply-add of pairs does twice the products of one in float32, and the
 * sums are exact (modulo 2^32). The register tile is that of outer_at in outer.h: `pixels` outputs, each with an address of
 * its own in the tile, so that tiles run on from row to row, by one or two vectors of filters. 6x2 with 16 registers (12
 * sums, two vectors of weights, a broadcast and a product), 12x2 with 32, and smaller ones for what is left. MLAS and XNNPACK
 * block alike. In float64 only what rounds: sums times factors. */
#if !FC_F64
#include "simd/pairs.h"

#include "microkernels/integer_winograd.h"

#if VREGS == 32
enum { FC_INTEGER_SMALL = 8, FC_INTEGER_MIDDLE = 10, FC_INTEGER_PR = 12, FC_INTEGER_DEPTHWISE_PR = 8 };
#else
enum { FC_INTEGER_SMALL = 4, FC_INTEGER_MIDDLE = 5, FC_INTEGER_PR = 6, FC_INTEGER_DEPTHWISE_PR = 4 };
#endif

static inline __attribute__((always_inline)) void fc_integer_tile(const int pr, const int vr, int64_t taps,
                                                                  int64_t pairs, const int16_t *src, const int32_t *off,
                                                                  const int32_t *at, const int16_t *w,
                                                                  const int32_t *bias, int32_t *c) {
    vbits acc[FC_INTEGER_PR][FC_INTEGER_VECTORS];
    const int16_t *s[FC_INTEGER_PR];
#pragma GCC unroll 12
    for (int p = 0; p < pr; ++p) {
        s[p] = src + at[p];
#pragma GCC unroll 2
        for (int x = 0; x < vr; ++x) acc[p][x] = vbits_load(bias + x * VLANES);
    }
    for (int64_t t = 0; t < taps; ++t) {
        const int64_t end = off[t] + 2 * pairs;
        for (int64_t o = off[t]; o < end; o += 2, w += 2 * vr * VLANES) {
            vpairs v[FC_INTEGER_VECTORS];
#pragma GCC unroll 2
            for (int x = 0; x < vr; ++x) v[x] = vpairs_load(w + 2 * x * VLANES);
#pragma GCC unroll 12
            for (int p = 0; p < pr; ++p) {
                const vpairs b = vpairs_all(s[p] + o);
#pragma GCC unroll 2
                for (int x = 0; x < vr; ++x) acc[p][x] = vmadd(b, v[x], acc[p][x]);
            }
        }
    }
#pragma GCC unroll 12
    for (int p = 0; p < pr; ++p) {
#pragma GCC unroll 2
        for (int x = 0; x < vr; ++x) vbits_store(c + (p * vr + x) * VLANES, acc[p][x]);
    }
}

#define FC_INTEGER_SUMS(SIZE, PR, VR)                                                                                  \
    static void FC_NAME(fc_integer_sums_##SIZE##_##VR)(int64_t taps, int64_t pairs, const int16_t *src,                \
                                                       const int32_t *off, const int32_t *at, const int16_t *w,        \
                                                       const int32_t *bias, int32_t *c) {                              \
        fc_integer_tile(PR, VR, taps, pairs, src, off, at, w, bias, c);                                                \
    }
FC_INTEGER_SUMS(small, FC_INTEGER_SMALL, 1)
FC_INTEGER_SUMS(small, FC_INTEGER_SMALL, 2)
FC_INTEGER_SUMS(middle, FC_INTEGER_MIDDLE, 1)
FC_INTEGER_SUMS(middle, FC_INTEGER_MIDDLE, 2)
FC_INTEGER_SUMS(large, FC_INTEGER_PR, 1)
FC_INTEGER_SUMS(large, FC_INTEGER_PR, 2)
#define FC_INTEGER_SIZES_OF(VR)                                                                                        \
    { FC_NAME(fc_integer_sums_small_##VR), FC_NAME(fc_integer_sums_middle_##VR), FC_NAME(fc_integer_sums_large_##VR) }

/* Two taps of a channel are a pair. */
static void FC_NAME(fc_integer_depthwise)(int64_t depth, const int16_t *src, const int32_t *off, const int32_t *at,
                                          const int16_t *w, const int32_t *bias, int32_t *c) {
    vbits low[FC_INTEGER_DEPTHWISE_PR], high[FC_INTEGER_DEPTHWISE_PR];
    const int16_t *s[FC_INTEGER_DEPTHWISE_PR];
#pragma GCC unroll 8
    for (int p = 0; p < FC_INTEGER_DEPTHWISE_PR; ++p) {
        s[p] = src + at[p];
        low[p] = high[p] = vbits_all(0);
    }
    for (int64_t k = 0; k < depth; ++k, off += 2, w += 4 * VLANES) {
        const int64_t first = off[0], second = off[1];
        vpairs w_low = vpairs_load(w), w_high = vpairs_load(w + 2 * VLANES);
        vpairs_split(&w_low, &w_high);
#pragma GCC unroll 8
        for (int p = 0; p < FC_INTEGER_DEPTHWISE_PR; ++p) {
            const vwords a = vwords_load(s[p] + first), b = vwords_load(s[p] + second);
            low[p] = vmadd(vpairs_low(a, b), w_low, low[p]);
            high[p] = vmadd(vpairs_high(a, b), w_high, high[p]);
        }
    }
#pragma GCC unroll 8
    for (int p = 0; p < FC_INTEGER_DEPTHWISE_PR; ++p) {
        vpairs_join(&low[p], &high[p]);
        vbits_store(c + 2 * p * VLANES, low[p] + vbits_load(bias));
        vbits_store(c + (2 * p + 1) * VLANES, high[p] + vbits_load(bias + VLANES));
    }
}

/* ---- into the tile ------------------------------------------------------------------------------------------------ */

/* Two rows of bytes as pairs; n of VLANES are read. */
static inline vbits fc_integer_pairs(const uint8_t *first, const uint8_t *second, int n, vbits flip, vbits zero) {
    vbits a, b;
    if (VLANES == 1 || n == VLANES) {
        a = vbits_bytes(first), b = vbits_bytes(second);
    } else {
        uint8_t rows[2][VLANES] = {{0}};
        memcpy(rows[0], first, (size_t)n);
        memcpy(rows[1], second, (size_t)n);
        a = vbits_bytes(rows[0]), b = vbits_bytes(rows[1]);
    }
    a = (a ^ flip) - zero, b = (b ^ flip) - zero;
    return vpairs_of(a, b);
}

/* `n` pixels of `pairs` pairs of channels, each at most VLANES; `odd`: the second of the last pair is missing. */
static inline __attribute__((always_inline)) void fc_integer_block(int16_t *dst, int64_t ld, const uint8_t *src,
                                                                   int64_t channel_stride, const int pairs,
                                                                   const int odd, const int n, vbits flip, vbits zero) {
    vbits v[VLANES];
#pragma GCC unroll 16
    for (int i = 0; i < VLANES; ++i) {
        const uint8_t *first = src + (i < pairs ? 2 * i : 0) * channel_stride;
        const uint8_t *second = odd && i >= pairs - 1 ? first : first + channel_stride;
        v[i] = fc_integer_pairs(first, second, n, flip, zero);
    }
    vbits_transpose(v);
    if (pairs == VLANES) {
#pragma GCC unroll 16
        for (int i = 0; i < VLANES; ++i)
            if (i < n) vbits_store(dst + i * ld, v[i]);
        return;
    }
    for (int i = 0; i < n; ++i) memcpy(dst + i * ld, &v[i], (size_t)pairs * 2 * sizeof *dst);
}

/* The last block of a row starts early: its pixels are the same again. */
static void FC_NAME(fc_integer_fill_planes)(int16_t *dst, int64_t ld, const uint8_t *src, int64_t channel_stride,
                                            int64_t channels, int64_t count, fc_centre centre) {
    const vbits flip = vbits_all(centre.flip), zero = vbits_all((uint32_t)(int32_t)centre.zero);
    const int n = count < VLANES ? (int)count : VLANES;
    const int64_t pairs = (channels + 1) / 2;
    for (int64_t q = 0; q < count; q += n) {
        const int64_t at = q + n <= count ? q : count - n;
        for (int64_t j = 0; j < pairs; j += VLANES) {
            int16_t *to = dst + at * ld + 2 * j;
            const uint8_t *from = src + 2 * j * channel_stride + at;
            const int odd = 2 * (j + VLANES) > channels && channels % 2;
            const int64_t left = pairs - j;
            if (n == VLANES && left >= VLANES && !odd) {
                fc_integer_block(to, ld, from, channel_stride, VLANES, 0, VLANES, flip, zero);
            } else {
                fc_integer_block(to, ld, from, channel_stride, left < VLANES ? (int)left : VLANES, odd, n, flip, zero);
            }
        }
    }
}

static void FC_NAME(fc_integer_fill_pixels)(int16_t *dst, int64_t ld, const uint8_t *src, int64_t pixel_stride,
                                            int64_t channels, int64_t count, fc_centre centre) {
    for (int64_t q = 0; q < count; ++q, dst += ld, src += pixel_stride) {
        int64_t c = 0;
        for (; c + 2 * VLANES <= channels; c += 2 * VLANES)
            vwords_store(dst + c, (vwords_bytes(src + c) ^ centre.flip) - (uint16_t)centre.zero);
        for (; c < channels; ++c) dst[c] = (int16_t)((src[c] ^ centre.flip) - centre.zero);
    }
}

/* ---- out of the sums ---------------------------------------------------------------------------------------------- */

static inline __attribute__((always_inline)) void fc_integer_planes(const int bytes, void *dst, int64_t filter_stride,
                                                                    const int32_t *c, int64_t ld, int64_t filters,
                                                                    int64_t count) {
    uint8_t *narrow = dst;
    int32_t *wide = dst;
    if (count < VLANES) {
        for (int64_t q = 0; q < count; ++q)
            for (int64_t f = 0; f < filters; ++f) {
                if (bytes) {
                    narrow[f * filter_stride + q] = (uint8_t)c[q * ld + f];
                } else {
                    wide[f * filter_stride + q] = c[q * ld + f];
                }
            }
        return;
    }
    for (int64_t q = 0; q < count; q += VLANES) {
        const int64_t at = q + VLANES <= count ? q : count - VLANES;
        for (int64_t f = 0; f < filters; f += VLANES) {
            const int64_t left = filters - f;
            vbits v[VLANES];
#pragma GCC unroll 16
            for (int i = 0; i < VLANES; ++i) v[i] = vbits_load(c + (at + i) * ld + f);
            vbits_transpose(v);
#pragma GCC unroll 16
            for (int i = 0; i < VLANES; ++i) {
                if (i >= left) break;
                const int64_t to = (f + i) * filter_stride + at;
                if (bytes) {
                    vbits_narrow(narrow + to, v[i]);
                } else {
                    vbits_store(wide + to, v[i]);
                }
            }
        }
    }
}

static void FC_NAME(fc_integer_bytes_planes)(uint8_t *dst, int64_t filter_stride, const int32_t *c, int64_t ld,
                                             int64_t filters, int64_t count) {
    fc_integer_planes(1, dst, filter_stride, c, ld, filters, count);
}
static void FC_NAME(fc_integer_words_planes)(int32_t *dst, int64_t filter_stride, const int32_t *c, int64_t ld,
                                             int64_t filters, int64_t count) {
    fc_integer_planes(0, dst, filter_stride, c, ld, filters, count);
}

static void FC_NAME(fc_integer_bytes_pixels)(uint8_t *dst, int64_t pixel_stride, const int32_t *c, int64_t ld,
                                             int64_t filters, int64_t count) {
    for (int64_t q = 0; q < count; ++q, dst += pixel_stride, c += ld) {
        int64_t f = 0;
        for (; f + VLANES <= filters; f += VLANES) vbits_narrow(dst + f, vbits_load(c + f));
        for (; f < filters; ++f) dst[f] = (uint8_t)c[f];
    }
}

#define FC_INTEGER_TABLE                                                                                               \
    {                                                                                                                  \
        .pixels = {FC_INTEGER_SMALL, FC_INTEGER_MIDDLE, FC_INTEGER_PR}, .depthwise_pixels = FC_INTEGER_DEPTHWISE_PR,   \
        .sums = {FC_INTEGER_SIZES_OF(1), FC_INTEGER_SIZES_OF(2)}, .winograd = FC_INTEGER_WINOGRAD_TABLE,               \
        .depthwise = FC_NAME(fc_integer_depthwise), .fill_planes = FC_NAME(fc_integer_fill_planes),                    \
        .fill_pixels = FC_NAME(fc_integer_fill_pixels), .bytes_planes = FC_NAME(fc_integer_bytes_planes),              \
        .words_planes = FC_NAME(fc_integer_words_planes), .bytes_pixels = FC_NAME(fc_integer_bytes_pixels),            \
    }

#else
#include "simd/whole.h"

/* The bounds are whole numbers, so clipping before rounding is clipping after it. Of a NaN vmin makes a bound. */
static void FC_NAME(fc_integer_requantize)(int32_t *c, int64_t ld, int64_t count, const double *factor,
                                           const fc_requantize *how) {
    const vec low = vbroadcast(how->low), high = vbroadcast(how->high);
    const int32_t zero = how->zero; /* what is stored might lie there, for all the compiler knows */
    for (int64_t f = 0; f < ld; f += VLANES) {
        const vec by = vload(factor + f);
        int32_t *at = c + f;
#pragma GCC unroll 4
        for (int64_t q = 0; q < count; ++q, at += ld) {
            const vec v = vmax(vmin(vmul(vwhole_load(at), by), high), low);
            vwhole_store(at, v, zero);
        }
    }
}

#define FC_INTEGER_TABLE                                                                                               \
    { .requantize = FC_NAME(fc_integer_requantize) }

#endif
