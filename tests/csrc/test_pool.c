/* Pools x element type x view x ISA x threads against loops in double. */
#include "harness.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct pool_case {
    const char *name;
    fc_pool_kind kind;
    int64_t n, c;
    int64_t in[3], kernel[3], stride[3], dilation[3], before[3], after[3];
    int64_t adaptive[3]; /* output size, or zeros */
    int ceil, include_pad;
    int64_t divisor;
    double p;
    int lp_signed;
    fc_pool_ties ties;
    int constant; /* the input is all ones: every window is a tie */
} pool_case;

static const pool_case CASES[] = {
    {"max 2x2", FC_POOL_MAX, 2, 5, {1, 8, 10}, {1, 2, 2}, {1, 2, 2}},
    {"max 2x2, wide", FC_POOL_MAX, 1, 3, {1, 6, 66}, {1, 2, 2}, {1, 2, 2}},
    {"max 2x2, odd sizes", FC_POOL_MAX, 1, 17, {1, 9, 7}, {1, 2, 2}, {1, 2, 2}},
    {"max 3x3 overlapping",
     FC_POOL_MAX,
     2,
     4,
     {1, 9, 11},
     {1, 3, 3},
     {1, 2, 2},
     .before = {0, 1, 1},
     .after = {0, 1, 1}},
    {"max 3x3 wide", FC_POOL_MAX, 1, 2, {1, 12, 75}, {1, 3, 3}, {1, 2, 2}, .before = {0, 1, 1}, .after = {0, 1, 1}},
    {"max 3x3 last column",
     FC_POOL_MAX,
     1,
     2,
     {1, 9, 32},
     {1, 3, 3},
     {1, 2, 2},
     .before = {0, 1, 1},
     .after = {0, 1, 1}},
    {"max 3x3 in blocks",
     FC_POOL_MAX,
     1,
     2,
     {1, 210, 77},
     {1, 3, 3},
     {1, 2, 2},
     .before = {0, 1, 1},
     .after = {0, 1, 1}},
    {"max 3x3 narrow", FC_POOL_MAX, 2, 3, {1, 9, 3}, {1, 3, 3}, {1, 2, 2}, .before = {0, 1, 1}, .after = {0, 1, 1}},
    {"max 3x3 two columns",
     FC_POOL_MAX,
     2,
     3,
     {1, 7, 2},
     {1, 3, 3},
     {1, 2, 2},
     .before = {0, 1, 1},
     .after = {0, 1, 1}},
    {"max 3x3 unpadded", FC_POOL_MAX, 2, 3, {1, 28, 28}, {1, 3, 3}, {1, 2, 2}},
    {"max 3x3 odd width", FC_POOL_MAX, 2, 3, {1, 20, 45}, {1, 3, 3}, {1, 2, 2}},
    {"max 2x2 odd width", FC_POOL_MAX, 2, 3, {1, 20, 45}, {1, 2, 2}, {1, 2, 2}},
    {"max 3x3 square", FC_POOL_MAX, 2, 3, {1, 32, 32}, {1, 3, 3}, {1, 2, 2}},
    {"max 2x2 padded", FC_POOL_MAX, 2, 3, {1, 9, 30}, {1, 2, 2}, {1, 2, 2}, .before = {0, 1, 1}, .after = {0, 1, 1}},
    {"max 3x2 padded", FC_POOL_MAX, 2, 3, {1, 10, 17}, {1, 3, 2}, {1, 2, 2}, .before = {0, 1, 1}, .after = {0, 0, 0}},
    {"max 2x3 in depth", FC_POOL_MAX, 2, 2, {3, 7, 34}, {1, 2, 3}, {1, 2, 2}, .before = {0, 1, 2}, .after = {0, 0, 0}},
    {"max 3x3 stride 1", FC_POOL_MAX, 1, 6, {1, 7, 20}, {1, 3, 3}},
    {"max 2x2 stride 1", FC_POOL_MAX, 2, 3, {1, 6, 28}, {1, 2, 2}},
    {"max 3x3 stride 1 padded", FC_POOL_MAX, 2, 3, {1, 28, 28}, {1, 3, 3}, .before = {0, 1, 1}, .after = {0, 1, 1}},
    {"max 3x3 stride 1 narrow", FC_POOL_MAX, 2, 9, {1, 7, 7}, {1, 3, 3}, .before = {0, 1, 1}, .after = {0, 1, 1}},
    {"max 3x3 stride 1, two columns", FC_POOL_MAX, 2, 9, {1, 3, 2}, {1, 3, 3}, .before = {0, 1, 1}, .after = {0, 1, 1}},
    {"max 3x3 stride 1 in blocks", FC_POOL_MAX, 1, 2, {1, 300, 77}, {1, 3, 3}, .before = {0, 1, 1}, .after = {0, 1, 1}},
    {"max 3x3 stride 1 uneven", FC_POOL_MAX, 2, 3, {1, 5, 18}, {1, 3, 3}, .before = {0, 2, 0}, .after = {0, 0, 2}},
    {"max 5x5 stride 1 in depth", FC_POOL_MAX, 2, 2, {3, 13, 13}, {1, 5, 5}, .before = {0, 2, 2}, .after = {0, 2, 2}},
    {"max 5x5 stride 1 unpadded", FC_POOL_MAX, 2, 3, {1, 6, 12}, {1, 5, 5}},
    {"max dilated", FC_POOL_MAX, 1, 3, {1, 10, 12}, {1, 2, 3}, {1, 1, 2}, {1, 3, 2}},
    {"max ceil", FC_POOL_MAX, 1, 4, {1, 8, 9}, {1, 3, 3}, {1, 2, 2}, .ceil = 1},
    {"max ties split", FC_POOL_MAX, 1, 3, {1, 8, 8}, {1, 3, 3}, {1, 2, 2}, .ties = FC_TIES_SPLIT, .constant = 1},
    {"max ties all", FC_POOL_MAX, 1, 3, {1, 8, 8}, {1, 3, 3}, {1, 2, 2}, .ties = FC_TIES_ALL, .constant = 1},
    {"max ties first", FC_POOL_MAX, 1, 3, {1, 8, 8}, {1, 3, 3}, {1, 2, 2}, .ties = FC_TIES_FIRST, .constant = 1},
    {"max 1-D", FC_POOL_MAX, 2, 3, {1, 1, 33}, {1, 1, 4}, {1, 1, 3}, .before = {0, 0, 1}, .after = {0, 0, 1}},
    {"max 3-D", FC_POOL_MAX, 1, 3, {4, 6, 5}, {2, 2, 2}, {2, 2, 2}},
    {"max adaptive", FC_POOL_MAX, 2, 3, {1, 7, 10}, {1, 1, 1}, .adaptive = {1, 3, 4}},
    {"max global", FC_POOL_MAX, 2, 9, {1, 7, 7}, {1, 7, 7}},
    {"max empty batch", FC_POOL_MAX, 0, 9, {1, 7, 7}, {1, 2, 2}},
    {"average 2x2", FC_POOL_AVG, 2, 5, {1, 8, 10}, {1, 2, 2}, {1, 2, 2}},
    {"average 3x3 with padding",
     FC_POOL_AVG,
     1,
     4,
     {1, 9, 11},
     {1, 3, 3},
     {1, 2, 2},
     .before = {0, 1, 1},
     .after = {0, 1, 1},
     .include_pad = 1},
    {"average 3x3 without padding",
     FC_POOL_AVG,
     1,
     4,
     {1, 9, 11},
     {1, 3, 3},
     {1, 2, 2},
     .before = {0, 1, 1},
     .after = {0, 1, 1}},
    {"average ceil", FC_POOL_AVG, 1, 4, {1, 8, 9}, {1, 3, 3}, {1, 2, 2}, .ceil = 1, .include_pad = 1},
    {"average divisor", FC_POOL_AVG, 1, 4, {1, 8, 9}, {1, 3, 3}, {1, 2, 2}, .divisor = 5},
    {"average dilated", FC_POOL_AVG, 1, 4, {1, 10, 12}, {1, 3, 2}, {1, 1, 2}, {1, 2, 3}},
    {"average 3-D", FC_POOL_AVG, 1, 2, {4, 6, 5}, {2, 3, 2}, {2, 1, 2}, .before = {1, 1, 0}, .after = {1, 1, 0}},
    {"average adaptive", FC_POOL_AVG, 2, 19, {1, 7, 10}, {1, 1, 1}, .adaptive = {1, 3, 4}},
    {"average global", FC_POOL_AVG, 2, 20, {1, 7, 7}, {1, 7, 7}},
    {"L2", FC_POOL_LP, 2, 5, {1, 8, 10}, {1, 2, 2}, {1, 2, 2}, .p = 2},
    {"L3 with padding",
     FC_POOL_LP,
     1,
     4,
     {1, 9, 9},
     {1, 3, 3},
     {1, 2, 2},
     .before = {0, 1, 1},
     .after = {0, 1, 1},
     .p = 3},
    {"L1", FC_POOL_LP, 1, 3, {1, 6, 6}, {1, 2, 3}, {1, 2, 3}, .p = 1},
    {"L2.5", FC_POOL_LP, 1, 3, {1, 6, 6}, {1, 3, 3}, .p = 2.5},
    {"signed L2", FC_POOL_LP, 1, 3, {1, 6, 6}, {1, 3, 3}, .p = 2, .lp_signed = 1},
    {"signed L1", FC_POOL_LP, 1, 3, {1, 6, 6}, {1, 2, 2}, {1, 2, 2}, .p = 1, .lp_signed = 1},
    {"unpool", FC_POOL_UNPOOL, 2, 5, {1, 8, 10}, {1, 2, 2}, {1, 2, 2}},
};

