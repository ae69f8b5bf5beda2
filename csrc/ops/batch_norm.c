/* batch_norm.c: batch normalisation, forward and backward, of planes (channels first) or of pixels (channels last).
 *
 * A pass that needs sums over a channel goes through its elements twice, in pieces: for the sums, and for the result. With
 * planes a task does both for one channel, so that the second time finds in L2 what fits there, latest piece first.
 * Pixels, and planes of few channels, are cut into parts by their shape alone; a part's sums are one task, the parts'
 * are added up in their order, and the results are tasks of their own. */
#include <math.h>

#include "core/cpu.h"
#include "core/memory.h"
#include "core/numbers.h"
#include "core/parallel.h"
#include "microkernels/kernels.h"

enum {
    PIECE_BYTES = 1 << 14, /* a piece of a plane, or of pixels that are written: half of L1 */
    PIECE_VECTORS = 512,   /* of a plane, so that sums of narrow vectors are short too */
    ROWS = 256,            /* pixels whose columns are summed in one go, so that rounding stays small, */
    ROWS_BYTES = 1 << 18,  /* and fewer of many channels, which stay in L2, but at least */
    LEAST_ROWS = 64,
    PARTS = 64,            /* of all pixels */
    FEW_CHANNELS = 16,     /* planes of fewer channels are cut into about as many tasks */
    TASK = 1 << 14,        /* elements of a task that writes results */
    SERIAL_BELOW = 1 << 15 /* elements that are not worth a second thread */
};

typedef struct job {
    const fc_norm_desc *desc;
    const fc_kernels *kernels;
    int way;
    int64_t units, unit;    /* images or pixels, and the elements of one of a channel */
    int64_t rows;           /* images or pixels of a piece; 0: a plane is several pieces */
    int64_t piece;          /* elements of a plane in one of those */
    int64_t parts, writes;  /* how many are summed apart; tasks that write results */
    const char *x, *y, *dy; /* y: backward, or NULL */
    char *out;              /* y or dx, or NULL */
    int backward, sums, apart;
    double *first, *second; /* sums of [part][channel]: mean and squared distances, or of gradients */
    fc_norm_scale scale;    /* of channel 0 */
    const char *weight, *bias;
    char *mean, *var, *dweight, *dbias;
    char *staging; /* a piece for each worker, or NULL */
    int64_t staging_bytes;
} job;

static double get(const job *j, const void *p, int64_t i) {
    return j->kernels->element == sizeof(double) ? ((const double *)p)[i] : (double)((const float *)p)[i];
}

static void set(const job *j, const void *p, int64_t i, double value) {
    if (j->kernels->element == sizeof(double)) {
        ((double *)(uintptr_t)p)[i] = value;
    } else {
        ((float *)(uintptr_t)p)[i] = (float)value;
    }
}

static void *at(const job *j, const void *base, int64_t elements) {
    return base ? fc_at(base, elements, j->kernels->element) : NULL;
}

/* The coefficients from this channel on. */
static fc_norm_scale scale_of(const job *j, int64_t channel) {
    fc_norm_scale by = j->scale;
    by.mean = at(j, by.mean, channel), by.scale = at(j, by.scale, channel);
    by.slope = at(j, by.slope, channel), by.shift = at(j, by.shift, channel);
    return by;
}

static int64_t pieces(const job *j, int64_t units) {
    return j->rows ? fc_ceil_div(units, j->rows) : units * fc_ceil_div(j->unit, j->piece);
}

/* Piece i of the units from .. to of a channel (of all channels, with pixels): where it starts and how it lies. */
static int64_t piece(const job *j, int64_t from, int64_t to, int64_t channel, int64_t i, fc_norm_rows *rows) {
    const int64_t channels = j->desc->channels;
    if (j->rows) {
        const int64_t unit = from + i * j->rows, stride = channels * j->unit;
        rows->rows = fc_min(j->rows, to - unit);
        rows->count = j->way == FC_NORM_PIXELS ? channels : j->unit;
        rows->stride = stride;
        return unit * stride + channel * j->unit;
    }
    const int64_t each = fc_ceil_div(j->unit, j->piece), start = i % each * j->piece;
    *rows = (fc_norm_rows){1, fc_min(j->piece, j->unit - start), 0};
    return ((from + i / each) * channels + channel) * j->unit + start;
}

