/* correlate.h: forward and backward_data as one thing: a set of correlations of a source with packed weights.
 *
 * forward is one correlation of x. backward_data with strides is one per residue of the input position modulo the stride
 * ("phase"), each a stride-1 correlation of dy with the taps of that residue, so no zero is ever multiplied. */
#ifndef FC_CONV_CORRELATE_H
#define FC_CONV_CORRELATE_H

#include "conv/plan.h"
#include "conv/tile.h"

typedef struct fc_phase {
    fc_source source;
    int64_t outputs[FC_SPATIAL];
    int64_t dst_offset, dst_stride[FC_SPATIAL];
    int64_t *tap; /* element offset of each tap in the weights */
    int64_t taps;
} fc_phase;

typedef struct fc_correlation {
    int64_t n, groups;
    int64_t channels, filters; /* per group: summed over, and written */
    int64_t src_n, src_group, dst_n, dst_group, dst_channel;
    int64_t w_group, w_filter, w_channel;
    int64_t phases;
    fc_phase *phase;
} fc_correlation;

/* Reads the descriptor of a forward or backward_data pass. Release it whatever the status. */
fc_status fc_correlation_init(fc_correlation *c, const fc_conv_desc *d);
void fc_correlation_release(fc_correlation *c);

/* The source of backward_weights (and of forward): x with the taps of the kernel. */
fc_status fc_source_forward(fc_source *source, const fc_conv_desc *d);

/* The tensors that args names, by role. */
static inline const void *fc_correlation_src(const fc_conv_plan *plan, const fc_conv_args *args) {
    return plan->desc.pass == FC_FORWARD ? args->x : args->y;
}
static inline void *fc_correlation_dst(const fc_conv_plan *plan, const fc_conv_args *args) {
    return plan->desc.pass == FC_FORWARD ? args->y : args->x;
}

/* Packs filters [first, first + mr) of one group as [channels][taps][mr]. */
void fc_correlation_pack(const fc_correlation *c, const fc_phase *phase, const fc_kernels *kernels, const void *w,
                         int64_t group, int64_t first, int mr, void *packed);

#endif