enum { CASE_COUNT = sizeof CASES / sizeof CASES[0] };

typedef struct problem {
    const pool_case *row;
    fc_pool_desc desc;
    tensor x, y, dx, dy;
    int64_t *indices;
    double *dx_want, *dx_magnitude; /* in the order of dx */
} problem;

static int64_t one(int64_t value) { return value ? value : 1; }

static int64_t output_size(const pool_case *row, int axis) {
    if (row->adaptive[0]) return row->adaptive[axis];
    int64_t stride = one(row->stride[axis]), reach = one(row->dilation[axis]) * (row->kernel[axis] - 1) + 1;
    int64_t room = row->in[axis] + row->before[axis] + row->after[axis] - reach;
    int64_t size = (room + (row->ceil ? stride - 1 : 0)) / stride + 1;
    if (row->ceil && (size - 1) * stride >= row->in[axis] + row->before[axis]) --size;
    return size;
}

/* Taps of output p on one axis: first coordinate, step, number. */
static void window(const fc_pool_desc *d, int axis, int64_t p, int64_t *first, int64_t *step, int64_t *taps) {
    *first = p * d->stride[axis] - d->pad[axis], *step = d->dilation[axis], *taps = d->kernel[axis];
    if (d->adaptive) {
        *first = p * d->in[axis] / d->out[axis], *step = 1;
        *taps = ((p + 1) * d->in[axis] + d->out[axis] - 1) / d->out[axis] - *first;
    }
}

