# SPDX-License-Identifier: Apache-2.0
"""A page in the browser that shows a job in the cell live, and takes a person's click."""
