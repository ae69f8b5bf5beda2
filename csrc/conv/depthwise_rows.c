/* depthwise_rows.c: what the ways share that keep channels in the lanes: one row of outputs of one phase, and its weights. */
#include "conv/depthwise.h"

enum { MAX_ROWS = 32 };

fc_pixels_fn fc_pixels_kernel(const fc_kernels *k, const fc_phase *phase) {
    const fc_axis *w = phase->source.axis[WIDTH];
    if (phase->source.axis[HEIGHT]->taps > MAX_ROWS) return NULL;
    if (w->taps == 0) return k->depthwise.pixels[0][0];
    if (w->taps > FC_MAX_PIXEL_TAPS || w->step > FC_PLANE_STRIDES) return NULL;
    if (w->step > 1 && fc_tap_distance(w) != 1) return NULL;
    return k->depthwise.pixels[w->taps - 1][w->step - 1];
}

void fc_pixels_pack(const fc_correlation *c, const fc_kernels *k, const void *w, void *packed) {
    for (int64_t i = 0; i < c->phases; ++i) {
        const fc_phase *phase = &c->phase[i];
        for (int64_t g = 0; g < c->groups; g += k->lanes)
            k->pack(fc_at(packed, fc_packed_at(c, phase, g), k->element), (int)fc_min(k->lanes, c->groups - g),
                    fc_at(w, g * c->w_group, k->element), c->w_group, 0, 1, phase->tap, phase->taps);
    }
}

void fc_pixels_row(const fc_kernels *k, const fc_phase *phase, int64_t r, const void *src, const void *w, void *dst,
                   int64_t channels, const fc_finish *all, const int64_t *residual) {
    const fc_source *source = &phase->source;
    const fc_axis *h = source->axis[HEIGHT], *width = source->axis[WIDTH];
    const size_t size = k->element;
    const fc_pixels_fn run = fc_pixels_kernel(k, phase);
    const int64_t distance = fc_tap_distance(width), sets = fc_min(distance, width->outputs);
    const void *rows[MAX_ROWS];
    for (int64_t i = 0; i < h->taps; ++i) {
        const int64_t y = r * h->step + h->offset[i];
        rows[i] = y >= 0 && y < source->size[HEIGHT] ? fc_at(src, y * source->stride[HEIGHT], size) : NULL;
    }
    fc_pixels pixels = {.rows = rows,
                        .taps = width->taps > 0 ? h->taps : 0,
                        .step = source->stride[WIDTH],
                        .width = source->size[WIDTH],
                        .dilation = distance,
                        .out_step = phase->dst_stride[WIDTH] * distance,
                        .channels = channels};
    fc_finish finish = *all;
    int64_t other_row = 0;
    if (all->residual) {
        other_row = (phase->start[HEIGHT] + r * phase->step[HEIGHT]) * residual[AXIS_H];
        finish.residual_step = phase->step[WIDTH] * residual[AXIS_W] * distance;
    }
    dst = fc_at(dst, phase->dst_offset + r * phase->dst_stride[HEIGHT], size);
    for (int64_t set = 0; set < sets; ++set) {
        pixels.left = width->low + set;
        pixels.columns = fc_ceil_div(width->outputs - set, distance);
        if (all->residual) {
            const int64_t column = phase->start[WIDTH] + set * phase->step[WIDTH];
            finish.residual = fc_at(all->residual, other_row + column * residual[AXIS_W], size);
        }
        run(&pixels, w, fc_at(dst, set * phase->dst_stride[WIDTH], size), &finish);
    }
}