enum { WINDOW = 512 };

/* Flat plane indices of the taps inside the input; *padded counts those inside the padded input. */
static int taps_of(const problem *p, const int64_t out[3], int64_t at[WINDOW], int64_t *padded) {
    const fc_pool_desc *d = &p->desc;
    int64_t first[3], step[3], taps[3];
    int count = 0;
    for (int axis = 0; axis < 3; ++axis) window(d, axis, out[axis], &first[axis], &step[axis], &taps[axis]);
    *padded = 0;
    for (int64_t a = 0; a < taps[0]; ++a)
        for (int64_t b = 0; b < taps[1]; ++b)
            for (int64_t c = 0; c < taps[2]; ++c) {
                int64_t i[3] = {first[0] + a * step[0], first[1] + b * step[1], first[2] + c * step[2]};
                bool inside = true, padding = true;
                for (int axis = 0; axis < 3; ++axis) {
                    inside &= i[axis] >= 0 && i[axis] < d->in[axis];
                    padding &= i[axis] < d->in[axis] + d->pad_end[axis];
                }
                *padded += padding;
                if (inside) at[count++] = (i[0] * d->in[1] + i[1]) * d->in[2] + i[2];
            }
    return count;
}

static double plane_get(const tensor *t, int64_t n, int64_t c, int64_t at) {
    int64_t w = at % t->size[4], h = at / t->size[4] % t->size[3], d = at / t->size[4] / t->size[3];
    return tensor_get(t, tensor_at(t, n, c, d, h, w));
}