static int64_t part_start(const job *j, int64_t part) { return j->units * part / j->parts; }

static void add_up(const job *j, int64_t part, int64_t channel) {
    const int64_t from = part_start(j, part), to = part_start(j, part + 1), slot = part * j->desc->channels + channel;
    const fc_norm_kernels *leaf = &j->kernels->norm;
    const fc_norm_scale by = scale_of(j, channel);
    double before = 0;
    for (int64_t c = 0; c < (j->way == FC_NORM_PIXELS ? j->desc->channels : 1); ++c)
        j->first[slot + c] = j->second[slot + c] = 0;
    for (int64_t i = 0; i < pieces(j, to - from); ++i) {
        fc_norm_rows rows;
        const int64_t start = piece(j, from, to, channel, i, &rows);
        const void *x = at(j, j->x, start);
        if (j->backward) {
            leaf->sums[j->way](&rows, &by, x, at(j, j->y, start), at(j, j->dy, start), j->first + slot,
                               j->second + slot);
        } else {
            leaf->moments[j->way](&rows, x, before, j->first + slot, j->second + slot);
            before += (double)rows.rows * (j->way == FC_NORM_PIXELS ? 1 : (double)rows.count);
        }
    }
}

static double inverse_deviation(const job *j, int64_t channel) {
    return 1 / sqrt(get(j, j->var, channel) + j->desc->epsilon);
}

static double weight_of(const job *j, int64_t channel) { return j->weight ? get(j, j->weight, channel) : 1; }

static void finish_forward(const job *j, int64_t channel) {
    if (j->sums) {
        double count = 0, mean = 0, squares = 0;
        for (int64_t part = 0; part < j->parts; ++part) {
            const int64_t slot = part * j->desc->channels + channel;
            const double more = (double)(part_start(j, part + 1) - part_start(j, part)) * (double)j->unit;
            const double delta = j->first[slot] - mean;
            mean += delta * (more / (count + more));
            squares += j->second[slot] + delta * delta * (count * more / (count + more));
            count += more;
        }
        set(j, j->mean, channel, mean);
        set(j, j->var, channel, squares / count);
    }
    set(j, j->scale.scale, channel, weight_of(j, channel) * inverse_deviation(j, channel));
    set(j, j->scale.shift, channel, j->bias ? get(j, j->bias, channel) : 0);
}

/* dx = weight * invstd * (d - mean(d) - xhat * mean(d * xhat)), xhat = (x - mean) * invstd */
static void finish_backward(const job *j, int64_t channel) {
    const double deviation = inverse_deviation(j, channel), scale = weight_of(j, channel) * deviation;
    const double count = (double)j->units * (double)j->unit;
    double sum = 0, dot = 0;
    for (int64_t part = 0; j->sums && part < j->parts; ++part) {
        sum += j->first[part * j->desc->channels + channel];
        dot += j->second[part * j->desc->channels + channel];
    }
    if (j->dweight) set(j, j->dweight, channel, dot * deviation);
    if (j->dbias) set(j, j->dbias, channel, sum);
    set(j, j->scale.scale, channel, scale);
    set(j, j->scale.slope, channel, -scale * deviation * deviation * dot / count);
    set(j, j->scale.shift, channel, -scale * sum / count);
}

static void finish(const job *j, int64_t channel) {
    if (j->backward) {
        finish_backward(j, channel);
    } else {
        finish_forward(j, channel);
    }
}

