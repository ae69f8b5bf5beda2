/* pointwise.c: 1x1 convolution as a product of matrices that stay where they are.
 *
 * Pixels that lie evenly apart in source and destination form runs; each run is one product, split into parts of rows
 * and columns so that there are enough tasks and the operands are read as seldom as possible. Two forms:
 *   pixels in the lanes   y[filter][pixel] = w[filter][channel] x[channel][pixel]: channels first. Weights are broadcast
 *                         where they are, so nothing is packed. The pixels past the last whole vector are computed by
 *                         whichever is cheapest: dot products over channels, the other form, or once more as part of a
 *                         vector that overlaps the one before. Sources whose pixels lie apart (stride 2, channels last)
 *                         are gathered strip by strip into a panel [channel][strip].
 *   filters in the lanes  y[pixel][filter] = x[pixel][channel] w'[channel][filter]: channels last; and channels first
 *                         where neighbouring weights are those of filters and more than the pixels, as in backward_data
 *                         of the last layers: the sums are then transposed on their way out. backward_data reads its
 *                         weights in place; forward packs them as [strip of filters][channel][filter], inside the task
 *                         where no other needs the strip.
 * The sum runs over all channels in one go: what lies in place is copied to a panel by the first register tile that reads
 * it, and streams from there. Residual and activation are applied to the register tile before its only store, or on the
 * way out of scratch where the caller's neighbours are not those of the lanes. Wins for every 1x1 layer. */
#include "conv/pointwise.h"
#include "conv/leave.h"
#include "core/memory.h"
#include "core/parallel.h"

typedef struct job {
    const fc_conv_plan *plan;
    const fc_pointwise *s;
    const void *src, *w, *bias, *residual, *packed;
    void *dst;
    char *worker;
} job;

/* One part of the product of one run: rows and columns of the whole product, and its operands. */
typedef struct part {
    int64_t group, pixel; /* pixel: the run's first */
    int64_t row, row_end, column, column_end;
    const void *src, *w; /* of the run, of the group */
    void *dst;
    const void *residual; /* of the run, or NULL */
    char *copy, *scratch;
} part;

static int64_t offset_of(const fc_pointwise *s, const int64_t stride[FC_POINTWISE_AXES], int64_t pixel) {
    int64_t at = 0;
    for (int a = FC_POINTWISE_AXES - 1; a >= 0; pixel /= s->size[a--]) at += pixel % s->size[a] * stride[a];
    return at;
}

/* Rows x columns of the product of a run, from row and column on, on their way from scratch to the caller's tensor. With
 * filters in the lanes they are transposed unless the caller's filters are neighbours. */
static void leave(const job *j, const part *p, int64_t row, int64_t rows, int64_t column, int64_t columns) {
    const fc_pointwise *s = j->s;
    const size_t size = j->plan->kernels->element;
    const int64_t filter = s->filters_in_lanes ? column : row, pixel = s->filters_in_lanes ? row : column;
    const int64_t other = filter * s->other_channel + pixel * s->other_pixel;
    void *dst = fc_at(p->dst, filter * s->c.dst_channel + pixel * s->dst_pixel, size);
    const void *residual = p->residual ? fc_at(p->residual, other, size) : NULL;
    if (!s->filters_in_lanes) {
        const fc_exit to = {dst, s->c.dst_channel, s->dst_pixel, residual, s->other_channel, s->other_pixel};
        fc_leave_rows(j->plan, &to, p->scratch, s->pitch, rows, columns);
        return;
    }
    fc_finish finish = j->plan->finish;
    if (j->bias) finish.bias = fc_at(j->bias, p->group * s->c.filters + filter, size);
    finish.residual = residual;
    finish.residual_channel = s->other_channel;
    finish.residual_step = s->other_pixel;
    j->plan->kernels->lanes_out(dst, s->c.dst_channel, s->dst_pixel, p->scratch, s->pitch, columns, rows, &finish);
}

/* The finish of the register tile at a row and column: all steps where it stores the outputs itself; else what leave()
 * does not do. */
static fc_finish tile_finish(const job *j, const part *p, int64_t row, int64_t column) {
    const fc_pointwise *s = j->s;
    const size_t size = j->plan->kernels->element;
    if (s->filters_in_lanes && !s->direct) return (fc_finish){.activation = FC_IDENTITY};
    fc_finish finish = s->direct ? j->plan->finish : fc_leave_finish(j->plan);
    const int64_t filter = s->filters_in_lanes ? column : row, pixel = s->filters_in_lanes ? row : column;
    if (j->bias) finish.bias = fc_at(j->bias, p->group * s->c.filters + filter, size);
    if (s->direct && p->residual)
        finish.residual = fc_at(p->residual, filter * s->other_channel + pixel * s->other_pixel, size);
    return finish;
}

