/* pool_pixels.h: channels last. A lane is a channel; a window is a list of pixels. */

FC_INLINE void pool_pixels_body(const fc_pool_reduction reduction, const fc_pool_rule *rule, const void *const *rows,
                                int64_t row_count, const fc_pool_spans *spans, int64_t pixel, int64_t channels,
                                const double *divisors, double outer, real *y, int64_t y_pixel) {
    const real p = (real)rule->p;
    for (int64_t q = 0; q < spans->n; ++q) {
        const int64_t start = spans->first[q] * pixel, hop = spans->step * pixel, taps = spans->count[q];
        const real divisor = (real)(divisors ? outer * divisors[q] : outer);
        for (int64_t c = 0; c < channels; c += VLANES) {
            const int n = channels - c < VLANES ? (int)(channels - c) : VLANES;
            vec sum = vbroadcast(pool_identity(reduction));
            for (int64_t r = 0; r < row_count; ++r) {
                const real *from = (const real *)rows[r] + start + c;
                if (n == VLANES) {
                    for (int64_t t = 0; t < taps; ++t) sum = pool_combine(reduction, sum, vload(from + t * hop), p);
                } else {
                    for (int64_t t = 0; t < taps; ++t)
                        sum = pool_combine(reduction, sum, vload_part(from + t * hop, n), p);
                }
            }
            if (divisor != 1) sum = vdiv(sum, vbroadcast(divisor));
            sum = pool_root(rule->root, sum, p);
            pool_store(y + q * y_pixel + c, sum, n);
        }
    }
}

static void FC_NAME(fc_pool_pixels)(const fc_pool_rule *rule, const void *const *rows, int64_t row_count,
                                    const fc_pool_spans *spans, int64_t pixel, int64_t channels, const double *divisors,
                                    double outer, void *y, int64_t y_pixel){
#define CALL(REDUCTION)                                                                                                \
    pool_pixels_body(REDUCTION, rule, rows, row_count, spans, pixel, channels, divisors, outer, y, y_pixel)
    FC_POOL_SELECT(rule->reduction, CALL)
#undef CALL
}

/* The first maximum of one window in `n` channels, and its place offsets[r] + column. */
FC_INLINE vec pool_pixel_search(const void *const *rows, const int64_t *offsets, int64_t row_count, int64_t first,
                                int64_t step, int64_t taps, int64_t pixel, int64_t c, int n, vec *place) {
    vec best = pool_load((const real *)rows[0] + first * pixel + c, n);
    vec at = vbroadcast((real)(offsets[0] + first));
    for (int64_t r = 0; r < row_count; ++r) {
        const real *from = (const real *)rows[r] + first * pixel + c;
        for (int64_t t = 0; t < taps; ++t) {
            const vec v = pool_load(from + t * step * pixel, n);
            const vmask take = pool_beats(v, best);
            best = vselect(take, v, best);
            at = vselect(take, vbroadcast((real)(offsets[r] + first + t * step)), at);
        }
    }
    *place = at;
    return best;
}

static void FC_NAME(fc_pool_pixels_indexed)(const void *const *rows, const int64_t *offsets, int64_t row_count,
                                            const fc_pool_spans *spans, int64_t pixel, int64_t channels, void *y_,
                                            int64_t y_pixel, int64_t base, int64_t *index, int64_t index_pixel) {
    real *y = y_;
    for (int64_t q = 0; q < spans->n; ++q) {
        for (int64_t c = 0; c < channels; c += VLANES) {
            const int n = channels - c < VLANES ? (int)(channels - c) : VLANES;
            vec place;
            const vec best = pool_pixel_search(rows, offsets, row_count, spans->first[q], spans->step, spans->count[q],
                                               pixel, c, n, &place);
            pool_store(y + q * y_pixel + c, best, n);
            real found[VLANES];
            vstore(found, place);
            for (int i = 0; i < n; ++i) index[q * index_pixel + c + i] = base + (int64_t)found[i];
        }
    }
}

FC_INLINE void pool_pixel_put(real *to, vec value, int n, int fresh) {
    pool_store(to, fresh ? value : vadd(pool_load(to, n), value), n);
}

