/* fft_tile.c: lengths, factors and steps of a tile's transforms. Factors are computed in double and rounded once. */
#include "conv/fft_tile.h"

#include <math.h>
#include <stdlib.h>

#include "core/memory.h"

static const double tau = 6.28318530717958647693;

static int only_twos_and_threes(int64_t n) {
    while (n % 2 == 0) n /= 2;
    return n == 1 || n == 3 || n == 9;
}

int64_t fc_fft_length(int64_t least, int64_t multiple) {
    int64_t n = fc_ceil_div(least, multiple) * multiple;
    while (!only_twos_and_threes(n)) n += multiple;
    return n;
}

static void put(void *array, int64_t at, double value, size_t element) {
    if (element == sizeof(float)) {
        ((float *)array)[at] = (float)value;
    } else {
        ((double *)array)[at] = value;
    }
}

/* Threes, then a two or an eight where fours do not suffice. */
static void choose_radices(fc_fft *fft) {
    int64_t n = fft->length;
    fft->passes = 0;
    while (n % 3 == 0) {
        fft->radix[fft->passes++] = 3;
        n /= 3;
    }
    int bits = 0;
    while (n >> (bits + 1)) ++bits;
    if (bits % 2 == 1) {
        fft->radix[fft->passes++] = bits >= 3 ? 8 : 2;
        bits -= bits >= 3 ? 3 : 1;
    }
    for (; bits > 0; bits -= 2) fft->radix[fft->passes++] = 4;
}

static fc_status init_fft(fc_fft *fft, int64_t length, int transformed, size_t element) {
    *fft = (fc_fft){.length = length};
    if (!transformed) return FC_OK;
    choose_radices(fft);
    int64_t n = length;
    for (int p = 0; p < fft->passes; ++p) {
        n /= fft->radix[p];
        fft->twiddles += n * (fft->radix[p] - 1) * 2;
    }
    fft->twiddle = malloc((size_t)fc_max(fft->twiddles, 1) * element);
    if (!fft->twiddle) return FC_NO_MEMORY;
    n = length;
    int64_t at = 0;
    for (int p = 0; p < fft->passes; ++p) {
        const int radix = fft->radix[p];
        for (int64_t j = 0; j < n / radix; ++j) {
            for (int q = 1; q < radix; ++q) {
                const double angle = -tau * (double)(j * q) / (double)n;
                put(fft->twiddle, at++, cos(angle), element);
                put(fft->twiddle, at++, sin(angle), element);
            }
        }
        n /= radix;
    }
    return FC_OK;
}

/* The frequency that stands at a position: the digits of the position from the most significant one, read backwards. */
static int64_t frequency_at(const fc_fft *fft, int64_t position) {
    int64_t m = fft->length, weight = 1, frequency = 0;
    for (int p = 0; p < fft->passes; ++p) {
        m /= fft->radix[p];
        frequency += position / m * weight;
        position %= m;
        weight *= fft->radix[p];
    }
    return frequency;
}

static fc_status init_twist(fc_fft_tile *t) {
    const int64_t rows = t->size[HEIGHT], columns = t->size[WIDTH], lanes = t->kernels->lanes;
    const size_t element = t->kernels->element;
    if (posix_memalign(&t->twist, FC_ALIGN, fc_align_up((size_t)(2 * rows * columns) * element)) != 0) {
        t->twist = NULL;
        return FC_NO_MEMORY;
    }
    for (int64_t r = 0; r < rows; ++r) {
        const int64_t turns = frequency_at(&t->axis[HEIGHT], r);
        for (int64_t c = 0; c < columns; ++c) {
            const double angle = -tau * (double)(turns * c) / (double)(rows * columns);
            const int64_t at = r / lanes * t->block + c * 2 * lanes + r % lanes;
            put(t->twist, at, cos(angle), element);
            put(t->twist, at + lanes, sin(angle), element);
        }
    }
    return FC_OK;
}

