# SPDX-License-Identifier: Apache-2.0
"""The `tack` command, one module per sub-command."""

import os

# BLAS rounds differently with the number of its threads, and a replay promises the same bytes on
# any machine; besides, threads that wait for each other cost the detector more than they save.
# numpy reads this at its import, which comes later.
os.environ["OPENBLAS_NUM_THREADS"] = "1"
