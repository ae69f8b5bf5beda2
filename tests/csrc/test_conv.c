/* Every row of the table x pass x element type x view x ISA x algorithm x threads against loops in double. */
#include "conv_cases.h"
#include "harness.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const PASS_NAMES[] = {"forward", "backward_data", "backward_weights"};
static const char *const VIEW_NAMES[] = {"channels first", "channels last", "gaps", "reversed"};

/* Two tables of doubles in the order of the written tensor: the answer, and the sum of magnitudes that bounds rounding. */
typedef struct answer {
    double *value, *magnitude, *bias_value, *bias_magnitude;
} answer;

typedef struct problem {
    const conv_case *row;
    fc_pass pass;
    fc_dtype type;
    view how;
    fc_conv_desc desc;
    tensor x, w, y, residual, bias, pooled;
    tensor *written; /* shaped as all outputs or inputs */
    tensor *result;  /* what the engine writes: the same, or pooled */
    answer want;
    double terms;
} problem;

static int64_t one(int64_t value) { return value ? value : 1; }

/* The input coordinate that stands for coordinate i of the padded axis, or -1 for the constant. */
static int64_t border_source(fc_border border, int64_t i, int64_t size) {
    if (i >= 0 && i < size) return i;
    int64_t period = border == FC_REFLECT ? 2 * (size - 1) : border == FC_SYMMETRIC ? 2 * size : size;
    switch (border) {
    case FC_EDGE:
        return i < 0 ? 0 : size - 1;
    case FC_WRAP:
        return ((i % size) + size) % size;
    case FC_REFLECT:
    case FC_SYMMETRIC:
        if (period == 0) return 0;
        i = ((i % period) + period) % period;
        return i < size ? i : period - i - (border == FC_SYMMETRIC);
    default:
        return -1;
    }
}

/* Calls visit for every multiply-add of the convolution; x_at is -1 on the constant border. */
typedef void (*visitor)(problem *p, const int64_t y_index[5], const int64_t w_index[5], const int64_t x_index[5]);

static void each_product(problem *p, visitor visit) {
    const conv_case *row = p->row;
    const fc_conv_desc *d = &p->desc;
    int64_t ic_group = row->ic / row->groups, oc_group = row->oc / row->groups;
    EACH(&p->y, n, o, od, oh, ow)
    for (int64_t c = 0; c < ic_group; ++c)
        for (int64_t kd = 0; kd < d->kernel[0]; ++kd)
            for (int64_t kh = 0; kh < d->kernel[1]; ++kh)
                for (int64_t kw = 0; kw < d->kernel[2]; ++kw) {
                    int64_t out[3] = {od, oh, ow}, tap[3] = {kd, kh, kw};
                    int64_t x_index[5] = {n, o / oc_group * ic_group + c, 0, 0, 0};
                    int64_t w_index[5] = {o, c, kd, kh, kw}, y_index[5] = {n, o, od, oh, ow};
                    for (int axis = 0; axis < 3; ++axis) {
                        int64_t i = out[axis] * d->stride[axis] + tap[axis] * d->dilation[axis] - d->pad[axis];
                        x_index[2 + axis] = border_source(row->border, i, d->in[axis]);
                        if (row->flip) w_index[2 + axis] = d->kernel[axis] - 1 - tap[axis];
                        if (x_index[2 + axis] < 0) x_index[1] = -1;
                    }
                    visit(p, y_index, w_index, x_index);
                }
}

static int64_t flat(const tensor *t, const int64_t i[5]) {
    return (((i[0] * t->size[1] + i[1]) * t->size[2] + i[2]) * t->size[3] + i[3]) * t->size[4] + i[4];
}

static double element(const tensor *t, const int64_t i[5]) {
    return tensor_get(t, tensor_at(t, i[0], i[1], i[2], i[3], i[4]));
}

static double input(const problem *p, const int64_t x_index[5]) {
    return x_index[1] < 0 ? p->row->value : element(&p->x, x_index);
}

static void add(problem *p, const int64_t index[5], double product) {
    int64_t at = flat(p->written, index);
    p->want.value[at] += product;
    p->want.magnitude[at] += fabs(product);
}

static void add_forward(problem *p, const int64_t y_index[5], const int64_t w_index[5], const int64_t x_index[5]) {
    add(p, y_index, input(p, x_index) * element(&p->w, w_index));
}