static int64_t plane_size(const tensor *t) { return t->size[2] * t->size[3] * t->size[4]; }

static void add_dx(problem *p, int64_t n, int64_t c, int64_t at, double value) {
    int64_t i = (n * p->dx.size[1] + c) * plane_size(&p->dx) + at;
    p->dx_want[i] += value;
    p->dx_magnitude[i] += fabs(value);
}

/* Checks y (and the index) of one window and adds its share of the gradient. */
static void solve_window(problem *p, int64_t n, int64_t c, const int64_t out[3]) {
    const pool_case *row = p->row;
    int64_t at[WINDOW], padded, best = -1, index = ((n * row->c + c) * p->desc.out[0] + out[0]);
    index = (index * p->desc.out[1] + out[1]) * p->desc.out[2] + out[2];
    int count = taps_of(p, out, at, &padded), ties = 0;
    double y = tensor_get(&p->y, tensor_at(&p->y, n, c, out[0], out[1], out[2]));
    double dy = tensor_get(&p->dy, tensor_at(&p->dy, n, c, out[0], out[1], out[2]));
    double top = -INFINITY, sum = 0, magnitude = 0, unit = epsilon(p->desc.type) * (8 + count);
    for (int i = 0; i < count; ++i) {
        double x = plane_get(&p->x, n, c, at[i]);
        if (x > top) top = x, best = at[i];
        sum += x, magnitude += fabs(x);
    }
    if (row->kind == FC_POOL_MAX) {
        check_close(y, top, 0, "max");
        check(p->indices[index] == best, "index is %ld, not %ld", (long)p->indices[index], (long)best);
        for (int i = 0; i < count; ++i) ties += plane_get(&p->x, n, c, at[i]) == top;
        for (int i = 0; i < count; ++i)
            if (row->ties == FC_TIES_FIRST ? at[i] == best : plane_get(&p->x, n, c, at[i]) == top)
                add_dx(p, n, c, at[i], row->ties == FC_TIES_SPLIT ? dy / ties : dy);
    } else if (row->kind == FC_POOL_AVG) {
        double divisor = row->divisor ? (double)row->divisor : row->include_pad ? (double)padded : (double)count;
        check_close(y, sum / divisor, unit * magnitude / divisor, "average");
        for (int i = 0; i < count; ++i) add_dx(p, n, c, at[i], dy / divisor);
    } else if (row->lp_signed) {
        double s = 0;
        magnitude = 0;
        for (int i = 0; i < count; ++i) {
            double power = pow(plane_get(&p->x, n, c, at[i]), row->p);
            s += power, magnitude += fabs(power);
        }
        check_close(y, pow(s, 1 / row->p), row->p == 1 ? unit * magnitude : unit * 8 * (fabs(y) + 1e-6), "signed lp");
        for (int i = 0; i < count && s != 0; ++i)
            add_dx(p, n, c, at[i], dy * pow(s, 1 / row->p - 1) * pow(plane_get(&p->x, n, c, at[i]), row->p - 1));
    } else {
        double s = 0;
        for (int i = 0; i < count; ++i) s += pow(fabs(plane_get(&p->x, n, c, at[i])), row->p);
        double want = pow(s, 1 / row->p);
        check_close(y, want, unit * 8 * want, "lp");
        for (int i = 0; i < count && want > 0; ++i) {
            double x = plane_get(&p->x, n, c, at[i]);
            if (x != 0) add_dx(p, n, c, at[i], dy * copysign(pow(fabs(x) / want, row->p - 1), x));
        }
    }
}

