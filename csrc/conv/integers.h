/* integers.h: the plan of a convolution of small integers, and what the files that run it share. */
#ifndef FC_INTEGERS_H
#define FC_INTEGERS_H

#include "microkernels/kernels.h"

enum { AXIS_W = 4 };
enum { FC_INTEGER_SHARE = 32 }; /* channels that are staged together: whole vectors of int16 of every width */
enum { FC_INTEGER_PANEL = 48 }; /* pixels whose sums are finished together */
enum {
    FC_INTEGER_COLUMNS = 64
}; /* outputs of a task along its row, at most, where a row of Winograd tiles is a panel */

/* What the tile holds along an axis: all that the outputs read as one run, or a run for each tap with what lies between
 * the strides left out. */
typedef struct fc_integer_axis {
    int64_t runs, run, step; /* in x, neighbours in a run are step apart, and runs a dilation */
} fc_integer_axis;

/* How a tile of outputs is summed: direct, or a Winograd tile. */
typedef struct fc_integer_tile {
    int outputs, points; /* along a side; direct: 1 and 1 */
    int stride;
    int shift;                      /* sums are a multiple of 2^shift times the true ones */
    int data_growth, weight_growth; /* how many times larger a point may be than the data, or the weights */
    int16_t g[FC_INTEGER_MOST_POINTS][3];
} fc_integer_tile;
extern const fc_integer_tile fc_integer_direct, fc_integer_tiles[FC_INTEGER_WINOGRADS];

struct fc_integer_plan {
    fc_integer_desc d;
    const fc_kernels *f32, *f64;
    const fc_integer_tile *tile;
    const fc_integer_winograd *winograd; /* its kernels; NULL: direct */
    int depthwise;                       /* one channel and one filter per group: every lane has its own channel */
    int64_t groups;                      /* 1 if depthwise */
    int64_t ic, oc;                      /* of such a group */
    int64_t pairs;                       /* of channels of a group, or of such a run of taps, in the tile */
    int64_t pitch;                       /* int16 of a row of the tile */
    int64_t ld, v_ld;                    /* int16 of a pixel of the tile, and of a tile in a Winograd point */
    int64_t taps, run;            /* of the kernel; of a row of it, side by side in the tile: as if more channels */
    int64_t depth;                /* steps of a sum, or of all points of a Winograd tile */
    int64_t vectors;              /* of filters of a group */
    int64_t blocks;               /* of one or two such vectors in a group */
    int64_t rows, columns, parts; /* outputs of a task; parts that share out the blocks */
    int64_t row_tasks, column_tasks, tasks;  /* row_tasks: of one output depth */
    fc_integer_axis axis[FC_SPATIAL];        /* of the tile */
    int64_t cycles;                          /* predicted of the products, on one core */
    int32_t *off;                            /* of each tap, in the tile, and one more that ends a pair of taps */
    int64_t v_point, m_point;                /* elements between the points of Winograd data, and of their sums */
    size_t bias_at, factor_at, packed_bytes; /* the weights come first */
    int64_t shares;                          /* of the staging of a block of outputs */
    int by_channels;                         /* a share is some channels of the only row of the tile */
    size_t staged_bytes, shared_bytes;       /* what the sums of a block read; of all blocks, where parts share it */
    size_t staged_at, m_at, at_at, panel_at, worker_bytes; /* a Winograd tile comes first */
};

typedef struct fc_integer_job {
    const fc_integer_plan *plan;
    const uint8_t *x;
    const void *packed;
    char *y;
    size_t y_size; /* bytes of an element */
    fc_centre centre;
    fc_requantize requantize;
    char *scratch;
} fc_integer_job;

/* The outputs of a task, and its blocks of filters, counted through all groups. */
typedef struct fc_integer_block {
    int64_t image, depth, row, column, rows, columns;
    int64_t from, end;
    int16_t *tile, *v;
    int32_t *m, *at, *panel;
} fc_integer_block;

/* What the sums of one block of filters need. */
typedef struct fc_integer_filters {
    int64_t first, count;    /* counted through all groups */
    int64_t vectors, ld;     /* of their sums */
    const int16_t *w, *data; /* data: the first channel of their group, in the tile or in v */
    const int32_t *bias;
    const double *factor;
} fc_integer_filters;

/* The register tile for the next of `left` pixels: panels as even as the sizes allow. */
int fc_integer_size(const fc_integer_kernels *kernels, int64_t left);

/* Whether weights of such bounds give exact sums in such tiles, if the problem has them at all. */
int fc_integer_takes(const fc_integer_plan *plan, const fc_integer_tile *tile);

/* Weights of a block of filters of a group as [point][pair of channels][filter][two channels]. */
void fc_integer_pack_points(const fc_integer_plan *plan, const int16_t *w, int64_t first, int64_t width, int16_t *to);

/* The points of the channels from `from` on that lie in the tile. */
void fc_integer_make_points(const fc_integer_plan *plan, const fc_integer_block *b, int64_t from);

/* c[q*ld + l] for the q of `at`. */
void fc_integer_sum(const fc_integer_plan *plan, const fc_integer_filters *f, int64_t taps, const int32_t *off,
                    const int16_t *data, const int32_t *at, int64_t count, const int16_t *w, const int32_t *bias,
                    int32_t *c);
void fc_integer_sum_points(const fc_integer_job *j, const fc_integer_block *b, const fc_integer_filters *f);

/* `count` sums of the panel, of a task's outputs from the first on, row by row, become y. */
void fc_integer_leave(const fc_integer_job *j, const fc_integer_block *b, const fc_integer_filters *f, int64_t first,
                      int64_t count);

#endif
