/* job.c: see job.h. */
#include "pool/job.h"

#include <string.h>

#include "core/memory.h"
#include "core/parallel.h"

enum {
    CHUNK_COLUMNS = 4096, /* input columns under a chunk: its buffers stay in L1 */
    LONG_WINDOW = 32,     /* taps from which a window along the width is worth reducing on its own */
    TASK_WORK = 16384,    /* elements that pay for handing a task to another thread */
    TASKS_PER_THREAD = 8,
    POWER_WORK = 24, /* a call of pow, in elements of plain work */
};
static const int64_t MAX_SCRATCH_ELEMENTS = (int64_t)1 << 40;

static fc_pool_rule rule_of(const fc_pool_desc *desc) {
    const double p = desc->p;
    if (desc->kind == FC_POOL_AVG) return (fc_pool_rule){FC_REDUCE_SUM, FC_ROOT_NONE, 1};
    if (desc->kind != FC_POOL_LP) return (fc_pool_rule){FC_REDUCE_MAX, FC_ROOT_NONE, 1};
    if (p > 1e300) return (fc_pool_rule){FC_REDUCE_MAX_ABS, FC_ROOT_NONE, p};
    const fc_pool_root root = p == 1 ? FC_ROOT_NONE : p == 2 ? FC_ROOT_SQUARE : FC_ROOT_POWER;
    if (desc->lp_signed) return (fc_pool_rule){FC_REDUCE_SUM_POWERS, root, p};
    if (p == 1) return (fc_pool_rule){FC_REDUCE_SUM_ABS, root, p};
    if (p == 2) return (fc_pool_rule){FC_REDUCE_SUM_SQUARES, root, p};
    return (fc_pool_rule){FC_REDUCE_SUM_ABS_POWERS, root, p};
}

/* Where windows tile rows that follow each other without a gap, channels and images are more outputs along the width: a
 * global pool of many small planes is one row then. */
static void fold_planes(fc_pool_job *job) {
    fc_pool_axis width = job->axis[2];
    const fc_pool_axis *depth = &job->axis[0], *height = &job->axis[1];
    const int forward = job->desc->pass == FC_FORWARD;
    if (job->args->indices || (!forward && job->desc->kind != FC_POOL_AVG) || width.adaptive) return;
    if (depth->in > 1 || depth->out > 1 || height->in > 1 || height->out > 1) return;
    if (width.dilation != 1 || width.pad || width.pad_end || width.kernel * width.out != width.in) return;
    if (width.out > 1 && width.stride != width.kernel) return;
    width.stride = width.kernel;
    job->folding = *job->desc;
    int64_t *x = forward ? job->folding.x_stride : job->folding.dx_stride;
    int64_t *y = forward ? job->folding.y_stride : job->folding.dy_stride;
    int64_t *counts[] = {&job->folding.n, &job->folding.c};
    for (int axis = 1; axis >= 0; --axis) {
        if (*counts[axis] == 1) continue;
        if (width.in == 1) x[4] = x[axis];
        if (width.out == 1) y[4] = y[axis];
        if (x[axis] != width.in * x[4] || y[axis] != width.out * y[4]) return;
        width.in *= *counts[axis];
        width.out *= *counts[axis];
        *counts[axis] = 1;
    }
    job->folded = 1;
    job->desc = &job->folding;
    job->axis[2] = width;
}

fc_status fc_pool_job_init(fc_pool_job *job, const fc_pool_desc *desc, const fc_pool_args *args) {
    *job = (fc_pool_job){.desc = desc, .args = args, .rule = rule_of(desc)};
    job->kernels = fc_kernels_for(fc_isa(), desc->type);
    if (!job->kernels) return FC_UNSUPPORTED;
    job->leaf = &job->kernels->pool;
    job->element = (int64_t)job->kernels->element;
    atomic_init(&job->bad_index, 0);
    const fc_status status = fc_pool_axes(desc, job->axis);
    if (status != FC_OK) return status;
    if (desc->kind != FC_POOL_UNPOOL) fold_planes(job);

    const fc_pool_axis *width = &job->axis[2];
    const int64_t stride = width->adaptive ? width->in / width->out + 1 : width->stride;
    job->chunk = width->out;
    if (width->out > FC_POOL_MAX_LANES && width->out > CHUNK_COLUMNS / stride)
        job->chunk = fc_max(CHUNK_COLUMNS / stride / FC_POOL_MAX_LANES, 1) * FC_POOL_MAX_LANES;
    job->chunks = (width->out + job->chunk - 1) / job->chunk;
    job->by_spans = width->adaptive || (width->dilation == 1 && width->kernel >= LONG_WINDOW);
    job->max_rows = fc_pool_axis_widest(&job->axis[0]) * fc_pool_axis_widest(&job->axis[1]);
    int64_t columns;
    if (width->adaptive) {
        columns = fc_min((job->chunk + 1) * stride + 2, width->in);
    } else {
        const int64_t rounded = (job->chunk + FC_POOL_MAX_LANES) * fc_min(stride, 2);
        columns = fc_max((job->chunk - 1) * stride + 1, rounded) + (width->kernel - 1) * width->dilation;
    }
    job->buffer = columns + FC_POOL_MAX_LANES;
    if (job->buffer > MAX_SCRATCH_ELEMENTS || job->max_rows > MAX_SCRATCH_ELEMENTS) return FC_NO_MEMORY;
    return FC_OK;
}

