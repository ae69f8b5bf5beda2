/* pool_kernels.h: the leaf kernels of pooling, as the drivers in pool/ see them.
 *
 * Two families. *Rows* serve any strides: the rows under one row of windows are first combined column by column into a
 * buffer, which is then reduced along the width; borders are identity elements at the buffer's ends. *Pixels* serve
 * channels last: lanes are channels, which are contiguous in every tensor. Counts, steps and strides are in elements. */
#ifndef FC_POOL_KERNELS_H
#define FC_POOL_KERNELS_H

#include <stdint.h>

enum {
    FC_POOL_MAX_LANES = 16,
    FC_POOL_SLIDING_MOST = 5,       /* rows and columns of a window that slides */
    FC_POOL_STRIP_STATE = 6,        /* vectors that a strip keeps between blocks of rows */
    FC_POOL_EXACT_PLACES = 1 << 24, /* places in a window block are kept as reals: float32 counts exactly up to here */
};

typedef enum fc_pool_reduction {
    FC_REDUCE_MAX,
    FC_REDUCE_MAX_ABS,
    FC_REDUCE_SUM,
    FC_REDUCE_SUM_ABS,
    FC_REDUCE_SUM_SQUARES,
    FC_REDUCE_SUM_ABS_POWERS,
    FC_REDUCE_SUM_POWERS,
} fc_pool_reduction;

typedef enum fc_pool_root { FC_ROOT_NONE, FC_ROOT_SQUARE, FC_ROOT_POWER } fc_pool_root;

/* One output is root(reduction of its window / divisor). */
typedef struct fc_pool_rule {
    fc_pool_reduction reduction;
    fc_pool_root root;
    double p;
} fc_pool_rule;

/* The windows of n neighbouring outputs along the width: input positions first[q] + t*step, t < count[q]. */
typedef struct fc_pool_spans {
    const int64_t *first, *count;
    int64_t step, n;
} fc_pool_spans;

/* Where flat indices of one plane point to. */
typedef struct fc_pool_plane {
    int64_t size[3], stride[3];
    int64_t elements; /* product of size */
    int64_t flat;     /* distance of neighbouring indices if it is the same everywhere, else 0 */
    int64_t lane;     /* added per element of a call: 1 for pixels, 0 for rows */
} fc_pool_plane;

/* A plane of unit-step rows under windows of 2 or 3 rows and columns with stride 2; [0] height, [1] width. */
typedef struct fc_pool_strips {
    int64_t in[2], out[2], pad[2], kernel[2];
    int64_t x_row, y_row, dx_row, dy_row, index_row; /* distances of rows */
    int64_t x_ahead, index_ahead, dy_ahead;          /* how far to ask for what the next block reads */
    int64_t place;                                   /* index of the plane's first element */
    int stream;                                      /* dx is dense and written past the caches */
} fc_pool_strips;

/* Planes of unit-step rows under windows of `taps` rows and columns, 2, 3 or 5, with stride 1; [0] height, [1] width. */
typedef struct fc_pool_sliding {
    int64_t in[2], out[2], pad[2], taps;
    int64_t x_row, y_row, x_plane, y_plane; /* distances of rows and planes */
    int64_t x_ahead;                        /* how far to ask for what the next block reads */
} fc_pool_sliding;

/* Backward, a block of rows of dx is put together in scratch, with one vector per row beside it. */
static inline int64_t fc_pool_strip_pitch(const fc_pool_strips *at, int64_t lanes) {
    return (at->in[1] + at->pad[1] + 2 * lanes - 1) / (2 * lanes) * (2 * lanes) + 2 * lanes;
}
static inline int64_t fc_pool_strip_scratch(const fc_pool_strips *at, int64_t rows, int64_t lanes) {
    return (2 * rows + 2) * (fc_pool_strip_pitch(at, lanes) + lanes) + lanes;
}

typedef enum fc_pool_match { FC_MATCH_COUNT, FC_MATCH_FIRST, FC_MATCH_SPLIT, FC_MATCH_ALL } fc_pool_match;

