"""One module per library that bench_layers.py compares.

Each has version(), set_threads(count), and prepare(job, arrays) -> (call, to_array): `call` runs the pass of the layer
once and is what is timed, to_array(call()) is its result as a channels-first ndarray. job holds "pass", the numbers of
the layer ("n", "channels", "height", "width", "filters", "kernel", "stride", "padding", "groups") and the options of
the contestant; arrays holds x, w, b and dy, channels first. Adding a library: one module here, one line in contests.py.

Those with max-pooling may have prepare_pool(job, arrays) for bench_pools.py, whose arrays are x, dy and indices.
"""
