/* integer_tiles.c: Winograd tiles of small integers: 3x3 kernels, with 2.25 or 4 times fewer products, of stride 2
 * with 1.8 times fewer.
 *
 * Sums stay exact modulo 2^32. The transforms are whole numbers (microkernels/integer_winograd.h): the sums of a tile are 4,
 * 64 * 9 or 4 * 9 times the true ones, and what comes out is right if 4 or 64 times each true sum fits an int32. That
 * follows from the largest sum of |w| of a filter, which the description carries; where it does not, or where points would
 * not fit an int16, sums stay direct. */
#include "conv/integers.h"
#include "core/numbers.h"

const fc_integer_tile fc_integer_direct = {.outputs = 1, .points = 1};

/* Rows of G times what makes them whole, but for factors that the transform of the sums has: 4 of ones, -4 of the others. */
const fc_integer_tile fc_integer_tiles[FC_INTEGER_WINOGRADS] = {
    [FC_INTEGER_2X2] = {2, 4, 1, 2, 4, 9, {{2, 0, 0}, {1, 1, 1}, {1, -1, 1}, {0, 0, 2}}},
    [FC_INTEGER_4X4] =
        {4, 6, 1, 6, 100, 144, {{6, 0, 0}, {-4, -4, -4}, {-4, 4, -4}, {1, 2, 4}, {1, -2, 4}, {0, 0, 12}}},
    [FC_INTEGER_4X4_STRIDED] =
        {4,
         9,
         2,
         2,
         36,
         36,
         {{3, 0, 0}, {-3, 0, -3}, {-1, 0, 1}, {1, 0, 2}, {0, 0, 6}, {0, 6, 0}, {0, 6, 0}, {0, 6, 0}, {0, 6, 0}}},
};

int fc_integer_takes(const fc_integer_plan *plan, const fc_integer_tile *tile) {
    const fc_integer_desc *d = &plan->d;
    if (plan->depthwise || (plan->groups > 1 && plan->ic % 2) || d->kernel[0] != 1 || d->weight_most < 1 ||
        d->weight_sum < d->weight_most)
        return 0;
    for (int a = 1; a < FC_SPATIAL; ++a)
        if (d->kernel[a] != 3 || d->stride[a] != tile->stride || d->dilation[a] != 1) return 0;
    const int64_t low = d->input_type == FC_INT8 ? -128 : 0, most = fc_max(d->x_zero - low, low + 255 - d->x_zero);
    int64_t sum;
    return most * tile->data_growth <= INT16_MAX && d->weight_most <= INT16_MAX / tile->weight_growth &&
           !__builtin_mul_overflow(d->weight_sum, most, &sum) && sum <= INT32_MAX >> tile->shift;
}

/* G g G^T of one channel of one filter. */
static void transform(const fc_integer_tile *tile, const int16_t *w, int16_t *to, int64_t step) {
    int lines[FC_INTEGER_MOST_POINTS][3];
    for (int i = 0; i < tile->points; ++i)
        for (int b = 0; b < 3; ++b)
            lines[i][b] = tile->g[i][0] * w[b] + tile->g[i][1] * w[3 + b] + tile->g[i][2] * w[6 + b];
    for (int i = 0; i < tile->points; ++i)
        for (int j = 0; j < tile->points; ++j, to += step) {
            const int16_t *g = tile->g[j];
            *to = (int16_t)(lines[i][0] * g[0] + lines[i][1] * g[1] + lines[i][2] * g[2]);
        }
}

void fc_integer_pack_points(const fc_integer_plan *plan, const int16_t *w, int64_t first, int64_t width, int16_t *to) {
    const int points = plan->tile->points;
    const int64_t step = plan->pairs * width * 2;
    for (int64_t l = 0; l < width; ++l)
        for (int64_t c = 0; c < 2 * plan->pairs; ++c) {
            int16_t *at = to + (c / 2 * width + l) * 2 + c % 2;
            if (first + l < plan->oc && c < plan->ic) {
                transform(plan->tile, w + ((first + l) * plan->ic + c) * plan->taps, at, step);
            } else {
                for (int p = 0; p < points * points; ++p) at[p * step] = 0;
            }
        }
}

void fc_integer_make_points(const fc_integer_plan *plan, const fc_integer_block *b, int64_t from) {
    const int outputs = plan->tile->outputs;
    const int64_t rows = fc_ceil_div(b->rows, outputs), columns = fc_ceil_div(b->columns, outputs);
    const int64_t row = plan->pitch, channels = fc_min(plan->ld, plan->v_ld - from);
    for (int64_t r = 0; r < rows; ++r)
        plan->winograd->data(b->v + r * columns * plan->v_ld + from, plan->v_point, plan->v_ld,
                             b->tile + r * outputs * plan->tile->stride * row, row, plan->ld, channels, columns);
}

void fc_integer_sum_points(const fc_integer_job *j, const fc_integer_block *b, const fc_integer_filters *f) {
    static const int32_t off[2], zeros[FC_INTEGER_VECTORS * FC_INTEGER_LANES];
    const fc_integer_plan *plan = j->plan;
    const int outputs = plan->tile->outputs, points = plan->tile->points;
    const int64_t rows = fc_ceil_div(b->rows, outputs), columns = fc_ceil_div(b->columns, outputs);
    const int64_t step = plan->pairs * f->ld * 2;
    for (int p = 0; p < points * points; ++p)
        fc_integer_sum(plan, f, 1, off, f->data + p * plan->v_point, b->at, rows * columns, f->w + p * step, zeros,
                       b->m + p * plan->m_point);
    for (int64_t r = 0; r < rows; ++r) {
        const int64_t left = fc_min(outputs, b->rows - r * outputs);
        plan->winograd->sums(b->panel, left, b->columns, b->m + r * columns * f->ld, plan->m_point, f->ld, f->bias);
        fc_integer_leave(j, b, f, r * outputs * b->columns, left * b->columns);
    }
}
