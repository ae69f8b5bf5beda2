/* geometry.h: the taps of one pass along each axis, and where border positions read from. */
#ifndef FC_CONV_GEOMETRY_H
#define FC_CONV_GEOMETRY_H

#include "fastconv.h"

/* Source index that position p of an axis of `size` elements reads (np.pad's modes), or -1: the constant. */
int64_t fc_border_index(fc_border border, int64_t p, int64_t size);

/* One axis of a correlation: output o reads source position o*step + offset[t] for tap t, and its weight is kernel[t].
 * Offsets ascend evenly. Positions are grouped by residue modulo step so that a tile stored residue by residue has unit
 * distance between neighbouring outputs: phase[t] numbers the residue, index[t] is the position inside that group for
 * output 0. */
typedef struct fc_axis {
    int64_t step, taps, outputs;
    int64_t low;    /* least offset */
    int64_t reach;  /* greatest index[] */
    int64_t phases; /* residues in use */
    int64_t *kernel, *offset, *phase, *index, *residue;
} fc_axis;

/* The axis of a forward pass, or of backward_weights, which reads the same source. Release it whatever the status. */
fc_status fc_axis_forward(fc_axis *axis, const fc_conv_desc *desc, int number);

/* backward_data: axes[s], s < count <= stride, gives the inputs s, s + stride, ... as a unit-step correlation of dy.
 * axes[] comes zeroed; release every one, whatever the status. */
fc_status fc_axes_backward(fc_axis *axes, int64_t count, const fc_conv_desc *desc, int number);

/* The distance between neighbouring taps in the source; 1 where there are none. */
int64_t fc_tap_distance(const fc_axis *axis);

void fc_axis_release(fc_axis *axis);

#endif
