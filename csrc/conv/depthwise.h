/* depthwise.h: the ways of the depthwise row. Each is an algorithm of its own shape, asked in turn by depthwise.c. */
#ifndef FC_CONV_DEPTHWISE_H
#define FC_CONV_DEPTHWISE_H

#include "conv/correlate.h"
#include "conv/plan.h"

extern const fc_conv_algorithm fc_depthwise_planes; /* contiguous rows, read in place */
extern const fc_conv_algorithm fc_depthwise_lanes;  /* contiguous rows of small maps, channels put into lanes */
extern const fc_conv_algorithm fc_depthwise_pixels; /* contiguous channels, read in place */
extern const fc_conv_algorithm fc_depthwise_sums;   /* backward_weights of either */
extern const fc_conv_algorithm fc_depthwise_tiles;  /* everything else, through a padded tile */

/* Tasks that keep a few threads busy; rows of a plane that are worth a task, rows of pixels that are, and channels of
 * one; outputs of a block of pixels. */
enum {
    FC_DEPTHWISE_TASKS = 16,
    FC_DEPTHWISE_ROWS = 8,
    FC_PIXEL_ROWS = 3,
    FC_DEPTHWISE_GROUPS = 8,
    FC_PIXEL_OUTPUTS = 8
};

/* Two axes at most, and nothing but zeros outside the source: what the kernels that read in place assume. */
int fc_depthwise_in_place(const fc_conv_desc *d);

/* L1 that a channel takes, in elements, while a block of its outputs is computed from pixels: kernel of height x width
 * taps whose columns are `step` apart. */
int64_t fc_depthwise_reach(int64_t height, int64_t width, int64_t step);

/* Channels of a task so that their pixels and weights stay in L1: whole vectors, evenly. */
int64_t fc_depthwise_chunk(int64_t channels, int64_t reach, const fc_kernels *kernels);

/* Rows of a block, at least `least` where there are as many, so that `units` independent blocks of `rows` become enough
 * tasks. */
int64_t fc_depthwise_band(int64_t units, int64_t rows, int64_t least);

/* Rows of outputs with channels in the lanes (depthwise_rows.c). The kernel of a phase, NULL for none; one without taps
 * is finished by any. */
fc_pixels_fn fc_pixels_kernel(const fc_kernels *kernels, const fc_phase *phase);

/* Weights phase by phase and vector by vector as [taps][channels]. */
void fc_pixels_pack(const fc_correlation *c, const fc_kernels *kernels, const void *w, void *packed);

/* Row r of a phase, `channels` of them from src, w, dst and finish on; columns that a dilation keeps apart are rows of
 * their own. residual: the strides of finish->residual, if there is one. */
void fc_pixels_row(const fc_kernels *kernels, const fc_phase *phase, int64_t r, const void *src, const void *w,
                   void *dst, int64_t channels, const fc_finish *finish, const int64_t *residual);

#endif
