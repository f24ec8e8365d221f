# SPDX-License-Identifier: Apache-2.0
"""What `tack evaluate` writes: tables, plots, pictures of the worst answers, a page."""
