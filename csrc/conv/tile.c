#include "conv/tile.h"

#include "conv/plan.h"

fc_tile fc_tile_layout(const fc_source *source, int64_t rows, int64_t columns) {
    const fc_axis *d = &source->axis[DEPTH], *h = &source->axis[HEIGHT], *w = &source->axis[WIDTH];
    fc_tile tile = {.rows = rows, .columns = columns, .taps = d->taps * h->taps * w->taps};
    tile.pitch = w->reach + columns;
    tile.plane = (h->reach + rows) * tile.pitch;
    tile.depth_stride = h->phases * w->phases * tile.plane;
    tile.channel_stride = d->taps * tile.depth_stride;
    return tile;
}

int64_t fc_tile_elements(const fc_tile *tile, int64_t channels, int lanes) {
    return channels * tile->channel_stride + lanes;
}

void fc_tile_offsets(const fc_tile *tile, const fc_source *source, int64_t channels, int32_t *off) {
    const fc_axis *d = &source->axis[DEPTH], *h = &source->axis[HEIGHT], *w = &source->axis[WIDTH];
    for (int64_t c = 0; c < channels; ++c)
        for (int64_t td = 0; td < d->taps; ++td)
            for (int64_t th = 0; th < h->taps; ++th)
                for (int64_t tw = 0; tw < w->taps; ++tw)
                    *off++ = (int32_t)(c * tile->channel_stride + td * tile->depth_stride +
                                       (h->phase[th] * w->phases + w->phase[tw]) * tile->plane +
                                       h->index[th] * tile->pitch + w->index[tw]);
}

void fc_weight_taps(const fc_source *source, const int64_t stride[FC_SPATIAL], int64_t *tap) {
    const fc_axis *d = &source->axis[DEPTH], *h = &source->axis[HEIGHT], *w = &source->axis[WIDTH];
    for (int64_t td = 0; td < d->taps; ++td)
        for (int64_t th = 0; th < h->taps; ++th)
            for (int64_t tw = 0; tw < w->taps; ++tw)
                *tap++ = d->kernel[td] * stride[DEPTH] + h->kernel[th] * stride[HEIGHT] + w->kernel[tw] * stride[WIDTH];
}

/* One line of a plane: dst[i] = source position first + i*step, i < count. The part inside the image is one strided copy. */
static void fill_line(const fc_source *s, const fc_kernels *kernels, const void *line, int64_t first, int64_t step,
                      int64_t count, void *dst) {
    const size_t size = kernels->element;
    const int64_t width = s->size[WIDTH], distance = s->stride[WIDTH];
    const int64_t lead = first >= 0 ? 0 : fc_min(count, fc_ceil_div(-first, step));
    const int64_t end = first >= width ? lead : fc_max(lead, fc_min(count, fc_ceil_div(width - first, step)));
    kernels->line(dst, fc_at(line, (first + lead * step) * distance, size), step * distance, lead, end - lead, count - end,
                  s->border_value);
    if (s->border == FC_CONSTANT) return;
    for (int64_t i = lead > 0 ? 0 : end; i < count; i = i + 1 == lead ? end : i + 1) {
        const int64_t at = fc_border_index(s->border, first + i * step, width);
        kernels->gather(fc_at(dst, i, size), fc_at(line, at * distance, size), 1, 1);
    }
}

/* The lines of one row, one for every column residue; line is NULL where the whole row lies on a constant border. */
static void fill_row(const fc_tile *tile, const fc_source *s, const fc_kernels *kernels, const void *line, int64_t ow,
                     void *dst) {
    const fc_axis *w = &s->axis[WIDTH];
    for (int64_t phase = 0; phase < w->phases; ++phase) {
        void *to = fc_at(dst, phase * tile->plane, kernels->element);
        if (line) {
            fill_line(s, kernels, line, ow * w->step + w->low + w->residue[phase], w->step, tile->pitch, to);
        } else {
            kernels->fill(to, s->border_value, tile->pitch);
        }
    }
}

void fc_tile_fill(const fc_tile *tile, const fc_source *s, const fc_kernels *kernels, const void *src, int64_t channels,
                  const int64_t start[FC_SPATIAL], int64_t rows, void *dst) {
    const fc_axis *d = &s->axis[DEPTH], *h = &s->axis[HEIGHT], *w = &s->axis[WIDTH];
    const size_t size = kernels->element;
    for (int64_t td = 0; td < d->taps; ++td) {
        const int64_t z = fc_border_index(s->border, start[DEPTH] * d->step + d->offset[td], s->size[DEPTH]);
        for (int64_t phase = 0; phase < h->phases; ++phase) {
            for (int64_t r = 0; r < h->reach + rows; ++r) {
                const int64_t p = (start[HEIGHT] + r) * h->step + h->low + h->residue[phase];
                const int64_t y = fc_border_index(s->border, p, s->size[HEIGHT]);
                const int64_t from = z * s->stride[DEPTH] + y * s->stride[HEIGHT];
                const int64_t to = td * tile->depth_stride + phase * w->phases * tile->plane + r * tile->pitch;
                for (int64_t c = 0; c < channels; ++c)
                    fill_row(tile, s, kernels, z < 0 || y < 0 ? NULL : fc_at(src, from + c * s->channel_stride, size),
                             start[WIDTH], fc_at(dst, to + c * tile->channel_stride, size));
            }
        }
    }
    kernels->fill(fc_at(dst, channels * tile->channel_stride, size), 0, kernels->lanes);
}

void fc_source_release(fc_source *source) {
    for (int a = 0; a < FC_SPATIAL; ++a) fc_axis_release(&source->axis[a]);
}
