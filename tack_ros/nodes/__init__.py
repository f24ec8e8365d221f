# SPDX-License-Identifier: Apache-2.0
"""The nodes: each converts, calls the core, and converts back."""

import os

# Several processes share the cores. BLAS threads of the detector would spin on all of them and
# starve the camera: with one thread images arrive in half the time, and detection is no slower.
# numpy reads this at its import, which comes later; a value that the user has set stays.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# torch's threads that wait for each other give the core to others: on a busy computer they would
# otherwise hold it, and reading a shot took four times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
