/* stencil.h: one kernel slid over one plane, several rows of outputs at a time.
 *
 * A source row takes part in as many output rows as the kernel is high. So `rows` x xr vectors of outputs stay in
 * registers while the source rows pass by: a vector is loaded once per column of the kernel and multiplied by a weight
 * for every output row that it reaches, where a single row of outputs would load it once per tap and wait for the load.
 * The first and last rows - 1 source rows reach only part of the outputs and have loops of their own, so nothing is
 * multiplied in vain and every output adds its taps row by row, whatever the tile. Tiles: 6x4 with 32 registers, 4x3
 * with 16. */

#if VREGS == 32
enum { FC_STENCIL_XR = 4 };
#else
enum { FC_STENCIL_XR = 3 };
#endif

/* One source row: outputs lo <= m < hi take the weights w[j*height - m] of its taps j. */
static inline __attribute__((always_inline)) void fc_stencil_row(vec acc[FC_MAX_STENCIL][FC_STENCIL_XR], const int xr,
                                                                 const int lo, const int hi, const fc_window *win,
                                                                 const real *src, const real *w) {
    for (int64_t j = 0; j < win->width; ++j, src += win->step, w += win->height) {
        vec v[FC_STENCIL_XR];
#pragma GCC unroll 4
        for (int x = 0; x < xr; ++x) v[x] = hi - lo > 1 ? vhold(vload(src + x * VLANES)) : vload(src + x * VLANES);
#pragma GCC unroll 6
        for (int m = lo; m < hi; ++m) {
            const vec b = vbroadcast(w[-m]);
#pragma GCC unroll 4
            for (int x = 0; x < xr; ++x) acc[m][x] = vfma(b, v[x], acc[m][x]);
        }
    }
}

#define FC_STENCIL_ENTER(S)                                                                                            \
    if (S < rows - 1) fc_stencil_row(acc, xr, 0, S + 1, win, s + (S)*win->row, w + (S))
#define FC_STENCIL_LEAVE(S)                                                                                            \
    if (S < rows)                                                                                                      \
    fc_stencil_row(acc, xr, S, rows, win, s + (win->height - 1 + (S)) * win->row, w + win->height - 1 + (S))

/* rows <= height and xr are constants where this is inlined. */
static inline __attribute__((always_inline)) void fc_stencil_tile(const int rows, const int xr, const fc_window *win,
                                                                  const real *src, const real *w, real *dst,
                                                                  int64_t dst_row, int part, const fc_finish *finish) {
    vec acc[FC_MAX_STENCIL][FC_STENCIL_XR];
#pragma GCC unroll 6
    for (int m = 0; m < rows; ++m) {
#pragma GCC unroll 4
        for (int x = 0; x < xr; ++x) acc[m][x] = vzero();
    }
    for (int64_t d = 0; d < win->depth; ++d, w += win->height * win->width) {
        const real *s = src + d * win->plane;
        FC_STENCIL_ENTER(0);
        FC_STENCIL_ENTER(1);
        FC_STENCIL_ENTER(2);
        FC_STENCIL_ENTER(3);
        FC_STENCIL_ENTER(4);
        for (int64_t i = rows - 1; i < win->height; ++i) fc_stencil_row(acc, xr, 0, rows, win, s + i * win->row, w + i);
        FC_STENCIL_LEAVE(1);
        FC_STENCIL_LEAVE(2);
        FC_STENCIL_LEAVE(3);
        FC_STENCIL_LEAVE(4);
        FC_STENCIL_LEAVE(5);
    }
    if (finish->bias || finish->activation != FC_IDENTITY) {
#pragma GCC unroll 6
        for (int m = 0; m < rows; ++m) {
#pragma GCC unroll 4
            for (int x = 0; x < xr; ++x) acc[m][x] = fc_finish_vec(acc[m][x], finish, 0);
        }
    }
#pragma GCC unroll 6
    for (int m = 0; m < rows; ++m) {
#pragma GCC unroll 4
        for (int x = 0; x < xr; ++x) {
            if (part == VLANES) {
                vstore(dst + m * dst_row + x * VLANES, acc[m][x]);
            } else {
                vstore_part(dst + m * dst_row + x * VLANES, acc[m][x], part);
            }
        }
    }
}

/* The last vector starts early rather than reading and writing past the end: its outputs are the same again. */
static inline __attribute__((always_inline)) void fc_stencil_rows(const int rows, const fc_window *win, const real *src,
                                                                  const real *w, real *dst, int64_t dst_row,
                                                                  int64_t count, const fc_finish *finish) {
    int64_t q = 0;
    for (; q + FC_STENCIL_XR * VLANES <= count; q += FC_STENCIL_XR * VLANES)
        fc_stencil_tile(rows, FC_STENCIL_XR, win, src + q, w, dst + q, dst_row, VLANES, finish);
    for (; q < count; q += VLANES) {
        const int64_t at = count < VLANES ? 0 : q + VLANES <= count ? q : count - VLANES;
        fc_stencil_tile(rows, 1, win, src + at, w, dst + at, dst_row, count < VLANES ? (int)count : VLANES, finish);
    }
}

#define FC_STENCIL(ROWS)                                                                                               \
    static void FC_NAME(fc_stencil_##ROWS)(const fc_window *win, const void *src, const void *w, void *dst,            \
                                           int64_t dst_row, int64_t count, const fc_finish *finish) {                  \
        fc_stencil_rows(ROWS, win, src, w, dst, dst_row, count, finish);                                               \
    }

FC_STENCIL(1)
FC_STENCIL(2)
FC_STENCIL(3)
FC_STENCIL(4)
#if VREGS == 32
FC_STENCIL(5)
FC_STENCIL(6)
#define FC_STENCIL_ENTRIES                                                                                             \
    {                                                                                                                  \
        FC_NAME(fc_stencil_1), FC_NAME(fc_stencil_2), FC_NAME(fc_stencil_3), FC_NAME(fc_stencil_4),                    \
            FC_NAME(fc_stencil_5), FC_NAME(fc_stencil_6)                                                               \
    }
#else
#define FC_STENCIL_ENTRIES                                                                                             \
    { FC_NAME(fc_stencil_1), FC_NAME(fc_stencil_2), FC_NAME(fc_stencil_3), FC_NAME(fc_stencil_4) }
#endif

#undef FC_STENCIL_ENTER
#undef FC_STENCIL_LEAVE
