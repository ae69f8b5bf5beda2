/* depthwise.h: the ways of the depthwise row. Each is an algorithm of its own shape, asked in turn by depthwise.c. */
#ifndef FC_CONV_DEPTHWISE_H
#define FC_CONV_DEPTHWISE_H

#include "conv/correlate.h"
#include "conv/plan.h"

extern const fc_conv_algorithm fc_depthwise_planes; /* contiguous rows, read in place */
extern const fc_conv_algorithm fc_depthwise_pixels; /* contiguous channels, read in place */
extern const fc_conv_algorithm fc_depthwise_sums;   /* backward_weights of either */
extern const fc_conv_algorithm fc_depthwise_tiles;  /* everything else, through a padded tile */

/* Tasks that keep a few threads busy, rows that are worth a task, and channels of one. */
enum { FC_DEPTHWISE_TASKS = 16, FC_DEPTHWISE_ROWS = 8, FC_DEPTHWISE_GROUPS = 8 };

/* Two axes at most, and nothing but zeros outside the source: what the kernels that read in place assume. */
int fc_depthwise_in_place(const fc_conv_desc *d);

/* Rows of a block so that `units` independent blocks of `rows` become enough tasks. */
int64_t fc_depthwise_band(int64_t units, int64_t rows);

#endif
