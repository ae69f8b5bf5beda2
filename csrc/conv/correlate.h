/* correlate.h: forward and backward_data as one thing: a set of correlations of a source with packed weights.
 *
 * forward is one correlation of x. backward_data with strides is one per residue of the input position modulo the
 * stride ("phase"), each a stride-1 correlation of dy with the taps of that residue, so no zero is ever multiplied. */
#ifndef FC_CONV_CORRELATE_H
#define FC_CONV_CORRELATE_H

#include "conv/plan.h"
#include "conv/tile.h"

/* Below this many bytes a second thread packs nothing faster. */
enum { FC_PACK_SERIAL_BYTES = 64 << 10 };

typedef struct fc_phase {
    fc_source source;                            /* source.axis[a]->outputs: the size of what the phase writes */
    int64_t start[FC_SPATIAL], step[FC_SPATIAL]; /* its outputs within all: start, start + step ... */
    int64_t dst_offset, dst_stride[FC_SPATIAL];
    int64_t *tap; /* element offset of each tap in the weights */
    int64_t taps;
    int64_t packed; /* element where its packed weights start */
} fc_phase;

typedef struct fc_correlation {
    int64_t n, groups;
    int64_t channels, filters; /* per group: summed over, and written */
    int64_t src_n, src_group, dst_n, dst_group, dst_channel;
    int64_t w_group, w_filter, w_channel;
    int64_t phases, packed; /* packed: elements of all phases' weights */
    fc_phase *phase;
    fc_axis *axis[FC_SPATIAL]; /* axes[a] of them for axis a; a phase takes one of each */
    int64_t axes[FC_SPATIAL];
} fc_correlation;

/* Reads the descriptor of a forward or backward_data pass. Release it whatever the status. */
fc_status fc_correlation_init(fc_correlation *c, const fc_conv_desc *d);
void fc_correlation_release(fc_correlation *c);

/* The source of forward and backward_weights: x with the taps of the kernel, kept in axis[]. Release those whatever the
 * status. */
fc_status fc_source_forward(fc_source *source, fc_axis *const axis[FC_SPATIAL], const fc_conv_desc *d);

/* The tensors that args names, by role. */
static inline const void *fc_correlation_src(const fc_conv_plan *plan, const fc_conv_args *args) {
    return plan->desc.pass == FC_FORWARD ? args->x : args->y;
}
static inline void *fc_correlation_dst(const fc_conv_plan *plan, const fc_conv_args *args) {
    return plan->desc.pass == FC_FORWARD ? args->y : args->x;
}

/* Element where the packed weights of a filter start; filters are numbered through all groups. */
static inline int64_t fc_packed_at(const fc_correlation *c, const fc_phase *phase, int64_t filter) {
    return phase->packed + filter * c->channels * phase->taps;
}

/* Packs the weights of every phase and group for the register tiles: kernels->mr filters at a time as
 * [channels][taps][mr]. */
fc_status fc_correlation_pack(const fc_correlation *c, const fc_kernels *kernels, const void *w, void *packed,
                              int threads);

#endif