static void add_backward_data(problem *p, const int64_t y_index[5], const int64_t w_index[5],
                              const int64_t x_index[5]) {
    if (x_index[1] >= 0) add(p, x_index, element(&p->y, y_index) * element(&p->w, w_index));
}

static void add_backward_weights(problem *p, const int64_t y_index[5], const int64_t w_index[5],
                                 const int64_t x_index[5]) {
    add(p, w_index, input(p, x_index) * element(&p->y, y_index));
}

static double activated(const conv_case *row, double v) {
    switch (row->activation) {
    case FC_RELU:
        return v > 0 ? v : 0;
    case FC_RELU6:
        return v > 6 ? 6 : v > 0 ? v : 0;
    case FC_LEAKY_RELU:
        return v > 0 ? v : v * row->slope;
    default:
        return v;
    }
}

static int64_t count(const tensor *t) { return t->size[0] * t->size[1] * t->size[2] * t->size[3] * t->size[4]; }

/* In place: a pooled element comes after all that were read for it. */
static void pool(problem *p) {
    EACH(&p->pooled, n, c, d, h, w) {
        int64_t index[5] = {n, c, d, h, w}, at = flat(&p->pooled, index);
        double best = -INFINITY, magnitude = 0;
        for (int i = 0; i < 4; ++i) {
            int64_t from = flat(p->written, (int64_t[5]){n, c, d, 2 * h + i / 2, 2 * w + i % 2});
            best = fmax(best, p->want.value[from]);
            magnitude = fmax(magnitude, p->want.magnitude[from]);
        }
        p->want.value[at] = best;
        p->want.magnitude[at] = magnitude;
    }
}

static void solve(problem *p) {
    static const visitor visitors[] = {add_forward, add_backward_data, add_backward_weights};
    size_t elements = (size_t)count(p->written), channels = (size_t)count(&p->bias);
    p->want.value = calloc(elements + 1, sizeof(double));
    p->want.magnitude = calloc(elements + 1, sizeof(double));
    p->want.bias_value = calloc(channels + 1, sizeof(double));
    p->want.bias_magnitude = calloc(channels + 1, sizeof(double));
    each_product(p, visitors[p->pass]);
    if (p->pass == FC_BACKWARD_WEIGHTS) {
        EACH(&p->y, n, o, d, h, w) {
            double v = tensor_get(&p->y, tensor_at(&p->y, n, o, d, h, w));
            p->want.bias_value[o] += v;
            p->want.bias_magnitude[o] += fabs(v);
        }
        return;
    }
    EACH(p->written, n, c, d, h, w) {
        int64_t index[5] = {n, c, d, h, w}, at = flat(p->written, index);
        double b = p->row->bias ? tensor_get(&p->bias, c) : 0, r = p->row->residual ? element(&p->residual, index) : 0;
        p->want.value[at] = activated(p->row, p->want.value[at] + b + r);
        p->want.magnitude[at] += fabs(b) + fabs(r);
    }
    if (p->result == &p->pooled) pool(p);
}

static void copy3(int64_t to[3], const int64_t from[3]) {
    for (int axis = 0; axis < 3; ++axis) to[axis] = one(from[axis]);
}