static void write_units(const job *j, int64_t from, int64_t to, int64_t channel, int worker) {
    const fc_norm_kernels *leaf = &j->kernels->norm;
    const fc_norm_scale by = scale_of(j, channel);
    for (int64_t i = pieces(j, to - from) - 1; i >= 0; --i) {
        fc_norm_rows rows;
        const int64_t start = piece(j, from, to, channel, i, &rows);
        char *out = at(j, j->out, start), *to_write = j->staging ? j->staging + worker * j->staging_bytes : out;
        const void *x = at(j, j->x, start);
        if (j->backward) {
            leaf->gradient[j->way](&rows, &by, j->desc->training ? x : NULL, at(j, j->y, start), at(j, j->dy, start),
                                   to_write);
        } else {
            leaf->apply[j->way](&rows, &by, x, NULL, to_write);
        }
        if (j->staging) j->kernels->pool.stream(out, to_write, rows.rows * rows.count * (int64_t)j->kernels->element);
    }
}

static void channel_task(void *ctx, int64_t channel, int worker) {
    const job *j = ctx;
    add_up(j, 0, channel);
    finish(j, channel);
    if (!j->out) return;
    write_units(j, 0, j->units, channel, worker);
    if (j->staging) j->kernels->pool.stream_end();
}

static void sums_task(void *ctx, int64_t index, int worker) {
    (void)worker;
    const job *j = ctx;
    const int64_t channels = j->way == FC_NORM_PIXELS ? 1 : j->desc->channels;
    add_up(j, index / channels, index % channels);
}

/* Planes, or runs of pixels, of TASK elements; the last ones first, as the sums have just read them. */
static void write_task(void *ctx, int64_t turn, int worker) {
    const job *j = ctx;
    const int64_t index = j->writes - 1 - turn;
    const int64_t channels = j->desc->channels;
    if (j->way == FC_NORM_PIXELS) {
        const int64_t each = fc_ceil_div(TASK, channels), from = index * each;
        write_units(j, from, fc_min(from + each, j->units), 0, worker);
    } else {
        const int64_t each = fc_ceil_div(TASK, j->unit), from = index * each;
        for (int64_t p = from; p < fc_min(from + each, j->units * channels); ++p)
            write_units(j, p / channels, p / channels + 1, p % channels, worker);
    }
    if (j->staging) j->kernels->pool.stream_end();
}

/* How the elements are cut, by shape and element type alone. */
static void cut(job *j) {
    const fc_norm_desc *d = j->desc;
    const int64_t element = (int64_t)j->kernels->element;
    j->way = d->channels_last || d->points == 1 ? FC_NORM_PIXELS : FC_NORM_PLANES;
    j->piece = fc_min(PIECE_BYTES / element, (int64_t)PIECE_VECTORS * j->kernels->lanes);
    if (j->way == FC_NORM_PIXELS) {
        j->units = d->n * d->points, j->unit = 1;
        j->rows = fc_max(LEAST_ROWS, fc_min(ROWS, ROWS_BYTES / element / d->channels));
        j->parts = fc_min(PARTS, fc_ceil_div(j->units, j->rows));
    } else {
        j->units = d->n, j->unit = d->points;
        j->rows = d->points > j->piece ? 0 : j->piece / d->points;
        j->parts = d->channels >= FEW_CHANNELS ? 1 : fc_min(d->n, fc_ceil_div(FEW_CHANNELS, d->channels));
    }
    j->apart = !j->sums || j->way == FC_NORM_PIXELS || j->parts > 1;
}

/* Pixels of a piece that is written. */
static int64_t pixels_at_once(const job *j) { return fc_max(1, j->piece / j->desc->channels); }

/* Results larger than the last cache are written past it, where their pieces are runs of memory. */
static void stage(job *j) {
    const int64_t element = (int64_t)j->kernels->element, elements = j->units * j->unit * j->desc->channels;
    if (!j->out || elements < fc_l3_bytes() / element) return;
    if (j->way == FC_NORM_PIXELS) {
        j->staging_bytes = (int64_t)fc_align_up((size_t)(pixels_at_once(j) * j->desc->channels * element));
    } else if (j->rows <= 1) {
        j->staging_bytes = (int64_t)fc_align_up((size_t)(fc_min(j->piece, j->unit) * element));
    }
}

