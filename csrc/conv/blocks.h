/* blocks.h: the outputs of one correlation, cut into blocks of rows x columns that share one tile layout. */
#ifndef FC_CONV_BLOCKS_H
#define FC_CONV_BLOCKS_H

#include "conv/tile.h"

typedef struct fc_blocks {
    fc_tile tile; /* of one block */
    int64_t row_blocks, column_blocks;
    int64_t count;       /* of one image: depths x row blocks x column blocks */
    int64_t scratch_row; /* elements of one filter's flattened outputs, in whole vectors */
} fc_blocks;

/* One block: where it starts, and how much of it lies inside the output. */
typedef struct fc_block {
    int64_t start[FC_SPATIAL], rows, columns;
} fc_block;

/* What fc_blocks_fit aims at: a tile of `channels` and scratch rows of `filters` within `elements`, but no block of
 * fewer than these rows and columns. */
typedef struct fc_block_aim {
    int64_t channels, filters, elements;
    int64_t rows, columns;
} fc_block_aim;

/* Blocks of at most these rows and exactly these columns; the rows are shared out evenly. */
fc_blocks fc_blocks_layout(const fc_source *source, int64_t rows, int64_t columns, int lanes);

/* The largest blocks that fit: whole rows, else parts of rows. */
fc_blocks fc_blocks_fit(const fc_source *source, const fc_block_aim *aim, int lanes);

/* Blocks at least as large that start at even rows and columns. */
fc_blocks fc_blocks_even(const fc_source *source, const fc_blocks *blocks, int lanes);

/* Elements of a tile of `channels` and the scratch rows of `filters`. */
int64_t fc_blocks_elements(const fc_blocks *blocks, int64_t channels, int64_t filters, int lanes);

/* Block number index < count; columns are numbered fastest. */
fc_block fc_block_at(const fc_blocks *blocks, const fc_source *source, int64_t index);

#endif
