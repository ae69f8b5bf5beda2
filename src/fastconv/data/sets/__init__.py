"""The table of data sets. A new one is a file in this folder that defines ``SET``, and a line here.

The order is that in which a folder of the user is tried: the particular before the general.
"""

from . import cifar10, fashion_mnist, idx_family, image_folder, mnist, mnist_5k, sample

TABLE = (
    fashion_mnist.SET,
    sample.SET,
    mnist.SET,
    mnist_5k.SET,
    cifar10.SET,
    idx_family.SET,
    image_folder.SET,
)