static fc_status run(job *j, int threads) {
    const fc_norm_desc *d = j->desc;
    const int64_t channels = d->channels, elements = j->units * j->unit * channels;
    const size_t sums = fc_align_up((size_t)(j->parts * channels) * sizeof(double));
    const size_t coefficients = fc_align_up((size_t)channels * j->kernels->element);
    threads = elements < SERIAL_BELOW ? 1 : threads;
    const int64_t each = fc_ceil_div(TASK, j->way == FC_NORM_PIXELS ? channels : j->unit);
    j->writes = fc_ceil_div(j->way == FC_NORM_PIXELS ? j->units : j->units * channels, each);
    const int workers = fc_workers(j->apart ? j->writes : channels, threads);
    stage(j);
    char *block = fc_scratch_acquire(2 * sums + 3 * coefficients + (size_t)workers * (size_t)j->staging_bytes);
    if (!block) return FC_NO_MEMORY;
    j->first = (double *)block, j->second = (double *)(block + sums);
    char *next = block + 2 * sums;
    j->scale = (fc_norm_scale){.mean = j->mean, .activation = d->activation, .parameter = d->parameter};
    j->scale.scale = next, j->scale.slope = next + coefficients, j->scale.shift = next + 2 * coefficients;
    j->staging = j->staging_bytes ? next + 3 * coefficients : NULL;
    if (!j->apart) {
        fc_parallel_for(channels, workers, channel_task, j);
    } else {
        if (j->sums) fc_parallel_for(j->way == FC_NORM_PIXELS ? j->parts : j->parts * channels, threads, sums_task, j);
        for (int64_t c = 0; c < channels; ++c) finish(j, c);
        if (j->way == FC_NORM_PIXELS) j->rows = pixels_at_once(j);
        if (j->out) fc_parallel_for(j->writes, workers, write_task, j);
    }
    fc_scratch_release(block);
    return FC_OK;
}

static fc_status start(job *j, int threads) {
    const fc_norm_desc *d = j->desc;
    if (d->struct_size != sizeof *d || d->n < 0 || d->channels < 0 || d->points < 0 || d->activation < FC_IDENTITY ||
        d->activation > FC_LEAKY_RELU || !j->mean || !j->var)
        return FC_INVALID;
    j->kernels = fc_kernels_for(fc_isa(), d->type);
    if (!j->kernels) return FC_UNSUPPORTED;
    if (d->n == 0 || d->points == 0 || d->channels == 0) {
        const int64_t channels = j->sums ? d->channels : 0;
        if (!j->backward) return channels ? FC_INVALID : FC_OK;
        for (int64_t c = 0; c < channels; ++c) {
            if (j->dweight) set(j, j->dweight, c, 0);
            if (j->dbias) set(j, j->dbias, c, 0);
        }
        return FC_OK;
    }
    cut(j);
    return run(j, threads);
}

fc_status fc_batch_norm_forward(const fc_norm_desc *desc, const void *x, const void *weight, const void *bias,
                                void *mean, void *var, void *y, int threads) {
    job j = {.desc = desc, .x = x, .weight = weight, .bias = bias, .mean = mean, .var = var, .out = y};
    j.sums = desc->training;
    return y ? start(&j, threads) : FC_INVALID;
}

fc_status fc_batch_norm_backward(const fc_norm_desc *desc, const void *dy, const void *x, const void *weight,
                                 const void *mean, const void *var, const void *y, void *dx, void *dweight, void *dbias,
                                 int threads) {
    job j = {.desc = desc, .backward = 1, .x = x, .dy = dy, .weight = weight, .out = dx};
    j.y = desc->activation == FC_IDENTITY ? NULL : y;
    j.mean = (char *)(uintptr_t)mean, j.var = (char *)(uintptr_t)var;
    j.dweight = dweight, j.dbias = dbias;
    j.sums = dweight || dbias || (dx && desc->training);
    if (!dy || (desc->activation != FC_IDENTITY && !y)) return FC_INVALID;
    if (!x) {
        if (dweight || (dx && desc->training)) return FC_INVALID;
        j.x = dy; /* dbias alone: sums with x are made and not used */
    }
    return start(&j, threads);
}