static void check_dx(const problem *p) {
    EACH(&p->dx, n, c, d, h, w) {
        int64_t i = (((n * p->dx.size[1] + c) * p->dx.size[2] + d) * p->dx.size[3] + h) * p->dx.size[4] + w;
        double tolerance = epsilon(p->desc.type) * 64 * (p->dx_magnitude[i] + 1e-30);
        check_close(tensor_get(&p->dx, tensor_at(&p->dx, n, c, d, h, w)), p->dx_want[i], tolerance, "dx");
    }
    check(tensor_intact(&p->dx), "wrote outside dx");
}

static void problem_make(problem *p, const pool_case *row, fc_dtype type, view how) {
    *p = (problem){.row = row};
    fc_pool_desc *d = &p->desc;
    *d = (fc_pool_desc){.struct_size = sizeof *d,
                        .kind = row->kind,
                        .type = type,
                        .n = row->n,
                        .c = row->c,
                        .adaptive = row->adaptive[0] != 0,
                        .ties = row->ties,
                        .count_include_pad = row->include_pad,
                        .divisor = row->divisor,
                        .p = row->p ? row->p : 2,
                        .lp_signed = row->lp_signed};
    int64_t indices = row->n * row->c;
    for (int axis = 0; axis < 3; ++axis) {
        d->in[axis] = row->in[axis], d->kernel[axis] = row->kernel[axis];
        d->stride[axis] = one(row->stride[axis]), d->dilation[axis] = one(row->dilation[axis]);
        d->pad[axis] = row->before[axis], d->pad_end[axis] = row->after[axis];
        d->out[axis] = output_size(row, axis);
        indices *= d->out[axis];
    }
    int64_t x_size[5] = {row->n, row->c, d->in[0], d->in[1], d->in[2]};
    int64_t y_size[5] = {row->n, row->c, d->out[0], d->out[1], d->out[2]};
    p->x = tensor_make(type, how, x_size), p->dx = tensor_make(type, how, x_size);
    p->y = tensor_make(type, how, y_size), p->dy = tensor_make(type, how, y_size);
    p->indices = malloc((size_t)indices * sizeof *p->indices + 1);
    p->dx_want = calloc((size_t)(row->n * row->c * plane_size(&p->x)) + 1, sizeof(double));
    p->dx_magnitude = calloc((size_t)(row->n * row->c * plane_size(&p->x)) + 1, sizeof(double));
    int64_t stride = 1;
    for (int axis = 4; axis >= 0; --axis) d->index_stride[axis] = stride, stride *= y_size[axis];
    memcpy(d->x_stride, p->x.stride, sizeof d->x_stride), memcpy(d->dx_stride, p->dx.stride, sizeof d->dx_stride);
    memcpy(d->y_stride, p->y.stride, sizeof d->y_stride), memcpy(d->dy_stride, p->dy.stride, sizeof d->dy_stride);
    tensor_random(&p->x), tensor_random(&p->dy);
    if (row->constant) tensor_fill(&p->x, 1);
    tensor_expect(&p->x), tensor_expect(&p->dy);
}

static void problem_free(problem *p) {
    tensor_free(&p->x), tensor_free(&p->y), tensor_free(&p->dx), tensor_free(&p->dy);
    free(p->indices), free(p->dx_want), free(p->dx_magnitude);
}