fc_status fc_fft_tile_init(fc_fft_tile *t, const fc_kernels *kernels, const int64_t size[FC_SPATIAL],
                           const int transformed[FC_SPATIAL], int long_line) {
    const int64_t lanes = kernels->lanes;
    *t = (fc_fft_tile){.kernels = kernels, .long_line = long_line};
    for (int a = 0; a < FC_SPATIAL; ++a) {
        t->size[a] = size[a];
        const fc_status status = init_fft(&t->axis[a], size[a], transformed[a], kernels->element);
        if (status != FC_OK) return status;
    }
    t->pitch = size[WIDTH] + lanes; /* steps of a power of two would share few cache sets */
    t->plane = size[HEIGHT] * t->pitch + lanes;
    t->elements = size[DEPTH] * t->plane;
    t->blocks = size[DEPTH] * size[HEIGHT] / lanes;
    t->block = size[WIDTH] * 2 * lanes;
    t->row_off = malloc(sizeof(int32_t) * (size_t)lanes);
    t->column_off = malloc(sizeof(int32_t) * (size_t)size[WIDTH]);
    if (!t->row_off || !t->column_off) return FC_NO_MEMORY;
    for (int64_t i = 0; i < lanes; ++i) t->row_off[i] = (int32_t)(i * t->pitch);
    for (int64_t i = 0; i < size[WIDTH]; ++i) t->column_off[i] = (int32_t)(i * 2 * lanes);
    return long_line ? init_twist(t) : FC_OK;
}

void fc_fft_tile_release(fc_fft_tile *t) {
    for (int a = 0; a < FC_SPATIAL; ++a) free(t->axis[a].twiddle);
    free(t->twist);
    free(t->row_off);
    free(t->column_off);
    *t = (fc_fft_tile){0};
}

void fc_fft_columns(const fc_fft_tile *t, void *re, void *im) {
    const fc_kernels *k = t->kernels;
    const int64_t columns = t->size[HEIGHT] * t->pitch;
    if (t->axis[DEPTH].passes) k->fft_forward(&t->axis[DEPTH], re, im, t->plane, columns);
    for (int64_t d = 0; d < t->size[DEPTH]; ++d)
        k->fft_forward(&t->axis[HEIGHT], fc_at(re, d * t->plane, k->element), fc_at(im, d * t->plane, k->element),
                       t->pitch, t->size[WIDTH]);
}

void fc_fft_columns_inverse(const fc_fft_tile *t, void *re, void *im) {
    const fc_kernels *k = t->kernels;
    for (int64_t d = 0; d < t->size[DEPTH]; ++d)
        k->fft_inverse(&t->axis[HEIGHT], fc_at(re, d * t->plane, k->element), fc_at(im, d * t->plane, k->element),
                       t->pitch, t->size[WIDTH]);
    const int64_t columns = t->size[HEIGHT] * t->pitch;
    if (t->axis[DEPTH].passes) k->fft_inverse(&t->axis[DEPTH], re, im, t->plane, columns);
}

static const void *twist_of(const fc_fft_tile *t, int64_t block) {
    return fc_at(t->twist, block * t->block, t->kernels->element);
}

/* Element of the tile where a block of rows starts. */
static int64_t first_row(const fc_fft_tile *t, int64_t block) {
    const int64_t lanes = t->kernels->lanes, blocks = t->size[HEIGHT] / lanes;
    return block / blocks * t->plane + block % blocks * lanes * t->pitch;
}

void fc_fft_rows(const fc_fft_tile *t, const void *re, const void *im, int64_t block, void *spectrum) {
    const fc_kernels *k = t->kernels;
    const int64_t lanes = k->lanes, at = first_row(t, block);
    void *parts = fc_at(spectrum, lanes, k->element);
    k->transpose(spectrum, 2 * lanes, fc_at(re, at, k->element), t->row_off, lanes, t->size[WIDTH]);
    k->transpose(parts, 2 * lanes, fc_at(im, at, k->element), t->row_off, lanes, t->size[WIDTH]);
    if (t->twist) k->fft_multiply(spectrum, twist_of(t, block), t->size[WIDTH], 0);
    k->fft_forward(&t->axis[WIDTH], spectrum, parts, 2 * lanes, lanes);
}

void fc_fft_rows_inverse(const fc_fft_tile *t, void *spectrum, int64_t block, void *re, void *im) {
    const fc_kernels *k = t->kernels;
    const int64_t lanes = k->lanes, at = first_row(t, block);
    void *parts = fc_at(spectrum, lanes, k->element);
    k->fft_inverse(&t->axis[WIDTH], spectrum, parts, 2 * lanes, lanes);
    if (t->twist) k->fft_multiply(spectrum, twist_of(t, block), t->size[WIDTH], 1);
    k->transpose(fc_at(re, at, k->element), t->pitch, spectrum, t->column_off, t->size[WIDTH], lanes);
    k->transpose(fc_at(im, at, k->element), t->pitch, parts, t->column_off, t->size[WIDTH], lanes);
}
