/* fft.c: convolution as products of spectra, tile by tile (overlap-save), for large kernels without strides.
 *
 * A tile of n points along an axis gives the n - reach outputs whose windows it holds whole. Kernels are real, so two
 * tiles go through one complex transform, one as the real part and one as the imaginary part, and come out the same way:
 * the symmetry of real input costs nothing. A task takes a few pairs of tiles whose spectra fit L2: it transforms every
 * channel, and for every filter sums products over channels, transforms back and stores what is whole. Kernels are transformed when they are
 * packed, reversed and scaled, so that a product gives the correlation. Signals of one axis are folded into square
 * tiles (fft_tile.h). Tile sizes are those of least predicted cycles per output. NaN and infinities spread over the
 * pair of tiles that holds them. Wins for kernels from about 9x9, or 40 taps of one axis. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "conv/correlate.h"
#include "conv/fft_tile.h"
#include "core/cpu.h"
#include "core/memory.h"
#include "core/parallel.h"

enum { MOST_POINTS = 512, PACK_PARTS = 8, MOST_BATCH = 8, MIN_TASKS = 8, LEAST_TERMS = 24 };

typedef struct fft_plan {
    fc_correlation c;
    fc_fft_tile tile;
    int64_t reach[FC_SPATIAL], valid[FC_SPATIAL]; /* of a tile: extent of the taps, outputs */
    int64_t count[FC_SPATIAL], tiles, pairs;      /* of an image: a NaN never reaches another one */
    int64_t batch, batches;                       /* pairs of a task, tasks of a group */
    int64_t tile_bytes, spectrum_bytes, block_bytes;
    int fused; /* one channel and one filter: a block of rows goes there and back at once */
    /* What a tile holds, as a source of its own: `size` neighbouring positions along each axis. */
    fc_axis axis[FC_SPATIAL];
    int64_t *depth_offset, zero;
    fc_source source;
} fft_plan;

static void release_fft(fc_conv_plan *plan) {
    fft_plan *s = plan->state;
    if (!s) return;
    free(s->depth_offset);
    fc_fft_tile_release(&s->tile);
    fc_correlation_release(&s->c);
    free(s);
}

static fc_status refuse(fc_conv_plan *plan, const char *reason) {
    plan->reason = reason;
    return FC_UNSUPPORTED;
}

/* ---- the choice of tiles ---------------------------------------------------------------------------------------- */

/* Cycles of one pair of tiles, in the units of direct's register tile: passes by the bits of their lengths, two
 * transpositions, filling and storing. */
typedef struct pair_cost {
    double forward, product, inverse;
} pair_cost;

static pair_cost cost_of(const int64_t size[FC_SPATIAL], const int transformed[FC_SPATIAL], int lanes, int long_line) {
    double bits = 0, numbers = 1;
    for (int a = 0; a < FC_SPATIAL; ++a) {
        numbers *= (double)size[a];
        if (transformed[a]) bits += log2((double)size[a]);
    }
    const double vectors = numbers / lanes, passes = 2.4 * bits + (long_line ? 3 : 0) + 14;
    const double one_way = vectors * passes + 10 * numbers / (double)size[WIDTH];
    return (pair_cost){one_way, vectors * 4, one_way};
}

/* Spectra of the kernels come from L3 or from memory, once for all pairs of a task. */
static double total_cost(const fft_plan *s, const pair_cost *cost, double numbers, const fc_kernels *k, int prepared) {
    const double channels = (double)s->c.channels, filters = (double)s->c.filters, groups = (double)s->c.groups;
    const double vectors = numbers / k->lanes, kernels = channels * filters;
    const double bytes = kernels * numbers * 2 * (double)k->element, vector_bytes = 2.0 * k->lanes * (double)k->element;
    const double stream = bytes < (double)fc_l2_bytes() / 2   ? 0
                          : bytes < (double)fc_l3_bytes() / 2 ? vector_bytes / 32
                                                              : vector_bytes / 8;
    const double product = cost->product + vectors * stream / (double)s->batch;
    const double pair = channels * cost->forward + kernels * product + filters * cost->inverse + 300;
    const double pairs = groups * (double)(s->c.n * s->pairs), waiting = 1 + 1 / fmax(groups * (double)s->batches, 1);
    return waiting * pairs * pair + (prepared ? 0 : groups * kernels * (1.2 * cost->forward + vectors * stream));
}

