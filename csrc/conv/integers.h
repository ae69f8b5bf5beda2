/* integers.h: the plan of a convolution of small integers. */
#ifndef FC_INTEGERS_H
#define FC_INTEGERS_H

#include "microkernels/kernels.h"

enum { AXIS_W = 4 };

/* What the tile holds along an axis: all that the outputs read as one run, or a run for each tap with what lies between
 * the strides left out. */
typedef struct fc_integer_axis {
    int64_t runs, run, step; /* in x, neighbours in a run are step apart, and runs a dilation */
} fc_integer_axis;

struct fc_integer_plan {
    fc_integer_desc d;
    const fc_kernels *f32, *f64;
    int depthwise;                           /* one channel and one filter per group: every lane has its own channel */
    int64_t groups;                          /* 1 if depthwise */
    int64_t ic, oc;                          /* of such a group */
    int64_t pairs;                           /* of channels of a group, in the tile */
    int64_t ld;                              /* int16 of a pixel of the tile */
    int64_t taps, depth;                     /* taps, and steps of a sum */
    int64_t vectors;                         /* of filters of a group */
    int64_t blocks;                          /* of one or two such vectors in a group */
    int64_t rows, columns, parts;            /* outputs of a task; parts that share out the blocks */
    int64_t row_tasks, column_tasks, tasks;  /* row_tasks: of one output depth */
    fc_integer_axis axis[FC_SPATIAL];        /* of the tile */
    int64_t cycles;                          /* predicted, on one core */
    int32_t *off;                            /* of each tap, in the tile, and one more that ends a pair of taps */
    size_t bias_at, factor_at, packed_bytes; /* the weights come first */
    size_t at_at, panel_at, worker_bytes;    /* the tile comes first */
};

enum { FC_INTEGER_PANEL = 48 }; /* pixels whose sums are finished together: whole register tiles of every kind */

#endif