static void execute(problem *p, fc_pass pass, int64_t *indices, int threads) {
    fc_pool_desc desc = p->desc;
    desc.pass = pass;
    bool forward = pass == FC_FORWARD;
    if (forward) desc.ties = FC_TIES_FIRST; /* the others are for gradients */
    if (forward)
        tensor_forget(&p->y);
    else
        tensor_forget(&p->dx);
    fc_pool_args args = {.x = tensor_data(&p->x), .y = tensor_data(&p->y), .indices = indices, .threads = threads};
    if (!forward) args.dy = tensor_data(&p->dy), args.dx = tensor_data(&p->dx);
    fc_status status = fc_pool_execute(&desc, &args);
    check(status == FC_OK, "%s", fc_status_message(status));
    check(tensor_unchanged(&p->x) && tensor_unchanged(&p->dy), "changed an input");
    check(tensor_intact(forward ? &p->y : &p->dx), "wrote outside its output");
}

static void run_pool(problem *p) {
    bool is_max = p->row->kind == FC_POOL_MAX;
    size_t images = (size_t)(p->row->n * p->row->c * plane_size(&p->dx));
    memset(p->dx_want, 0, images * sizeof(double)), memset(p->dx_magnitude, 0, images * sizeof(double));
    execute(p, FC_FORWARD, NULL, 1);
    tensor_expect(&p->y);
    execute(p, FC_FORWARD, is_max ? p->indices : NULL, 2);
    check(tensor_unchanged(&p->y), "two threads, or wanting indices, give other bits");
    EACH(&p->y, n, c, d, h, w) {
        int64_t out[3] = {d, h, w};
        solve_window(p, n, c, out);
    }
    execute(p, FC_BACKWARD_DATA, NULL, 1);
    check_dx(p);
    tensor_expect(&p->dx);
    execute(p, FC_BACKWARD_DATA, is_max && p->row->ties == FC_TIES_FIRST ? p->indices : NULL, 2);
    check(tensor_unchanged(&p->dx), "two threads, or given indices, give another dx");
}

/* x is spread into y at the indices of a max-pool of y's shape; the gradient is gathered from there. */
static void run_unpool(problem *p) {
    fc_pool_desc pool = p->desc, desc = p->desc;
    pool.kind = FC_POOL_MAX;
    fc_pool_args args = {.x = tensor_data(&p->x), .y = tensor_data(&p->y), .indices = p->indices, .threads = 1};
    check(fc_pool_execute(&pool, &args) == FC_OK, "the max-pool before failed");
    for (int axis = 0; axis < 3; ++axis) desc.in[axis] = p->desc.out[axis], desc.out[axis] = p->desc.in[axis];
    memcpy(desc.x_stride, p->y.stride, sizeof desc.x_stride), memcpy(desc.y_stride, p->dx.stride, sizeof desc.y_stride);
    memcpy(desc.dx_stride, p->dy.stride, sizeof desc.dx_stride);
    memcpy(desc.dy_stride, p->x.stride, sizeof desc.dy_stride);
    for (int threads = 1; threads <= 2; ++threads) {
        tensor_forget(&p->dx);
        args = (fc_pool_args){
            .x = tensor_data(&p->y), .y = tensor_data(&p->dx), .indices = p->indices, .threads = threads};
        fc_status status = fc_pool_execute(&desc, &args);
        check(status == FC_OK, "unpool: %s", fc_status_message(status));
        check(tensor_intact(&p->dx), "wrote outside its output");
    }
    int64_t plane = plane_size(&p->y), image = plane_size(&p->x);
    for (int64_t n = 0; n < p->row->n; ++n)
        for (int64_t c = 0; c < p->row->c; ++c) {
            int64_t *indices = p->indices + (n * p->row->c + c) * plane;
            double *want = calloc((size_t)image, sizeof *want);
            for (int64_t i = 0; i < plane; ++i) want[indices[i]] = plane_get(&p->y, n, c, i);
            for (int64_t i = 0; i < image; ++i) check_close(plane_get(&p->dx, n, c, i), want[i], 0, "unpooled");
            free(want);
        }
    desc.pass = FC_BACKWARD_DATA;
    tensor_forget(&p->dy);
    args = (fc_pool_args){.dy = tensor_data(&p->x), .dx = tensor_data(&p->dy), .indices = p->indices, .threads = 2};
    fc_status status = fc_pool_execute(&desc, &args);
    check(status == FC_OK, "unpool backward: %s", fc_status_message(status));
    check(tensor_intact(&p->dy), "wrote outside its output");
    for (int64_t n = 0; n < p->row->n; ++n)
        for (int64_t c = 0; c < p->row->c; ++c)
            for (int64_t i = 0; i < plane; ++i)
                check_close(plane_get(&p->dy, n, c, i),
                            plane_get(&p->x, n, c, p->indices[(n * p->row->c + c) * plane + i]), 0, "gathered");
}