static void lay_tiles(fft_plan *s, const fc_source *source, const int64_t size[FC_SPATIAL], int long_line,
                      size_t element) {
    s->tiles = 1;
    for (int a = 0; a < FC_SPATIAL; ++a) {
        const int64_t points = long_line && a == WIDTH ? size[HEIGHT] * size[WIDTH] : size[a];
        s->valid[a] = long_line && a == HEIGHT ? 1 : points - s->reach[a];
        s->count[a] = fc_ceil_div(source->axis[a]->outputs, s->valid[a]);
        s->tiles *= s->count[a];
    }
    s->pairs = fc_ceil_div(s->tiles, 2);
    const int64_t numbers = size[DEPTH] * size[HEIGHT] * size[WIDTH], pairs = s->c.n * s->pairs;
    const int64_t fit = fc_l2_bytes() / 2 / fc_capped_product(numbers * s->c.channels, 2 * (int64_t)element);
    s->batch = fc_max(1, fc_min(fc_min(fit, MOST_BATCH), pairs * s->c.groups / MIN_TASKS));
    if (s->c.channels == 1 && s->c.filters == 1) s->batch = 1;
    s->batches = fc_ceil_div(pairs, s->batch);
}

/* The next length to try along an axis, 0 after the last one that is of use. */
static int64_t next_length(const fft_plan *s, const fc_source *source, int axis, int64_t length, int transformed,
                           int64_t multiple) {
    const int64_t outputs = source->axis[axis]->outputs, whole = outputs + s->reach[axis];
    if (axis == DEPTH && !transformed) return length ? 0 : 1;
    if (length == 0) return fc_fft_length(s->reach[axis] + 1, multiple);
    return length >= whole || length >= MOST_POINTS ? 0 : fc_fft_length(length + 1, multiple);
}

/* Of all sizes whose tile fits half of L2, the one of least cost; returns it, or a negative number if none fits. */
static double choose_tiles(fft_plan *s, const fc_source *source, const fc_kernels *k, const int transformed[FC_SPATIAL],
                           int long_line, int prepared, int64_t best[FC_SPATIAL]) {
    const int64_t most = fc_l2_bytes() / 2 / (int64_t)(2 * k->element);
    const int64_t line = source->axis[WIDTH]->outputs + s->reach[WIDTH];
    const int64_t multiple = fc_max(k->lanes, 4); /* products take four vectors at a time */
    double least = -1;
    int64_t size[FC_SPATIAL];
    for (int64_t d = 0; (d = next_length(s, source, DEPTH, d, transformed[DEPTH], 1));) {
        for (int64_t h = 0; (h = long_line ? fc_fft_length(h + 1, k->lanes)
                                           : next_length(s, source, HEIGHT, h, transformed[HEIGHT], k->lanes));) {
            if (d * h * k->lanes > most || h > MOST_POINTS) break;
            for (int64_t w = 0; (w = long_line ? fc_fft_length(w + 1, multiple)
                                               : next_length(s, source, WIDTH, w, transformed[WIDTH], multiple));) {
                if (d * h * w > most || w > MOST_POINTS) break;
                if (long_line && (h * w <= s->reach[WIDTH] || (h > k->lanes && w > k->lanes && h * w > 4 * line)))
                    continue;
                size[DEPTH] = d, size[HEIGHT] = h, size[WIDTH] = w;
                lay_tiles(s, source, size, long_line, k->element);
                const pair_cost cost = cost_of(size, transformed, k->lanes, long_line);
                const double total = total_cost(s, &cost, (double)(d * h * w), k, prepared);
                if (least >= 0 && total >= least) continue;
                least = total;
                for (int a = 0; a < FC_SPATIAL; ++a) best[a] = size[a];
            }
        }
    }
    return least;
}

