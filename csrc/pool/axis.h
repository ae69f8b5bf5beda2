/* axis.h: the windows of a pool along one axis. */
#ifndef FC_POOL_AXIS_H
#define FC_POOL_AXIS_H

#include <stdint.h>

#include "fastconv.h"

typedef struct fc_pool_axis {
    int64_t in, out, kernel, stride, dilation, pad, pad_end;
    int adaptive;
} fc_pool_axis;

/* Input positions first, first + dilation ...: those taps of a window that lie in the input. */
typedef struct fc_pool_window {
    int64_t first, count;
} fc_pool_window;

/* The three axes of a descriptor. Adaptive axes with windows of one size become plain ones, and an axis that every window
 * covers whole is merged into the next where the input is contiguous: then global pools are one long row. */
fc_status fc_pool_axes(const fc_pool_desc *desc, fc_pool_axis axes[FC_SPATIAL]);

fc_pool_window fc_pool_axis_window(const fc_pool_axis *axis, int64_t index);

/* Elements of the window counted by an average that includes padding. */
int64_t fc_pool_axis_counted(const fc_pool_axis *axis, int64_t index);

/* Outputs [begin, end) whose windows lie wholly in the input. */
void fc_pool_axis_interior(const fc_pool_axis *axis, int64_t *begin, int64_t *end);

/* The most elements of the input that a window has. */
int64_t fc_pool_axis_widest(const fc_pool_axis *axis);

/* Every window is one element, and every element has one. */
int fc_pool_axis_untouched(const fc_pool_axis *axis);

/* Windows tile the input: every element lies in exactly one. */
int fc_pool_axis_tiles(const fc_pool_axis *axis);

#endif
