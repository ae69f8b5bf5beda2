/* integers.h: the plan of a convolution of small integers. */
#ifndef FC_INTEGERS_H
#define FC_INTEGERS_H

#include "microkernels/kernels.h"

enum { AXIS_W = 4 };

struct fc_integer_plan {
    fc_integer_desc d;
    const fc_kernels *f32, *f64;
    int depthwise;                          /* one channel and one filter per group: every lane has its own channel */
    int64_t groups;                         /* 1 if depthwise */
    int64_t ic, oc;                         /* of such a group */
    int64_t pairs;                          /* of channels of a group, in the tile */
    int64_t ld;                             /* int16 of a pixel of the tile */
    int64_t taps, depth;                    /* taps, and steps of a sum */
    int64_t vectors;                        /* of filters of a group */
    int64_t blocks;                         /* of one or two such vectors in a group */
    int64_t rows, columns, parts;           /* outputs of a task; parts that share out the blocks */
    int64_t row_tasks, column_tasks, tasks; /* row_tasks: of one output depth */
    int64_t tile_rows, tile_columns;
    int64_t cycles;                          /* predicted, on one core */
    int32_t *off;                            /* of each tap, in the tile, and one more that ends a pair of taps */
    size_t bias_at, factor_at, packed_bytes; /* the weights come first */
    size_t at_at, panel_at, worker_bytes;    /* the tile comes first */
};

enum { FC_INTEGER_PANEL = 48 }; /* pixels whose sums are finished together: whole register tiles of every kind */

#endif
