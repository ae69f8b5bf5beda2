#include "conv/correlate.h"

#include <stdlib.h>
#include <string.h>

fc_status fc_source_forward(fc_source *source, const fc_conv_desc *d) {
    *source = (fc_source){.channel_stride = d->x_stride[AXIS_C], .border = d->border, .border_value = d->border_value};
    for (int a = 0; a < FC_SPATIAL; ++a) {
        source->size[a] = d->in[a];
        source->stride[a] = d->x_stride[AXIS_D + a];
        const fc_status status = fc_axis_forward(&source->axis[a], d->out[a], d->kernel[a], d->stride[a],
                                                 d->dilation[a], d->pad[a], d->flip);
        if (status != FC_OK) return status;
    }
    return FC_OK;
}

static fc_status finish_phase(fc_phase *phase, const fc_conv_desc *d) {
    phase->taps = 1;
    for (int a = 0; a < FC_SPATIAL; ++a) phase->taps *= phase->source.axis[a].taps;
    phase->tap = malloc(sizeof(int64_t) * (size_t)fc_max(phase->taps, 1));
    if (!phase->tap) return FC_NO_MEMORY;
    fc_weight_taps(&phase->source, &d->w_stride[2], phase->tap);
    return FC_OK;
}

static fc_status init_forward(fc_correlation *c, const fc_conv_desc *d) {
    fc_phase *phase = &c->phase[0];
    memcpy(phase->outputs, d->out, sizeof phase->outputs);
    memcpy(phase->dst_stride, &d->y_stride[AXIS_D], sizeof phase->dst_stride);
    const fc_status status = fc_source_forward(&phase->source, d);
    return status == FC_OK ? finish_phase(phase, d) : status;
}

/* Inputs start[a], start[a] + stride[a], ... of each axis form one phase. */
static fc_status init_phase(fc_phase *phase, const fc_conv_desc *d, const int64_t start[FC_SPATIAL]) {
    phase->source = (fc_source){.channel_stride = d->y_stride[AXIS_C], .border = FC_CONSTANT};
    for (int a = 0; a < FC_SPATIAL; ++a) {
        phase->outputs[a] = fc_ceil_div(d->in[a] - start[a], d->stride[a]);
        phase->dst_offset += start[a] * d->x_stride[AXIS_D + a];
        phase->dst_stride[a] = d->stride[a] * d->x_stride[AXIS_D + a];
        phase->source.size[a] = d->out[a];
        phase->source.stride[a] = d->y_stride[AXIS_D + a];
        const fc_status status = fc_axis_backward(&phase->source.axis[a], phase->outputs[a], start[a], d->kernel[a],
                                                  d->stride[a], d->dilation[a], d->pad[a], d->flip);
        if (status != FC_OK) return status;
    }
    return finish_phase(phase, d);
}

fc_status fc_correlation_init(fc_correlation *c, const fc_conv_desc *d) {
    const int forward = d->pass == FC_FORWARD;
    const int64_t icg = d->ic / d->groups, ocg = d->oc / d->groups;
    const int64_t *src = forward ? d->x_stride : d->y_stride, *dst = forward ? d->y_stride : d->x_stride;
    int64_t starts[FC_SPATIAL] = {1, 1, 1};
    if (!forward)
        for (int a = 0; a < FC_SPATIAL; ++a) starts[a] = fc_min(d->stride[a], d->in[a]);
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
    const int64_t phases = starts[DEPTH] * starts[HEIGHT] * starts[WIDTH];
    c->phase = calloc((size_t)phases, sizeof *c->phase);
    if (!c->phase) return FC_NO_MEMORY;
    c->phases = phases;
    if (forward) return init_forward(c, d);
    for (int64_t i = 0; i < phases; ++i) {
        const int64_t start[FC_SPATIAL] = {i / (starts[HEIGHT] * starts[WIDTH]), i / starts[WIDTH] % starts[HEIGHT],
                                           i % starts[WIDTH]};
        const fc_status status = init_phase(&c->phase[i], d, start);
        if (status != FC_OK) return status;
    }
    return FC_OK;
}

void fc_correlation_release(fc_correlation *c) {
    for (int64_t i = 0; i < c->phases; ++i) {
        fc_source_release(&c->phase[i].source);
        free(c->phase[i].tap);
    }
    free(c->phase);
    *c = (fc_correlation){0};
}

void fc_correlation_pack(const fc_correlation *c, const fc_phase *phase, const fc_kernels *kernels, const void *w,
                         int64_t group, int64_t first, int mr, void *packed) {
    const void *from = fc_at(w, group * c->w_group + first * c->w_filter, kernels->element);
    kernels->pack(packed, mr, from, c->w_filter, c->w_channel, c->channels, phase->tap, phase->taps);
}