/* One strip of whole vectors, the last of which may be part of one, for the rows of the part from `row` to `end` in tiles
 * of nearly equal height. A panel, if there is one, is filled by the first of them and read by the others. */
static void multiply(const job *j, const part *p, int64_t row, int64_t end, const void *b, int64_t column,
                     int64_t count, void *panel) {
    const fc_pointwise *s = j->s;
    const fc_kernels *k = j->plan->kernels;
    const size_t size = k->element;
    const int64_t xr = fc_ceil_div(count, k->lanes), tiles = fc_ceil_div(end - row, k->product_rows[xr - 1]);
    const int64_t least = (end - row) / tiles, higher = (end - row) % tiles;
    fc_product product = s->product;
    if (!s->direct) product.ldc = s->pitch;
    if (tiles > 1) product.panel = panel;
    fc_finish finish = tile_finish(j, p, row, column);
    const void *a = fc_at(s->filters_in_lanes ? p->src : p->w, row * product.a_row, size);
    void *c = s->direct ? fc_at(p->dst, row * product.ldc + column, size) : p->scratch;
    for (int64_t i = 0, waiting = 0; i < tiles; ++i) {
        const int64_t mr = least + (i < higher);
        k->product[mr - 1][xr - 1](&product, a, b, c, count, &finish);
        row += mr;
        waiting += mr;
        a = fc_at(a, mr * product.a_row, size);
        c = fc_at(c, mr * product.ldc, size);
        if (finish.bias && !product.bias_columns) finish.bias = fc_at(finish.bias, mr, size);
        if (finish.residual) finish.residual = fc_at(finish.residual, mr * product.residual_row, size);
        if (!s->direct && (i + 1 == tiles || (i + 1) % FC_POINTWISE_LEAVE_TILES == 0)) {
            leave(j, p, row - waiting, waiting, column, count);
            waiting = 0;
            c = p->scratch;
        }
        if (!product.panel) continue;
        product.panel = NULL;
        product.b_step = xr * k->lanes;
        b = panel;
    }
}

/* The columns of b that stay in place; those past the last whole vector are done once more together with the ones
 * before. */
static void multiply_in_place(const job *j, const part *p, int64_t row, int64_t end, const void *b) {
    const fc_pointwise *s = j->s;
    const fc_kernels *k = j->plan->kernels;
    const int64_t vectors = (p->column_end - p->column) / k->lanes, strips = fc_product_strips(k, vectors);
    for (int64_t i = 0; i < strips; ++i) {
        const int64_t v = vectors * i / strips, column = p->column + v * k->lanes;
        multiply(j, p, row, end, fc_at(b, column, k->element), column, (vectors * (i + 1) / strips - v) * k->lanes,
                 p->copy);
    }
    const int overlap = s->filters_in_lanes || s->tail == FC_TAIL_OVERLAP;
    const int64_t last = p->column_end - k->lanes;
    if (overlap && (p->column_end - p->column) % k->lanes != 0)
        multiply(j, p, row, end, fc_at(b, last, k->element), last, k->lanes, p->copy);
}

/* The strip of weights that starts at filter `first` as [channel][width], lanes without a filter zero. */
static void pack_strip(const fc_pointwise *s, const fc_kernels *k, const void *w, int64_t first, void *to) {
    const fc_correlation *c = &s->c;
    const int64_t filters = fc_min(s->width, c->filters - first);
    const void *from = fc_at(w, first * c->w_filter, k->element);
    if (!s->off) {
        k->block(to, s->width, from, c->w_channel, c->w_filter, c->channels, 0, filters, s->width - filters, 0);
        return;
    }
    if (filters < s->width) k->fill(to, 0, c->channels * s->width);
    k->transpose(to, s->width, from, s->off, filters, c->channels);
}

/* The strip of pixels that starts at `column` of the run as [channel][width]. */
static void gather_strip(const job *j, const part *p, int64_t column, int64_t count) {
    const fc_pointwise *s = j->s;
    const fc_kernels *k = j->plan->kernels;
    const int64_t channel = s->c.phase[0].source.channel_stride, vectors = fc_ceil_div(count, k->lanes) * k->lanes;
    const void *src = fc_at(j->src, p->group * s->c.src_group, k->element);
    for (int64_t q = 0; q < count;) {
        const int64_t pixel = p->pixel + column + q, pixels = fc_min(count - q, s->segment - pixel % s->segment);
        const int64_t rest = q + pixels == count ? vectors - count : 0;
        k->block(fc_at(p->copy, q, k->element), s->width, fc_at(src, offset_of(s, s->src_stride, pixel), k->element),
                 channel, s->src_pixel, s->c.channels, 0, pixels, rest, 0);
        q += pixels;
    }
}

