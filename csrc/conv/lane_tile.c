/* lane_tile.c: fills lane tiles line by line: the run of a line that lies inside the image is moved in one go, and what
 * lies outside is the constant, or a position that the border copies, found one at a time because there are few. */
#include "conv/lane_tile.h"

#include "conv/plan.h"

int64_t fc_lane_elements(int64_t channels, const int64_t size[FC_SPATIAL], int lanes) {
    int64_t elements = fc_capped_product(fc_ceil_div(channels, lanes), lanes);
    for (int a = 0; a < FC_SPATIAL; ++a) elements = fc_capped_product(elements, size[a]);
    return elements;
}

/* `count` positions of one line, `pitch` elements each: lanes, or a smaller number of channels. */
static void move(const fc_source *s, const fc_kernels *k, const void *src, int64_t channels, int64_t pitch,
                 int64_t count, void *dst) {
    const int64_t distance = s->stride[WIDTH];
    if (pitch == k->lanes) {
        k->lanes_in(dst, src, s->channel_stride, distance, channels, count);
    } else if (s->channel_stride == 1 && distance == channels) {
        k->gather(dst, src, 1, count * channels);
    } else {
        k->pack_grid(dst, (int)channels, src, s->channel_stride, 0, 1, distance, count);
    }
}

/* One line of columns of one channel block; line: where column 0 of the image is. */
static void fill_line(const fc_source *s, const fc_kernels *k, const void *line, int64_t channels, int64_t pitch,
                      int64_t start, int64_t columns, void *dst) {
    const size_t size = k->element;
    const int64_t distance = s->stride[WIDTH];
    const int64_t lead = fc_max(0, fc_min(columns, -start));
    const int64_t end = fc_max(lead, fc_min(columns, s->size[WIDTH] - start));
    if (end > lead)
        move(s, k, fc_at(line, (start + lead) * distance, size), channels, pitch, end - lead,
             fc_at(dst, lead * pitch, size));
    if (s->border == FC_CONSTANT) {
        k->fill(dst, s->border_value, lead * pitch);
        k->fill(fc_at(dst, end * pitch, size), s->border_value, (columns - end) * pitch);
        return;
    }
    for (int64_t i = lead > 0 ? 0 : end; i < columns; i = i + 1 == lead ? end : i + 1) {
        const int64_t at = fc_border_index(s->border, start + i, s->size[WIDTH]);
        move(s, k, fc_at(line, at * distance, size), channels, pitch, 1, fc_at(dst, i * pitch, size));
    }
}

/* Line by line of each block of channels; or, where channels are neighbours, all blocks of a line while it is in L1. */
static void fill(const fc_source *s, const fc_kernels *k, const void *src, int64_t channels, int64_t pitch,
                 const int64_t start[FC_SPATIAL], const int64_t size[FC_SPATIAL], void *dst) {
    const int64_t line = size[WIDTH] * pitch, lines = size[DEPTH] * size[HEIGHT];
    const int64_t blocks = fc_ceil_div(channels, pitch);
    const int neighbours = s->channel_stride == 1;
    for (int64_t i = 0; i < blocks * lines; ++i) {
        const int64_t c = (neighbours ? i % blocks : i / lines) * pitch, at = neighbours ? i / blocks : i % lines;
        void *to = fc_at(dst, (c / pitch * lines + at) * line, k->element);
        const int64_t z = fc_border_index(s->border, start[DEPTH] + at / size[HEIGHT], s->size[DEPTH]);
        const int64_t y = fc_border_index(s->border, start[HEIGHT] + at % size[HEIGHT], s->size[HEIGHT]);
        if (z < 0 || y < 0) {
            k->fill(to, s->border_value, line);
        } else {
            const int64_t from = c * s->channel_stride + z * s->stride[DEPTH] + y * s->stride[HEIGHT];
            fill_line(s, k, fc_at(src, from, k->element), fc_min(pitch, channels - c), pitch, start[WIDTH], size[WIDTH],
                      to);
        }
    }
}

void fc_lane_fill(const fc_source *s, const fc_kernels *k, const void *src, int64_t channels,
                  const int64_t start[FC_SPATIAL], const int64_t size[FC_SPATIAL], void *dst) {
    fill(s, k, src, channels, k->lanes, start, size, dst);
}

void fc_dense_fill(const fc_source *s, const fc_kernels *k, const void *src, int64_t channels,
                   const int64_t start[FC_SPATIAL], const int64_t size[FC_SPATIAL], void *dst) {
    fill(s, k, src, channels, channels, start, size, dst);
}
