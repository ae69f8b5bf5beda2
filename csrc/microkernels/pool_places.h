/* pool_places.h: max pooling that also tells where the maximum is, and what is done with such indices afterwards.
 * Within one call places are reals (exact below FC_POOL_EXACT_PLACES), so that they live in the same lanes as values. */

FC_INLINE vec pool_ramp(void) {
    real lanes[VLANES];
    for (int i = 0; i < VLANES; ++i) lanes[i] = (real)i;
    return vload(lanes);
}

static void FC_NAME(fc_pool_columns_indexed)(const void *const *rows, const int64_t *offsets, int64_t row_count,
                                             int64_t step, int64_t before, int64_t length, int64_t after, void *buffer_,
                                             void *places_) {
    real *buffer = buffer_, *places = places_;
    const int64_t total = before + length + after;
    for (int64_t i = 0; i < before; ++i) buffer[i] = -(real)INFINITY, places[i] = (real)INFINITY;
    for (int64_t i = before + length; i < total; ++i) buffer[i] = -(real)INFINITY, places[i] = (real)INFINITY;
    buffer += before;
    places += before;
    if (step == 1) {
        const vec ramp = pool_ramp();
        for (int64_t i = 0; i < length; i += VLANES) {
            const int n = length - i < VLANES ? (int)(length - i) : VLANES;
            const vec column = vadd(ramp, vbroadcast((real)i));
            vec best = pool_load((const real *)rows[0] + i, n);
            vec place = vadd(column, vbroadcast((real)offsets[0]));
            for (int64_t r = 1; r < row_count; ++r) {
                const vec v = pool_load((const real *)rows[r] + i, n);
                const vmask take = pool_beats(v, best);
                best = vselect(take, v, best);
                place = vselect(take, vadd(column, vbroadcast((real)offsets[r])), place);
            }
            pool_store(buffer + i, best, n);
            pool_store(places + i, place, n);
        }
        return;
    }
    for (int64_t i = 0; i < length; ++i) {
        real best = ((const real *)rows[0])[i * step];
        int64_t place = offsets[0];
        for (int64_t r = 1; r < row_count; ++r) {
            const real v = ((const real *)rows[r])[i * step];
            if (pool_beats_one(v, best)) best = v, place = offsets[r];
        }
        buffer[i] = best;
        places[i] = (real)(place + i);
    }
}

/* Columns come left to right, but the first maximum is the one with the smallest place: an equal one may stand in a higher
 * row further right. */
FC_INLINE void pool_windows_indexed_body(const int64_t stride, const real *buffer, const real *places, int64_t dilation,
                                         int64_t taps, int64_t count, real *y, int64_t base, int64_t *index,
                                         int64_t index_step) {
    for (int64_t q = 0; q < count; q += VLANES) {
        const int n = count - q < VLANES ? (int)(count - q) : VLANES;
        const real *p = buffer + q * stride, *from = places + q * stride;
        vec best = pool_load_strided(p, stride, n), place = pool_load_strided(from, stride, n);
        for (int64_t t = 1; t < taps; ++t) {
            const vec v = pool_load_strided(p + t * dilation, stride, n);
            const vec at = pool_load_strided(from + t * dilation, stride, n);
            const vmask equal = vor(veq(v, best), vand(vnan(v), vnan(best)));
            const vmask take = vor(pool_beats(v, best), vand(equal, vgt(place, at)));
            best = vselect(take, v, best);
            place = vselect(take, at, place);
        }
        pool_store(y + q, best, n);
        real found[VLANES];
        vstore(found, place);
        for (int i = 0; i < n; ++i) index[(q + i) * index_step] = base + (int64_t)found[i];
    }
}

static void FC_NAME(fc_pool_windows_indexed)(const void *buffer, const void *places, int64_t stride, int64_t dilation,
                                             int64_t taps, int64_t count, void *y, int64_t base, int64_t *index,
                                             int64_t index_step) {
#define CALL(STRIDE)                                                                                                   \
    pool_windows_indexed_body(STRIDE, buffer, places, dilation, taps, count, y, base, index, index_step)
    FC_POOL_STRIDE(stride, CALL)
#undef CALL
}

static void FC_NAME(fc_pool_search)(const void *const *rows, const int64_t *offsets, int64_t row_count, int64_t step,
                                    const fc_pool_spans *spans, void *y_, int64_t base, int64_t *index,
                                    int64_t index_step) {
    real *y = y_;
    for (int64_t q = 0; q < spans->n; ++q) {
        real best = ((const real *)rows[0])[spans->first[q] * step];
        int64_t place = offsets[0] + spans->first[q];
        for (int64_t r = 0; r < row_count; ++r) {
            for (int64_t t = 0; t < spans->count[q]; ++t) {
                const int64_t column = spans->first[q] + t * spans->step;
                const real v = ((const real *)rows[r])[column * step];
                if (pool_beats_one(v, best)) best = v, place = offsets[r] + column;
            }
        }
        y[q] = best;
        index[q * index_step] = base + place;
    }
}

FC_INLINE int64_t pool_position(const fc_pool_plane *at, int64_t index) {
    if (at->flat) return index * at->flat;
    const int64_t row = index / at->size[2];
    return index % at->size[2] * at->stride[2] + row % at->size[1] * at->stride[1] + row / at->size[1] * at->stride[0];
}

static int FC_NAME(fc_pool_scatter_add)(const fc_pool_plane *at, const int64_t *index, int64_t index_step,
                                        const void *values_, int64_t value_step, int64_t count, void *plane_) {
    const real *values = values_;
    real *plane = plane_;
    for (int64_t i = 0; i < count; ++i) {
        const int64_t k = index[i * index_step];
        if (k < 0 || k >= at->elements) return 0;
        plane[pool_position(at, k) + i * at->lane] += values[i * value_step];
    }
    return 1;
}

static int FC_NAME(fc_pool_scatter_set)(const fc_pool_plane *at, const int64_t *index, int64_t index_step,
                                        const void *values_, int64_t value_step, int64_t count, void *plane_) {
    const real *values = values_;
    real *plane = plane_;
    for (int64_t i = 0; i < count; ++i) {
        const int64_t k = index[i * index_step];
        if (k < 0 || k >= at->elements) return 0;
        plane[pool_position(at, k) + i * at->lane] = values[i * value_step];
    }
    return 1;
}

static int FC_NAME(fc_pool_gather)(const fc_pool_plane *at, const int64_t *index, int64_t index_step, void *values_,
                                   int64_t value_step, int64_t count, const void *plane_) {
    real *values = values_;
    const real *plane = plane_;
    for (int64_t i = 0; i < count; ++i) {
        const int64_t k = index[i * index_step];
        if (k < 0 || k >= at->elements) return 0;
        values[i * value_step] = plane[pool_position(at, k) + i * at->lane];
    }
    return 1;
}