/* The pixels past the last whole vector, computed as [pixel][filter] in scratch. */
static void multiply_tail(const job *j, const part *p) {
    const fc_pointwise *s = j->s;
    const fc_correlation *c = &s->c;
    const fc_kernels *k = j->plan->kernels;
    const size_t size = k->element;
    const int64_t rest = s->columns % k->lanes, first = s->columns - rest, filters = p->row_end - p->row;
    const void *src = fc_at(p->src, first, size), *w = fc_at(p->w, p->row * c->w_filter, size);
    const void *bias = j->bias ? fc_at(j->bias, p->group * c->filters + p->row, size) : NULL;
    const fc_finish finish = fc_leave_finish(j->plan);
    if (s->tail == FC_TAIL_DOT) {
        int32_t off[FC_MAX_DOT_TR];
        for (int t = 0; t < k->dot_tr; ++t) off[t] = (int32_t)(t * c->w_filter);
        const fc_runs runs = {.runs = 1, .count = c->channels};
        k->transpose(p->copy, c->channels, src, s->off, c->channels, rest);
        for (int64_t f = 0; f < filters; f += k->dot_tr) {
            const int64_t tr = fc_min(k->dot_tr, filters - f);
            for (int64_t m = 0; m < rest; m += k->dot_mr)
                k->dot[fc_min(k->dot_mr, rest - m) - 1][tr - 1](&runs, fc_at(p->copy, m * c->channels, size),
                                                                c->channels, fc_at(w, f * c->w_filter, size), off,
                                                                fc_at(p->scratch, m * filters + f, size), filters, 1);
        }
        k->finish_rows(rest, filters, filters, bias, finish.activation, finish.parameter, p->scratch);
    } else {
        const fc_product product = {.depth = c->channels,
                                    .a_row = 1,
                                    .a_step = c->phase[0].source.channel_stride,
                                    .b_step = c->w_channel,
                                    .ldc = filters,
                                    .bias_columns = 1};
        const int64_t width = k->product_xr * k->lanes, rows = k->product_rows[k->product_xr - 1];
        for (int64_t f = 0, from, count; f < filters; f = from + count) {
            /* whole vectors first; a last one that would read past the weights starts earlier */
            from = f;
            count = fc_min(width, filters - f);
            if (count > k->lanes) {
                count -= count % k->lanes;
            } else if (count < k->lanes) {
                from = filters - k->lanes;
                count = k->lanes;
            }
            fc_finish columns = finish;
            if (bias) columns.bias = fc_at(bias, from, size);
            for (int64_t m = 0; m < rest; m += rows)
                k->product[fc_min(rows, rest - m) - 1][fc_ceil_div(count, k->lanes) - 1](
                    &product, fc_at(src, m, size), fc_at(w, from, size), fc_at(p->scratch, m * filters + from, size),
                    count, &columns);
        }
    }
    const int64_t to = p->row * c->dst_channel + first * s->dst_pixel;
    const int64_t other = p->row * s->other_channel + first * s->other_pixel;
    const fc_exit exit = {fc_at(p->dst, to, size), s->dst_pixel,
                          c->dst_channel,          p->residual ? fc_at(p->residual, other, size) : NULL,
                          s->other_pixel,          s->other_channel};
    fc_leave_rows(j->plan, &exit, p->scratch, filters, rest, filters);
}

static void run_part(const job *j, const part *p) {
    const fc_pointwise *s = j->s;
    const fc_correlation *c = &s->c;
    const fc_kernels *k = j->plan->kernels;
    const size_t size = k->element;
    if (s->in_place) {
        const void *b = s->filters_in_lanes ? p->w : p->src;
        for (int64_t row = p->row; row < p->row_end; row += s->row_block)
            multiply_in_place(j, p, row, fc_min(p->row_end, row + s->row_block), b);
        if ((s->tail == FC_TAIL_DOT || s->tail == FC_TAIL_FILTERS) && p->column_end == s->columns) multiply_tail(j, p);
        return;
    }
    const int64_t strips = fc_ceil_div(c->filters, s->width), strip = s->width * c->channels;
    const int copied = !s->filters_in_lanes || s->pack_in_task;
    const int64_t block = copied ? p->row_end - p->row : s->row_block;
    for (int64_t row = p->row; row < p->row_end; row += block)
        for (int64_t column = p->column; column < p->column_end; column += s->width) {
            const int64_t count = fc_min(s->width, p->column_end - column);
            const void *b = p->copy;
            if (!s->filters_in_lanes) {
                gather_strip(j, p, column, count);
            } else if (s->pack_in_task) {
                pack_strip(s, k, p->w, column, p->copy);
            } else {
                b = fc_at(j->packed, (p->group * strips + column / s->width) * strip, size);
            }
            multiply(j, p, row, fc_min(p->row_end, row + block), b, column, count, NULL);
        }
}