/* ---- plan --------------------------------------------------------------------------------------------------------- */

static fc_status plan_source(fft_plan *s, const fc_source *source) {
    const int64_t depth = s->tile.size[DEPTH];
    s->source = *source;
    s->depth_offset = malloc(sizeof(int64_t) * (size_t)depth);
    if (!s->depth_offset) return FC_NO_MEMORY;
    for (int64_t i = 0; i < depth; ++i) s->depth_offset[i] = source->axis[DEPTH]->low + i;
    for (int a = 0; a < FC_SPATIAL; ++a) {
        s->axis[a] = (fc_axis){.step = 1,
                               .taps = a == DEPTH ? depth : 1,
                               .outputs = source->axis[a]->outputs,
                               .low = source->axis[a]->low,
                               .phases = 1,
                               .offset = s->depth_offset,
                               .residue = &s->zero};
        s->source.axis[a] = &s->axis[a];
    }
    return FC_OK;
}

static fc_status plan_fft(fc_conv_plan *plan) {
    const fc_conv_desc *d = &plan->desc;
    if (d->pass == FC_BACKWARD_WEIGHTS) return refuse(plan, "for forward and backward_data only");
    if (d->accuracy == FC_STRICT) return refuse(plan, "strict: a NaN or infinity would spread over its tile");
    if (plan->other_steps) return refuse(plan, "this epilogue is not fused yet");
    for (int a = 0; a < FC_SPATIAL; ++a)
        if (d->stride[a] != 1 && d->out[a] > 1) return refuse(plan, "a stride would discard most of each tile");
    fft_plan *s = calloc(1, sizeof *s);
    if (!s) return FC_NO_MEMORY;
    plan->state = s;
    fc_status status = fc_correlation_init(&s->c, d);
    if (status != FC_OK) return status;
    if (s->c.phases != 1) return refuse(plan, "a stride would discard most of each tile");
    const fc_kernels *k = plan->kernels;
    const fc_phase *phase = &s->c.phase[0];
    const fc_source *source = &phase->source;
    if (d->accuracy != FC_FAST && s->c.channels * phase->taps < LEAST_TERMS)
        return refuse(plan, "so few products that a plain sum is much more exact");
    int transformed[FC_SPATIAL];
    for (int a = 0; a < FC_SPATIAL; ++a) {
        s->reach[a] = source->axis[a]->reach;
        transformed[a] = s->reach[a] > 0;
    }
    int long_line = !transformed[HEIGHT] && !transformed[DEPTH]; /* and nothing but that line is read */
    for (int a = DEPTH; a <= HEIGHT; ++a)
        long_line = long_line && source->axis[a]->outputs == 1 && source->size[a] == 1 && source->axis[a]->low == 0;
    if (long_line) transformed[HEIGHT] = transformed[WIDTH] = 1;
    int64_t size[FC_SPATIAL] = {0};
    plan->cost = choose_tiles(s, source, k, transformed, long_line, d->prepared, size);
    if (plan->cost < 0) return refuse(plan, "a tile that holds the kernel would not fit the cache");
    lay_tiles(s, source, size, long_line, k->element);
    status = fc_fft_tile_init(&s->tile, k, size, transformed, long_line);
    if (status == FC_OK) status = plan_source(s, source);
    if (status != FC_OK) return status;

    const int64_t element = (int64_t)k->element, spectrum = fc_fft_spectrum(&s->tile);
    s->tile_bytes = (int64_t)fc_align_up((size_t)(s->tile.elements * element));
    s->spectrum_bytes = spectrum * element;
    s->block_bytes = s->tile.block * element;
    s->fused = s->c.channels == 1 && s->c.filters == 1;
    const int64_t kernels = s->c.groups * s->c.filters * s->c.channels;
    if (__builtin_mul_overflow(kernels, s->spectrum_bytes, &plan->packed_bytes)) return FC_UNSUPPORTED;
    plan->packed_bytes += fc_min(PACK_PARTS, kernels) * 2 * s->tile_bytes;
    plan->worker_bytes = 2 * s->batch * s->tile_bytes + s->block_bytes;
    if (!s->fused) plan->worker_bytes += s->batch * s->c.channels * s->spectrum_bytes;
    plan->reason = "products of spectra; wins for large kernels";
    return FC_OK;
}