static void test_nan(fc_dtype type) {
    doing("max of a window with a NaN");
    problem p;
    problem_make(&p, &CASES[0], type, CHANNELS_FIRST);
    tensor_set(&p.x, tensor_at(&p.x, 1, 2, 0, 5, 5), NAN);
    tensor_set(&p.x, tensor_at(&p.x, 0, 1, 0, 2, 8), NAN);
    tensor_expect(&p.x);
    execute(&p, FC_FORWARD, NULL, 1);
    EACH(&p.y, n, c, d, h, w) {
        bool hit = (n == 1 && c == 2 && h == 2 && w == 2) || (n == 0 && c == 1 && h == 1 && w == 4);
        check((bool)isnan(tensor_get(&p.y, tensor_at(&p.y, n, c, d, h, w))) == hit, "NaN lost or spread");
    }
    problem_free(&p);
}

static void test_refusals(void) {
    doing("pool descriptors that make no sense");
    problem p;
    problem_make(&p, &CASES[0], FC_FLOAT32, CHANNELS_FIRST);
    fc_pool_args args = {.x = tensor_data(&p.x), .y = tensor_data(&p.y), .threads = 1};
    fc_pool_desc desc = p.desc;
    check(fc_pool_execute(&desc, &args) == FC_OK, "refused a good pool");
    desc.struct_size = 1;
    check(fc_pool_execute(&desc, &args) == FC_INVALID, "took struct_size 1");
    desc = p.desc, desc.kernel[1] = 0;
    check(fc_pool_execute(&desc, &args) == FC_INVALID, "took a kernel of size 0");
    desc = p.desc, desc.stride[2] = 0;
    check(fc_pool_execute(&desc, &args) == FC_INVALID, "took stride 0");
    desc = p.desc, desc.type = FC_INT8;
    check(fc_pool_execute(&desc, &args) == FC_UNSUPPORTED, "took int8");
    args.x = NULL;
    check(fc_pool_execute(&p.desc, &args) == FC_INVALID, "took a NULL array");
    problem_free(&p);
}

void test_pool(void) {
    static const char *const VIEW_NAMES[] = {"channels first", "channels last", "gaps", "reversed"};
    test_refusals();
    for (int isa = 0; isa < fc_isa_count(); ++isa) {
        if (fc_set_isa(isa) != FC_OK) continue;
        for (int type = FC_FLOAT32; type <= FC_FLOAT64; ++type) {
            test_nan(type);
            for (int row = 0; row < CASE_COUNT; ++row)
                for (int how = 0; how < VIEWS; ++how) {
                    problem p;
                    problem_make(&p, &CASES[row], type, how);
                    doing("%s, f%d, %s, %s", CASES[row].name, type == FC_FLOAT32 ? 32 : 64, VIEW_NAMES[how],
                          fc_isa_name(isa));
                    if (CASES[row].kind == FC_POOL_UNPOOL)
                        run_unpool(&p);
                    else
                        run_pool(&p);
                    problem_free(&p);
                }
        }
    }
}