/* Cuts one piece off a worker's scratch; with a NULL base it only counts. */
static void *cut(char *base, int64_t *used, int64_t bytes) {
    void *piece = base + *used;
    *used += (int64_t)fc_align_up((size_t)bytes);
    return piece;
}

static int64_t furnish(const fc_pool_job *job, fc_pool_bench *bench, char *base) {
    int64_t used = 0;
    bench->first = cut(base, &used, job->chunk * 8);
    bench->taps = cut(base, &used, job->chunk * 8);
    bench->divisors = cut(base, &used, job->chunk * 8);
    bench->index = cut(base, &used, job->chunk * 8);
    bench->counts = cut(base, &used, job->chunk * 8);
    bench->rows = cut(base, &used, job->max_rows * (int64_t)sizeof(void *));
    bench->dx_rows = cut(base, &used, job->max_rows * (int64_t)sizeof(void *));
    bench->offsets = cut(base, &used, job->max_rows * 8);
    bench->buffer = cut(base, &used, job->buffer * job->element);
    bench->places = cut(base, &used, job->buffer * job->element);
    bench->y = cut(base, &used, (job->chunk + FC_POOL_MAX_LANES) * job->element);
    bench->values = cut(base, &used, (job->chunk + FC_POOL_MAX_LANES) * job->element);
    bench->scaled = cut(base, &used, (job->chunk + FC_POOL_MAX_LANES) * job->element);
    bench->states = cut(base, &used, job->state_bytes);
    bench->staging = cut(base, &used, job->staging_bytes);
    bench->staged_index = cut(base, &used, job->index_bytes);
    return used;
}

typedef struct run {
    fc_pool_job *job;
    fc_pool_task task;
} run;

static void run_task(void *ctx, int64_t index, int worker) {
    const run *r = ctx;
    fc_pool_bench bench = {.q0 = -1};
    furnish(r->job, &bench, r->job->scratch + worker * r->job->worker_bytes);
    const int64_t first = index * r->job->items_per_task;
    r->task(r->job, &bench, first, fc_min(first + r->job->items_per_task, r->job->items));
}

fc_status fc_pool_run(fc_pool_job *job, int64_t items, int64_t each, fc_pool_task task) {
    const int powers = job->rule.root == FC_ROOT_POWER;
    const int64_t work = powers ? each * POWER_WORK : each;
    const int64_t asked = job->args->threads > 0 ? job->args->threads : fc_threads();
    int64_t tasks = asked * TASKS_PER_THREAD;
    if (work < TASK_WORK) tasks = fc_min(tasks, items / (TASK_WORK / fc_max(work, 1)) + 1);
    job->items = items;
    job->items_per_task = (items + tasks - 1) / tasks;
    tasks = (items + job->items_per_task - 1) / job->items_per_task;

    fc_pool_bench counted;
    job->worker_bytes = furnish(job, &counted, NULL);
    job->scratch = fc_scratch_acquire((size_t)(job->worker_bytes * fc_workers(tasks, (int)asked)));
    if (!job->scratch) return FC_NO_MEMORY;
    run r = {job, task};
    fc_parallel_for(tasks, (int)asked, run_task, &r);
    fc_scratch_release(job->scratch);
    return atomic_load(&job->bad_index) ? FC_INVALID : FC_OK;
}

static double width_divisor(const fc_pool_job *job, const fc_pool_axis *axis, int64_t p) {
    const fc_pool_desc *desc = job->desc;
    if (job->rule.reduction == FC_REDUCE_SUM_POWERS)
        return (double)fc_pool_axis_counted(axis, p) / (double)(axis->adaptive ? 1 : axis->kernel);
    if (desc->kind != FC_POOL_AVG || desc->divisor) return 1;
    return (double)(desc->count_include_pad ? fc_pool_axis_counted(axis, p) : fc_pool_axis_window(axis, p).count);
}

