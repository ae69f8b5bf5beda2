/* correlate.c: reads a descriptor into phases, and packs weights.
 *
 * A stride of s picks one of s sets of taps along its axis; phases are the combinations over the three axes and
 * share the sets. Packed weights stand phase by phase, group by group, in blocks of mr filters, in the order the
 * register tile reads them. */
#include "conv/correlate.h"

#include <stdlib.h>
#include <string.h>

#include "core/parallel.h"

/* Beyond these a plan would take more memory and time than it is worth. */
static const int64_t most_phases = 1 << 18;

fc_status fc_source_forward(fc_source *source, fc_axis *const axis[FC_SPATIAL], const fc_conv_desc *d) {
    *source = (fc_source){.channel_stride = d->x_stride[AXIS_C], .border = d->border, .border_value = d->border_value};
    for (int a = 0; a < FC_SPATIAL; ++a) {
        source->size[a] = d->in[a];
        source->stride[a] = d->x_stride[AXIS_D + a];
        source->axis[a] = axis[a];
        const fc_status status = fc_axis_forward(axis[a], d, a);
        if (status != FC_OK) return status;
    }
    return FC_OK;
}

static fc_status finish_phase(fc_correlation *c, fc_phase *phase, const fc_conv_desc *d) {
    phase->taps = 1;
    for (int a = 0; a < FC_SPATIAL; ++a) phase->taps *= phase->source.axis[a]->taps;
    if (phase->taps > INT32_MAX) return FC_UNSUPPORTED;
    phase->packed = c->packed;
    c->packed += c->groups * c->filters * c->channels * phase->taps;
    phase->tap = malloc(sizeof(int64_t) * (size_t)fc_max(phase->taps, 1));
    if (!phase->tap) return FC_NO_MEMORY;
    fc_weight_taps(&phase->source, &d->w_stride[2], phase->tap);
    return FC_OK;
}

static fc_status init_forward(fc_correlation *c, const fc_conv_desc *d) {
    fc_phase *phase = &c->phase[0];
    memcpy(phase->dst_stride, &d->y_stride[AXIS_D], sizeof phase->dst_stride);
    for (int a = 0; a < FC_SPATIAL; ++a) phase->step[a] = 1;
    const fc_status status = fc_source_forward(&phase->source, c->axis, d);
    return status == FC_OK ? finish_phase(c, phase, d) : status;
}

/* The phase of the inputs start[a], start[a] + stride[a], ... of each axis. */
static fc_status init_phase(fc_correlation *c, fc_phase *phase, const fc_conv_desc *d,
                            const int64_t start[FC_SPATIAL]) {
    phase->source = (fc_source){.channel_stride = d->y_stride[AXIS_C], .border = FC_CONSTANT};
    for (int a = 0; a < FC_SPATIAL; ++a) {
        phase->start[a] = start[a];
        phase->step[a] = d->stride[a];
        phase->dst_offset += start[a] * d->x_stride[AXIS_D + a];
        phase->dst_stride[a] = d->stride[a] * d->x_stride[AXIS_D + a];
        phase->source.size[a] = d->out[a];
        phase->source.stride[a] = d->y_stride[AXIS_D + a];
        phase->source.axis[a] = &c->axis[a][start[a]];
    }
    return finish_phase(c, phase, d);
}

static fc_status init_backward(fc_correlation *c, const fc_conv_desc *d) {
    for (int a = 0; a < FC_SPATIAL; ++a) {
        const fc_status status = fc_axes_backward(c->axis[a], c->axes[a], d, a);
        if (status != FC_OK) return status;
    }
    for (int64_t i = 0; i < c->phases; ++i) {
        const int64_t line = i / c->axes[WIDTH];
        const int64_t start[FC_SPATIAL] = {line / c->axes[HEIGHT], line % c->axes[HEIGHT], i % c->axes[WIDTH]};
        const fc_status status = init_phase(c, &c->phase[i], d, start);
        if (status != FC_OK) return status;
    }
    return FC_OK;
}

fc_status fc_correlation_init(fc_correlation *c, const fc_conv_desc *d) {
    const int forward = d->pass == FC_FORWARD;
    const int64_t icg = d->ic / d->groups, ocg = d->oc / d->groups;
    const int64_t *src = forward ? d->x_stride : d->y_stride, *dst = forward ? d->y_stride : d->x_stride;
    *c = (fc_correlation){
        .n = d->n,
        .groups = d->groups,
        .channels = forward ? icg : ocg,
        .filters = forward ? ocg : icg,
        .src_n = src[AXIS_N],
        .src_group = src[AXIS_C] * (forward ? icg : ocg),
        .dst_n = dst[AXIS_N],
        .dst_group = dst[AXIS_C] * (forward ? ocg : icg),
        .dst_channel = dst[AXIS_C],
        .w_group = d->w_stride[0] * ocg,
        .w_filter = d->w_stride[forward ? 0 : 1],
        .w_channel = d->w_stride[forward ? 1 : 0],
    };
    int64_t phases = 1;
    for (int a = 0; a < FC_SPATIAL; ++a) {
        const int64_t axes = forward ? 1 : fc_min(d->stride[a], d->in[a]);
        phases = fc_capped_product(phases, axes);
        if (phases > most_phases) return FC_UNSUPPORTED;
        c->axis[a] = calloc((size_t)axes, sizeof *c->axis[a]);
        if (!c->axis[a]) return FC_NO_MEMORY;
        c->axes[a] = axes;
    }
    c->phase = calloc((size_t)phases, sizeof *c->phase);
    if (!c->phase) return FC_NO_MEMORY;
    c->phases = phases;
    return forward ? init_forward(c, d) : init_backward(c, d);
}

void fc_correlation_release(fc_correlation *c) {
    for (int64_t i = 0; i < c->phases; ++i) free(c->phase[i].tap);
    free(c->phase);
    for (int a = 0; a < FC_SPATIAL; ++a) {
        for (int64_t i = 0; i < c->axes[a]; ++i) fc_axis_release(&c->axis[a][i]);
        free(c->axis[a]);
    }
    *c = (fc_correlation){0};
}

typedef struct pack_job {
    const fc_correlation *c;
    const fc_kernels *kernels;
    const void *w;
    void *packed;
    int64_t blocks;
} pack_job;

/* One block of mr filters. */
static void pack_task(void *ctx, int64_t index, int worker) {
    (void)worker;
    const pack_job *j = ctx;
    const fc_correlation *c = j->c;
    const fc_kernels *k = j->kernels;
    const int64_t first = index % j->blocks * k->mr, group = index / j->blocks % c->groups;
    const fc_phase *phase = &c->phase[index / j->blocks / c->groups];
    k->pack(fc_at(j->packed, fc_packed_at(c, phase, group * c->filters + first), k->element),
            (int)fc_min(k->mr, c->filters - first), fc_at(j->w, group * c->w_group + first * c->w_filter, k->element),
            c->w_filter, c->w_channel, c->channels, phase->tap, phase->taps);
}

fc_status fc_correlation_pack(const fc_correlation *c, const fc_kernels *kernels, const void *w, void *packed,
                              int threads) {
    pack_job j = {c, kernels, w, packed, fc_ceil_div(c->filters, kernels->mr)};
    const int serial = c->packed * (int64_t)kernels->element <= FC_PACK_SERIAL_BYTES;
    fc_parallel_for(c->phases * c->groups * j.blocks, serial ? 1 : threads, pack_task, &j);
    return FC_OK;
}