/* ---- weights ------------------------------------------------------------------------------------------------------ */

typedef struct pack_job {
    const fc_conv_plan *plan;
    const void *w;
    char *packed;
    int64_t kernels, parts;
} pack_job;

static void put(void *array, int64_t at, const void *from, double scale, size_t element) {
    if (element == sizeof(float)) {
        ((float *)array)[at] = (float)(*(const float *)from * scale);
    } else {
        ((double *)array)[at] = *(const double *)from * scale;
    }
}

/* Where tap (d, h, w) stands, so that its spectrum is the conjugate: at minus its position, modulo the tile. */
static int64_t mirrored(const fft_plan *s, int64_t d, int64_t h, int64_t w) {
    const fc_fft_tile *t = &s->tile;
    const fc_axis *const *axis = s->c.phase[0].source.axis;
    const int64_t at[FC_SPATIAL] = {axis[DEPTH]->index[d], axis[HEIGHT]->index[h], axis[WIDTH]->index[w]};
    if (t->long_line) {
        const int64_t points = t->size[HEIGHT] * t->size[WIDTH], p = (points - at[WIDTH]) % points;
        return p / t->size[WIDTH] * t->pitch + p % t->size[WIDTH];
    }
    int64_t p[FC_SPATIAL];
    for (int a = 0; a < FC_SPATIAL; ++a) p[a] = (t->size[a] - at[a]) % t->size[a];
    return p[DEPTH] * t->plane + p[HEIGHT] * t->pitch + p[WIDTH];
}

/* An axis of one tap is not transformed: its weights hold for every position along it. */
static void repeat(const fft_plan *s, void *re) {
    const fc_fft_tile *t = &s->tile;
    const size_t size = t->kernels->element;
    for (int64_t d = 0; d < t->size[DEPTH]; ++d) {
        char *plane = fc_at(re, d * t->plane, size);
        for (int64_t r = 1; r < t->size[HEIGHT] && !t->axis[HEIGHT].passes; ++r)
            memcpy(fc_at(plane, r * t->pitch, size), plane, (size_t)t->size[WIDTH] * size);
        for (int64_t r = 0; r < t->size[HEIGHT] && !t->axis[WIDTH].passes; ++r)
            for (int64_t i = 1; i < t->size[WIDTH]; ++i)
                memcpy(fc_at(plane, r * t->pitch + i, size), fc_at(plane, r * t->pitch, size), size);
    }
}

