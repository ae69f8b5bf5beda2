/* depthwise_spread.h: the gradient of a depthwise layer of stride 2 for one plane, all four phases of a place together.
 *
 * The places 2a + i of a row of the gradient that both parities of the outputs q, q + 2, ... read: with an even `left`
 * the even taps give the first output of a pair and the odd ones the second, all from columns q/2 + left/2 - j; with an
 * odd one the odd taps give the first, and the even ones read one column further right. A tile is two rows of outputs
 * and a vector of pairs; tiles sweep along the rows and edges are those of depthwise_planes.h. */

/* The outputs of the pairs pair .. pair + VLANES in the rows 2y and 2y + 1 that `want` has bits for, from lines[reach - u]
 * = row y - u of the source; n columns are left from 2*pair on. Edges and weights as in plane_tile. */
FC_INLINE void spread_tile(const int k, const int odd, const int edge, const plane_strip *s, const vspan *window,
                           const vec *weight, int want, int64_t pair, int64_t n) {
    const fc_plane *p = s->p;
    const int reach = (k - 1) / 2;
    vec sum[2][2];
#pragma GCC unroll 4
    for (int u = 0; u <= reach; ++u) {
        vec v[4];
#pragma GCC unroll 4
        for (int j = 0; j <= reach; ++j) {
            const real *from = s->lines[reach - u] + pair - j;
            v[j] = edge ? vload_cut(from, window[j]) : vhold(vload(from));
        }
#pragma GCC unroll 2
        for (int a = 0; a < 2; ++a) {
#pragma GCC unroll 7
            for (int j = 0; j < k; ++j) {
                const int i = 2 * u + a, parity = j % 2 ? 1 - odd : odd;
                if (i >= k) continue;
                const vec tap = PLANE_HELD(k) && !edge ? weight[i * k + j] : vbroadcast(s->w[i * k + j]);
                const vec from = v[j / 2 + (j % 2 ? odd : 0)];
                sum[a][parity] = u == 0 && j < 2 ? vmul(tap, from) : vfma(tap, from, sum[a][parity]);
            }
        }
    }
    /* The second vector of a row starts one early where only one column is missing. */
    const int64_t second = edge && n == 2 * VLANES - 1 && n > VLANES ? VLANES - 1 : VLANES;
    const int64_t first_n = edge && n < VLANES ? n : VLANES,
                  second_n = edge && n + 1 < 2 * VLANES ? n - VLANES : VLANES;
#pragma GCC unroll 2
    for (int a = 0; a < 2; ++a) {
        if (!(want >> a & 1)) continue;
        const int64_t other = a * p->residual_pitch + 2 * pair;
        real *to = s->dst + a * p->out_pitch + 2 * pair;
        vec low = vadd(vziplow(sum[a][0], sum[a][1]), s->bias), high = vadd(vziphigh(sum[a][0], sum[a][1]), s->bias);
        if (second < VLANES) high = vbefore(low, high);
        if (s->more) {
            low = plane_more(s, low, other, first_n);
            if (!edge || n > VLANES) high = plane_more(s, high, other + second, second_n);
        }
        plane_store(to, low, first_n);
        if (!edge || n > VLANES) plane_store(to + second, high, second_n);
    }
}

typedef void spread_edge_fn(const plane_strip *s, const vspan *window, int want, int64_t pair, int64_t n);

FC_INLINE void spread_body(const int k, const int odd, const fc_plane *gradient, spread_edge_fn *edge, const real *w,
                           real *dst, const fc_finish *finish) {
    const int reach = (k - 1) / 2;
    fc_plane plane = *gradient;
    const fc_plane *p = &plane;
    plane.left = (gradient->left - odd) / 2 + odd; /* the newest column of the first pair */
    const int64_t pairs = (p->columns + 1) / 2, end = p->top + p->rows;
    const int64_t final = pairs > VLANES ? pairs - VLANES : 0; /* where the last tile starts */
    /* tiles at low <= pair <= high are inside the image */
    const int64_t low = p->left >= reach ? 0 : (reach - p->left + VLANES - 1) / VLANES * VLANES;
    const int64_t whole = p->columns / 2 - VLANES, room = p->width - VLANES - p->left;
    const int64_t high = whole < room ? whole : room;
    plane_strip s = plane_strip_of(p, w, finish);
    plane_windows kept = {.at = {-1, -1}};
    vec weight[9];
    plane_hold(k, w, weight);
    for (int64_t y = p->top >> 1; 2 * y < end; ++y) {
        const int64_t r = 2 * y - p->top;
        const int want = (r >= 0) + 2 * (2 * y + 1 < end);
        plane_enter(&s, dst, r, y - reach, 1, reach + 1);
        for (int64_t pair = 0; pair < pairs;) {
            for (; pair >= low && pair <= high; pair += VLANES)
                spread_tile(k, odd, 0, &s, NULL, weight, want, pair, 2 * VLANES);
            if (pair >= pairs) break;
            const int64_t at = pair < final ? pair : final;
            const int slot = at > 0;
            if (kept.at[slot] != at) {
                kept.at[slot] = at;
                for (int j = 0; j <= reach; ++j)
                    kept.lanes[slot][j] = vspan_of(j - p->left - at, p->width - p->left - at + j);
            }
            edge(&s, kept.lanes[slot], want, at, p->columns - 2 * at);
            pair += VLANES;
        }
    }
}

#define FC_PLANE_SPREAD_ODD(K, ODD)                                                                                    \
    static __attribute__((noinline)) void FC_NAME(fc_spread_edge_##K##_##ODD)(                                         \
        const plane_strip *s, const vspan *window, int want, int64_t pair, int64_t n) {                                \
        spread_tile(K, ODD, 1, s, window, NULL, want, pair, n);                                                        \
    }
#define FC_PLANE_SPREAD(K)                                                                                             \
    FC_PLANE_SPREAD_ODD(K, 0)                                                                                          \
    FC_PLANE_SPREAD_ODD(K, 1)                                                                                          \
    static void FC_NAME(fc_plane_spread_##K)(const fc_plane *p, const void *w, void *dst, const fc_finish *finish) {   \
        if (p->left & 1) {                                                                                             \
            spread_body(K, 1, p, FC_NAME(fc_spread_edge_##K##_1), w, dst, finish);                                     \
        } else {                                                                                                       \
            spread_body(K, 0, p, FC_NAME(fc_spread_edge_##K##_0), w, dst, finish);                                     \
        }                                                                                                              \
    }
FC_PLANE_SPREAD(3)
FC_PLANE_SPREAD(5)
FC_PLANE_SPREAD(7)

#define FC_PLANE_SPREAD_TABLE                                                                                          \
    { FC_NAME(fc_plane_spread_3), FC_NAME(fc_plane_spread_5), FC_NAME(fc_plane_spread_7) }