static void run_task(void *ctx, int64_t index, int worker) {
    const job *j = ctx;
    const fc_pointwise *s = j->s;
    const fc_correlation *c = &s->c;
    const fc_kernels *k = j->plan->kernels;
    int64_t t = index;
    const int64_t row_part = t % s->row_parts, column_part = (t /= s->row_parts) % s->column_parts;
    const int64_t run_group = (t /= s->column_parts) % s->run_groups;
    const int64_t rows = fc_pointwise_row_units(s, k), columns = fc_pointwise_column_units(s);
    const int64_t unit = fc_pointwise_row_unit(s, k);
    part p = {
        .group = t / s->run_groups,
        .row = rows * row_part / s->row_parts * unit,
        .row_end = rows * (row_part + 1) / s->row_parts * unit,
        .column = columns * column_part / s->column_parts * s->width,
        .column_end = columns * (column_part + 1) / s->column_parts * s->width,
        .copy = j->worker + worker * j->plan->worker_bytes,
    };
    if (row_part == s->row_parts - 1) p.row_end = s->rows;
    if (column_part == s->column_parts - 1) p.column_end = s->columns;
    p.scratch = p.copy + s->copy_bytes;
    p.w = fc_at(j->w, p.group * c->w_group, k->element);
    const int64_t end = fc_min(s->runs, (run_group + 1) * s->run_group);
    for (int64_t run = run_group * s->run_group; run < end; ++run) {
        p.pixel = run * s->run;
        p.src = fc_at(j->src, p.group * c->src_group + offset_of(s, s->src_stride, p.pixel), k->element);
        p.dst = fc_at(j->dst, p.group * c->dst_group + offset_of(s, s->dst_stride, p.pixel), k->element);
        const int64_t other = p.group * c->filters * s->other_channel + offset_of(s, s->other_stride, p.pixel);
        if (j->residual) p.residual = fc_at(j->residual, other, k->element);
        run_part(j, &p);
    }
}

typedef struct pack_job {
    const fc_conv_plan *plan;
    const void *w;
    void *packed;
} pack_job;

static void pack_task(void *ctx, int64_t index, int worker) {
    (void)worker;
    const pack_job *j = ctx;
    const fc_pointwise *s = j->plan->state;
    const fc_kernels *k = j->plan->kernels;
    const int64_t strips = fc_ceil_div(s->columns, s->width), group = index / strips;
    pack_strip(s, k, fc_at(j->w, group * s->c.w_group, k->element), index % strips * s->width,
               fc_at(j->packed, index * s->width * s->c.channels, k->element));
}

static fc_status pack_pointwise(const fc_conv_plan *plan, const void *w, void *packed, int threads) {
    const fc_pointwise *s = plan->state;
    pack_job j = {plan, w, packed};
    const int serial = plan->packed_bytes <= FC_PACK_SERIAL_BYTES;
    fc_parallel_for(s->c.groups * fc_ceil_div(s->columns, s->width), serial ? 1 : threads, pack_task, &j);
    return FC_OK;
}

static fc_status execute_pointwise(const fc_conv_plan *plan, const fc_conv_args *args, const fc_conv_scratch *scratch) {
    const fc_pointwise *s = plan->state;
    job j = {
        .plan = plan,
        .s = s,
        .src = fc_correlation_src(plan, args),
        .w = args->w,
        .dst = fc_correlation_dst(plan, args),
        .bias = plan->has_bias ? args->bias : NULL,
        .residual = plan->has_residual ? args->residual : NULL,
        .packed = scratch->packed,
        .worker = scratch->worker,
    };
    if (plan->desc.n == 0) return FC_OK;
    fc_parallel_for(s->c.groups * s->run_groups * s->column_parts * s->row_parts, scratch->threads, run_task, &j);
    return FC_OK;
}

const fc_conv_algorithm fc_conv_pointwise = {"pointwise", fc_pointwise_plan, pack_pointwise, execute_pointwise,
                                             fc_pointwise_release};
