/* product.h: the register tile of a matrix product whose operands stay where they are. mr rows by xr vectors of columns
 * rest in registers while the sum runs over depth: per step xr loads of b and mr broadcasts of a, each at a run-time
 * distance. Rows of b far apart cost a TLB entry each and lines that one L1 set cannot hold, so the first tile of a block
 * of rows copies the columns it reads into a panel that the others read, and asks for the columns of the next panel.
 * The copy is two stores beside a step's multiply-adds, next to nothing (Zen 4, AVX2, 64 x 256 by 3136 columns, one
 * thread: 81 % of the peak in place with 4x3 tiles, 90 % with 6x2, 94 % so). Tiles: 8x3 with 32 registers, 6x2 with 16
 * (4x3 for the last three vectors of an odd number).
 * Each lane adds in the order of k: tiling never changes bits. */

/* Bias of rows or columns, the residual, then the activation: passes over the registers, so that what is not asked for
 * costs one branch of the tile and not one of each vector. `last` lanes of the last vector of columns exist. */
static inline __attribute__((always_inline)) void fc_product_finish(const int mr, const int xr, const fc_product *p,
                                                                    vec acc[FC_MAX_MR][FC_MAX_XR], int last,
                                                                    const fc_finish *finish) {
    const real *bias = finish->bias, *residual = finish->residual;
    if (bias && p->bias_columns) {
#pragma GCC unroll 3
        for (int x = 0; x < xr; ++x) {
            const vec v = x < xr - 1 || last == VLANES ? vload(bias + x * VLANES) : vload_part(bias + x * VLANES, last);
#pragma GCC unroll 8
            for (int m = 0; m < mr; ++m) acc[m][x] = vadd(acc[m][x], v);
        }
    } else if (bias) {
#pragma GCC unroll 8
        for (int m = 0; m < mr; ++m) {
            const vec v = vbroadcast(bias[m]);
#pragma GCC unroll 3
            for (int x = 0; x < xr; ++x) acc[m][x] = vadd(acc[m][x], v);
        }
    }
    if (residual) {
#pragma GCC unroll 8
        for (int m = 0; m < mr; ++m, residual += p->residual_row) {
#pragma GCC unroll 3
            for (int x = 0; x < xr - 1; ++x) acc[m][x] = vadd(acc[m][x], vload(residual + x * VLANES));
            const real *from = residual + (xr - 1) * VLANES;
            acc[m][xr - 1] = vadd(acc[m][xr - 1], last == VLANES ? vload(from) : vload_part(from, last));
        }
    }
    if (finish->activation == FC_IDENTITY) return;
#pragma GCC unroll 8
    for (int m = 0; m < mr; ++m) {
#pragma GCC unroll 3
        for (int x = 0; x < xr; ++x) acc[m][x] = fc_activation_vec(acc[m][x], finish);
    }
}

/* The sums of a tile; with `panel` b is copied there as [k][xr vectors]. */
static inline __attribute__((always_inline)) void fc_product_sums(const int mr, const int xr, const fc_product *p,
                                                                  const real *a, const real *b, real *panel,
                                                                  vec acc[FC_MAX_MR][FC_MAX_XR]) {
    const int64_t a_row = p->a_row, a_row3 = 3 * a_row, a_row5 = 5 * a_row, a_step = p->a_step, b_step = p->b_step;
    /* the last element of the next panel: a line it shares with this one is here already */
    const int64_t ahead = 2 * xr * VLANES - 1;
    const real *next = a + mr * a_row; /* rows of the next tile, as many elements a step as this one reads */
    const int64_t next_step = a_step == 1 ? mr : 0;
    for (int64_t k = p->depth; k > 0; --k, a += a_step, b += b_step, next += next_step) {
        vec v[FC_MAX_XR];
        vprefetch(next);
#pragma GCC unroll 3
        for (int x = 0; x < xr; ++x) v[x] = vload(b + x * VLANES);
        if (panel) {
#pragma GCC unroll 3
            for (int x = 0; x < xr; ++x) vstore(panel + x * VLANES, v[x]);
            panel += xr * VLANES;
            vprefetch(b + ahead);
        }
#pragma GCC unroll 8
        for (int m = 0; m < mr; ++m) {
            const vec s = vbroadcast(fc_outer_step(a, a + 7 * a_row, m, a_row, a_row3, a_row5));
#pragma GCC unroll 3
            for (int x = 0; x < xr; ++x) acc[m][x] = vfma(s, v[x], acc[m][x]);
        }
    }
}