static void problem_make(problem *p, const conv_case *row, fc_pass pass, fc_dtype type, view how) {
    *p = (problem){.row = row, .pass = pass, .type = type, .how = how};
    fc_conv_desc *d = &p->desc;
    *d = (fc_conv_desc){.struct_size = sizeof *d,
                        .pass = pass,
                        .input_type = type,
                        .weight_type = type,
                        .accumulator_type = type,
                        .output_type = type,
                        .n = row->n,
                        .ic = row->ic,
                        .oc = row->oc,
                        .groups = row->groups,
                        .border = row->border,
                        .border_value = row->value,
                        .flip = row->flip,
                        .algorithm = -1,
                        .workspace_limit = -1};
    d->input_layout = d->output_layout = how == CHANNELS_LAST ? FC_CHANNELS_LAST : FC_CHANNELS_FIRST;
    copy3(d->in, row->in);
    copy3(d->kernel, row->kernel);
    copy3(d->stride, row->stride);
    copy3(d->dilation, row->dilation);
    p->terms = 1;
    for (int axis = 0; axis < 3; ++axis) {
        d->pad[axis] = row->before[axis];
        int64_t room =
            d->in[axis] + row->before[axis] + row->after[axis] - d->dilation[axis] * (d->kernel[axis] - 1) - 1;
        d->out[axis] = room / d->stride[axis] + 1;
        p->terms *= (double)(pass == FC_BACKWARD_WEIGHTS ? d->out[axis] : d->kernel[axis]);
    }
    p->terms *= (double)(pass == FC_BACKWARD_WEIGHTS ? row->n
                         : pass == FC_FORWARD        ? row->ic / row->groups
                                                     : row->oc / row->groups);
    int64_t x_size[5] = {row->n, row->ic, d->in[0], d->in[1], d->in[2]};
    int64_t y_size[5] = {row->n, row->oc, d->out[0], d->out[1], d->out[2]};
    int64_t w_size[5] = {row->oc, row->ic / row->groups, d->kernel[0], d->kernel[1], d->kernel[2]};
    int64_t b_size[5] = {1, 1, 1, 1, pass == FC_BACKWARD_DATA ? row->ic : row->oc};
    p->x = tensor_make(type, how, x_size);
    p->y = tensor_make(type, how, y_size);
    p->w = tensor_make(type, how, w_size);
    p->bias = tensor_make(type, CHANNELS_FIRST, b_size);
    p->written = pass == FC_FORWARD ? &p->y : pass == FC_BACKWARD_DATA ? &p->x : &p->w;
    p->residual = tensor_make(type, how, p->written->size);
    const int pools = row->pool && pass == FC_FORWARD;
    int64_t pooled_size[5] = {row->n, row->oc, d->out[0], d->out[1] / 2, d->out[2] / 2};
    p->pooled = tensor_make(type, how, pooled_size);
    p->result = pools ? &p->pooled : p->written;
    memcpy(d->x_stride, p->x.stride, sizeof d->x_stride);
    memcpy(d->y_stride, pools ? p->pooled.stride : p->y.stride, sizeof d->y_stride);
    memcpy(d->w_stride, p->w.stride, sizeof d->w_stride);
    memcpy(d->residual_stride, p->residual.stride, sizeof d->residual_stride);
    if (pass != FC_BACKWARD_WEIGHTS) {
        if (row->bias) d->epilogue[d->epilogue_count++] = (fc_epilogue){.kind = FC_BIAS};
        if (row->residual) d->epilogue[d->epilogue_count++] = (fc_epilogue){.kind = FC_RESIDUAL};
        if (row->activation)
            d->epilogue[d->epilogue_count++] =
                (fc_epilogue){.kind = FC_ACTIVATE, .activation = row->activation, .parameter = row->slope};
        if (pools) d->epilogue[d->epilogue_count++] = (fc_epilogue){.kind = FC_POOL2X2};
    }
    tensor *all[] = {&p->x, &p->w, &p->y, &p->residual, &p->bias, &p->pooled};
    for (int i = 0; i < 6; ++i) tensor_random(all[i]);
    solve(p);
    for (int i = 0; i < 6; ++i) tensor_expect(all[i]);
}

static void problem_free(problem *p) {
    tensor *all[] = {&p->x, &p->w, &p->y, &p->residual, &p->bias, &p->pooled};
    for (int i = 0; i < 6; ++i) tensor_free(all[i]);
    free(p->want.value);
    free(p->want.magnitude);
    free(p->want.bias_value);
    free(p->want.bias_magnitude);
}

/* Errors of a tile of transformed sums are spread over its outputs, so they are bounded by the largest magnitude. */
static double least_magnitude(const problem *p, const char *algorithm) {
    double largest = 0;
    if (strncmp(algorithm, "winograd", 8) != 0 && strcmp(algorithm, "fft") != 0) return largest;
    for (int64_t i = 0; i < count(p->written); ++i) largest = fmax(largest, p->want.magnitude[i]);
    return largest * (strcmp(algorithm, "winograd6") == 0 ? 8 : 2);
}

