/* blocks.c: how large a block of outputs may be, and which outputs block number i holds. */
#include "conv/blocks.h"

#include "conv/plan.h"

static fc_blocks exactly(const fc_source *source, int64_t rows, int64_t columns, int lanes) {
    fc_blocks b = {.row_blocks = fc_ceil_div(source->axis[HEIGHT]->outputs, rows)};
    b.column_blocks = fc_ceil_div(source->axis[WIDTH]->outputs, columns);
    b.count = source->axis[DEPTH]->outputs * b.row_blocks * b.column_blocks;
    b.tile = fc_tile_layout(source, rows, columns);
    const int64_t vectors = fc_ceil_div(fc_tile_outputs(&b.tile, b.tile.rows, columns), lanes);
    b.scratch_row = fc_capped_product(vectors, lanes);
    return b;
}

fc_blocks fc_blocks_layout(const fc_source *source, int64_t rows, int64_t columns, int lanes) {
    const int64_t height = source->axis[HEIGHT]->outputs;
    return exactly(source, fc_ceil_div(height, fc_ceil_div(height, rows)), columns, lanes);
}

fc_blocks fc_blocks_even(const fc_source *source, const fc_blocks *blocks, int lanes) {
    const int64_t rows = blocks->tile.rows, columns = blocks->tile.columns;
    return exactly(source, blocks->row_blocks > 1 ? rows + rows % 2 : rows,
                   blocks->column_blocks > 1 ? columns + columns % 2 : columns, lanes);
}

int64_t fc_blocks_elements(const fc_blocks *blocks, int64_t channels, int64_t filters, int lanes) {
    return fc_tile_elements(&blocks->tile, channels, lanes) + fc_capped_product(filters, blocks->scratch_row);
}

fc_blocks fc_blocks_fit(const fc_source *source, const fc_block_aim *aim, int lanes) {
    int64_t rows = source->axis[HEIGHT]->outputs, columns = source->axis[WIDTH]->outputs;
    for (;;) {
        const fc_blocks b = fc_blocks_layout(source, rows, columns, lanes);
        if (fc_blocks_elements(&b, aim->channels, aim->filters, lanes) <= aim->elements) return b;
        if (rows > aim->rows) {
            rows = fc_ceil_div(rows, 2);
        } else if (columns > aim->columns) {
            columns = fc_max(aim->columns, fc_ceil_div(columns, 2));
        } else {
            return b;
        }
    }
}

fc_block fc_block_at(const fc_blocks *blocks, const fc_source *source, int64_t index) {
    const int64_t column_block = index % blocks->column_blocks, line = index / blocks->column_blocks;
    fc_block at = {.start = {line / blocks->row_blocks, line % blocks->row_blocks * blocks->tile.rows,
                             column_block * blocks->tile.columns}};
    at.rows = fc_min(blocks->tile.rows, source->axis[HEIGHT]->outputs - at.start[HEIGHT]);
    at.columns = fc_min(blocks->tile.columns, source->axis[WIDTH]->outputs - at.start[WIDTH]);
    return at;
}
