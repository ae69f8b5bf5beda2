/* pool.h: the leaf kernels of pooling for one ISA and element type, and their table. */
#include "microkernels/pool_math.h"

#include "microkernels/pool_rows.h"

#include "microkernels/pool_gradients.h"
#include "microkernels/pool_pixels.h"
#include "microkernels/pool_places.h"

#include "microkernels/pool_sliding.h"
#include "microkernels/pool_strips.h"

#include "microkernels/pool_strips_backward.h"
#include "microkernels/pool_tiles.h"

#define FC_POOL_TABLE                                                                                                  \
    {                                                                                                                  \
        .columns = FC_NAME(fc_pool_columns), .windows = FC_NAME(fc_pool_windows), .spans = FC_NAME(fc_pool_spans),     \
        .finish = FC_NAME(fc_pool_finish), .columns_indexed = FC_NAME(fc_pool_columns_indexed),                        \
        .windows_indexed = FC_NAME(fc_pool_windows_indexed), .search = FC_NAME(fc_pool_search),                        \
        .scatter_add = FC_NAME(fc_pool_scatter_add), .scatter_set = FC_NAME(fc_pool_scatter_set),                      \
        .gather = FC_NAME(fc_pool_gather), .spread = FC_NAME(fc_pool_spread),                                          \
        .spread_spans = FC_NAME(fc_pool_spread_spans), .add_rows = FC_NAME(fc_pool_add_rows),                          \
        .norm_row = FC_NAME(fc_pool_norm_row), .norm_values = FC_NAME(fc_pool_norm_values),                            \
        .norm_rows = FC_NAME(fc_pool_norm_rows), .match_row = FC_NAME(fc_pool_match_row),                              \
        .pixels_norm_backward = FC_NAME(fc_pool_pixels_norm_backward), .pixels = FC_NAME(fc_pool_pixels),              \
        .pixels_indexed = FC_NAME(fc_pool_pixels_indexed),                                                             \
        .pixels_max_backward = FC_NAME(fc_pool_pixels_max_backward), .pixels_spread = FC_NAME(fc_pool_pixels_spread),  \
        .tiles = FC_NAME(fc_pool_tiles), .tiles_backward = FC_NAME(fc_pool_tiles_backward),                            \
        .strips = FC_NAME(fc_pool_strips), .strips_backward = FC_NAME(fc_pool_strips_backward),                        \
        .strips_scatter = FC_NAME(fc_pool_strips_scatter), .stream = FC_NAME(fc_pool_stream),                          \
        .stream_end = FC_NAME(fc_pool_stream_end), .sliding = FC_NAME(fc_pool_sliding),                                \
    }