static void pack_kernel(const pack_job *j, int64_t kernel, void *re, void *im) {
    const fft_plan *s = j->plan->state;
    const fc_correlation *c = &s->c;
    const fc_kernels *k = j->plan->kernels;
    const fc_fft_tile *t = &s->tile;
    const fc_phase *phase = &c->phase[0];
    const fc_axis *const *axis = phase->source.axis;
    const int64_t channel = kernel % c->channels, filter = kernel / c->channels;
    const void *w =
        fc_at(j->w, filter / c->filters * c->w_group + filter % c->filters * c->w_filter + channel * c->w_channel,
              k->element);
    double scale = 1;
    for (int a = 0; a < FC_SPATIAL; ++a)
        if (t->axis[a].passes) scale /= (double)t->size[a];
    memset(re, 0, (size_t)s->tile_bytes);
    memset(im, 0, (size_t)s->tile_bytes);
    for (int64_t i = 0; i < phase->taps; ++i) {
        const int64_t line = i / axis[WIDTH]->taps;
        const int64_t at = mirrored(s, line / axis[HEIGHT]->taps, line % axis[HEIGHT]->taps, i % axis[WIDTH]->taps);
        put(re, at, fc_at(w, phase->tap[i], k->element), scale, k->element);
    }
    repeat(s, re);
    fc_fft_columns(t, re, im);
    char *spectrum = j->packed + kernel * s->spectrum_bytes;
    for (int64_t b = 0; b < t->blocks; ++b) fc_fft_rows(t, re, im, b, spectrum + b * s->block_bytes);
}

static void pack_part(void *ctx, int64_t part, int worker) {
    (void)worker;
    const pack_job *j = ctx;
    const fft_plan *s = j->plan->state;
    char *re = j->packed + j->kernels * s->spectrum_bytes + part * 2 * s->tile_bytes;
    for (int64_t i = j->kernels * part / j->parts; i < j->kernels * (part + 1) / j->parts; ++i)
        pack_kernel(j, i, re, re + s->tile_bytes);
}

static fc_status pack_fft(const fc_conv_plan *plan, const void *w, void *packed, int threads) {
    const fft_plan *s = plan->state;
    pack_job j = {.plan = plan, .w = w, .packed = packed, .kernels = s->c.groups * s->c.filters * s->c.channels};
    j.parts = fc_min(PACK_PARTS, j.kernels);
    fc_parallel_for(j.parts, threads, pack_part, &j);
    return FC_OK;
}

/* ---- execution ---------------------------------------------------------------------------------------------------- */

typedef struct job {
    const fc_conv_plan *plan;
    const fft_plan *s;
    const void *src, *bias;
    const char *packed;
    void *dst;
    char *worker;
} job;

/* A task: a pair of tiles of one image and group. */
typedef struct pair {
    int64_t n, group, number;
} pair;

/* The first output of a tile along each axis. */
static void find_tile(const fft_plan *s, int64_t tile, int64_t start[FC_SPATIAL]) {
    const int64_t line = tile / s->count[WIDTH];
    start[DEPTH] = line / s->count[HEIGHT] * s->valid[DEPTH];
    start[HEIGHT] = line % s->count[HEIGHT] * s->valid[HEIGHT];
    start[WIDTH] = tile % s->count[WIDTH] * s->valid[WIDTH];
}

/* A long line, as rows of a tile; rows that lie inside the signal are copied together. */
static void fill_line(const job *j, const int64_t at[FC_SPATIAL], const void *src, void *part) {
    const fft_plan *s = j->s;
    const fc_kernels *k = j->plan->kernels;
    const fc_fft_tile *t = &s->tile;
    const int64_t first = at[WIDTH] + s->axis[WIDTH].low, rows = t->size[HEIGHT], columns = t->size[WIDTH];
    const int64_t step = s->source.stride[WIDTH];
    int64_t lead = first < 0 ? fc_min(rows, fc_ceil_div(-first, columns)) : 0;
    const int64_t whole = fc_max(0, fc_min(rows - lead, (s->source.size[WIDTH] - first) / columns - lead));
    fc_tile line = {.rows = 1, .columns = columns, .pitch = t->pitch, .plane = t->pitch};
    for (int64_t r = 0; r < rows; r = r + 1 == lead ? lead + whole : r + 1) {
        if (r == 0 && lead == 0) r = whole;
        if (r == rows) break;
        const int64_t start[FC_SPATIAL] = {at[DEPTH], 0, at[WIDTH] + r * columns};
        fc_tile_fill(&line, &s->source, k, src, 1, start, 1, fc_at(part, r * t->pitch, k->element));
    }
    if (whole > 0)
        k->block(fc_at(part, lead * t->pitch, k->element), t->pitch,
                 fc_at(src, (first + lead * columns) * step, k->element), columns * step, step, whole, 0, columns, 0,
                 0);
}