static void check_answer(const problem *p, const fc_conv_plan *plan) {
    double unit = epsilon(p->type) * (4 + 2 * sqrt(p->terms)), worst = 0, got = 0, want = 0;
    double least = least_magnitude(p, fc_conv_algorithm_name(fc_conv_plan_algorithm(plan)));
    EACH(p->result, a, b, c, d, e) {
        int64_t index[5] = {a, b, c, d, e}, at = flat(p->result, index);
        double value = element(p->result, index), error = fabs(value - p->want.value[at]);
        error = error / (unit * fmax(p->want.magnitude[at], least) + 1e-300);
        if (!(error <= worst)) worst = isnan(error) ? INFINITY : error, got = value, want = p->want.value[at];
    }
    check(worst <= 1, "worst element is %.9g, not %.9g: %.3g tolerances off", got, want, worst);
    check(tensor_intact(p->result), "wrote outside its output");
    if (p->pass == FC_BACKWARD_WEIGHTS && p->row->bias) {
        double bias_unit = epsilon(p->type) * (4 + 2 * sqrt((double)count(&p->y) / (double)p->row->oc));
        for (int64_t o = 0; o < p->row->oc; ++o)
            check_close(tensor_get(&p->bias, o), p->want.bias_value[o], bias_unit * p->want.bias_magnitude[o], "db");
        check(tensor_intact(&p->bias), "wrote outside db");
    }
    const tensor *all[] = {&p->x, &p->w, &p->y, &p->residual, &p->bias};
    for (int i = 0; i < 5; ++i)
        if (all[i] != p->result && !(p->pass == FC_BACKWARD_WEIGHTS && i == 4))
            check(tensor_unchanged(all[i]), "changed an input");
}

/* Executes into fresh sentinels, with a workspace of exactly the stated size if own_workspace. */
static fc_status execute(problem *p, const fc_conv_plan *plan, int threads, bool own_workspace, const void *packed) {
    int64_t bytes = own_workspace ? fc_conv_plan_workspace(plan, threads) : 0;
    int64_t size[5] = {1, 1, 1, 1, bytes / 8 + 1};
    tensor workspace = tensor_make(FC_FLOAT64, CHANNELS_FIRST, size);
    bool gives_bias = p->pass == FC_BACKWARD_WEIGHTS ? p->row->bias : p->row->bias != 0;
    tensor_forget(p->result);
    if (p->pass == FC_BACKWARD_WEIGHTS) tensor_forget(&p->bias);
    fc_conv_args args = {.x = tensor_data(&p->x),
                         .w = tensor_data(&p->w),
                         .y = tensor_data(p->result == &p->pooled ? p->result : &p->y),
                         .bias = gives_bias ? tensor_data(&p->bias) : NULL,
                         .residual = p->row->residual ? tensor_data(&p->residual) : NULL,
                         .packed = packed,
                         .workspace = bytes ? tensor_data(&workspace) : NULL,
                         .workspace_bytes = bytes,
                         .threads = threads};
    fc_status status = fc_conv_execute(plan, &args);
    check(tensor_intact(&workspace), "wrote outside its workspace");
    tensor_free(&workspace);
    return status;
}

static void run_prepared(problem *p, fc_conv_desc desc) {
    fc_conv_plan *plan = NULL;
    desc.prepared = 1;
    fc_status status = fc_conv_plan_create(&desc, &plan);
    check(status == FC_OK || status == FC_UNSUPPORTED, "prepared plan: %s", fc_status_message(status));
    if (status != FC_OK) return;
    int64_t bytes = fc_conv_plan_packed(plan);
    if (bytes > 0) {
        int64_t size[5] = {1, 1, 1, 1, (bytes + 7) / 8};
        tensor packed = tensor_make(FC_FLOAT64, CHANNELS_FIRST, size);
        status = fc_conv_pack(plan, tensor_data(&p->w), tensor_data(&packed), 2);
        check(status == FC_OK, "pack: %s", fc_status_message(status));
        check(tensor_intact(&packed), "wrote outside the packed weights");
        status = execute(p, plan, 2, false, tensor_data(&packed));
        check(status == FC_OK, "prepared: %s", fc_status_message(status));
        check_answer(p, plan);
        tensor_free(&packed);
    }
    fc_conv_plan_destroy(plan);
}

static int runs[64]; /* of each algorithm, so that none stays untested */

