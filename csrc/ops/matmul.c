/* matmul.c: batches of products of matrices at any strides, on the register tiles of 1x1 convolution.
 *
 * A strip of columns of b lies in a panel [depth][strip] while the rows of a, read where they are, meet it tile by tile;
 * whole strips of neighbouring columns stay in place, and the first tile copies them to the panel. A task is some strips,
 * and some rows where strips are too few or a does not stay in the second cache, so that b is packed as seldom as may
 * be. */
#include <string.h>

#include "core/cpu.h"
#include "core/memory.h"
#include "core/numbers.h"
#include "core/parallel.h"
#include "microkernels/kernels.h"

/* Tasks that keep many threads busy; rows that pay for packing a strip once more; multiply-adds that are not worth a
 * second thread. */
enum { MIN_TASKS = 16, MIN_ROWS = 48, SERIAL_BELOW = 1 << 18 };
enum { ROW = FC_MATMUL_BATCH, COLUMN };

typedef struct job {
    const fc_kernels *kernels;
    const fc_matmul_desc *d;
    const void *a, *b;
    void *c;
    int64_t strips, vectors; /* of columns */
    int64_t row_parts, strip_parts;
    char scale[8]; /* in the element type */
    void *panels;
    size_t panel; /* bytes of one */
} job;

static void set_scale(job *j, double scale) {
    const float narrow = (float)scale;
    if (j->kernels->element == sizeof narrow) {
        memcpy(j->scale, &narrow, sizeof narrow);
    } else {
        memcpy(j->scale, &scale, sizeof scale);
    }
}

/* Columns of b as [depth][vectors], times the scale. */
static void pack(const job *j, const void *b, int64_t columns, int64_t width, void *panel) {
    const fc_kernels *k = j->kernels;
    const int64_t depth = j->d->depth, count = depth * width;
    if (columns < width) k->fill(panel, 0, count);
    k->pixels_in(panel, width, b, j->d->b_stride[COLUMN], j->d->b_stride[ROW], columns, depth, 0);
    if (j->d->scale == 1) return;
    const fc_norm_scale by = {.scale = j->scale, .activation = FC_IDENTITY};
    k->norm.apply[FC_NORM_PLANES](&(fc_norm_rows){1, count, 0}, &by, panel, NULL, panel);
}

/* Rows of a strip in tiles of nearly equal height. */
static void multiply(const job *j, const void *a, const void *b, void *c, int64_t rows, int64_t columns, void *panel) {
    const fc_kernels *k = j->kernels;
    const fc_matmul_desc *d = j->d;
    const int64_t xr = fc_ceil_div(columns, k->lanes), width = xr * k->lanes;
    const int64_t tiles = fc_ceil_div(rows, k->product_rows[xr - 1]), least = rows / tiles, higher = rows % tiles;
    const fc_finish finish = {.activation = FC_IDENTITY};
    fc_product product = {.depth = d->depth,
                          .a_row = d->a_stride[ROW],
                          .a_step = d->a_stride[COLUMN],
                          .b_step = d->b_stride[ROW],
                          .ldc = d->c_stride[ROW]};
    if (columns < width || d->b_stride[COLUMN] != 1 || d->scale != 1) {
        pack(j, b, columns, width, panel);
        b = panel, product.b_step = width;
    } else if (tiles > 1) {
        product.panel = panel;
    }
    for (int64_t i = 0; i < tiles; ++i) {
        const int64_t mr = least + (i < higher);
        k->product[mr - 1][xr - 1](&product, a, b, c, columns, &finish);
        a = fc_at(a, mr * product.a_row, k->element);
        c = fc_at(c, mr * product.ldc, k->element);
        if (product.panel) b = panel, product.b_step = width, product.panel = NULL;
    }
}

