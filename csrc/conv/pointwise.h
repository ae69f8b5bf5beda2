/* pointwise.h: what planning and running of 1x1 convolution share. */
#ifndef FC_CONV_POINTWISE_H
#define FC_CONV_POINTWISE_H

#include "conv/correlate.h"

enum { FC_POINTWISE_AXES = 4 }; /* of pixels: image, depth, height, width */

/* How pixels past the last whole vector are computed: as dot products over channels, with filters in the lanes, or once
 * more in a vector that overlaps the one before. */
typedef enum fc_pointwise_tail { FC_TAIL_NONE, FC_TAIL_DOT, FC_TAIL_FILTERS, FC_TAIL_OVERLAP } fc_pointwise_tail;

typedef struct fc_pointwise {
    fc_correlation c;
    int64_t size[FC_POINTWISE_AXES], src_stride[FC_POINTWISE_AXES], dst_stride[FC_POINTWISE_AXES];
    int64_t other_stride[FC_POINTWISE_AXES], other_channel; /* of the residual */
    int64_t src_pixel, dst_pixel, other_pixel;
    int64_t run, runs, run_group, run_groups; /* pixels of a run; runs; runs of a task */
    int64_t segment;                          /* pixels evenly apart in the source, a divisor of run */
    int filters_in_lanes, in_place;           /* in_place: b is the source or the weights where they lie */
    int direct;                               /* sums are finished and stored by the register tile */
    int64_t rows, columns;                    /* of one product */
    int64_t row_parts, column_parts, row_block;
    int64_t width; /* columns of a strip that is packed or gathered; in place the unit of column parts */
    int64_t pitch; /* of rows of sums in scratch: at least a strip */
    fc_pointwise_tail tail;
    int pack_in_task;
    int64_t copy_bytes, scratch_bytes; /* of a worker: panel, strip of weights or transposed pixels; sums on the way */
    fc_product product;
    int32_t *off; /* of rows that are transposed: filters, or channels of the tail */
} fc_pointwise;

/* Sums of so many tiles leave scratch at once, so that transpositions work on whole blocks. */
enum { FC_POINTWISE_LEAVE_TILES = 8 };

/* Parts are whole register tiles of rows, except that every part of the filters that lie in the lanes for the tail holds
 * a vector of them. The last part takes what is left. */
static inline int64_t fc_pointwise_row_unit(const fc_pointwise *s, const fc_kernels *k) {
    return s->tail == FC_TAIL_FILTERS ? k->lanes : k->product_rows[k->product_xr - 1];
}
static inline int64_t fc_pointwise_row_units(const fc_pointwise *s, const fc_kernels *k) {
    return fc_max(1, s->rows / fc_pointwise_row_unit(s, k));
}
static inline int64_t fc_pointwise_column_units(const fc_pointwise *s) {
    return s->in_place ? fc_max(1, s->columns / s->width) : fc_ceil_div(s->columns, s->width);
}

fc_status fc_pointwise_plan(fc_conv_plan *plan);
void fc_pointwise_release(fc_conv_plan *plan);

#endif
