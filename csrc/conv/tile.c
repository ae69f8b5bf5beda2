/* tile.c: layout and filling of the padded tile.
 *
 * Planes are filled line by line: the run of a line that lies inside the image is copied in one go, and what lies
 * outside is the constant, or an element that the border copies, found one at a time because there are few. */
#include "conv/tile.h"

#include "conv/plan.h"

fc_tile fc_tile_layout(const fc_source *source, int64_t rows, int64_t columns) {
    const fc_axis *d = source->axis[DEPTH], *h = source->axis[HEIGHT], *w = source->axis[WIDTH];
    fc_tile tile = {.rows = rows, .columns = columns, .taps = d->taps * h->taps * w->taps};
    tile.pitch = fc_capped_product(w->reach + columns, 1);
    tile.plane = fc_capped_product(h->reach + rows, tile.pitch);
    tile.depth_stride = fc_capped_product(fc_capped_product(h->phases, w->phases), tile.plane);
    tile.channel_stride = fc_capped_product(d->taps, tile.depth_stride);
    return tile;
}

int64_t fc_tile_elements(const fc_tile *tile, int64_t channels, int lanes) {
    return fc_capped_product(channels, tile->channel_stride) + lanes;
}

void fc_tile_offsets(const fc_tile *tile, const fc_source *source, int64_t channels, int32_t *off) {
    const fc_axis *d = source->axis[DEPTH], *h = source->axis[HEIGHT], *w = source->axis[WIDTH];
    for (int64_t c = 0; c < channels; ++c)
        for (int64_t td = 0; td < d->taps; ++td)
            for (int64_t th = 0; th < h->taps; ++th)
                for (int64_t tw = 0; tw < w->taps; ++tw)
                    *off++ = (int32_t)(c * tile->channel_stride + td * tile->depth_stride +
                                       (h->phase[th] * w->phases + w->phase[tw]) * tile->plane +
                                       h->index[th] * tile->pitch + w->index[tw]);
}

void fc_weight_taps(const fc_source *source, const int64_t stride[FC_SPATIAL], int64_t *tap) {
    const fc_axis *d = source->axis[DEPTH], *h = source->axis[HEIGHT], *w = source->axis[WIDTH];
    for (int64_t td = 0; td < d->taps; ++td)
        for (int64_t th = 0; th < h->taps; ++th)
            for (int64_t tw = 0; tw < w->taps; ++tw)
                *tap++ = d->kernel[td] * stride[DEPTH] + h->kernel[th] * stride[HEIGHT] + w->kernel[tw] * stride[WIDTH];
}

/* The run of i < count for which first + i*step lies inside [0, size): it starts at *lead and has *inside positions. */
static void clip(int64_t first, int64_t step, int64_t count, int64_t size, int64_t *lead, int64_t *inside) {
    *lead = first >= 0 ? 0 : fc_min(count, fc_ceil_div(-first, step));
    const int64_t end = first >= size ? *lead : fc_min(count, fc_ceil_div(size - first, step));
    *inside = fc_max(0, end - *lead);
}

/* One plane: dst[r*pitch + i] = position (row + r*row_step, column + i*column_step) of the image at src, or the
 * constant. */
static void fill_constant(const fc_tile *tile, const fc_source *s, const fc_kernels *kernels, const void *src,
                          int64_t row, int64_t column, int64_t rows, void *dst) {
    const size_t size = kernels->element;
    const int64_t row_step = s->axis[HEIGHT]->step, column_step = s->axis[WIDTH]->step, pitch = tile->pitch;
    int64_t top, height, lead, width;
    clip(row, row_step, rows, s->size[HEIGHT], &top, &height);
    clip(column, column_step, pitch, s->size[WIDTH], &lead, &width);
    if (width == 0) height = 0;
    if (height == 0) top = 0;
    kernels->fill(dst, s->border_value, top * pitch);
    if (height > 0)
        kernels->block(
            fc_at(dst, top * pitch, size), pitch,
            fc_at(src, (row + top * row_step) * s->stride[HEIGHT] + (column + lead * column_step) * s->stride[WIDTH],
                  size),
            row_step * s->stride[HEIGHT], column_step * s->stride[WIDTH], height, lead, width, pitch - lead - width,
            s->border_value);
    kernels->fill(fc_at(dst, (top + height) * pitch, size), s->border_value, (rows - top - height) * pitch);
}

/* The same where the border copies elements: rows through the border's index, and the columns outside one by one. */
static void fill_copies(const fc_tile *tile, const fc_source *s, const fc_kernels *kernels, const void *src,
                        int64_t row, int64_t column, int64_t rows, void *dst) {
    const size_t size = kernels->element;
    const int64_t row_step = s->axis[HEIGHT]->step, step = s->axis[WIDTH]->step, distance = s->stride[WIDTH];
    int64_t lead, width;
    clip(column, step, tile->pitch, s->size[WIDTH], &lead, &width);
    for (int64_t r = 0; r < rows; ++r, dst = fc_at(dst, tile->pitch, size)) {
        const int64_t y = fc_border_index(s->border, row + r * row_step, s->size[HEIGHT]);
        const void *line = fc_at(src, y * s->stride[HEIGHT], size);
        if (width > 0)
            kernels->gather(fc_at(dst, lead, size), fc_at(line, (column + lead * step) * distance, size),
                            step * distance, width);
        for (int64_t i = lead > 0 ? 0 : width; i < tile->pitch; i = i + 1 == lead ? lead + width : i + 1) {
            const int64_t at = fc_border_index(s->border, column + i * step, s->size[WIDTH]);
            kernels->gather(fc_at(dst, i, size), fc_at(line, at * distance, size), 1, 1);
        }
    }
}

void fc_tile_fill(const fc_tile *tile, const fc_source *s, const fc_kernels *kernels, const void *src, int64_t channels,
                  const int64_t start[FC_SPATIAL], int64_t rows, void *dst) {
    const fc_axis *d = s->axis[DEPTH], *h = s->axis[HEIGHT], *w = s->axis[WIDTH];
    const size_t size = kernels->element;
    const int64_t lines = h->reach + rows;
    for (int64_t c = 0; c < channels; ++c) {
        void *to = fc_at(dst, c * tile->channel_stride, size);
        for (int64_t td = 0; td < d->taps; ++td) {
            const int64_t z = fc_border_index(s->border, start[DEPTH] * d->step + d->offset[td], s->size[DEPTH]);
            const void *from = fc_at(src, c * s->channel_stride + z * s->stride[DEPTH], size);
            for (int64_t phase = 0; phase < h->phases * w->phases; ++phase, to = fc_at(to, tile->plane, size)) {
                const int64_t row = start[HEIGHT] * h->step + h->low + h->residue[phase / w->phases];
                const int64_t column = start[WIDTH] * w->step + w->low + w->residue[phase % w->phases];
                if (z < 0) {
                    kernels->fill(to, s->border_value, lines * tile->pitch);
                } else if (s->border == FC_CONSTANT) {
                    fill_constant(tile, s, kernels, from, row, column, lines, to);
                } else {
                    fill_copies(tile, s, kernels, from, row, column, lines, to);
                }
            }
        }
    }
}
