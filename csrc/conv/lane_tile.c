/* lane_tile.c: fills lane tiles line by line: the run of a line that lies inside the image is moved in one go, and what
 * lies outside is the constant, or a position that the border copies, found one at a time because there are few. */
#include "conv/lane_tile.h"

#include "conv/plan.h"

int64_t fc_lane_elements(int64_t channels, const int64_t size[FC_SPATIAL], int lanes) {
    int64_t elements = fc_capped_product(fc_ceil_div(channels, lanes), lanes);
    for (int a = 0; a < FC_SPATIAL; ++a) elements = fc_capped_product(elements, size[a]);
    return elements;
}

/* One line of columns of one channel block; line: where column 0 of the image is. */
static void fill_line(const fc_source *s, const fc_kernels *k, const void *line, int64_t channels, int64_t start,
                      int64_t columns, void *dst) {
    const size_t size = k->element;
    const int64_t distance = s->stride[WIDTH];
    const int64_t lead = fc_max(0, fc_min(columns, -start));
    const int64_t end = fc_max(lead, fc_min(columns, s->size[WIDTH] - start));
    if (end > lead)
        k->lanes_in(fc_at(dst, lead * k->lanes, size), fc_at(line, (start + lead) * distance, size), s->channel_stride,
                    distance, channels, end - lead);
    if (s->border == FC_CONSTANT) {
        k->fill(dst, s->border_value, lead * k->lanes);
        k->fill(fc_at(dst, end * k->lanes, size), s->border_value, (columns - end) * k->lanes);
        return;
    }
    for (int64_t i = lead > 0 ? 0 : end; i < columns; i = i + 1 == lead ? end : i + 1) {
        const int64_t at = fc_border_index(s->border, start + i, s->size[WIDTH]);
        k->lanes_in(fc_at(dst, i * k->lanes, size), fc_at(line, at * distance, size), s->channel_stride, distance,
                    channels, 1);
    }
}

void fc_lane_fill(const fc_source *s, const fc_kernels *k, const void *src, int64_t channels,
                  const int64_t start[FC_SPATIAL], const int64_t size[FC_SPATIAL], void *dst) {
    const int64_t line = size[WIDTH] * k->lanes;
    for (int64_t c = 0; c < channels; c += k->lanes) {
        const void *from = fc_at(src, c * s->channel_stride, k->element);
        const int64_t lanes = fc_min(k->lanes, channels - c);
        for (int64_t d = 0; d < size[DEPTH]; ++d) {
            const int64_t z = fc_border_index(s->border, start[DEPTH] + d, s->size[DEPTH]);
            for (int64_t r = 0; r < size[HEIGHT]; ++r, dst = fc_at(dst, line, k->element)) {
                const int64_t y = fc_border_index(s->border, start[HEIGHT] + r, s->size[HEIGHT]);
                if (z < 0 || y < 0) {
                    k->fill(dst, s->border_value, line);
                } else {
                    const int64_t at = z * s->stride[DEPTH] + y * s->stride[HEIGHT];
                    fill_line(s, k, fc_at(from, at, k->element), lanes, start[WIDTH], size[WIDTH], dst);
                }
            }
        }
    }
}
