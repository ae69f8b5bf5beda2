/* kernels.c: every leaf kernel of one ISA and element type, compiled once for each (csrc/isas.txt), and their table. */
#include "microkernels/kernels.h"

#include "simd/simd.h"

#define FC_STRING_(x) #x
#define FC_STRING(x) FC_STRING_(x)

#include "microkernels/smooth.h"

#include "microkernels/copy.h"
#include "microkernels/corr.h"
#include "microkernels/dot.h"
#include "microkernels/fft.h"
#include "microkernels/lanes_copy.h"
#include "microkernels/ops.h"
#include "microkernels/outer.h"
#include "microkernels/peak.h"
#include "microkernels/pool.h"
#include "microkernels/product.h"
#include "microkernels/spread.h"
#include "microkernels/stencil.h"
#include "microkernels/winograd.h"
#include "microkernels/winograd_weights.h"

#include "microkernels/depthwise_planes.h"
#include "microkernels/depthwise_spread.h"

#include "microkernels/depthwise_plane_sums.h"

#include "microkernels/leave.h"

#include "microkernels/depthwise_pixels.h"

#include "microkernels/norm.h"

#include "microkernels/response.h"

#include "microkernels/lines.h"

#include "microkernels/integers.h"

#include "microkernels/quantized.h"

extern const fc_kernels FC_NAME(fc_kernels);
const fc_kernels FC_NAME(fc_kernels) = {
    .isa = FC_STRING(FC_ISA),
    .lanes = VLANES,
    .element = sizeof(real),
#if VREGS == 32
    .mr = 8,
    .xr = 3,
    .dot_mr = 4,
    .dot_tr = 6,
    .outer_pr = 14,
    .outer_vr = 2,
    .corr = {FC_CORR_ENTRIES(1), FC_CORR_ENTRIES(2), FC_CORR_ENTRIES(3), FC_CORR_ENTRIES(4), FC_CORR_ENTRIES(5),
             FC_CORR_ENTRIES(6), FC_CORR_ENTRIES(7), FC_CORR_ENTRIES(8)},
    .stencil_rows = 6,
    .product_xr = 3,
    .product_rows = {8, 8, 8},
    .dot = {{FC_DOT_ENTRIES6(1)}, {FC_DOT_ENTRIES6(2)}, {FC_DOT_ENTRIES6(3)}, {FC_DOT_ENTRIES6(4)}},
#else
    .mr = 4,
    .xr = 3,
    .dot_mr = 3,
    .dot_tr = 4,
    .outer_pr = 6,
    .outer_vr = 2,
    .corr = {FC_CORR_ENTRIES(1), FC_CORR_ENTRIES(2), FC_CORR_ENTRIES(3), FC_CORR_ENTRIES(4)},
    .stencil_rows = 4,
    .product_xr = 2,
    .product_rows = {8, 6, 4},
    .dot = {{FC_DOT_ENTRIES4(1)}, {FC_DOT_ENTRIES4(2)}, {FC_DOT_ENTRIES4(3)}},
#endif
    .product = FC_PRODUCT_TABLE,
    .outer = FC_OUTER_TABLE,
    .outer_at = {FC_NAME(fc_outer_at_1), FC_NAME(fc_outer_at_2)},
    .outer_row = {FC_NAME(fc_outer_row_1), FC_NAME(fc_outer_row_2)},
    .corr_sweep = FC_CORR_SWEEP_TABLE,
    .corr_row = FC_NAME(fc_corr_row),
    .spread_sums = FC_SPREAD_SUMS,
    .spread = FC_SPREAD_TABLE,
    .stencil = FC_STENCIL_ENTRIES,
    .fft_forward = FC_NAME(fc_fft_forward),
    .fft_inverse = FC_NAME(fc_fft_inverse),
    .fft_multiply = FC_NAME(fc_fft_multiply),
    .fft_accumulate = FC_NAME(fc_fft_accumulate),
    .store_rows = FC_NAME(fc_store_rows),
    .leave = FC_NAME(fc_leave),
    .max2x2 = FC_NAME(fc_max2x2),
    .gather = FC_NAME(fc_gather),
    .scatter = FC_NAME(fc_scatter),
    .fill = FC_NAME(fc_fill),
    .ask = FC_NAME(fc_ask),
    .block = FC_NAME(fc_block),
    .sum = FC_NAME(fc_sum),
    .scatter_rows = FC_NAME(fc_scatter_rows),
    .lanes_in = FC_NAME(fc_lanes_in),
    .lanes_out = FC_NAME(fc_lanes_out),
    .lanes_max2x2 = FC_NAME(fc_lanes_max2x2),
    .lanes_pack = FC_NAME(fc_lanes_pack),
    .pack = FC_NAME(fc_pack),
    .pack_grid = FC_NAME(fc_pack_grid),
    .transpose = FC_NAME(fc_transpose),
    .pixels_in = FC_NAME(fc_pixels_in),
    .unpack = FC_NAME(fc_unpack),
    .add = FC_NAME(fc_add),
    .winograd = FC_WINOGRAD_TABLE,
    .winograd_weights = FC_WINOGRAD_WEIGHTS_TABLE,
    .depthwise =
        {
            .plane = FC_PLANE_TABLE,
            .spread = FC_PLANE_SPREAD_TABLE,
            .plane_sums = FC_PLANE_SUMS_TABLE,
            .pixels = FC_PIXELS_TABLE,
            .pixels_sums = FC_PIXELS_SUMS_TABLE,
        },
    /* pool section */
    .pool = FC_POOL_TABLE,
    .norm = FC_NORM_TABLE,
    .line = FC_LINE_TABLE,
    .integer = FC_INTEGER_TABLE,
    /* ops section */
    .activate = FC_NAME(fc_activate),
    .smooth = FC_NAME(fc_smooth),
    .activate_backward = FC_NAME(fc_activate_backward),
    .finish_rows = FC_NAME(fc_finish_rows),
    .column_sums = FC_NAME(fc_column_sums),
    .softmax = FC_NAME(fc_softmax),
    .log_softmax = FC_NAME(fc_log_softmax),
    .softmax_backward = FC_NAME(fc_softmax_backward),
    .cross_entropy = FC_NAME(fc_cross_entropy),
#if !FC_F64
    .combine = FC_NAME(fc_combine),
#endif
    .response = FC_NAME(fc_response),
    .response_through = FC_NAME(fc_response_through),
    .multiply_adds = FC_NAME(fc_multiply_adds),
};
