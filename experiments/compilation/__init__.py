"""Machine code for functions of numba, kept between processes."""