static void fill(const job *j, const pair *pair, int64_t tile, int64_t channel, void *part) {
    const fft_plan *s = j->s;
    const fc_correlation *c = &s->c;
    const fc_fft_tile *t = &s->tile;
    if (tile >= s->tiles) {
        memset(part, 0, (size_t)s->tile_bytes);
        return;
    }
    int64_t start[FC_SPATIAL];
    find_tile(s, tile, start);
    const void *src =
        fc_at(j->src, pair->n * c->src_n + pair->group * c->src_group + channel * s->source.channel_stride,
              j->plan->kernels->element);
    if (t->long_line) {
        fill_line(j, start, src, part);
        return;
    }
    const fc_tile layout = {.rows = t->size[HEIGHT], .columns = t->size[WIDTH], .pitch = t->pitch, .plane = t->plane};
    fc_tile_fill(&layout, &s->source, j->plan->kernels, src, 1, start, t->size[HEIGHT], part);
}

static void store(const job *j, const pair *pair, int64_t tile, int64_t filter, const void *part) {
    const fft_plan *s = j->s;
    const fc_correlation *c = &s->c;
    const fc_kernels *k = j->plan->kernels;
    const fc_fft_tile *t = &s->tile;
    if (tile >= s->tiles) return;
    const int64_t *stride = c->phase[0].dst_stride;
    int64_t to = pair->n * c->dst_n + pair->group * c->dst_group + filter * c->dst_channel;
    int64_t start[FC_SPATIAL], count[FC_SPATIAL];
    find_tile(s, tile, start);
    for (int a = 0; a < FC_SPATIAL; ++a) {
        to += start[a] * stride[a];
        count[a] = fc_min(s->valid[a], s->axis[a].outputs - start[a]);
    }
    fc_finish finish = j->plan->finish;
    if (j->bias) finish.bias = fc_at(j->bias, pair->group * c->filters + filter, k->element);
    void *dst = fc_at(j->dst, to, k->element);
    if (t->long_line) {
        const int64_t columns = t->size[WIDTH], rows = count[WIDTH] / columns, rest = count[WIDTH] % columns;
        k->store_rows(dst, columns * stride[WIDTH], stride[WIDTH], part, t->pitch, rows, columns, &finish);
        if (rest)
            k->store_rows(fc_at(dst, rows * columns * stride[WIDTH], k->element), 0, stride[WIDTH],
                          fc_at(part, rows * t->pitch, k->element), t->pitch, 1, rest, &finish);
        return;
    }
    for (int64_t d = 0; d < count[DEPTH]; ++d)
        k->store_rows(fc_at(dst, d * stride[DEPTH], k->element), stride[HEIGHT], stride[WIDTH],
                      fc_at(part, d * t->plane, k->element), t->pitch, count[HEIGHT], count[WIDTH], &finish);
}

/* A worker's scratch: for each pair of its task the two parts of a tile, a block, for each pair the channels' spectra. */
typedef struct desk {
    char *parts, *block, *spectra;
} desk;

static void load_pair(const job *j, const pair *pair, int64_t channel, char *re) {
    char *im = re + j->s->tile_bytes;
    fill(j, pair, 2 * pair->number, channel, re);
    fill(j, pair, 2 * pair->number + 1, channel, im);
    fc_fft_columns(&j->s->tile, re, im);
}

static void store_pair(const job *j, const pair *pair, int64_t filter, char *re) {
    char *im = re + j->s->tile_bytes;
    fc_fft_columns_inverse(&j->s->tile, re, im);
    store(j, pair, 2 * pair->number, filter, re);
    store(j, pair, 2 * pair->number + 1, filter, im);
}