static void run_algorithm(problem *p, int algorithm, fc_accuracy accuracy) {
    fc_conv_desc desc = p->desc;
    desc.algorithm = algorithm;
    desc.accuracy = accuracy;
    fc_conv_plan *plan = NULL;
    fc_status status = fc_conv_plan_create(&desc, &plan);
    check(status == FC_OK, "plan: %s", fc_status_message(status));
    if (status != FC_OK) return;
    check(algorithm < 0 || fc_conv_plan_algorithm(plan) == algorithm, "the plan took another algorithm");
    ++runs[fc_conv_plan_algorithm(plan)];
    status = execute(p, plan, 1, false, NULL);
    check(status == FC_OK, "one thread: %s", fc_status_message(status));
    check_answer(p, plan);
    tensor_expect(p->result);
    tensor_expect(&p->bias);
    status = execute(p, plan, 2, true, NULL);
    check(status == FC_OK, "two threads, given workspace: %s", fc_status_message(status));
    check(tensor_unchanged(p->result), "two threads give other bits than one");
    check(tensor_unchanged(&p->bias), "two threads give another db than one");
    fc_conv_plan_destroy(plan);
    if (p->pass != FC_BACKWARD_WEIGHTS) run_prepared(p, desc);
}

static void run_problem(problem *p) {
    int rows = fc_conv_algorithm_count(), first = -1;
    fc_conv_candidate *candidates = calloc((size_t)rows, sizeof *candidates),
                      *fast = calloc((size_t)rows, sizeof *fast);
    fc_conv_desc fast_desc = p->desc;
    fast_desc.accuracy = FC_FAST;
    for (int isa = 0; isa < fc_isa_count(); ++isa) {
        if (fc_set_isa(isa) != FC_OK) continue;
        if (first < 0) first = isa;
        doing("%s, %s, f%d, %s, %s", p->row->name, PASS_NAMES[p->pass], p->type == FC_FLOAT32 ? 32 : 64,
              VIEW_NAMES[p->how], fc_isa_name(isa));
        fc_status status = fc_conv_candidates(&p->desc, candidates);
        if (status == FC_OK) status = fc_conv_candidates(&fast_desc, fast);
        check(status == FC_OK, "candidates: %s", fc_status_message(status));
        check(candidates[rows - 1].status == FC_OK, "the last algorithm does not take everything");
        for (int row = -1; row < rows && status == FC_OK; ++row) {
            int refused = row >= 0 && candidates[row].status != FC_OK;
            if (refused && fast[row].status != FC_OK) continue;
            if (row == rows - 1 && isa != first) continue; /* the reference is plain C, and the slowest of all */
            doing("%s, %s, f%d, %s, %s, %s", p->row->name, PASS_NAMES[p->pass], p->type == FC_FLOAT32 ? 32 : 64,
                  VIEW_NAMES[p->how], fc_isa_name(isa), row < 0 ? "auto" : fc_conv_algorithm_name(row));
            run_algorithm(p, row, refused ? FC_FAST : FC_DEFAULT);
        }
    }
    free(candidates);
    free(fast);
}

static int number(const char *name, int least) {
    const char *asked = getenv(name);
    return asked && atoi(asked) > least ? atoi(asked) : least;
}

/* FASTCONV_TEST_EVERY=n runs every n-th row of the table, from row FASTCONV_TEST_FIRST on: for emulators, and for
 * processes that share the table. Those print what ran, and whoever started them looks for what never did. */
void test_conv(void) {
    const int every = number("FASTCONV_TEST_EVERY", 1);
    for (int row = number("FASTCONV_TEST_FIRST", 0); row < CONV_CASE_COUNT; row += every)
        for (int pass = FC_FORWARD; pass <= FC_BACKWARD_WEIGHTS; ++pass)
            for (int type = FC_FLOAT32; type <= FC_FLOAT64; ++type)
                for (int how = 0; how < VIEWS; ++how) {
                    problem p;
                    problem_make(&p, &CONV_CASES[row], pass, type, how);
                    run_problem(&p);
                    problem_free(&p);
                }
    for (int row = 0; row < fc_conv_algorithm_count(); ++row) {
        doing("%s", fc_conv_algorithm_name(row));
        check(runs[row] > 0 || every > 1, "no case of the table runs this algorithm");
        if (every > 1) printf("%s: %d runs\n", fc_conv_algorithm_name(row), runs[row]);
    }
}