/* What is left of dy after an element that equals the maximum took it: the first one gets all. */
static void FC_NAME(fc_pool_pixels_max_backward)(const void *const *rows, void *const *dx_rows, int64_t row_count,
                                                 const fc_pool_spans *spans, int64_t pixel, int64_t dx_pixel,
                                                 int64_t channels, const void *dy_, int64_t dy_pixel, int fresh) {
    const real *dy = dy_;
    for (int64_t q = 0; q < spans->n; ++q) {
        const int64_t first = spans->first[q], taps = spans->count[q];
        for (int64_t c = 0; c < channels; c += VLANES) {
            const int n = channels - c < VLANES ? (int)(channels - c) : VLANES;
            vec best = vbroadcast(-(real)INFINITY);
            for (int64_t r = 0; r < row_count; ++r) {
                const real *from = (const real *)rows[r] + first * pixel + c;
                for (int64_t t = 0; t < taps; ++t) {
                    const real *p = from + t * spans->step * pixel;
                    best = pool_max(best, pool_load(p, n));
                }
            }
            vec left = pool_load(dy + q * dy_pixel + c, n);
            for (int64_t r = 0; r < row_count; ++r) {
                const real *from = (const real *)rows[r] + first * pixel + c;
                real *to = (real *)dx_rows[r] + first * dx_pixel + c;
                for (int64_t t = 0; t < taps; ++t) {
                    const real *p = from + t * spans->step * pixel;
                    const vec v = pool_load(p, n);
                    const vmask hit = vor(veq(v, best), vnan(v));
                    pool_pixel_put(to + t * spans->step * dx_pixel, vselect(hit, left, vzero()), n, fresh);
                    left = vselect(hit, vzero(), left);
                }
            }
        }
    }
}

static void FC_NAME(fc_pool_pixels_spread)(const void *dy_, int64_t dy_pixel, const double *divisors, double outer,
                                           void *const *dx_rows, int64_t row_count, const fc_pool_spans *spans,
                                           int64_t dx_pixel, int64_t channels, int fresh) {
    const real *dy = dy_;
    for (int64_t q = 0; q < spans->n; ++q) {
        const vec divisor = vbroadcast((real)(divisors ? outer * divisors[q] : outer));
        const int64_t start = spans->first[q] * dx_pixel, hop = spans->step * dx_pixel;
        for (int64_t c = 0; c < channels; c += VLANES) {
            const int n = channels - c < VLANES ? (int)(channels - c) : VLANES;
            const vec value = vdiv(pool_load(dy + q * dy_pixel + c, n), divisor);
            for (int64_t r = 0; r < row_count; ++r) {
                real *to = (real *)dx_rows[r] + start + c;
                for (int64_t t = 0; t < spans->count[q]; ++t) pool_pixel_put(to + t * hop, value, n, fresh);
            }
        }
    }
}

FC_INLINE void pool_pixels_norm_body(const fc_pool_reduction reduction, const void *const *rows, void *const *dx_rows,
                                     int64_t row_count, const fc_pool_spans *spans, int64_t pixel, int64_t dx_pixel,
                                     int64_t channels, const real *dy, int64_t dy_pixel, int fresh) {
    for (int64_t q = 0; q < spans->n; ++q) {
        const int64_t first = spans->first[q], taps = spans->count[q];
        for (int64_t c = 0; c < channels; c += VLANES) {
            const int n = channels - c < VLANES ? (int)(channels - c) : VLANES;
            const vec g = pool_load(dy + q * dy_pixel + c, n);
            vec sum = vzero();
            for (int64_t r = 0; r < row_count; ++r)
                for (int64_t t = 0; t < taps; ++t) {
                    const real *from = (const real *)rows[r] + (first + t * spans->step) * pixel + c;
                    sum = pool_combine(reduction, sum, pool_load(from, n), 0);
                }
            const vec y = vsqrt(sum);
            const vmask empty = veq(sum, vzero());
            for (int64_t r = 0; r < row_count; ++r)
                for (int64_t t = 0; t < taps; ++t) {
                    const vec v = pool_load((const real *)rows[r] + (first + t * spans->step) * pixel + c, n);
                    const vec slope = reduction == FC_REDUCE_SUM_SQUARES ? vselect(empty, vzero(), vmul(vdiv(v, y), g))
                                                                         : pool_signed(v, g);
                    pool_pixel_put((real *)dx_rows[r] + (first + t * spans->step) * dx_pixel + c, slope, n, fresh);
                }
        }
    }
}

static void FC_NAME(fc_pool_pixels_norm_backward)(const fc_pool_rule *rule, const void *const *rows,
                                                  void *const *dx_rows, int64_t row_count, const fc_pool_spans *spans,
                                                  int64_t pixel, int64_t dx_pixel, int64_t channels, const void *dy,
                                                  int64_t dy_pixel, int fresh) {
    if (rule->reduction == FC_REDUCE_SUM_SQUARES) {
        pool_pixels_norm_body(FC_REDUCE_SUM_SQUARES, rows, dx_rows, row_count, spans, pixel, dx_pixel, channels, dy,
                              dy_pixel, fresh);
    } else {
        pool_pixels_norm_body(FC_REDUCE_SUM_ABS, rows, dx_rows, row_count, spans, pixel, dx_pixel, channels, dy,
                              dy_pixel, fresh);
    }
}