static void run_fused(const job *j, const pair *pair, const desk *at) {
    const fft_plan *s = j->s;
    const fc_fft_tile *t = &s->tile;
    char *re = at->parts, *im = re + s->tile_bytes;
    load_pair(j, pair, 0, re);
    for (int64_t b = 0; b < t->blocks; ++b) {
        fc_fft_rows(t, re, im, b, at->block);
        t->kernels->fft_multiply(at->block, j->packed + pair->group * s->spectrum_bytes + b * s->block_bytes,
                                 t->size[WIDTH], 0);
        fc_fft_rows_inverse(t, at->block, b, re, im);
    }
    store_pair(j, pair, 0, re);
}

/* Every pair's channels are transformed; then a filter's spectra serve all pairs while they are near. */
static void run_channels(const job *j, const pair *pairs, int64_t count, const desk *at) {
    const fft_plan *s = j->s;
    const fc_correlation *c = &s->c;
    const fc_fft_tile *t = &s->tile;
    const int64_t spectrum = fc_fft_spectrum(t), channels_bytes = c->channels * s->spectrum_bytes;
    for (int64_t i = 0; i < count; ++i) {
        for (int64_t channel = 0; channel < c->channels; ++channel) {
            char *to = at->spectra + i * channels_bytes + channel * s->spectrum_bytes;
            load_pair(j, &pairs[i], channel, at->parts);
            for (int64_t b = 0; b < t->blocks; ++b)
                fc_fft_rows(t, at->parts, at->parts + s->tile_bytes, b, to + b * s->block_bytes);
        }
    }
    for (int64_t f = 0; f < c->filters; ++f) {
        const char *w = j->packed + (pairs->group * c->filters + f) * channels_bytes;
        for (int64_t b = 0; b < t->blocks; ++b) {
            const int64_t block = b * s->block_bytes;
            for (int64_t i = 0; i < count; ++i) {
                char *re = at->parts + 2 * i * s->tile_bytes;
                t->kernels->fft_accumulate(at->block, at->spectra + i * channels_bytes + block, spectrum, w + block,
                                           spectrum, c->channels, t->size[WIDTH]);
                fc_fft_rows_inverse(t, at->block, b, re, re + s->tile_bytes);
            }
        }
        for (int64_t i = 0; i < count; ++i) store_pair(j, &pairs[i], f, at->parts + 2 * i * s->tile_bytes);
    }
}

static void run_task(void *ctx, int64_t index, int worker) {
    const job *j = ctx;
    const fft_plan *s = j->s;
    desk at = {.parts = j->worker + worker * j->plan->worker_bytes};
    at.block = at.parts + 2 * s->batch * s->tile_bytes;
    at.spectra = at.block + s->block_bytes;
    const int64_t first = index % s->batches * s->batch, count = fc_min(s->batch, s->c.n * s->pairs - first);
    pair pairs[MOST_BATCH];
    for (int64_t i = 0; i < count; ++i)
        pairs[i] = (pair){.n = (first + i) / s->pairs, .group = index / s->batches, .number = (first + i) % s->pairs};
    if (s->fused) {
        run_fused(j, pairs, &at);
    } else {
        run_channels(j, pairs, count, &at);
    }
}

static fc_status execute_fft(const fc_conv_plan *plan, const fc_conv_args *args, const fc_conv_scratch *scratch) {
    const fft_plan *s = plan->state;
    job j = {
        .plan = plan,
        .s = s,
        .src = fc_correlation_src(plan, args),
        .bias = plan->has_bias ? args->bias : NULL,
        .packed = scratch->packed,
        .dst = fc_correlation_dst(plan, args),
        .worker = scratch->worker,
    };
    fc_parallel_for(s->c.groups * s->batches, scratch->threads, run_task, &j);
    return FC_OK;
}

const fc_conv_algorithm fc_conv_fft = {"fft", plan_fft, pack_fft, execute_fft, release_fft};