typedef struct fc_pool_kernels {
    /* buffer = before identities, combine_r map(rows[r][i*step]) for i < length, after identities */
    void (*columns)(const fc_pool_rule *rule, const void *const *rows, int64_t row_count, int64_t step, int64_t before,
                    int64_t length, int64_t after, void *buffer);
    /* y[q] = combine_t buffer[q*stride + t*dilation]; with stride 1 and 2 the buffer is readable up to
     * count rounded up to FC_POOL_MAX_LANES */
    void (*windows)(const fc_pool_rule *rule, const void *buffer, int64_t stride, int64_t dilation, int64_t taps,
                    int64_t count, void *y);
    /* y[q] = combine buffer[first[q] - origin ...count[q]]; spans->step is 1 */
    void (*spans)(const fc_pool_rule *rule, const void *buffer, int64_t origin, const fc_pool_spans *spans, void *y);
    /* y[q] = root(y[q] / (outer * divisors[q])); divisors may be NULL */
    void (*finish)(const fc_pool_rule *rule, const double *divisors, double outer, int64_t count, void *y);

    /* The same for max with places: places[i] = offsets[r] + i of the first maximum of column i, infinity in the borders;
     * windows_indexed writes index[q*index_step] = base + place. */
    void (*columns_indexed)(const void *const *rows, const int64_t *offsets, int64_t row_count, int64_t step,
                            int64_t before, int64_t length, int64_t after, void *buffer, void *places);
    void (*windows_indexed)(const void *buffer, const void *places, int64_t stride, int64_t dilation, int64_t taps,
                            int64_t count, void *y, int64_t base, int64_t *index, int64_t index_step);
    /* Element by element, for windows of uneven size or planes whose places are no exact reals;
     * index = base + offsets[r] + column */
    void (*search)(const void *const *rows, const int64_t *offsets, int64_t row_count, int64_t step,
                   const fc_pool_spans *spans, void *y, int64_t base, int64_t *index, int64_t index_step);

    /* plane[index[i]] += values[i], plane[index[i]] = values[i], values[i] = plane[index[i]];
     * they return 0 and stop at an index outside the plane */
    int (*scatter_add)(const fc_pool_plane *at, const int64_t *index, int64_t index_step, const void *values,
                       int64_t value_step, int64_t count, void *plane);
    int (*scatter_set)(const fc_pool_plane *at, const int64_t *index, int64_t index_step, const void *values,
                       int64_t value_step, int64_t count, void *plane);
    int (*gather)(const fc_pool_plane *at, const int64_t *index, int64_t index_step, void *values, int64_t value_step,
                  int64_t count, const void *plane);

    /* Transposed windows and spans: buffer[0..length) = 0, then every output's value is added to its window */
    void (*spread)(const void *values, int64_t stride, int64_t dilation, int64_t taps, int64_t count, void *buffer,
                   int64_t length);
    void (*spread_spans)(const void *values, int64_t origin, const fc_pool_spans *spans, void *buffer, int64_t length);
    /* rows[r][i*step] += values[i] */
    void (*add_rows)(const void *values, void *const *rows, int64_t row_count, int64_t step, int64_t length);
    /* dx += dy * d(y)/d(x) of an Lp pool, one row of its windows; divisors as for finish */
    void (*norm_row)(const fc_pool_rule *rule, const fc_pool_spans *spans, const void *x, int64_t x_step, void *dx,
                     int64_t dx_step, const void *dy, const void *y, const double *divisors, double outer);
    /* The same for p = 1 and 2 as transposed windows: values = dy/y^(p-1), and 0 where y is 0; returns 0 where that might
     * lose precision. After spreading, dx[r][i*dx_step] += values[i] * sign(x) |x|^(p-1), x = rows[r][i*x_step] */
    int (*norm_values)(const fc_pool_rule *rule, const void *dy, const void *y, int64_t count, void *values);
    void (*norm_rows)(const fc_pool_rule *rule, const void *values, const void *const *rows, int64_t x_step,
                      void *const *dx_rows, int64_t dx_step, int64_t row_count, int64_t length);
    /* Elements equal to their window's maximum y (absolute: in magnitude), one row of the windows.
     * counts[q] starts at 0 for COUNT and FIRST and is what COUNT left for SPLIT */
    void (*match_row)(fc_pool_match match, int absolute, const fc_pool_spans *spans, const void *x, int64_t x_step,
                      void *dx, int64_t dx_step, const void *dy, const void *y, int64_t *counts);

    /* Pixels: spans->n outputs, each over row_count rows; pixel = distance of neighbouring pixels in the rows */
    void (*pixels)(const fc_pool_rule *rule, const void *const *rows, int64_t row_count, const fc_pool_spans *spans,
                   int64_t pixel, int64_t channels, const double *divisors, double outer, void *y, int64_t y_pixel);
    void (*pixels_indexed)(const void *const *rows, const int64_t *offsets, int64_t row_count,
                           const fc_pool_spans *spans, int64_t pixel, int64_t channels, void *y, int64_t y_pixel,
                           int64_t base, int64_t *index, int64_t index_pixel);
    /* dx (+)= dy where x is the first maximum; fresh: the windows tile the rows, store instead of adding */
    void (*pixels_max_backward)(const void *const *rows, void *const *dx_rows, int64_t row_count,
                                const fc_pool_spans *spans, int64_t pixel, int64_t dx_pixel, int64_t channels,
                                const void *dy, int64_t dy_pixel, int fresh);
    void (*pixels_spread)(const void *dy, int64_t dy_pixel, const double *divisors, double outer, void *const *dx_rows,
                          int64_t row_count, const fc_pool_spans *spans, int64_t dx_pixel, int64_t channels, int fresh);

    void (*pixels_norm_backward)(const fc_pool_rule *rule, const void *const *rows, void *const *dx_rows,
                                 int64_t row_count, const fc_pool_spans *spans, int64_t pixel, int64_t dx_pixel,
                                 int64_t channels, const void *dy, int64_t dy_pixel, int fresh); /* p = 1 and 2 */

    /* 2x2 windows, stride 2, no border: `rows` rows of `count` outputs from rows of unit step. Backward writes `width`
     * elements of each row of dx. */
    void (*tiles)(const fc_pool_rule *rule, const void *x, int64_t x_row, double divisor, void *y, int64_t y_row,
                  int64_t rows, int64_t count);
    void (*tiles_backward)(const fc_pool_rule *rule, const void *x, int64_t x_row, const void *dy, int64_t dy_row,
                           double divisor, void *dx, int64_t dx_row, int64_t rows, int64_t count, int64_t width);

    /* Max pools with stride 2 (pool_strips.h), a block of output rows from <= h < to at a time: y and index (perhaps NULL)
     * point at row `from`. Backward, from x or from indices, takes the blocks of a plane in order and writes the rows of dx
     * from 2*from - pad, where dx points if that is no border, up to 2*to - pad, the last block all that are left, at most
     * two; it needs two lanes, states[] with an entry for every `lanes` windows, scratch of fc_pool_strip_scratch elements,
     * and for indices three columns. They return 0 where the result does not count: a NaN, a maximum of -infinity, an index
     * outside its window. */
    int (*strips)(const fc_pool_strips *at, const void *x, int64_t from, int64_t to, void *y, int64_t *index);
    int (*strips_backward)(const fc_pool_strips *at, const void *x, const void *dy, int64_t from, int64_t to,
                           void *states, void *scratch, void *dx);
    int (*strips_scatter)(const fc_pool_strips *at, const int64_t *index, const void *dy, int64_t from, int64_t to,
                          void *states, void *scratch, void *dx);
    /* Max pools with stride 1 (pool_sliding.h): output rows from <= h < to of each plane; y points at row `from` of the first */
    void (*sliding)(const fc_pool_sliding *at, const void *x, int64_t planes, int64_t from, int64_t to, void *y);
    /* Copies past the caches; stream_end before anybody reads what was written. */
    void (*stream)(void *to, const void *from, int64_t bytes);
    void (*stream_end)(void);
} fc_pool_kernels;

#endif