static inline __attribute__((always_inline)) void fc_product_tile(const int mr, const int xr, const fc_product *p,
                                                                  const real *a, const real *b, real *c, int64_t count,
                                                                  const fc_finish *finish) {
    const int64_t ldc = p->ldc;
    vec acc[FC_MAX_MR][FC_MAX_XR];
#pragma GCC unroll 8
    for (int m = 0; m < mr; ++m) {
#pragma GCC unroll 3
        for (int x = 0; x < xr; ++x) acc[m][x] = vzero();
    }
    if (p->panel) {
        fc_product_sums(mr, xr, p, a, b, p->panel, acc);
    } else {
        fc_product_sums(mr, xr, p, a, b, NULL, acc);
    }
    const int last = (int)(count - (xr - 1) * VLANES);
    fc_product_finish(mr, xr, p, acc, last, finish);
#pragma GCC unroll 8
    for (int m = 0; m < mr; ++m, c += ldc) {
#pragma GCC unroll 3
        for (int x = 0; x < xr - 1; ++x) vstore(c + x * VLANES, acc[m][x]);
        if (last == VLANES) {
            vstore(c + (xr - 1) * VLANES, acc[m][xr - 1]);
        } else {
            vstore_part(c + (xr - 1) * VLANES, acc[m][xr - 1], last);
        }
    }
}

#define FC_PRODUCT(MR, XR)                                                                                             \
    static void FC_NAME(fc_product_##MR##x##XR)(const fc_product *p, const void *a, const void *b, void *c,            \
                                                int64_t count, const fc_finish *finish) {                              \
        fc_product_tile(MR, XR, p, a, b, c, count, finish);                                                            \
    }
#define FC_PRODUCT_ENTRY(MR, XR) FC_NAME(fc_product_##MR##x##XR)

FC_PRODUCT(1, 1)
FC_PRODUCT(1, 2)
FC_PRODUCT(1, 3)
FC_PRODUCT(2, 1)
FC_PRODUCT(2, 2)
FC_PRODUCT(2, 3)
FC_PRODUCT(3, 1)
FC_PRODUCT(3, 2)
FC_PRODUCT(3, 3)
FC_PRODUCT(4, 1)
FC_PRODUCT(4, 2)
FC_PRODUCT(4, 3)
FC_PRODUCT(5, 1)
FC_PRODUCT(5, 2)
FC_PRODUCT(6, 1)
FC_PRODUCT(6, 2)
FC_PRODUCT(7, 1)
FC_PRODUCT(8, 1)
#if VREGS == 32
FC_PRODUCT(5, 3)
FC_PRODUCT(6, 3)
FC_PRODUCT(7, 2)
FC_PRODUCT(7, 3)
FC_PRODUCT(8, 2)
FC_PRODUCT(8, 3)
#define FC_PRODUCT_WIDE(MR, XR) FC_PRODUCT_ENTRY(MR, XR)
#else
#define FC_PRODUCT_WIDE(MR, XR) NULL
#endif
#define FC_PRODUCT_ENTRIES(MR, SECOND, THIRD)                                                                          \
    { FC_PRODUCT_ENTRY(MR, 1), SECOND(MR, 2), THIRD(MR, 3) }
#define FC_PRODUCT_TABLE                                                                                               \
    {                                                                                                                  \
        FC_PRODUCT_ENTRIES(1, FC_PRODUCT_ENTRY, FC_PRODUCT_ENTRY),                                                     \
            FC_PRODUCT_ENTRIES(2, FC_PRODUCT_ENTRY, FC_PRODUCT_ENTRY),                                                 \
            FC_PRODUCT_ENTRIES(3, FC_PRODUCT_ENTRY, FC_PRODUCT_ENTRY),                                                 \
            FC_PRODUCT_ENTRIES(4, FC_PRODUCT_ENTRY, FC_PRODUCT_ENTRY),                                                 \
            FC_PRODUCT_ENTRIES(5, FC_PRODUCT_ENTRY, FC_PRODUCT_WIDE),                                                  \
            FC_PRODUCT_ENTRIES(6, FC_PRODUCT_ENTRY, FC_PRODUCT_WIDE),                                                  \
            FC_PRODUCT_ENTRIES(7, FC_PRODUCT_WIDE, FC_PRODUCT_WIDE),                                                   \
            FC_PRODUCT_ENTRIES(8, FC_PRODUCT_WIDE, FC_PRODUCT_WIDE)                                                    \
    }
