/* panels.h: what planning and running of backward_weights by panels share. */
#ifndef FC_CONV_PANELS_H
#define FC_CONV_PANELS_H

#include "conv/blocks.h"
#include "conv/correlate.h"

/* One operand seen from the outputs: steps between images, groups, channels, and neighbouring outputs. */
typedef struct fc_panels_grid {
    int64_t image, group, channel, output[FC_SPATIAL];
} fc_panels_grid;

/* How the work is cut, and what that costs. */
typedef struct fc_panels_cut {
    int64_t filter_chunk, filter_chunks, channel_chunk, channel_chunks, parts;
    fc_blocks blocks;
    int64_t images; /* in a block; 1 where an image has several blocks */
    int64_t units;  /* blocks of the batch */
    double cost;
} fc_panels_cut;

typedef struct fc_panels {
    fc_source source;
    fc_axis axis[FC_SPATIAL];
    int64_t channels, filters; /* per group: broadcast, and in the lanes */
    int64_t taps, width;       /* of one channel; filters of a panel */
    int swapped;               /* the lanes hold channels of x, and filters of dy are broadcast */
    int in_place;              /* what is broadcast is read where it lies */
    int into_dw;               /* dw is summed where it belongs */
    int rows_of_taps;          /* what is broadcast together: taps of a row and channels, or channels of a tap */
    fc_panels_grid broadcast, lanes;
    int64_t w_group, w_filter, w_channel;
    fc_panels_cut cut;
    int64_t points;                        /* of a block */
    int64_t group_sums, sums;              /* elements of one group's and all sums of a part, biases last */
    int64_t tile_elements, panel_elements; /* one image's tile; all panels of a block */
    int64_t *tap;
    int32_t *off, *last_off, *run_off; /* of the points of a block, and of one in the last columns; of the runs */
    int64_t runs, run_step, pair_step; /* runs of broadcast elements; elements between their sums, inside a run */
} fc_panels;

/* Positions of x that a block of one depth reads along an axis. */
static inline int64_t fc_panels_reach(const fc_conv_desc *d, int axis, int64_t outputs) {
    const int64_t taps = fc_capped_product(d->kernel[axis] - 1, d->dilation[axis]) + 1;
    return fc_capped_product(fc_capped_product(outputs - 1, d->stride[axis]) + taps, 1);
}

fc_status fc_panels_plan(fc_conv_plan *plan);
void fc_panels_release(fc_conv_plan *plan);

#endif