static void task(void *ctx, int64_t index, int worker) {
    const job *j = ctx;
    const fc_matmul_desc *d = j->d;
    const size_t size = j->kernels->element;
    const int64_t strip_part = index % j->strip_parts, row_part = index / j->strip_parts % j->row_parts;
    int64_t at = index / j->strip_parts / j->row_parts, a = 0, b = 0, c = 0;
    for (int axis = FC_MATMUL_BATCH - 1; axis >= 0; at /= d->batch[axis--]) {
        a += at % d->batch[axis] * d->a_stride[axis];
        b += at % d->batch[axis] * d->b_stride[axis];
        c += at % d->batch[axis] * d->c_stride[axis];
    }
    const int64_t row = d->rows * row_part / j->row_parts, end = d->rows * (row_part + 1) / j->row_parts;
    a += row * d->a_stride[ROW], c += row * d->c_stride[ROW];
    const int64_t last = j->strips * (strip_part + 1) / j->strip_parts;
    for (int64_t s = j->strips * strip_part / j->strip_parts; s < last; ++s) {
        const int64_t from = j->vectors * s / j->strips * j->kernels->lanes;
        const int64_t to = fc_min(d->columns, j->vectors * (s + 1) / j->strips * j->kernels->lanes);
        multiply(j, fc_at(j->a, a, size), fc_at(j->b, b + from * d->b_stride[COLUMN], size),
                 fc_at(j->c, c + from, size), end - row, to - from, (char *)j->panels + (size_t)worker * j->panel);
    }
}

fc_status fc_matmul(const fc_matmul_desc *d, const void *a, const void *b, void *c, int threads) {
    if (d->struct_size != sizeof *d || d->rows < 0 || d->depth < 0 || d->columns < 0) return FC_INVALID;
    job j = {.kernels = fc_kernels_for(fc_isa(), d->type), .d = d, .a = a, .b = b, .c = c};
    if (!j.kernels || (d->columns > 1 && d->c_stride[COLUMN] != 1)) return FC_UNSUPPORTED;
    int64_t products = 1;
    for (int axis = 0; axis < FC_MATMUL_BATCH; ++axis) {
        if (d->batch[axis] < 0) return FC_INVALID;
        if (__builtin_mul_overflow(products, d->batch[axis], &products)) return FC_OVERFLOW;
    }
    if (products == 0 || d->rows == 0 || d->columns == 0) return FC_OK;
    if (!c || (d->depth > 0 && (!a || !b))) return FC_INVALID;
    const int64_t element = (int64_t)j.kernels->element;
    set_scale(&j, d->scale);
    j.vectors = fc_ceil_div(d->columns, j.kernels->lanes);
    j.strips = fc_product_strips(j.kernels, j.vectors);
    const int64_t wanted = fc_ceil_div(MIN_TASKS, products);
    j.strip_parts = fc_min(wanted, j.strips);
    const int64_t more = fc_min(fc_ceil_div(wanted, j.strip_parts), fc_max(1, d->rows / MIN_ROWS));
    const int64_t held = fc_max(1, fc_l2_bytes() / 2 / element / fc_max(1, d->depth));
    j.row_parts = fc_min(d->rows, fc_max(more, fc_ceil_div(d->rows, fc_max(MIN_ROWS, held))));
    int64_t tasks = j.strip_parts * j.row_parts, panel;
    if (__builtin_mul_overflow(tasks, products, &tasks)) return FC_OVERFLOW;
    const int serial = (double)products * (double)d->rows * (double)d->depth * (double)d->columns < SERIAL_BELOW;
    const int workers = fc_workers(tasks, serial ? 1 : threads);
    if (__builtin_mul_overflow(fc_max(1, d->depth), FC_MAX_XR * j.kernels->lanes * element, &panel) ||
        panel > INT64_MAX / (workers + 1))
        return FC_OVERFLOW;
    j.panel = fc_align_up((size_t)panel);
    j.panels = fc_scratch_acquire((size_t)workers * j.panel);
    if (!j.panels) return FC_NO_MEMORY;
    fc_parallel_for(tasks, workers, task, &j);
    fc_scratch_release(j.panels);
    return FC_OK;
}