void fc_pool_bench_chunk(const fc_pool_job *job, fc_pool_bench *bench, int64_t chunk) {
    const fc_pool_axis *width = &job->axis[2];
    const int64_t q0 = chunk * job->chunk;
    if (bench->q0 == q0) return;
    bench->q0 = q0;
    bench->count = fc_min(job->chunk, width->out - q0);
    bench->spans = (fc_pool_spans){bench->first, bench->taps, width->adaptive ? 1 : width->dilation, bench->count};
    int64_t begin, end;
    fc_pool_axis_interior(width, &begin, &end);
    const double inside = begin < end ? width_divisor(job, width, begin) : 0;
    bench->even = -1;
    for (int64_t i = 0; i < bench->count; ++i) {
        const int64_t p = q0 + i;
        if (p >= begin && p < end) {
            bench->first[i] = p * width->stride - width->pad;
            bench->taps[i] = width->kernel;
            bench->divisors[i] = inside;
        } else {
            const fc_pool_window window = fc_pool_axis_window(width, p);
            bench->first[i] = window.first;
            bench->taps[i] = window.count;
            bench->divisors[i] = width_divisor(job, width, p);
        }
        if (bench->even < 0) bench->even = bench->divisors[i];
        if (bench->even != bench->divisors[i]) bench->even = 0;
    }
    if (width->adaptive) {
        bench->start = bench->first[0];
        bench->end = bench->first[bench->count - 1] + bench->taps[bench->count - 1];
    } else {
        bench->start = q0 * width->stride - width->pad;
        bench->end = bench->start + (bench->count - 1) * width->stride + (width->kernel - 1) * width->dilation + 1;
    }
}

fc_pool_line fc_pool_line_at(const fc_pool_job *job, int64_t n, int64_t c, int64_t d, int64_t h) {
    const fc_pool_axis *depth = &job->axis[0], *height = &job->axis[1];
    fc_pool_line line = {n, c, d, h, fc_pool_axis_window(depth, d), fc_pool_axis_window(height, h), 0, 1};
    line.row_count = line.depth.count * line.height.count;
    line.outer = width_divisor(job, depth, d) * width_divisor(job, height, h);
    if (job->desc->kind == FC_POOL_AVG && job->desc->divisor) line.outer = (double)job->desc->divisor;
    return line;
}

static int64_t tap_step(const fc_pool_axis *axis) { return axis->adaptive ? 1 : axis->dilation; }

void fc_pool_line_rows(const fc_pool_job *job, const fc_pool_line *line, const int64_t *stride, const void *base,
                       int64_t column, const void **rows) {
    const int64_t d_step = tap_step(&job->axis[0]), h_step = tap_step(&job->axis[1]);
    for (int64_t d = 0; d < line->depth.count; ++d)
        for (int64_t h = 0; h < line->height.count; ++h)
            *rows++ = fc_pool_at(job, base,
                                 fc_pool_offset(stride, line->n, line->c, line->depth.first + d * d_step,
                                                line->height.first + h * h_step, column));
}

void fc_pool_line_offsets(const fc_pool_job *job, const fc_pool_line *line, int64_t *offsets) {
    const int64_t d_step = tap_step(&job->axis[0]), h_step = tap_step(&job->axis[1]);
    for (int64_t d = 0; d < line->depth.count; ++d)
        for (int64_t h = 0; h < line->height.count; ++h)
            *offsets++ = (d * d_step * job->axis[1].in + h * h_step) * job->axis[2].in;
}

int64_t fc_pool_line_base(const fc_pool_job *job, const fc_pool_line *line) {
    return (line->depth.first * job->axis[1].in + line->height.first) * job->axis[2].in;
}

static void clear_row(char *row, int64_t element, int64_t count, int64_t stride) {
    if (stride == 1) {
        memset(row, 0, (size_t)(count * element));
        return;
    }
    for (int64_t i = 0; i < count; ++i) memset(row + i * stride * element, 0, (size_t)element);
}

void fc_pool_clear(const void *plane, int64_t element, const int64_t *size, const int64_t *stride) {
    const fc_pool_plane shape = fc_pool_plane_of(size, stride, 0);
    if (shape.flat) {
        clear_row((char *)plane, element, shape.elements, shape.flat);
        return;
    }
    for (int64_t d = 0; d < size[0]; ++d)
        for (int64_t h = 0; h < size[1]; ++h)
            clear_row((char *)plane + (d * stride[0] + h * stride[1]) * element, element, size[2], stride[2]);
}

fc_pool_plane fc_pool_plane_of(const int64_t *size, const int64_t *stride, int64_t lane) {
    fc_pool_plane plane = {{size[0], size[1], size[2]}, {stride[0], stride[1], stride[2]}, 0, 0, lane};
    plane.elements = size[0] * size[1] * size[2];
    const int64_t step = size[2] > 1 ? stride[2] : size[1] > 1 ? stride[1] : size[0] > 1 ? stride[0] : 1;
    const int rows_follow = size[1] == 1 || stride[1] == size[2] * step;
    const int planes_follow = size[0] == 1 || stride[0] == size[1] * size[2] * step;
    plane.flat = rows_follow && planes_follow ? step : 0;
    return plane;
}
