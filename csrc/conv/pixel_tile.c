/* pixel_tile.c: fills pixel tiles line by line: the run of a line that lies inside the image is moved in one go, and
 * what lies outside is the constant, or a position that the border copies, found one at a time because there are few.
 */
#include "conv/pixel_tile.h"

#include "conv/plan.h"

/* One line of columns; line: where column 0 of the image is. */
static void fill_line(const fc_source *s, const fc_kernels *k, const void *line, int64_t channels, int64_t pitch,
                      int64_t start, int64_t columns, void *dst) {
    const size_t size = k->element;
    const int64_t distance = s->stride[WIDTH];
    const int64_t lead = fc_max(0, fc_min(columns, -start));
    const int64_t end = fc_max(lead, fc_min(columns, s->size[WIDTH] - start));
    if (end > lead)
        k->pixels_in(fc_at(dst, lead * pitch, size), pitch, fc_at(line, (start + lead) * distance, size),
                     s->channel_stride, distance, channels, end - lead, s->stride[HEIGHT]);
    if (s->border == FC_CONSTANT) {
        k->fill(dst, s->border_value, lead * pitch);
        k->fill(fc_at(dst, end * pitch, size), s->border_value, (columns - end) * pitch);
        return;
    }
    for (int64_t i = lead > 0 ? 0 : end; i < columns; i = i + 1 == lead ? end : i + 1) {
        const int64_t at = fc_border_index(s->border, start + i, s->size[WIDTH]);
        k->pixels_in(fc_at(dst, i * pitch, size), pitch, fc_at(line, at * distance, size), s->channel_stride, 1,
                     channels, 1, 0);
    }
}

void fc_pixel_fill(const fc_source *s, const fc_kernels *k, const void *src, int64_t channels, int64_t pitch,
                   const int64_t start[FC_SPATIAL], const int64_t size[FC_SPATIAL], void *dst) {
    const int64_t line = size[WIDTH] * pitch;
    for (int64_t d = 0; d < size[DEPTH]; ++d) {
        const int64_t z = fc_border_index(s->border, start[DEPTH] + d, s->size[DEPTH]);
        for (int64_t r = 0; r < size[HEIGHT]; ++r, dst = fc_at(dst, line, k->element)) {
            const int64_t y = fc_border_index(s->border, start[HEIGHT] + r, s->size[HEIGHT]);
            if (z < 0 || y < 0) {
                k->fill(dst, s->border_value, line);
            } else {
                const int64_t at = z * s->stride[DEPTH] + y * s->stride[HEIGHT];
                fill_line(s, k, fc_at(src, at, k->element), channels, pitch, start[WIDTH], size[WIDTH], dst);
            }
        }
    }
}
